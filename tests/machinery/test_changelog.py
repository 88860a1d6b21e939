"""Parquet files tell of each row what an analyst of changes needs, in forms that every engine reads."""

from datetime import UTC, date, datetime
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from include.common.errors import DeclarationError
from include.lake.changelog import FIELD_ID, field_id, file_schema
from include.lake.rows import exact_schema, row_schema
from include.state.latest import read_state
from include.tables.source import SourceColumn, SourceTable
from include.tables.star import Column, Dimension, Fact
from include.tables.steps import Step
from include.warehouse.load import load
from tests.machinery.conftest import MakeSystem, declare, mirror
from tests.system import System, s3_at

KEY = SourceColumn("id", "integer")
ITEM = SourceTable(
    "item",
    "id",
    (
        KEY,
        SourceColumn("name", "text"),
        SourceColumn("made", "timestamptz", nullable=True),
        SourceColumn("changed", "timestamp(3)"),
    ),
    stamp="changed",
    created="made",
)
NAMED = (Column("id", "integer", "id"), Column("name", "text", "name"))
FACT = Fact("fact_item", "record_id", "id", ITEM, NAMED)
MADE = """
    CREATE TABLE item (id integer PRIMARY KEY, name text NOT NULL, made timestamptz, changed timestamp(3) NOT NULL);
    INSERT INTO item VALUES (1, 'one', '2024-01-02 03:04:05.678901+00', '2024-01-03 04:05:06.789'),
                            (2, 'two', NULL, '2024-01-03'), (3, 'three', 'infinity', '2024-01-03')"""


def lines(system: System, table: str) -> list[dict[str, Any]]:
    """The rows of all of a table's Parquet files, in the order of the files' names, and so of readings."""
    s3, bucket = s3_at(system.endpoints.aws_url), system.endpoints.buckets.processed
    keys = [entry["Key"] for entry in s3.list_objects_v2(Bucket=bucket, Prefix=f"{table}/").get("Contents", [])]
    files = [s3.get_object(Bucket=bucket, Key=key)["Body"].read() for key in keys]
    return [row for file in files for row in pq.read_table(pa.BufferReader(file)).to_pylist()]


def test_a_row_tells_when_it_was_made_written_and_seen_and_by_which_load(system_of: MakeSystem) -> None:
    system = system_of(declare(ITEM, FACT), MADE)
    system.run_cleanly()
    one, two, three = lines(system, "fact_item")
    assert one["created_at"] == datetime(2024, 1, 2, 3, 4, 5, 678901, UTC)
    assert one["last_updated"] == datetime(2024, 1, 3, 4, 5, 6, 789000)
    assert two["created_at"] is three["created_at"] is None
    assert {row["observed_at"] for row in (one, two, three)} == {read_state().tables["item"].observed_at}
    assert {row["kind"] for row in (one, two, three)} == {"row"}
    assert len({row["load_id"] for row in (one, two, three)}) == 1
    system.write("UPDATE item SET name = 'other' WHERE id = 2")
    system.run_cleanly()
    *_, other = lines(system, "fact_item")
    assert (other["id"], other["name"]) == (2, "other")
    assert other["load_id"] != one["load_id"]
    assert other["observed_at"] == read_state().tables["item"].observed_at


def told(system: System, table: str, kind: str) -> list[tuple[Any, ...]]:
    """What a load said of keys: the columns before `observed_at`."""
    return [tuple(row.values())[:-3] for row in lines(system, table) if row["kind"] == kind]


def test_keys_that_are_gone_are_told_once(system_of: MakeSystem) -> None:
    dimension = Dimension("dim_item", "id", ITEM, NAMED)
    system = system_of(declare(ITEM, FACT, dimension), MADE)
    system.run_cleanly()
    system.write("DELETE FROM item WHERE id = 2")
    load = system.run_cleanly().of_kind("load")["fact_item"]
    assert load.deleted == 1
    system.write("DELETE FROM item WHERE id = 3")
    system.run_cleanly(accept=("item",))
    for table in ("fact_item", "dim_item"):
        assert told(system, table, "gone") == [(2,), (3,)]
    system.write("INSERT INTO item VALUES (2, 'two', NULL, '2024-01-04')")
    system.run_cleanly()
    for table in ("fact_item", "dim_item"):
        assert told(system, table, "gone") == [(2,), (3,)]
        assert lines(system, table)[-1]["kind"] == "row"


