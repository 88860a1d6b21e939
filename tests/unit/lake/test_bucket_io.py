"""Files as pyiceberg reads them: any part of a file, and a file's end for one request."""

import random
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from botocore.client import BaseClient

from include.common.errors import DataError
from include.common.settings import aws_client
from include.lake.bucket_io import END_BYTES, BucketIO
from include.lake.files import write_file
from local.environment import Buckets

SIZES = [1, 100, END_BYTES - 1, END_BYTES, END_BYTES + 1, 3 * END_BYTES + 7]


@pytest.fixture
def bucket(pipeline_environment: dict[str, str], buckets: Buckets) -> str:
    return buckets.processed


@pytest.mark.parametrize("size", SIZES)
def test_any_part_is_what_was_written(bucket: str, size: int) -> None:
    content = random.Random(size).randbytes(size)  # noqa: S311
    write_file(bucket, "data/file", content)
    file = BucketIO().new_input(f"s3://{bucket}/data/file")
    assert len(file) == size
    chance = random.Random(size)  # noqa: S311
    with file.open() as stream:
        assert stream.read() == content
        for _ in range(10):
            start, length = chance.randint(0, size), chance.choice([0, 1, 1000, END_BYTES, size])
            stream.seek(start)
            assert stream.read(length) == content[start : start + length]
            assert stream.tell() == min(start + length, size)
        stream.seek(-1, 2)
        assert stream.read() == content[-1:]


def test_what_a_commit_asks_of_a_file_is_one_request(bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    table = pa.table({"n": pa.chunked_array([range(50_000)])})
    with pa.BufferOutputStream() as out:
        pq.write_table(table, out)
        write_file(bucket, "data/file.parquet", out.getvalue().to_pybytes())
    asked: list[str] = []
    call = BaseClient._make_api_call

    def counted(client: Any, name: str, arguments: Any) -> Any:
        asked.append(name)
        return call(client, name, arguments)

    aws_client("s3")
    monkeypatch.setattr(BaseClient, "_make_api_call", counted)
    file = BucketIO().new_input(f"s3://{bucket}/data/file.parquet")
    with file.open() as stream:
        assert pq.read_metadata(stream).num_rows == 50_000
    assert len(file) > END_BYTES
    assert asked == ["GetObject"]


def test_a_missing_file_is_named(bucket: str) -> None:
    with pytest.raises(DataError, match=f"s3://{bucket}/data/nothing is missing"):
        BucketIO().new_input(f"s3://{bucket}/data/nothing").open()
