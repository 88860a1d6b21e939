"""A row that the warehouse refuses is set aside with what it says; the rows beside it load."""

from collections.abc import Iterator
from typing import Any, LiteralString
from uuid import uuid4

import psycopg
import pytest
from psycopg import sql

from include.common.errors import DataError
from include.warehouse import load, refusals
from local.postgres import PostgresServer
from tests.system import System
from tests.totesys.bad_input.test_rejected_rows import counts, rejected_rows, shown_rows

__all__ = ["rejected_rows"]

CHANGE: LiteralString = "UPDATE design SET design_name = 'unwelcome' WHERE design_id = 2"
NOT_UNWELCOME: LiteralString = "CHECK (design_name <> 'unwelcome')"
ON_DESIGNS: dict[str, tuple[LiteralString, LiteralString, str]] = {
    "check": (f"ALTER TABLE dim_design ADD CONSTRAINT own {NOT_UNWELCOME} NOT VALID", CHANGE, 'check constraint "own"'),
    "not null": (
        "ALTER TABLE dim_design ADD extra integer; CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS "
        "'BEGIN NEW.extra := nullif(NEW.design_id, 2); RETURN NEW; END';"
        "CREATE TRIGGER t BEFORE INSERT OR UPDATE ON dim_design FOR EACH ROW EXECUTE FUNCTION f();"
        "ALTER TABLE dim_design ADD CONSTRAINT own CHECK (extra IS NOT NULL) NOT VALID",
        CHANGE,
        'check constraint "own"',
    ),
    "trigger": (
        "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS "
        "$$BEGIN IF NEW.design_name = 'unwelcome' THEN RAISE 'not \n welcome'; END IF; RETURN NEW; END$$;"
        "CREATE TRIGGER t BEFORE INSERT OR UPDATE ON dim_design FOR EACH ROW EXECUTE FUNCTION f()",
        CHANGE,
        r"the warehouse refuses it: not \n welcome",
    ),
    "deferred trigger": (
        "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS "
        "$$BEGIN IF NEW.design_name = 'unwelcome' THEN RAISE 'not welcome'; END IF; RETURN NEW; END$$;"
        "CREATE CONSTRAINT TRIGGER t AFTER INSERT OR UPDATE ON dim_design INITIALLY DEFERRED "
        "FOR EACH ROW EXECUTE FUNCTION f()",
        CHANGE,
        "not welcome",
    ),
    "unique index": (
        "CREATE UNIQUE INDEX own ON dim_design (design_name) WHERE design_name = 'unwelcome'",
        "UPDATE design SET design_name = 'unwelcome' WHERE design_id IN (1, 2)",
        'unique constraint "own"',
    ),
    "index of short keys": (
        "CREATE INDEX own ON dim_design (file_location)",
        "UPDATE design SET file_location = (SELECT string_agg(md5(n::text), '') FROM generate_series(1, 500) n) "
        "WHERE design_id = 2",
        "index row",
    ),
    "shorter column": (
        "ALTER TABLE dim_design ALTER file_name TYPE varchar(40)",
        "UPDATE design SET file_name = repeat('x', 41) WHERE design_id = 2",
        "value too long for type character varying(40)",
    ),
}


@pytest.mark.parametrize("case", ON_DESIGNS.values(), ids=ON_DESIGNS.keys())
@pytest.mark.parametrize("filled", [False, True], ids=["changes", "fill"])
def test_a_row_that_the_warehouse_refuses_is_set_aside_and_its_neighbours_load(
    system: System,
    rejected_rows: Any,
    monkeypatch: pytest.MonkeyPatch,
    case: tuple[LiteralString, LiteralString, str],
    filled: bool,
) -> None:
    spoil, change, reason = case
    system.run_cleanly("design")
    with psycopg.connect(system.endpoints.warehouse_url) as connection:
        connection.execute("TRUNCATE dim_design CASCADE" if filled else "SELECT")
        connection.execute(spoil)
    monkeypatch.setattr(load, "FILL_ROWS", 1)
    system.write(change)
    system.write("UPDATE design SET design_name = 'neighbour' WHERE design_id IN (3, 400)")
    done = system.run_cleanly("design", full_refresh=filled)
    ((rows,),) = system.source("SELECT count(*) FROM design")
    assert counts(done, "dim_design")[2] == 1
    assert system.warehouse("SELECT count(*) FROM dim_design") == [(rows - filled,)]
    assert system.warehouse("SELECT design_id FROM dim_design WHERE design_name = 'neighbour'") == [(3,), (400,)]
    (row,) = rejected_rows("dim_design")
    assert row["design_id"] == "2"
    assert reason in row["reason"]
    assert [(shown.key, shown.reason) for shown in shown_rows(system)] == [(2, row["reason"])]