def test_a_key_of_any_type_is_told(system_of: MakeSystem) -> None:
    columns = (SourceColumn("day", "date"), SourceColumn("name", "text"), SourceColumn("at", "time"))
    source = SourceTable("thing", ("day", "name", "at"), columns)
    fact = mirror(Fact, source, "fact_thing")
    made = "CREATE TABLE thing (day date, name text, at time, PRIMARY KEY (day, name, at))"
    rows = """INSERT INTO thing VALUES
        ('infinity', E'a,\\n"b"', '07:55:11'), ('2024-01-01', '', '24:00'), ('2024-01-02', 'c', '0:00')"""
    system = system_of(declare(source, fact), made, rows)
    system.run_cleanly()
    system.write("DELETE FROM thing WHERE name <> 'c'")
    system.run_cleanly(accept=("thing",))
    assert {*told(system, "fact_thing", "gone")} == {
        (None, 'a,\n"b"', (7 * 3600 + 55 * 60 + 11) * 1_000_000, "infinity", None),
        (date(2024, 1, 1), "", None, None, "24:00:00"),
    }


def test_a_row_that_the_warehouse_refuses_is_told_with_the_load_that_brought_it(system_of: MakeSystem) -> None:
    system = system_of(declare(ITEM, FACT), MADE)
    system.run_cleanly()
    system.edit_warehouse("ALTER TABLE fact_item ADD CHECK (name <> 'bad')")
    system.write("UPDATE item SET name = CASE id WHEN 2 THEN 'bad' ELSE 'good' END WHERE id > 1")
    system.run_cleanly()
    assert told(system, "fact_item", "refused") == [(2,)]
    (load_id,) = {row["load_id"] for row in lines(system, "fact_item") if row["kind"] == "refused"}
    assert sorted(row["id"] for row in lines(system, "fact_item") if row["load_id"] == load_id) == [2, 2, 3]


def test_a_load_notes_the_files_that_it_brought_and_one_that_does_nothing_none(
    system_of: MakeSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("include.pipeline.publish_files", lambda _: [])
    system = system_of(declare(ITEM, FACT), MADE)
    done = system.run_cleanly()
    noted = "SELECT key, rows FROM pipeline.file WHERE table_name = 'fact_item' ORDER BY key"
    (first,) = system.warehouse(noted)
    system.write("UPDATE item SET name = 'other' WHERE id = 1; DELETE FROM item WHERE id = 3")
    system.run_cleanly()
    assert [rows for _, rows in system.warehouse(noted)] == [3, 1, 1]
    assert {f"{system.endpoints.buckets.processed}/{key}" for key, _ in system.warehouse(noted)} < system.data_files()
    earlier = done.results[Step("transform", "fact_item")]
    assert load(system.declared, FACT, earlier.model_copy(update={"load_id": "late"})).superseded
    assert len(system.warehouse(noted)) == 3
    assert system.warehouse(noted)[0] == first


def test_what_the_table_shows_itself_does_not_stand_beside_and_names_that_it_has_stay_its_own() -> None:
    named = (*NAMED, Column("observed_at", "timestamptz", "made", nullable=True), Column("kind", "text", "name"))
    schema = file_schema(table := Dimension("dim_item", "id", ITEM, named), row_schema(table))
    assert schema.names == ["id", "name", "observed_at", "kind", "last_updated", "observed_at_", "load_id", "kind_"]


def test_a_column_has_the_same_number_whatever_is_declared_beside_it_or_wider() -> None:
    def numbers(schema: pa.Schema) -> dict[str, bytes]:
        return {field.name: field.metadata[FIELD_ID] for field in schema}

    narrow = numbers(file_schema(FACT, row_schema(FACT)))
    day = Column("day", "date", "made", nullable=True)
    other = Fact("fact_item", "record_id", "id", ITEM, (day, Column("id", "bigint", "id"), NAMED[1]))
    for schema in (row_schema(other), exact_schema(other)):
        assert narrow.items() <= numbers(file_schema(other, schema)).items()
    assert field_id("amount", pa.decimal128(10, 2)) == field_id("amount", pa.decimal128(12, 2))
    assert field_id("amount", pa.decimal128(10, 2)) != field_id("amount", pa.string())


def test_two_columns_of_one_number_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("include.lake.changelog.FIELD_IDS", 2)
    with pytest.raises(DeclarationError, match="fact_item: two of its columns have one number"):
        file_schema(FACT, row_schema(FACT))
