"""An AWS endpoint that falls silent ends the attempt as a service error, whatever is under way."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic
from typing import Any
from urllib.parse import urlsplit

import pyarrow.parquet as pq
import pytest

from include.common import settings
from include.common.errors import ServiceError
from include.common.settings import aws_client, aws_errors
from include.lake.blocks import cut_between_rows
from include.lake.files import (
    PART_BYTES,
    WriteOnceFile,
    list_keys,
    open_file,
    read_current,
    read_file,
    replace_file,
    write_file,
)
from local.environment import Buckets
from tests.proxy import StallingProxy

CONTENT = b"design_id,design_name\n" + b"1,name\n" * 1_000_000


@pytest.fixture
def proxy(pipeline_environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[StallingProxy]:
    """Between the pipeline and AWS, which is waited for a second in all."""
    endpoint = urlsplit(pipeline_environment["AWS_ENDPOINT_URL"])
    assert endpoint.hostname
    assert endpoint.port
    waits = {"connect_timeout": 1, "read_timeout": 0.5, "retries": {"mode": "standard", "total_max_attempts": 2}}
    monkeypatch.setattr(settings, "AWS_WAITS", waits)
    with StallingProxy(endpoint.hostname, endpoint.port) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{proxy.port}")
        aws_client.cache_clear()
        yield proxy


@contextmanager
def ends_soon(*words: str) -> Iterator[None]:
    started = monotonic()
    with pytest.raises(ServiceError) as raised:
        yield
    assert monotonic() - started < 20  # an upload is taken back as well
    assert all(word in str(raised.value) for word in words), raised.value


CALLS: dict[str, Callable[[str], object]] = {
    "a file is read": lambda bucket: read_file(bucket, "file"),
    "a file is written": lambda bucket: write_file(bucket, "other", b"content"),
    "the state is read": lambda bucket: read_current(bucket, "file"),
    "the state is replaced": lambda bucket: replace_file(bucket, "file", b"{}", '"etag"'),
    "files are listed": lambda bucket: list_keys(bucket, "file"),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS.keys())
@pytest.mark.parametrize("after_bytes", [0, 40])
def test_a_call_that_is_not_answered_ends(
    proxy: StallingProxy, buckets: Buckets, call: Callable[[str], object], after_bytes: int
) -> None:
    write_file(buckets.state, "file", b"content")
    proxy.stall("to client", after_bytes)
    with ends_soon(buckets.state):
        call(buckets.state)


def parse(bucket: str) -> None:
    with open_file(bucket, "file") as stream:
        list(cut_between_rows(stream, 1 << 20))


@pytest.mark.parametrize("read", [lambda bucket: read_file(bucket, "file"), parse], ids=["whole", "in blocks"])
def test_a_file_that_stops_coming_ends(proxy: StallingProxy, buckets: Buckets, read: Callable[[str], object]) -> None:
    write_file(buckets.state, "file", CONTENT)
    proxy.stall("to client", len(CONTENT) // 2)
    with ends_soon(buckets.state, "file"):
        read(buckets.state)


@pytest.mark.parametrize("direction", ["to server", "to client"])
def test_a_multipart_upload_that_stalls_ends_and_leaves_nothing(
    proxy: StallingProxy, buckets: Buckets, s3: Any, direction: Any
) -> None:
    with ends_soon(buckets.state, "file"), WriteOnceFile(buckets.state, "file") as file:
        file.write(bytes(PART_BYTES))
        proxy.stall(direction, 1_000 if direction == "to server" else 0)
        file.write(bytes(PART_BYTES))
    assert "Contents" not in s3.list_objects_v2(Bucket=buckets.state)


def test_a_parquet_file_that_cannot_be_written_ends(proxy: StallingProxy, buckets: Buckets) -> None:
    import pyarrow as pa

    rows = pa.table({"n": pa.array(range(100))})
    proxy.stall("to server", 0)
    with ends_soon(buckets.state, "file"), WriteOnceFile(buckets.state, "file") as file:
        pq.write_table(rows, pa.PythonFile(file, mode="w"))


def test_a_secret_that_does_not_come_ends(proxy: StallingProxy) -> None:
    client = aws_client("secretsmanager")
    proxy.stall("to client")
    with ends_soon("a secret"), aws_errors("a secret"):
        client.get_secret_value(SecretId="any")


def test_the_connections_own_waits_come_first(
    pipeline_environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    connection = '{"conn_type": "aws", "extra": {"config_kwargs": {"read_timeout": 7}}}'
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", connection)
    aws_client.cache_clear()
    config = aws_client("s3").meta.config
    assert (config.read_timeout, config.connect_timeout) == (7, settings.AWS_WAITS["connect_timeout"])
    assert settings.AWS_WAITS["read_timeout"] * settings.AWS_WAITS["retries"]["total_max_attempts"] == 120
