"""Tables that are larger than one file."""

from typing import Any

import pytest

from include.common import postgres
from include.source import landing
from include.warehouse import wire
from tests.system import System, open_exactly
from tests.totesys.acceptance.oracle import all_differences


@pytest.mark.parametrize(
    "limits",
    [
        {(landing, "FILE_ROWS"): 7, (postgres, "BLOCK_BYTES"): 300},
        {(landing, "FILE_BYTES"): 1, (postgres, "BLOCK_BYTES"): 300},
        {
            (landing, "FILE_ROWS"): 50,
            (landing, "FILE_BYTES"): 999,
            (postgres, "BLOCK_BYTES"): 1,
            (wire, "BATCH_BYTES"): 1,
        },
    ],
    ids=["rows", "bytes", "both"],
)
def test_every_table_may_take_many_files(
    system: System, monkeypatch: pytest.MonkeyPatch, limits: dict[tuple[Any, str], int]
) -> None:
    for (module, name), value in limits.items():
        monkeypatch.setattr(module, name, value)
    system.write("UPDATE staff SET first_name = 'two' || chr(13) || chr(10) || 'lines' WHERE staff_id % 2 = 0")
    reads = system.run_cleanly().of_kind("ingest")
    assert all(sum(file.rows for file in read.files) == read.rows for read in reads.values())
    assert len(reads["sales_order"].files) > 3
    endpoints = system.endpoints
    with open_exactly(endpoints.source_url) as source, open_exactly(endpoints.warehouse_url) as warehouse:
        assert all_differences(source, warehouse) == []


def test_a_large_table_is_read_by_ranges_of_keys_where_the_server_knows_them(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    cuts = list[int]()

    def spread(*given: Any) -> list[int]:
        cuts.extend(found := real(*given))
        return found

    real = landing.spread
    limits = {(landing, "FILE_ROWS"): 7, (landing, "SHARE_ROWS"): 14, (landing, "spread"): spread}
    for (module, name), value in limits.items():
        monkeypatch.setattr(module, name, value)
    system.write("ANALYZE")
    reads = system.run_cleanly().of_kind("ingest")
    assert len(cuts) > 10
    assert all(sum(file.rows for file in read.files) == read.rows for read in reads.values())
    endpoints = system.endpoints
    with open_exactly(endpoints.source_url) as source, open_exactly(endpoints.warehouse_url) as warehouse:
        assert all_differences(source, warehouse) == []
