"""A whole pipeline on each server that can be had, and through a pooler in transaction mode."""

from collections.abc import Callable
from pathlib import Path

import pytest

from include.source import landing
from local.postgres import PostgresServer
from tests.totesys.servers.conftest import Filled, Pipeline, execute, pooler

CHANGES = """
    UPDATE sales_order SET unit_price = 3.21 WHERE sales_order_id < 20;
    UPDATE department SET department_name = 'Other';
    DELETE FROM payment WHERE payment_id IN (SELECT min(payment_id) FROM payment)"""


def bring_twice(pipeline: Pipeline, server: PostgresServer) -> None:
    """A first run and one of changes; the warehouse then equals the source."""
    pipeline.system.run_cleanly()
    execute(server, CHANGES)
    pipeline.system.run_cleanly()
    assert pipeline.differences(server.url("totesys"), server.url("warehouse")) == []


@pytest.mark.parametrize("version", [15, 16, 18])
def test_source_and_warehouse_may_be_any_version(
    filled: Filled, pipeline_of: Callable[..., Pipeline], version: int
) -> None:
    server = filled(version)
    bring_twice(pipeline_of(server.url("totesys"), server.url("warehouse")), server)


@pytest.mark.parametrize("size", [1, 2, 3])
def test_a_pooler_may_be_before_both(
    filled: Filled, pipeline_of: Callable[..., Pipeline], folder: Path, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    monkeypatch.setattr(landing, "FILE_ROWS", 50)
    monkeypatch.setattr(landing, "HELPER_SECONDS", 2)
    server = filled(15)
    with pooler(server, folder, size) as address:
        pipeline = pipeline_of(f"{address}/totesys", f"{address}/warehouse")
        bring_twice(pipeline, server)
