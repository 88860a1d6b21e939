"""What analysts hang on a table never stops a load: the table is filled, or its rows are merged."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread
from time import monotonic
from typing import LiteralString

import psycopg
import pytest

from include import pipeline
from include.common.keys import KeySet
from include.common.manifests import StarFiles
from include.common.postgres import connect
from include.totesys import DECLARED
from include.warehouse import alone, fill, load
from tests.system import System

GROUPED = "SELECT design_id, design_name, file_name, count(*) FROM dim_design GROUP BY design_id"

FILLED: dict[str, LiteralString] = {
    "nothing": "SELECT 1",
    "a view": "CREATE VIEW theirs AS SELECT * FROM dim_design",
    "a materialized view": "CREATE MATERIALIZED VIEW theirs AS SELECT design_id FROM dim_design",
    "an index": "CREATE INDEX theirs ON dim_design (design_name)",
    "a check": "ALTER TABLE dim_design ADD CONSTRAINT theirs CHECK (design_id > 0)",
    "a publication": "CREATE PUBLICATION theirs FOR TABLE dim_design",
    "statistics": "CREATE STATISTICS theirs ON design_id, design_name FROM dim_design",
    "row-level security": "ALTER TABLE dim_design ENABLE ROW LEVEL SECURITY",
    "a rule": "CREATE RULE theirs AS ON DELETE TO dim_design DO INSTEAD NOTHING",
    "a column": "ALTER TABLE dim_design ADD theirs int DEFAULT 1",
    "a trigger": """
        CREATE FUNCTION theirs() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RETURN new; END$$;
        CREATE TRIGGER theirs BEFORE INSERT ON dim_design FOR EACH ROW EXECUTE FUNCTION theirs()""",
}

MERGED: dict[str, LiteralString] = {
    "a foreign key": "CREATE TABLE theirs (design_id int REFERENCES dim_design)",
    "a view grouped by the key": f"CREATE VIEW theirs AS {GROUPED}",
    "a materialized view grouped by the key": f"CREATE MATERIALIZED VIEW theirs AS {GROUPED}",
    "a function that groups by the key": f"""
        CREATE FUNCTION theirs() RETURNS SETOF record LANGUAGE sql BEGIN ATOMIC {GROUPED}; END""",
    "a trigger that keeps it from being truncated": """
        CREATE FUNCTION theirs() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RAISE EXCEPTION 'never'; END$$;
        CREATE TRIGGER theirs BEFORE TRUNCATE ON dim_design EXECUTE FUNCTION theirs()""",
    "an order of its rows": "CLUSTER dim_design USING dim_design_pkey",
    "an identity for replicas": "ALTER TABLE dim_design REPLICA IDENTITY USING INDEX dim_design_pkey",
}

KEPT = """
    SELECT conname, 'constraint' FROM pg_constraint WHERE conrelid IN ('dim_design'::regclass, to_regclass('theirs'))
    UNION ALL SELECT relname, concat(relkind, relreplident) FROM pg_class WHERE relnamespace = 'public'::regnamespace
    UNION ALL SELECT proname, '' FROM pg_proc WHERE pronamespace = 'public'::regnamespace
    UNION ALL SELECT indexrelid::regclass::text, 'clustered' FROM pg_index WHERE indisclustered ORDER BY 1, 2"""


@pytest.fixture(autouse=True)
def few_rows_fill(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(load, "FILL_ROWS", 100)


@contextmanager
def open_warehouse(system: System) -> Iterator[psycopg.Connection]:
    with psycopg.connect(system.endpoints.warehouse_url) as connection:
        yield connection


def filenode(system: System) -> object:
    """A table that is filled gets another file."""
    return system.warehouse("SELECT pg_relation_filenode('dim_design')")


def load_beside(system: System, theirs: LiteralString) -> bool:
    """Load designs into an empty table that something hangs on, and change them; says whether it was filled."""
    pipeline.prepare(DECLARED)
    with open_warehouse(system) as warehouse:
        warehouse.execute(theirs)
    before, kept = filenode(system), system.warehouse(KEPT)
    system.run_cleanly("design")
    filled = filenode(system) != before
    system.write("UPDATE design SET design_name = 'Later' WHERE design_id = 1")
    system.run_cleanly("design")
    assert system.warehouse("SELECT count(*), min(design_name) FILTER (WHERE design_id = 1) FROM dim_design") == [
        (424, "Later")
    ]
    assert system.warehouse(KEPT) == kept
    return filled


@pytest.mark.parametrize("theirs", FILLED.values(), ids=FILLED.keys())
def test_a_table_is_filled_beside(system: System, theirs: LiteralString) -> None:
    assert load_beside(system, theirs)


@pytest.mark.parametrize("theirs", MERGED.values(), ids=MERGED.keys())
def test_rows_are_merged_beside(system: System, theirs: LiteralString) -> None:
    assert not load_beside(system, theirs)


def test_a_view_grouped_by_a_facts_key_does_not_stop_its_fill(system: System) -> None:
    pipeline.prepare(DECLARED)
    with open_warehouse(system) as warehouse:
        warehouse.execute("CREATE VIEW theirs AS SELECT f.* FROM fact_sales_order f GROUP BY sales_record_id")
    system.run_cleanly("sales_order")
    assert system.warehouse("SELECT count(*) FROM theirs") == [(200,)]


def test_rows_of_a_table_that_inherits_are_left_alone(system: System) -> None:
    pipeline.prepare(DECLARED)
    with open_warehouse(system) as warehouse:
        warehouse.execute("CREATE TABLE theirs () INHERITS (dim_design)")
    system.run_cleanly("design")
    with open_warehouse(system) as warehouse:
        warehouse.execute("INSERT INTO theirs VALUES (-1, 'theirs', '/', 'f')")
        warehouse.execute("DELETE FROM ONLY dim_design")
    system.run("design", full_refresh=True)
    assert system.warehouse("SELECT count(*) FROM theirs") == [(1,)]


def test_a_table_that_somebody_reads_is_merged_into_and_nobody_waits(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alone, "LOCK_SECONDS", 1.0)
    pipeline.prepare(DECLARED)
    before = filenode(system)
    with open_warehouse(system) as reader:
        reader.execute("SELECT count(*) FROM dim_design")
        system.run_cleanly("design")
    assert filenode(system) == before


def test_a_reader_who_comes_while_a_fill_wants_the_table_does_not_wait(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alone, "LOCK_SECONDS", 4.0)
    pipeline.prepare(DECLARED)
    with open_warehouse(system) as reader, open_warehouse(system) as later:
        reader.execute("SELECT count(*) FROM dim_design")
        run = Thread(target=system.run_cleanly, args=("design",))
        run.start()
        slowest = 0.0
        while run.is_alive():
            started = monotonic()
            later.execute("SELECT count(*) FROM dim_design")
            later.rollback()
            slowest = max(slowest, monotonic() - started)
        run.join()
    assert slowest < 1


def test_a_dimension_whose_facts_have_rows_is_never_filled(system: System) -> None:
    system.run_cleanly("sales_order")
    nothing = StarFiles(
        table="dim_design",
        load_id="",
        inputs={},
        source=None,
        files=[],
        rejected=KeySet(),
        rejected_files=[],
        seconds=0,
    )
    with connect("warehouse") as connection:
        assert fill.fill(connection, DECLARED, DECLARED.star["dim_design"], nothing) is None
        connection.commit()
    assert system.warehouse("SELECT count(*) FROM dim_design") == [(424,)]
