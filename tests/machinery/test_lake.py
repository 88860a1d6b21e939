"""The lake's tables: they name what the warehouse has committed, all of it and nothing else, for any engine."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest import mock
from uuid import uuid4

import polars
import psycopg
import pytest
from pyiceberg.table import Table

from include.common.errors import DataError, ServiceError
from include.lake import iceberg
from include.lake.ask import ask
from include.pipeline import audit_versions
from include.tables.source import SourceColumn, SourceTable
from include.tables.star import Column, Dimension, Fact
from include.tables.steps import Step
from include.warehouse.load import load
from include.warehouse.publish import publish_files
from include.warehouse.rebuild import rebuild
from tests.machinery.conftest import DAYS, MakeSystem, assert_equal, declare, mirror
from tests.machinery.test_changelog import FACT, ITEM, MADE, NAMED
from tests.system import System

DIMENSION = Dimension("dim_item", "id", ITEM, NAMED)


@pytest.fixture
def database(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A database of the catalogue of its own."""
    name = f"lake_{uuid4().hex[:12]}"
    monkeypatch.setenv("AIRFLOW_VAR_LAKE_DATABASE", name)
    iceberg.catalogue.cache_clear()
    yield name
    iceberg.catalogue.cache_clear()


@pytest.fixture
def system(system_of: MakeSystem, database: str) -> System:
    """A fact and a dimension of three items, and their lake."""
    return system_of(declare(ITEM, FACT, DIMENSION), MADE)


def table(system: System, database: str, name: str = "fact_item") -> Table:
    return iceberg.open_table(database, system.declared.star[name])


def rows(found: Table) -> list[tuple[Any, ...]]:
    """Key, name and kind of every row that a table of the lake has, as pyiceberg reads them; polars reads the same."""
    names = ("id", "name", "kind")
    read = [tuple(row.values()) for row in found.scan(selected_fields=names).to_arrow().to_pylist()]
    assert polars.scan_iceberg(found).select(names).collect().rows() == read
    return sorted(read, key=repr)


def files_of(found: Table) -> set[str]:
    return {task.file.file_path for task in found.scan().plan_files()}


def loads(found: Table) -> list[int]:
    """How many loads each snapshot brought, the first snapshot first."""
    return [len(iceberg.told_loads_of(snapshot)) for snapshot in found.snapshots()]


NOTED = "SELECT count(*) FROM pipeline.file"


def test_a_run_brings_what_it_loaded_in_a_snapshot_for_each_table(system: System, database: str) -> None:
    system.run_cleanly()
    system.write("UPDATE item SET name = 'other' WHERE id = 1; DELETE FROM item WHERE id = 3")
    system.run_cleanly()
    system.run_cleanly()
    expected = [(1, "one", "row"), (1, "other", "row"), (2, "two", "row"), (3, "three", "row"), (3, None, "gone")]
    for name in ("fact_item", "dim_item"):
        assert rows(table(system, database, name)) == expected
        assert loads(table(system, database, name)) == [1, 1]
    assert system.warehouse(NOTED) == [(0,)]
    (told,) = iceberg.told_loads_of(table(system, database).snapshots()[-1]).values()
    assert told == system.warehouse("SELECT inputs FROM pipeline.load WHERE table_name = 'fact_item'")[0][0]


