"""The warehouse follows the declarations: created once, extended in place, read by a role that changes nothing."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import psycopg
import pytest
from psycopg import sql

from include.pipeline import Options
from include.runner import run
from include.tables.star import Column, Fact
from include.warehouse import tables as warehouse
from local.environment import Buckets
from tests.shop import DECLARED
from tests.system import System

CATALOG = """
    SELECT 'column', relname, attname, format_type(atttypid, atttypmod), attnotnull::text, attnum::text
      FROM pg_class JOIN pg_attribute ON attrelid = pg_class.oid
     WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'v') AND attnum > 0
    UNION ALL SELECT 'constraint', conrelid::regclass::text, conname, pg_get_constraintdef(oid), oid::text, ''
      FROM pg_constraint WHERE connamespace = 'public'::regnamespace
    UNION ALL SELECT 'index', tablename, indexname, indexdef, '', '' FROM pg_indexes WHERE schemaname = 'public'
    ORDER BY 1, 2, 3, 4"""


@pytest.fixture
def noted(system: System) -> System:
    """A system that was loaded before `fact_sale` and `dim_clerk` were given one more column each."""
    system.run_cleanly()
    stamp = Column("branch_updated", "timestamp(3)", ("branch_id", "last_updated"), nullable=True)
    unit = Column("units_text", "integer", "units_sold", nullable=True)
    for name, column in (("dim_clerk", stamp), ("fact_sale", unit)):
        table = system.declared.star[name]
        system.declare(replace(table, columns=(*table.columns, column)))
    return system


def catalog(url: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(url) as connection:
        return connection.execute(CATALOG).fetchall()


def test_making_it_twice_changes_nothing(system: System, warehouse_url: str) -> None:
    warehouse.prepare(DECLARED)
    before = catalog(warehouse_url)
    warehouse.prepare(DECLARED)
    assert catalog(warehouse_url) == before


@pytest.mark.postgres_versions(16, 18)
def test_every_declared_column_is_there_in_its_order_with_its_type(system: System, warehouse_url: str) -> None:
    warehouse.prepare(DECLARED)
    found = [row for row in catalog(warehouse_url) if row[0] == "column"]
    for table in DECLARED.star.values():
        names = [row[2] for row in sorted((row for row in found if row[1] == table.name), key=lambda row: int(row[5]))]
        declared = [column.name for column in table.columns]
        assert names == (
            [table.record_id, *declared, "valid_from", "valid_to"] if isinstance(table, Fact) else declared
        )


def test_every_reference_is_a_foreign_key(system: System, warehouse_url: str) -> None:
    warehouse.prepare(DECLARED)
    keys = {row[2] for row in catalog(warehouse_url) if row[0] == "constraint" and row[3].startswith("FOREIGN")}
    assert keys == {
        f"{table.name}_{column.name}_fkey"
        for table in DECLARED.star.values()
        for column in table.columns
        if column.references
    }


def test_a_first_load_leaves_every_constraint_and_index_as_it_was_made(system: System, warehouse_url: str) -> None:
    warehouse.prepare(DECLARED)

    def defined() -> list[tuple[Any, ...]]:
        return [(*row[:4],) for row in catalog(warehouse_url)]

    before = defined()
    system.run_cleanly()
    assert defined() == before


@pytest.mark.postgres_versions(16, 18)
def test_an_index_of_closed_versions_is_added_to_a_warehouse_that_is_there(system: System) -> None:
    system.run_cleanly()
    system.write("UPDATE sale SET units_sold = units_sold + 1 WHERE sale_id % 2 = 0")
    system.run_cleanly()
    system.edit_warehouse("DROP INDEX fact_sale_closed")
    system.run_cleanly()
    defined = "SELECT indexdef FROM pg_indexes WHERE indexname = 'fact_sale_closed'"
    assert system.warehouse(defined) == [
        (
            "CREATE INDEX fact_sale_closed ON public.fact_sale USING btree (sale_id, valid_from, valid_to)"
            " WHERE (valid_to IS NOT NULL)",
        )
    ]
    assert system.warehouse("SELECT reltuples::int FROM pg_class WHERE relname = 'fact_sale_closed'") == [(100,)]


def test_a_page_in_the_order_of_keys_as_of_an_instant_is_read_from_two_indexes(system: System) -> None:
    system.run_cleanly()
    system.write("UPDATE sale SET units_sold = units_sold + 1 WHERE sale_id % 2 = 0")
    system.run_cleanly()
    with psycopg.connect(system.endpoints.warehouse_url) as connection:
        connection.execute("SET enable_seqscan = off; SET enable_bitmapscan = off")
        plan = connection.execute("""
            EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF)
            SELECT * FROM (
                (SELECT sale_id, valid_from FROM fact_sale
                  WHERE valid_to IS NULL AND valid_from <= now() AND sale_id > 150 ORDER BY sale_id LIMIT 10)
                UNION ALL
                (SELECT sale_id, valid_from FROM fact_sale
                  WHERE valid_to IS NOT NULL AND valid_to > '2000-01-01' AND valid_from <= now() AND sale_id > 150
                  ORDER BY sale_id LIMIT 10)) u ORDER BY sale_id LIMIT 10""").fetchall()
    told = "\n".join(line for (line,) in plan)
    assert "using fact_sale_current" in told
    assert "using fact_sale_closed" in told
    assert "Rows Removed by Filter" not in told.partition("fact_sale_closed")[2]


def test_an_added_column_is_added_and_filled_from_the_source(noted: System) -> None:
    noted.run_cleanly()
    assert noted.warehouse("SELECT count(*) FROM dim_clerk WHERE branch_updated IS NULL") == [(0,)]
    assert noted.warehouse("SELECT count(*) FROM current_sale WHERE units_text = units_sold") == [(200,)]


def test_the_view_shows_an_added_column_last(noted: System) -> None:
    noted.run_cleanly()
    columns = noted.warehouse(
        "SELECT attname FROM pg_attribute WHERE attrelid = 'current_sale'::regclass ORDER BY attnum"
    )
    assert columns[-1] == ("units_text",)
    assert ("valid_to",) not in columns


def test_an_added_column_is_a_new_version_of_each_fact(noted: System) -> None:
    noted.run_cleanly()
    assert noted.warehouse("SELECT count(*), count(valid_to) FROM fact_sale") == [(400, 200)]


def test_rows_and_columns_that_are_not_declared_stay(system: System, warehouse_url: str) -> None:
    warehouse.prepare(DECLARED)
    with psycopg.connect(warehouse_url) as connection:
        connection.execute(
            "ALTER TABLE dim_product ADD colour text DEFAULT 'red'; CREATE TABLE ours AS SELECT 1 AS one"
        )
    system.run_cleanly("product")
    assert system.warehouse("SELECT DISTINCT colour FROM dim_product") == [("red",)]
    assert system.warehouse("SELECT one FROM ours") == [(1,)]


@pytest.mark.parametrize(
    "relation",
    [
        *DECLARED.star,
        "current_sale",
        *(f"pipeline.{name}" for name in ("load", "deleted", "file", "plan", "slice", "metric")),
    ],
)
def test_the_reader_can_select(system: System, warehouse_url: str, relation: str) -> None:
    warehouse.prepare(DECLARED)
    with psycopg.connect(warehouse_url) as connection:
        connection.execute("SET ROLE totesys_reader")
        connection.execute(sql.SQL("SELECT * FROM {}").format(sql.Identifier(*relation.split("."))))


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO dim_product VALUES (1, '', '', '')",
        "UPDATE fact_payment SET paid = true",
        "DELETE FROM pipeline.load",
        "TRUNCATE dim_date",
        "CREATE TABLE mine ()",
        "SELECT nextval('fact_payment_payment_record_id_seq')",
    ],
)
def test_the_reader_can_change_nothing(system: System, warehouse_url: str, statement: Any) -> None:
    warehouse.prepare(DECLARED)
    with psycopg.connect(warehouse_url) as connection:
        connection.execute("SET ROLE totesys_reader")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute(statement)


def test_many_runs_can_make_it_at_once(system: System, warehouse_url: str) -> None:
    with ThreadPoolExecutor(6) as threads:
        assert list(threads.map(lambda _: warehouse.prepare(DECLARED), range(6))) == [{}] * 6
    assert len({row[1] for row in catalog(warehouse_url)} & DECLARED.star.keys()) == len(DECLARED.star)


def test_a_quiet_run_writes_nothing_but_the_state_and_its_history(system: System, s3: Any, buckets: Buckets) -> None:
    system.run_cleanly()
    files, rows = system.data_files(), system.row_versions()
    state = {entry["Key"] for entry in s3.list_objects_v2(Bucket=buckets.state)["Contents"]}
    assert not run(DECLARED, Options(), lambda *_: None).failures
    assert (system.data_files(), system.row_versions()) == (files, rows)
    (added,) = {entry["Key"] for entry in s3.list_objects_v2(Bucket=buckets.state)["Contents"]} - state
    assert added.startswith("runs/")


def test_a_check_that_cannot_be_made_fails_the_run_and_records_nothing(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    from include import pipeline
    from include.common.errors import ServiceError
    from include.state.latest import read_state

    def fail(*_: object) -> None:
        raise ServiceError("away")

    monkeypatch.setattr(pipeline, "check_tables", fail)
    failures = {str(step): str(error) for step, error in system.run("product").failures.items()}
    assert failures.keys() == {"check", "record"}
    assert "dim_product" in failures["record"]
    assert read_state().tables == {}
