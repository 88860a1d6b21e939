"""`python -m include lake sql`: the lake is asked, and nothing of the warehouse."""

from uuid import uuid4

import psycopg
import pytest

from include.lake import iceberg
from tests.command.conftest import Command


@pytest.fixture
def lake(command: Command, monkeypatch: pytest.MonkeyPatch) -> Command:
    """A filled lake, the warehouse of which is gone."""
    monkeypatch.setenv("AIRFLOW_VAR_LAKE_DATABASE", f"lake_{uuid4().hex[:12]}")
    iceberg.catalogue.cache_clear()
    assert command("run").status == 0
    monkeypatch.delenv("AIRFLOW_CONN_WAREHOUSE")
    return command


def test_it_answers_without_the_warehouse(lake: Command) -> None:
    question = """
        SELECT town IS NOT NULL AS known, created_time < TIME '12:00' AS early, count(*) > 0 AS some
          FROM current_sale JOIN dim_clerk USING (clerk_id) GROUP BY ALL ORDER BY ALL LIMIT 1"""
    answer = lake("lake", "sql", question, "--csv")
    assert answer.status == 0
    assert answer.out.splitlines()[0] == '"known","early","some"'
    assert answer.out.splitlines()[1].endswith("true")
    assert "count" in lake("lake", "sql", "SELECT count(*) AS count FROM changelog.fact_sale").out


def test_what_duckdb_does_not_understand_is_told(lake: Command) -> None:
    answer = lake("lake", "sql", "SELECT nothing FROM fact_sale")
    assert answer.status == 1
    assert "DuckDB" in answer.err
    assert "nothing" in answer.err


def test_the_history_of_the_warehouse_is_held_against_it(
    lake: Command, warehouse_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_WAREHOUSE", warehouse_url)
    assert lake("audit", "--history").status == 0
    with psycopg.connect(warehouse_url) as warehouse:
        warehouse.execute("UPDATE fact_sale SET unit_price = unit_price + 1 WHERE sale_id = 3")
    found = lake("audit", "--history", "--tables", "fact_sale,dim_clerk")
    assert found.status == 1
    assert "Compared with the lake" in found.out
    assert "fact_sale 3 from 20" in found.out
    assert "in the lake" in found.out
    assert "--history: not allowed with argument --heal" in lake("audit", "--heal", "--history").err
