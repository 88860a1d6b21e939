"""Links to the Parquet files of a table: those of loads that were committed, each once, page by page."""

import io
import os
from collections.abc import Callable
from pathlib import Path
from unittest import mock

import httpx
import psycopg
import pyarrow.parquet as pq
import pytest

from include.common.errors import DataError
from include.warehouse import load as loading
from serve.settings import aws_client
from tests import shop
from tests.serve.conftest import READER
from tests.serve.server import Served, serving, settings_for
from tests.serve.test_pages import walk
from tests.system import Servers, System, cloned_system, s3_at


def keys_of(system: System, table: str) -> set[str]:
    """The Parquet files below a table's name in the bucket."""
    prefix = f"{system.endpoints.buckets.processed}/"
    named = {file.removeprefix(prefix) for file in system.data_files() if file.startswith(f"{prefix}{table}/")}
    return {key for key in named if key.endswith(".parquet")}


def keys_told(client: httpx.Client, table: str, limit: int = 100) -> list[str]:
    """Those that the server names, in its order."""
    return [file["key"] for page in walk(client, f"/v1/{table}/files?limit={limit}") for file in page]


def test_every_committed_file_has_a_link_and_says_what_it_is(client: httpx.Client, loaded: System) -> None:
    for table in ("fact_sale", "fact_payment", "dim_clerk", "dim_date"):
        assert set(keys_told(client, table)) == keys_of(loaded, table)
    for file in client.get("/v1/fact_sale/files").json():
        content = httpx.get(file["url"]).content
        assert len(content) == file["size_bytes"]
        read = pq.ParquetFile(io.BytesIO(content))
        assert "sale_id" in read.schema_arrow.names
        assert read.metadata.num_rows == file["rows"]


def test_a_file_that_no_load_committed_is_not_named(client: httpx.Client, loaded: System) -> None:
    before = keys_told(client, "fact_sale")
    stray = "fact_sale/2024-08-22/fact_sale_stray.parquet"
    bucket, s3 = loaded.endpoints.buckets.processed, s3_at(loaded.endpoints.aws_url)
    s3.copy_object(Bucket=bucket, Key=stray, CopySource={"Bucket": bucket, "Key": before[0]})
    try:
        assert keys_told(client, "fact_sale") == before
    finally:
        s3.delete_object(Bucket=bucket, Key=stray)


def test_a_load_that_fails_brings_no_file_until_one_is_committed(
    servers: Callable[[int], Servers],
    filled_templates: Callable[[int], str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with cloned_system(servers(18), shop.DECLARED, filled_templates(18)) as system:
        system.run_cleanly()
        with psycopg.connect(system.endpoints.warehouse_url) as connection:
            connection.execute(READER.encode())
        url = system.endpoints.warehouse_url.replace("postgres@", "served_reader@")
        settings = settings_for(url, tmp_path, processed_bucket=system.endpoints.buckets.processed)
        with mock.patch.dict(os.environ, system.variables), serving(settings, system.declared) as running:
            aws_client.cache_clear()
            with running.client() as client:
                _fail_and_try_again(system, client, monkeypatch)
    aws_client.cache_clear()


def _fail_and_try_again(system: System, client: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    before = keys_told(client, "fact_sale")
    system.write("UPDATE sale SET units_sold = units_sold + 1 WHERE sale_id = 5")
    with monkeypatch.context() as failing:
        failing.setattr(loading, "note_load", _refuse)
        assert system.run("fact_sale").failures
    lost = keys_of(system, "fact_sale") - {*before}
    assert lost
    assert keys_told(client, "fact_sale") == before
    system.run_cleanly()
    told = keys_told(client, "fact_sale")
    assert told[: len(before)] == before
    assert len(told) > len(before)
    assert {*told} == keys_of(system, "fact_sale") - lost


def _refuse(*_: object) -> None:
    raise DataError("the last statement of the load is refused")


def test_pages_of_files_follow_each_other_in_the_order_of_loads(client: httpx.Client) -> None:
    whole = keys_told(client, "fact_sale")
    assert len(whole) > 1
    assert keys_told(client, "fact_sale", limit=1) == whole


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=1001", "limit=x", "cursor=made-up", "select=key", "limit=1&limit=2"]
)
def test_files_are_asked_for_in_pages_and_no_other_way(client: httpx.Client, query: str) -> None:
    answer = client.get(f"/v1/fact_sale/files?{query}")
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"


def test_a_cursor_of_files_is_good_for_its_own_table_alone(served: Served) -> None:
    with served.client() as client:
        link = client.get("/v1/fact_sale/files?limit=1").links["next"]["url"]
        assert client.get(link).status_code == 200
        assert client.get(link.replace("fact_sale", "fact_payment")).status_code == 422
        assert client.get(link.replace("/files", "")).status_code == 422
