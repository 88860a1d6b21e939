"""Files that are written once, whole or not at all."""

from datetime import UTC, datetime
from typing import Any

import pytest

from include.common.errors import DataError, DeclarationError, ServiceError
from include.lake.files import PART_BYTES, WriteOnceFile, new_key, open_file, read_file, write_file
from local.environment import Buckets

AT = datetime(2024, 8, 22, 14, 20, 49, 962123, tzinfo=UTC)


@pytest.fixture
def bucket(pipeline_environment: dict[str, str], buckets: Buckets) -> str:
    return buckets.ingestion


def test_a_key_is_labelled_with_date_and_time() -> None:
    assert new_key("design", AT, "csv").startswith("design/2024-08-22/design_20240822T142049.962123Z_")
    assert new_key("design", AT, "csv", folder="rejected/").startswith("rejected/design/2024-08-22/")


def test_two_attempts_of_one_instant_have_two_keys() -> None:
    assert new_key("design", AT, "csv") != new_key("design", AT, "csv")


@pytest.mark.parametrize("size", [0, 1, PART_BYTES - 1, PART_BYTES, PART_BYTES + 1, 2 * PART_BYTES + 7])
def test_a_file_of_any_size_arrives_whole(bucket: str, size: int) -> None:
    content = bytes(range(256)) * (size // 256 + 1)
    with WriteOnceFile(bucket, "file") as file:
        for start in range(0, size, 1_000_003):
            file.write(memoryview(content)[start : min(size, start + 1_000_003)])
    assert file.size == file.tell() == size
    assert read_file(bucket, "file") == content[:size]


@pytest.mark.parametrize("size", [3, PART_BYTES + 3], ids=["small", "multipart"])
def test_a_file_that_is_there_is_never_overwritten(bucket: str, s3: Any, size: int) -> None:
    write_file(bucket, "file", b"first")
    with pytest.raises(ServiceError, match=f"s3://{bucket}/file is already written"):
        write_file(bucket, "file", b"x" * size)
    assert read_file(bucket, "file") == b"first"
    assert "Uploads" not in s3.list_multipart_uploads(Bucket=bucket)


@pytest.mark.parametrize("size", [3, PART_BYTES + 3, 3 * PART_BYTES], ids=["small", "one part", "parts"])
def test_a_file_that_fails_half_way_leaves_nothing(bucket: str, s3: Any, size: int) -> None:
    def fail() -> None:
        with WriteOnceFile(bucket, "file") as file:
            file.write(b"x" * size)
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 0
    assert "Uploads" not in s3.list_multipart_uploads(Bucket=bucket)


def test_an_abort_that_fails_does_not_hide_what_went_wrong(bucket: str, s3: Any) -> None:
    def fail() -> None:
        with WriteOnceFile(bucket, "file") as file:
            file.write(b"x" * PART_BYTES)
            s3.abort_multipart_upload(**file._upload)
            raise KeyError

    with pytest.raises(KeyError):
        fail()


@pytest.mark.parametrize("size", [3, PART_BYTES + 3], ids=["small", "multipart"])
def test_a_missing_bucket_is_named_whether_written_or_read(bucket: str, size: int) -> None:
    with pytest.raises(DeclarationError, match="'no-such-bucket' does not exist"):
        write_file("no-such-bucket", "file", b"x" * size)
    with pytest.raises(DeclarationError, match="'no-such-bucket' does not exist"):
        read_file("no-such-bucket", "file")


def test_a_missing_file_is_named(bucket: str) -> None:
    with pytest.raises(DataError, match=f"s3://{bucket}/no/file is missing"):
        read_file(bucket, "no/file")


def test_an_endpoint_that_nobody_listens_on_is_a_service_error(bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    with pytest.raises(ServiceError, match=f"s3://{bucket}/file: .*127.0.0.1:1"):
        read_file(bucket, "file")


def test_a_stream_that_breaks_off_is_a_service_error(bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from botocore.exceptions import ResponseStreamingError
    from botocore.response import StreamingBody

    def break_off(*_: object, **__: object) -> bytes:
        raise ResponseStreamingError(error="the connection was reset")

    write_file(bucket, "file", b"content")
    monkeypatch.setattr(StreamingBody, "read", break_off)
    with pytest.raises(ServiceError, match=f"s3://{bucket}/file"), open_file(bucket, "file") as stream:
        stream.read()
