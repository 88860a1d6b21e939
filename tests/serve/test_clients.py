"""Clients that others made: one that is generated from the description, and DuckDB that reads over HTTP."""

import os
import subprocess
import sys
from collections.abc import Iterator
from decimal import Decimal
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.request import Request, urlopen

import duckdb
import httpx
import pyarrow as pa
import pytest

from tests.serve.server import TIMEOUT, Served
from tests.system import System

SUM = "SELECT count(*), sum(unit_price) FROM {}"


@pytest.fixture(scope="module")
def generated(served: Served, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModuleType]:
    """The package `warehouse_client`, as openapi-python-client writes it for this server; without a warning."""
    home = tmp_path_factory.mktemp("generated")
    words = [sys.executable, "-m", "openapi_python_client", "generate", "--url", f"{served.url}/openapi.json"]
    words += ["--output-path", str(home / "warehouse_client"), "--meta", "none", "--fail-on-warning"]
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])  # where ruff is, which it asks for
    done = subprocess.run(
        words, env={**os.environ, "PATH": path}, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    with pytest.MonkeyPatch.context() as patched:
        patched.syspath_prepend(home)
        yield import_module("warehouse_client")


def call(generated: ModuleType, served: Served, operation: str, *path: str, **asked: Any) -> Any:
    """The parsed answer of an operation, and its status."""
    client = generated.AuthenticatedClient(base_url=served.url, token=served.key, timeout=httpx.Timeout(TIMEOUT))
    answer = import_module(f"warehouse_client.api.default.{operation}").sync_detailed(*path, client=client, **asked)
    return answer.status_code, answer.parsed


def test_a_generated_client_reads_rows_as_the_description_says(
    generated: ModuleType, served: Served, client: httpx.Client
) -> None:
    expected = client.get("/v1/fact_sale?limit=50&units_sold=gt.20&expand=product_id").json()
    asked = {"limit": 50, "units_sold": "gt.20", "expand": "product_id"}
    status, rows = call(generated, served, "get_v1_fact_sale", **asked)
    assert status == 200
    assert [row.to_dict() for row in rows] == expected
    assert rows[0].expanded.product_id.label == expected[0]["expanded"]["product_id"]["label"]


def test_a_generated_client_reads_a_row_its_history_a_metric_and_files(
    generated: ModuleType, served: Served, client: httpx.Client
) -> None:
    status, row = call(generated, served, "get_v1_fact_sale_key", "3")
    assert (status, row.to_dict()) == (200, client.get("/v1/fact_sale/3").json())
    status, versions = call(generated, served, "get_v1_fact_sale_key_history", "3")
    assert (status, [row.to_dict() for row in versions]) == (200, client.get("/v1/fact_sale/3/history").json())
    status, days = call(generated, served, "get_v1_metrics_takings_by_day", limit=5)
    assert (status, [row.to_dict() for row in days]) == (200, client.get("/v1/metrics/takings_by_day?limit=5").json())
    status, files = call(generated, served, "get_v1_fact_sale_files", limit=1)
    assert (status, len(files)) == (200, 1)
    assert len(httpx.get(files[0].url).content) == files[0].size_bytes


def test_a_generated_client_knows_what_is_refused(generated: ModuleType, served: Served) -> None:
    status, problem = call(generated, served, "get_v1_fact_sale", units_sold="gt.many")
    assert (status, problem.status) == (422, 422)
    assert problem.detail
    assert call(generated, served, "get_v1_fact_sale_key", "999999")[0] == 404


def expected_sum(loaded: System) -> list[tuple[int, Decimal]]:
    return [
        (count, Decimal(total))
        for count, total in loaded.warehouse("SELECT count(*), sum(unit_price) FROM current_sale")
    ]


def test_duckdb_reads_arrow_over_http_as_it_comes(served: Served, loaded: System) -> None:
    asked = Request(f"{served.url}/v1/fact_sale?format=arrow", headers={"X-API-Key": served.key})
    with urlopen(asked, timeout=TIMEOUT) as answer, duckdb.connect() as connection:
        sales = pa.ipc.open_stream(answer)
        connection.register("sales", sales)
        assert connection.sql(SUM.format("sales")).fetchall() == expected_sum(loaded)
