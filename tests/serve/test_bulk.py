"""Whole tables as CSV, Arrow and Parquet, as the clients that people have read them."""

import csv
import io
import subprocess
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path
from time import monotonic
from typing import Any

import duckdb
import httpx
import pandas as pd
import polars as pl
import psycopg
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.serve.server import Served
from tests.system import System

SALES = "SELECT sale_id, unit_price, delivery_date, created_time, valid_from FROM current_sale ORDER BY sale_id"
COLUMNS = "select=sale_id,unit_price,delivery_date,created_time,valid_from&order=sale_id"


def expected(loaded: System) -> list[tuple[Any, ...]]:
    with psycopg.connect(loaded.endpoints.warehouse_url) as connection:
        return connection.execute(SALES).fetchall()


def test_csv_is_what_the_warehouse_copies(client: httpx.Client, loaded: System) -> None:
    answer = client.get(f"/v1/fact_sale?format=csv&{COLUMNS}")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    url, statement = loaded.endpoints.warehouse_url, f"COPY ({SALES}) TO STDOUT (FORMAT csv, HEADER)"
    with psycopg.connect(url, options="-c timezone=UTC") as connection, connection.cursor().copy(statement) as copy:
        assert answer.content == b"".join(copy)
    assert client.get("/v1/fact_sale", headers={"Accept": "text/csv"}).text.count("\n") == 201


def test_texts_arrive_as_they_are_in_each_format(client: httpx.Client, loaded: System) -> None:
    labels = [label for (label,) in loaded.warehouse("SELECT label FROM dim_product ORDER BY product_id")]
    path = "/v1/dim_product?order=product_id&format="
    assert [row["label"] for row in csv.DictReader(io.StringIO(client.get(f"{path}csv").text, newline=""))] == labels
    assert pa.ipc.open_stream(client.get(f"{path}arrow").content).read_all()["label"].to_pylist() == labels
    assert pq.read_table(io.BytesIO(client.get(f"{path}parquet").content))["label"].to_pylist() == labels


@pytest.mark.parametrize("kind", ["arrow", "parquet"])
def test_typed_formats_have_the_warehouses_values(client: httpx.Client, loaded: System, kind: str) -> None:
    content = client.get(f"/v1/fact_sale?format={kind}&{COLUMNS}").content
    read = pa.ipc.open_stream(content).read_all() if kind == "arrow" else pq.read_table(io.BytesIO(content))
    assert [tuple(row.values()) for row in read.to_pylist()] == expected(loaded)
    assert read.schema.field("unit_price").type == pa.decimal128(38, 2)


def test_null_and_empty_texts_stay_apart(client: httpx.Client) -> None:
    read = pa.ipc.open_stream(client.get("/v1/dim_clerk?format=arrow&select=town&order=clerk_id").content).read_all()
    assert read["town"].null_count == 2


def test_rows_have_the_columns_of_what_they_point_to(client: httpx.Client) -> None:
    path = "/v1/fact_sale?format=csv&expand=product_id&select=sale_id,product_id.product_name&order=sale_id&limit=1"
    assert client.get(path).text == "sale_id,product_id.product_name\n1,Product 2\n"


def test_versions_of_an_instant_come_whole(client: httpx.Client, loaded: System) -> None:
    instant = client.get("/v1/fact_sale/3/history").json()[0]["valid_from"]
    (count,) = loaded.warehouse("SELECT count(*) FROM fact_sale WHERE units_sold % 3 = 0")[0]
    read = pd.read_csv(io.StringIO(client.get("/v1/fact_sale", params={"format": "csv", "as_of": instant}).text))
    assert len(read) == 200
    assert (read.units_sold % 3 == 0).all()
    assert count


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("text/csv", "text/csv; charset=utf-8"),
        ("application/vnd.apache.arrow.stream", "application/vnd.apache.arrow.stream"),
        ("application/vnd.apache.parquet;q=0.5, text/csv;q=0.1", "application/vnd.apache.parquet"),
        ("text/html,*/*;q=0.1", "application/json"),
        ("application/*", "application/json"),
        ("image/png", "application/problem+json"),
    ],
)
def test_the_format_is_what_is_accepted(client: httpx.Client, accept: str, kind: str) -> None:
    assert client.get("/v1/dim_currency", headers={"Accept": accept}).headers["content-type"] == kind


def test_pandas_polars_duckdb_and_curl_read_it(served: Served, client: httpx.Client, tmp_path: Path) -> None:
    sign = {"Authorization": f"Bearer {served.key}"}
    url = f"{served.url}/v1/fact_sale?limit=1000&{COLUMNS}"
    assert len(pd.read_csv(f"{url}&format=csv", storage_options=sign)) == 200
    assert pd.read_json(url, storage_options=sign)["sale_id"].tolist() == list(range(1, 201))
    arrow = client.get(f"/v1/fact_sale?format=arrow&{COLUMNS}").content
    assert pl.read_ipc_stream(arrow)["unit_price"][0] == Decimal("1.05")
    file = tmp_path / "sales.parquet"
    command = ["curl", "-sSf", "-H", f"Authorization: Bearer {served.key}", "-o", str(file), f"{url}&format=parquet"]
    subprocess.run(command, check=True)
    found = duckdb.read_parquet(str(file)).aggregate("count(*), sum(unit_price)").fetchall()
    assert found == [(200, Decimal("21105.00"))]


@pytest.mark.parametrize("kind", ["csv", "arrow", "parquet"])
def test_what_is_known_already_is_not_sent_again(client: httpx.Client, kind: str) -> None:
    path = f"/v1/dim_product?format={kind}"
    whole = client.get(path)
    known = {"If-None-Match": whole.headers["ETag"]}
    again = client.get(path, headers=known)
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["ETag"] == whole.headers["ETag"]
    assert client.head(path, headers=known).status_code == 200
    assert client.get(path, headers={"If-None-Match": '"another"'}).content == whole.content


WAITING = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'dim_product'::regclass"


def test_what_is_put_in_a_tables_place_before_it_is_read_is_seen(client: httpx.Client, loaded: System) -> None:
    change = "UPDATE dim_product SET label = %s WHERE product_id = 1"
    ((label,),) = loaded.warehouse("SELECT label FROM dim_product WHERE product_id = 1")
    url = loaded.endpoints.warehouse_url
    with ThreadPoolExecutor() as pool, psycopg.connect(url) as load, psycopg.connect(url, autocommit=True) as watch:
        load.execute("LOCK TABLE dim_product IN ACCESS EXCLUSIVE MODE")
        answer = pool.submit(client.get, "/v1/dim_product?format=csv&select=label")
        until = monotonic() + 20
        while watch.execute(WAITING).fetchone() == (0,):
            assert monotonic() < until
        load.execute(change, ["put in place"])
        load.commit()
        assert "put in place" in answer.result().text
        watch.execute(change, [label])


def test_a_table_that_is_known_already_takes_no_session_with_it(client: httpx.Client, loaded: System) -> None:
    path = "/v1/dim_currency?format=csv"
    etag = client.get(path).headers["etag"]
    sessions = "SELECT pid FROM pg_stat_activity WHERE usename = 'served_reader' ORDER BY pid"
    before = loaded.warehouse(sessions)
    for _ in range(5):
        assert client.get(path, headers={"If-None-Match": etag}).status_code == 304
    assert loaded.warehouse(sessions) == before