def test_a_commit_that_is_lost_is_made_by_the_next_record(
    system: System, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as failing:
        failing.setattr(iceberg, "_append", lambda *_: (_ for _ in ()).throw(ServiceError("no answer")))
        assert list(map(str, system.run().failures)) == ["record"]
    system.write("UPDATE item SET name = 'other' WHERE id = 1")
    system.run_cleanly()
    assert loads(table(system, database)) == [2]
    assert len(rows(table(system, database))) == 4
    assert system.warehouse(NOTED) == [(0,)]


def test_a_load_whose_commit_was_not_noted_is_not_added_again(
    system: System, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as failing:
        failing.setattr("include.warehouse.publish._forget", mock.Mock(side_effect=ServiceError("killed")))
        assert list(map(str, system.run().failures)) == ["record"]
    named = [files_of(table(system, database, name)) for name in ("fact_item", "dim_item")]
    assert [len(of_table) for of_table in named] == [1, 1]
    assert publish_files(system.declared) == publish_files(system.declared) == []
    assert [files_of(table(system, database, name)) for name in ("fact_item", "dim_item")] == named
    assert system.warehouse(NOTED) == [(0,)]


def test_what_many_loads_noted_is_named_once_in_one_commit(
    system: System, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More files than a snapshot adds, and metadata that is merged in parts."""
    monkeypatch.setattr(iceberg, "AT_ONCE", 2)
    monkeypatch.setitem(iceberg.PROPERTIES, "commit.manifest.target-size-bytes", "20000")
    with monkeypatch.context() as failing:
        failing.setattr(iceberg, "_append", lambda *_: (_ for _ in ()).throw(ServiceError("no answer")))
        for number in range(25):
            system.write(f"UPDATE item SET name = '{number}' WHERE id = 1")  # noqa: S608
            system.run()
    before = table(system, database).metadata_location
    system.run_cleanly()
    found = table(system, database)
    assert [log.metadata_file for log in found.metadata.metadata_log][-1] == before
    assert loads(found) == [25] * 13
    assert len(iceberg.told_loads(found)) == 25
    assert sorted(file.key for file in iceberg.named_files(database, system.declared.star["fact_item"])) == [
        key
        for (key,) in system.warehouse("SELECT key FROM pipeline.brought WHERE table_name = 'fact_item' ORDER BY key")
    ]
    assert len(files_of(found)) == 25
    assert len(rows(found)) == 27
    assert len(found.current_snapshot().manifests(found.io)) < 13


@pytest.mark.parametrize("before", [0, 1], ids=["a new table", "a table"])
def test_of_two_commits_at_once_the_slower_one_is_made_anew(
    system: System, database: str, monkeypatch: pytest.MonkeyPatch, before: int
) -> None:
    for _ in range(before):
        system.run_cleanly()
    original, raced = iceberg._evolve, []

    def race(*given: Any) -> None:
        if not raced:
            raced.append(True)
            assert publish_files(system.declared) == []  # another record commits the same meanwhile
        original(*given)

    system.write("UPDATE item SET name = 'other' WHERE id = 1")
    monkeypatch.setattr(iceberg, "_evolve", race)
    system.run_cleanly()
    assert loads(table(system, database)) == [1] * (before + 1)


BROUGHT = """
    SELECT 's3://' || %(bucket)s || '/' || key, rows FROM pipeline.brought
     WHERE table_name = %(table)s ORDER BY number"""
FORGET = "DELETE FROM pipeline.brought; UPDATE pipeline.load SET listed = false"


def brought(system: System, name: str) -> list[tuple[str, int]]:
    """Where each of a table's files is that the warehouse lists, in its order, and how many rows it has."""
    values = {"bucket": system.endpoints.buckets.processed, "table": name}
    with psycopg.connect(system.endpoints.warehouse_url) as connection:
        return connection.execute(BROUGHT, values).fetchall()


def test_what_a_new_table_of_the_lake_names_is_not_read_to_be_known(
    system: System, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The loads noted it."""
    with monkeypatch.context() as failing:
        failing.setattr(iceberg, "named_files", lambda *_: (_ for _ in ()).throw(AssertionError))
        system.run_cleanly()
    unlisted = "SELECT count(*) FROM pipeline.load WHERE NOT listed"
    assert system.warehouse(unlisted) == [(0,)]
    for name in ("fact_item", "dim_item"):
        assert {place for place, _ in brought(system, name)} == files_of(table(system, database, name))


@pytest.mark.parametrize("quiet", [False, True])
def test_a_warehouse_that_lists_no_files_yet_takes_those_that_the_lake_names(
    system: System, database: str, quiet: bool
) -> None:
    system.run_cleanly()
    system.write("UPDATE item SET name = 'other' WHERE id = 1")
    system.run_cleanly()
    names = ("fact_item", "dim_item")
    before = {name: brought(system, name) for name in names}
    assert [len(files) for files in before.values()] == [2, 2]
    system.edit_warehouse(FORGET)
    if not quiet:
        system.write("UPDATE item SET name = 'third' WHERE id = 1; DELETE FROM item WHERE id = 3")
    system.run_cleanly()
    for name in names:
        assert {place for place, _ in brought(system, name)} == files_of(table(system, database, name))
        assert brought(system, name)[:2] == before[name]
    system.edit_warehouse(EMPTY)
    rebuild(system.declared)
    system.run_cleanly()
    for name in names:
        assert {place for place, _ in brought(system, name)} == files_of(table(system, database, name))


def test_columns_that_are_declared_later_or_wider_are_given_to_the_table(system: System, database: str) -> None:
    system.run_cleanly()
    day = Column("day", "date", "made", nullable=True)
    system.declare(Fact("fact_item", "record_id", "id", ITEM, (NAMED[0], day, NAMED[1])))
    system.write("ALTER TABLE item ALTER id TYPE bigint")
    system.write("INSERT INTO item VALUES (5000000000, 'large', '2024-05-06', '2024-01-04')")
    system.run_cleanly()
    found = table(system, database).scan(selected_fields=("id", "day", "name")).to_arrow().to_pylist()
    assert {row["id"] for row in found} == {1, 2, 3, 5_000_000_000}
    assert str(next(row["day"] for row in found if row["id"] == 5_000_000_000)) == "2024-05-06"


def test_snapshots_expire_and_no_file_of_data_does(system: System, database: str) -> None:
    system.run_cleanly()
    system.write("UPDATE item SET name = 'other' WHERE id = 1")
    system.run_cleanly()
    found, before = table(system, database), rows(table(system, database))
    iceberg.expire(found, datetime.now(UTC) + timedelta(days=3))
    assert loads(table(system, database)) == [1]
    assert rows(table(system, database)) == before
    with pytest.raises(PermissionError, match="which the lake keeps"):
        found.io.delete(next(iter(files_of(found))))


def test_a_lake_that_is_made_later_begins_with_all_versions_that_the_warehouse_holds(
    system_of: MakeSystem, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    fact, dimension = mirror(Fact, CLOCKED, "fact_visit"), mirror(Dimension, CLOCKED, "dim_visit")
    system = system_of(declare(CLOCKED, fact, dimension, DAYS), VISITS)
    with monkeypatch.context() as without:
        without.delenv("AIRFLOW_VAR_LAKE_DATABASE")
        for change in ("SELECT", *CHANGES[:2], "INSERT INTO visit VALUES ('a', '0044-03-15 BC', '1:00', 1, 1)"):
            system.write(change)  # type: ignore[arg-type]
            system.run_cleanly(accept=("visit",))
        assert system.warehouse(NOTED) == [(0,)]
    system.write(CHANGES[2])
    system.run_cleanly()
    questions = (VERSIONS, CURRENT, LATEST, "SELECT * FROM days ORDER BY 1")
    before = [in_warehouse(system, question) for question in questions]
    assert len(before[0]) == 7
    assert not any(found.differing for found in audit_versions(system.declared, ()))
    assert loads(table(system, database, "fact_visit")) == loads(table(system, database, "days")) == [1]
    with monkeypatch.context() as without:
        without.delenv("AIRFLOW_VAR_LAKE_DATABASE")
        system.write(CHANGES[3])
        system.run_cleanly()
    system.run_cleanly()
    assert loads(table(system, database, "fact_visit")) == [1, 1]
    before = [in_warehouse(system, question) for question in questions]
    system.edit_warehouse(EMPTY)
    rebuild(system.declared)
    assert [in_warehouse(system, question) for question in questions] == before


def test_a_table_that_cannot_be_exported_keeps_no_other_from_its_own(
    system: System, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as without:
        without.delenv("AIRFLOW_VAR_LAKE_DATABASE")
        system.run_cleanly()
    with monkeypatch.context() as failing:
        failing.setattr("include.warehouse.export._write_ends", failing_for("dim_item"))
        (error,) = system.run().failures.values()
    assert "the lake's table dim_item" in str(error)
    assert len(rows(table(system, database))) == 3
    system.run_cleanly()
    assert len(rows(table(system, database, "dim_item"))) == 3


def failing_for(name: str) -> Any:
    def write(_: Any, table: Any, __: Any) -> list[Any]:
        if table.name == name:
            raise ServiceError(f"the lake's table {name} is out of reach")
        return []

    return write


def test_a_row_that_a_repeated_load_no_longer_refuses_is_in_the_lake(system: System, database: str) -> None:
    system.run_cleanly()
    system.edit_warehouse("ALTER TABLE fact_item ADD CHECK (name <> 'bad')")
    system.write("UPDATE item SET name = CASE id WHEN 2 THEN 'bad' ELSE 'good' END WHERE id > 1")
    done = system.run_cleanly()
    files = done.results[Step("transform", "fact_item")]
    question = "SELECT id, name FROM current_item ORDER BY 1"
    load(system.declared, system.declared.star["fact_item"], files)
    publish_files(system.declared)
    assert answer(system, question) == in_warehouse(system, question) == [(1, "one"), (2, "two"), (3, "good")]
    system.edit_warehouse("ALTER TABLE fact_item DROP CONSTRAINT fact_item_name_check")
    load(system.declared, system.declared.star["fact_item"], files)
    publish_files(system.declared)
    assert answer(system, question) == in_warehouse(system, question) == [(1, "one"), (2, "bad"), (3, "good")]
    kept = table(system, database)
    load(system.declared, system.declared.star["fact_item"], files)
    publish_files(system.declared)
    assert files_of(table(system, database)) == files_of(kept)
    assert not any(found.differing for found in audit_versions(system.declared, ()))


def test_a_closed_version_that_was_edited_is_found_by_the_audit_of_history(system: System, database: str) -> None:
    system.run_cleanly()
    system.write("UPDATE item SET name = 'other' WHERE id = 1; DELETE FROM item WHERE id = 3")
    system.run_cleanly()
    system.edit_warehouse("UPDATE fact_item SET name = 'spoilt' WHERE id = 1 AND valid_to IS NOT NULL")
    system.edit_warehouse("DELETE FROM fact_item WHERE id = 3; INSERT INTO dim_item VALUES (9, 'made up')")
    dimension, fact = sorted(audit_versions(system.declared, ()), key=lambda found: found.table)
    assert (dimension.rows, dimension.differing) == (4, 1)
    assert (dimension.rows_shown[0].key, dimension.rows_shown[0].missing) == ("9", "lake")
    assert (fact.rows, fact.differing) == (3, 2)
    edited, gone = fact.rows_shown
    assert str(edited.key).startswith("1 from 2")
    assert edited.values == {"name": ("one", "spoilt")}
    assert (str(gone.key)[:8], gone.missing) == ("3 from 2", "warehouse")


CLOCKED = SourceTable(
    "visit",
    ("place", "at"),
    (
        SourceColumn("place", "text"),
        SourceColumn("at", "date"),
        SourceColumn("opens", "time"),
        SourceColumn("rank", "smallint", nullable=True),
        SourceColumn("paid", "numeric(10,2)", nullable=True),
    ),
)
VISITS = """
    CREATE TABLE visit (place text, at date, opens time NOT NULL, rank smallint, paid numeric(10,2),
                        PRIMARY KEY (place, at));
    INSERT INTO visit VALUES ('a', '2024-01-01', '07:55:11.123456', 1, 1.50), ('b', 'infinity', '24:00', NULL, 0.00),
                             ('', '2024-01-02', '00:00', -1, NULL)"""


def answer(system: System, question: str) -> list[tuple[Any, ...]]:
    return ask(system.declared, question).fetchall()


def in_warehouse(system: System, question: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(system.endpoints.warehouse_url, options="-c timezone=UTC") as connection:
        return connection.execute(question.encode()).fetchall()


CHANGES = (
    "UPDATE visit SET rank = 7 WHERE place = 'a'",
    "DELETE FROM visit WHERE place = 'b'",
    "UPDATE visit SET paid = 2 WHERE place = ''; INSERT INTO visit VALUES ('b', 'infinity', '24:00', NULL, 0.00)",
    "UPDATE visit SET rank = 1 WHERE place = 'a'",
)
VALUES = "SELECT k0, k1::text, c2::text, c3, c4"
VERSIONS = f"{VALUES}, valid_from, valid_to FROM fact_visit ORDER BY 1, 2, valid_from"
CURRENT = f"{VALUES}, valid_from FROM current_visit ORDER BY 1, 2"
LATEST = f"{VALUES} FROM dim_visit ORDER BY 1, 2"


def test_the_same_question_gives_the_same_answer_in_the_lake(system_of: MakeSystem, database: str) -> None:
    fact, dimension = mirror(Fact, CLOCKED, "fact_visit"), mirror(Dimension, CLOCKED, "dim_visit")
    system = system_of(declare(CLOCKED, fact, dimension), VISITS)
    states = []
    for change in ("SELECT", *CHANGES):
        system.write(change)  # type: ignore[arg-type]
        system.run_cleanly(accept=("visit",))
        current = in_warehouse(system, CURRENT)
        states.append((in_warehouse(system, LATEST), [values for *values, _ in current]))
    for question in (VERSIONS, CURRENT, LATEST):
        assert answer(system, question) == in_warehouse(system, question)
    instants = answer(system, "SELECT DISTINCT observed_at FROM changelog.dim_visit ORDER BY 1")
    for (instant,), (latest, current) in zip(instants, states, strict=True):
        at = f"_at(TIMESTAMPTZ '{instant}') ORDER BY 1, 2"
        assert answer(system, f"{VALUES} FROM dim_visit{at}") == latest
        assert [list(row) for row in answer(system, f"{VALUES} FROM fact_visit{at}")] == current


EMPTY = "DROP SCHEMA public, pipeline CASCADE; CREATE SCHEMA public"
NOTES = (
    "SELECT table_name, inputs::text FROM pipeline.load ORDER BY 1",
    "SELECT table_name, key FROM pipeline.deleted ORDER BY 1, 2",
)


def test_a_warehouse_is_made_again_from_the_lake_alone(system_of: MakeSystem, database: str) -> None:
    fact, dimension = mirror(Fact, CLOCKED, "fact_visit"), mirror(Dimension, CLOCKED, "dim_visit")
    system = system_of(declare(CLOCKED, fact, dimension, DAYS), VISITS)
    for change in ("SELECT", *CHANGES[:2]):
        system.write(change)  # type: ignore[arg-type]
        system.run_cleanly(accept=("visit",))
    questions = (VERSIONS, CURRENT, LATEST, "SELECT * FROM days ORDER BY 1", *NOTES)
    before = [in_warehouse(system, question) for question in questions]
    assert before[-1]
    with pytest.raises(DataError, match="has rows: only an empty warehouse"):
        rebuild(system.declared)
    system.edit_warehouse(EMPTY)
    assert rebuild(system.declared) == {"days": 366, "dim_visit": 3, "fact_visit": 4}
    assert [in_warehouse(system, question) for question in questions] == before
    assert not any(read.changed or read.base is None for read in system.run_cleanly().of_kind("ingest").values())
    for change in CHANGES[2:]:
        system.write(change)  # type: ignore[arg-type]
        system.run_cleanly()
    for table in (fact, dimension):
        assert_equal(system, table)
    assert answer(system, VERSIONS) == in_warehouse(system, VERSIONS)