def test_a_refused_fact_row_is_set_aside_and_loads_when_it_is_welcome(system: System, rejected_rows: Any) -> None:
    system.run_cleanly("sales_order")
    with psycopg.connect(system.endpoints.warehouse_url) as connection:
        connection.execute("ALTER TABLE fact_sales_order ADD CONSTRAINT own CHECK (units_sold <> 7) NOT VALID")
    system.write("UPDATE sales_order SET units_sold = 7 WHERE sales_order_id IN (3, 180)")
    system.write("UPDATE sales_order SET units_sold = 8 WHERE sales_order_id IN (4, 181)")
    assert counts(system.run_cleanly("sales_order"), "fact_sales_order") == (0, 2, 2)
    assert {row["sales_order_id"] for row in rejected_rows("fact_sales_order")} == {"3", "180"}
    assert counts(system.run_cleanly("sales_order"), "fact_sales_order") == (0, 0, 2)
    with psycopg.connect(system.endpoints.warehouse_url) as connection:
        connection.execute("ALTER TABLE fact_sales_order DROP CONSTRAINT own")
    assert counts(system.run_cleanly("sales_order"), "fact_sales_order") == (0, 2, 0)


def test_a_table_that_refuses_very_many_rows_is_named_with_one_of_them(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(refusals, "MOST_REFUSED", 10)
    system.run_cleanly("sales_order")
    with psycopg.connect(system.endpoints.warehouse_url) as connection:
        connection.execute("ALTER TABLE fact_sales_order ADD CONSTRAINT own CHECK (units_sold <> 7) NOT VALID")
    system.write("UPDATE sales_order SET units_sold = 7")
    done = system.run("sales_order")
    (error,) = {error for step, error in done.failures.items() if step.kind == "load"}
    assert isinstance(error, DataError)
    assert "more than 10 rows are refused, key 1 for one: the warehouse refuses it" in str(error)
    assert '"own"' in str(error)
    assert system.warehouse("SELECT count(*) FROM fact_sales_order WHERE valid_to IS NULL") == [(200,)]


@pytest.fixture
def latin_warehouse(system: System, postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The URL of a warehouse whose encoding is LATIN1."""
    name = f"latin_{uuid4().hex[:12]}"
    with psycopg.connect(postgres.url(), autocommit=True) as connection:
        made = sql.SQL("CREATE DATABASE {} ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0")
        connection.execute(made.format(sql.Identifier(name)))
    monkeypatch.setenv("AIRFLOW_CONN_WAREHOUSE", postgres.url(name) + "?client_encoding=utf8")
    yield postgres.url(name)
    postgres.drop_database(name)


@pytest.mark.parametrize("fill_rows", [1, 10_000])
def test_a_character_that_the_warehouse_s_encoding_lacks_costs_its_row_alone(
    system: System, latin_warehouse: str, rejected_rows: Any, monkeypatch: pytest.MonkeyPatch, fill_rows: int
) -> None:
    monkeypatch.setattr(load, "FILL_ROWS", fill_rows)
    system.write("UPDATE design SET design_name = 'plain', file_location = '/', file_name = 'f'")
    system.write("UPDATE design SET design_name = '5 € \"東京\"' WHERE design_id = 2")
    system.write("UPDATE design SET design_name = 'café' WHERE design_id = 3")
    done = system.run_cleanly("design")
    assert counts(done, "dim_design")[2] == 1
    (row,) = rejected_rows("dim_design")
    assert (row["design_id"], row["design_name"]) == ("2", '5 € "東京"')
    assert "design_name '5 € \"東京\"': the warehouse refuses it: character with byte sequence" in row["reason"]
    with psycopg.connect(latin_warehouse, client_encoding="utf8") as connection:
        assert connection.execute("SELECT design_name FROM dim_design WHERE design_id = 3").fetchone() == ("café",)
