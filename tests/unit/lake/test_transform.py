"""Which CSV files become one Parquet file: large ones, in their order, and enough for all threads."""

import pytest

from include.common.manifests import FileEntry
from include.lake.files import STREAMS
from include.lake.transform import TOGETHER_BYTES, _together

MB = 1 << 20


@pytest.mark.parametrize("count", [0, 1, 2, 3, 5, 9, 61, 400])
@pytest.mark.parametrize("size", [1, MB, 4 * MB, 6 * MB, TOGETHER_BYTES - 1, TOGETHER_BYTES + 1, 10 * TOGETHER_BYTES])
def test_files_stay_in_order_and_become_large_ones(count: int, size: int) -> None:
    files = [FileEntry(key=str(number), rows=1, size_bytes=size) for number in range(count)]
    groups = _together(files)
    assert [file for group in groups for file in group] == files
    assert all(groups)
    assert all(len(group) == 1 or sum(file.size_bytes for file in group) <= TOGETHER_BYTES for group in groups)
    assert len(groups) >= min(count, STREAMS)
    if size < TOGETHER_BYTES:
        assert len(groups) <= max(STREAMS, -(-count // (TOGETHER_BYTES // size)))
