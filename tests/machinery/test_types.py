"""Every value of every type arrives as it is: the same text, the same bytes on the wire."""

# ruff: noqa: S608 - the statements are the tests' own

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import polars
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from psycopg import sql

from include.lake.changelog import KIND, LOAD, OBSERVED
from include.lake.rows import AS_TEXT
from include.pipeline import audit_tables
from include.tables.source import SourceColumn, SourceTable
from include.tables.star import Column, Dimension, Fact
from tests.machinery.conftest import MakeSystem, assert_equal, declare, mirror
from tests.machinery.values import EDGES
from tests.system import System, open_exactly, s3_at

KEY = SourceColumn("id", "integer")


def valued(declared: str, made_as: str = "") -> tuple[SourceTable, list[str]]:
    """A table with a row for each edge of a type, one with NULL, and the statements that make it."""
    source = SourceTable("thing", "id", (KEY, SourceColumn("value", declared, nullable=True)))
    kind = sql.SQL(made_as or declared)  # type: ignore[arg-type]
    rows = [(number, text) for number, text in enumerate([*EDGES.get(declared, []), None])]
    values = sql.SQL(", ").join(
        sql.SQL("({}, {}::{})").format(number, sql.Literal(text), kind) for number, text in rows
    )
    statements = [
        sql.SQL("CREATE TABLE thing (id integer PRIMARY KEY, value {})").format(kind),
        sql.SQL("INSERT INTO thing VALUES {}").format(values),
    ]
    return source, [statement.as_string() for statement in statements]


def binary(url: str, query: sql.Composed) -> list[bytes]:
    with open_exactly(url) as connection, connection.cursor() as cursor, cursor.copy(query) as copy:
        return list(copy)


def assert_equal_bytes(system: System, table: Dimension | Fact) -> None:
    statement = sql.SQL("COPY (SELECT id, {} FROM {} ORDER BY id) TO STDOUT (FORMAT binary)")
    source = binary(system.endpoints.source_url, statement.format(sql.Identifier("value"), sql.Identifier("thing")))
    query = statement.format(sql.Identifier(table.columns[1].name), sql.Identifier(table.name))
    assert binary(system.endpoints.warehouse_url, query) == source


def parquet_files(system: System, table: str) -> list[bytes]:
    s3, bucket = s3_at(system.endpoints.aws_url), system.endpoints.buckets.processed
    keys = [entry["Key"] for entry in s3.list_objects_v2(Bucket=bucket, Prefix=f"{table}/")["Contents"]]
    return [s3.get_object(Bucket=bucket, Key=key)["Body"].read() for key in keys]


def assert_other_engines_read(system: System, folder: Path) -> None:
    """DuckDB and polars read from each Parquet file what Arrow does."""
    for number, content in enumerate(parquet_files(system, "dim_thing")):
        file = folder / f"{number}.parquet"
        file.write_bytes(content)
        rows = plain(pq.read_table(file).to_pylist())
        with duckdb.connect() as connection:
            assert plain(connection.read_parquet(str(file)).to_arrow_table().to_pylist()) == rows
        assert plain(polars.read_parquet(file).to_dicts()) == rows


def plain(rows: list[dict[str, Any]]) -> list[dict[str, str]]:
    """Values as texts, instants in UTC whatever an engine calls that."""
    return [
        {
            name: str(value.astimezone(UTC) if isinstance(value, datetime) and value.tzinfo else value)
            for name, value in row.items()
        }
        for row in rows
    ]


@pytest.mark.parametrize("declared", EDGES)
def test_every_value_arrives_by_the_first_load_and_by_changes(
    system_of: MakeSystem, tmp_path: Path, declared: str
) -> None:
    source, statements = valued(declared)
    dimension, fact = mirror(Dimension, source, "dim_thing"), mirror(Fact, source, "fact_thing")
    system = system_of(declare(source, dimension, fact), *statements)
    done = system.run_cleanly()
    assert not any(load.rejected for load in done.of_kind("load").values())
    assert_equal(system, dimension)
    assert_equal_bytes(system, dimension)
    assert_other_engines_read(system, tmp_path)
    rotate = "UPDATE thing t SET value = o.value FROM thing o WHERE o.id = (t.id + 1) % (SELECT count(*) FROM thing)"
    for _ in range(2):
        system.write(rotate)
        system.run_cleanly()
        for table in (dimension, fact):
            assert_equal(system, table)
    assert_equal_bytes(system, dimension)
    assert all(audit.equal for audit in audit_tables(system.declared, ()))


@pytest.mark.parametrize("declared", ["date", "timestamptz", "uuid", "bytea", "numeric(10,2)", "bigint"])
def test_a_first_load_of_many_rows_fills_the_table_with_them(
    system_of: MakeSystem, monkeypatch: pytest.MonkeyPatch, declared: str
) -> None:
    monkeypatch.setattr("include.warehouse.load.FILL_ROWS", 1)
    source, statements = valued(declared)
    fact = mirror(Fact, source, "fact_thing")
    system = system_of(declare(source, fact), *statements)
    system.run_cleanly()
    assert_equal(system, fact)
    numbers = [number for (number,) in system.warehouse("SELECT record_id FROM fact_thing")]
    assert sorted(numbers) == list(range(1, len(EDGES[declared]) + 2))


NAMED = {
    "enum": ("CREATE TYPE mood AS ENUM ('fine', 'so so', '')", "mood", '"mood"', ["fine", "so so", ""]),
    "enum in capitals": ("CREATE TYPE \"Mood\" AS ENUM ('fine')", '"Mood"', '"Mood"', ["fine"]),
    "array of an enum": ("CREATE TYPE mood AS ENUM ('a', 'b')", "mood[]", '"mood"[]', ["{a,b}", "{}"]),
    "words to search": ("SELECT", "tsvector", '"tsvector"', ["'a':1 'b c':2", ""]),
    "range": ("SELECT", "int4range", '"int4range"', ["[1,5)", "empty", "(,)"]),
    "money": ("SELECT", "money", '"money"', ["1234.56"]),
    "point": ("SELECT", "point", '"point"', ["(1,2.5)"]),
    "composite": ("CREATE TYPE pair AS (a integer, b text)", "pair", '"pair"', ['(1,"a b")', "(,)"]),
    "xml": ("SELECT", "bit varying", '"varbit"', ["101", ""]),
}
"""What makes a type, the type, its declaration, and values of it."""


@pytest.mark.parametrize("name", NAMED)
def test_any_other_type_arrives_as_its_text(system_of: MakeSystem, name: str) -> None:
    prepare, kind, declared, values = NAMED[name]
    source = SourceTable("thing", "id", (KEY, SourceColumn("value", declared, nullable=True)))
    dimension = Dimension(
        "dim_thing", "id", source, (Column("id", "integer", "id"), Column("c1", "text", "value", True))
    )
    rows = ", ".join(f"({number}, {sql.Literal(value).as_string()})" for number, value in enumerate(values))
    made = f"CREATE TABLE thing (id integer PRIMARY KEY, value {kind}); INSERT INTO thing VALUES {rows}, (99, NULL)"
    system = system_of(declare(source, dimension), prepare, made)
    system.run_cleanly()
    assert_equal(system, dimension)
    assert all(audit.equal for audit in audit_tables(system.declared, ()))


DOMAINS = {
    "integer": ("CREATE DOMAIN d AS integer CHECK (VALUE > 0)", "d", "integer", "1"),
    "text of a length": ("CREATE DOMAIN d AS varchar(7)", "d", "varchar(7)", "abc"),
    "domain over a domain": ("CREATE DOMAIN b AS numeric(10,2); CREATE DOMAIN d AS b", "d", "numeric(10,2)", "1.50"),
    "array of a domain": ("CREATE DOMAIN d AS integer", "d[]", "integer[]", "{1,2}"),
    "domain over an array": ("CREATE DOMAIN d AS text[]", "d", "text[]", "{a}"),
    "array of a domain over an array": ("CREATE DOMAIN d AS integer[]", "d[]", '"int4"[]', '{"{1,2}","{3}"}'),
    "domain over an enum": ("CREATE TYPE m AS ENUM ('x'); CREATE DOMAIN d AS m", "d", '"m"', "x"),
}


@pytest.mark.parametrize("name", DOMAINS)
def test_a_domain_is_declared_as_what_it_restricts(system_of: MakeSystem, name: str) -> None:
    prepare, kind, declared, value = DOMAINS[name]
    source = SourceTable("thing", "id", (KEY, SourceColumn("value", declared)))
    target = "text" if declared.startswith('"') else declared
    dimension = Dimension("dim_thing", "id", source, (Column("id", "integer", "id"), Column("c1", target, "value")))
    made = (
        f"CREATE TABLE thing (id integer PRIMARY KEY, value {kind} NOT NULL); INSERT INTO thing VALUES (1, '{value}')"
    )
    system = system_of(declare(source, dimension), prepare, made)
    system.run_cleanly()
    assert_equal(system, dimension)


@pytest.mark.parametrize("kind", ["smallint", "integer", "bigint"])
def test_a_key_may_be_any_integer(system_of: MakeSystem, kind: str) -> None:
    edges = [int(text) for text in EDGES[kind]]
    source = SourceTable("thing", "id", (SourceColumn("id", kind), SourceColumn("name", "text")))
    dimension, fact = mirror(Dimension, source, "dim_thing"), mirror(Fact, source, "fact_thing")
    values = ", ".join(f"({key}, 'first')" for key in [*edges, *range(1, 2_000)])
    made = f"CREATE TABLE thing (id {kind} PRIMARY KEY, name text NOT NULL); INSERT INTO thing VALUES {values}"
    system = system_of(declare(source, dimension, fact), made)
    system.run_cleanly()
    system.write(f"UPDATE thing SET name = 'other' WHERE id IN ({edges[1]}, 5)".encode())  # type: ignore[arg-type]
    system.write(f"DELETE FROM thing WHERE id IN ({edges[2]}, 7)".encode())  # type: ignore[arg-type]
    done = system.run_cleanly()
    assert done.of_kind("load")["fact_thing"].deleted == 2
    assert_equal(system, fact)
    gone = system.warehouse("SELECT key FROM pipeline.deleted ORDER BY key")
    assert gone == [(7,), (edges[2],)]
    system.edit_warehouse("UPDATE fact_thing SET c1 = 'by hand' WHERE id < 100 AND valid_to IS NULL")
    (audit,) = audit_tables(system.declared, ("fact_thing",))
    assert audit.differing == sum(key < 100 for key in {*edges, *range(1, 2_000)} - {edges[2], 7})


def test_a_bad_row_among_exact_ones_is_set_aside_alone(system_of: MakeSystem) -> None:
    columns = (KEY, SourceColumn("day", "date"), SourceColumn("told", "text"))
    source = SourceTable("thing", "id", columns)
    made = (Column("id", "integer", "id"), Column("day", "date", "day"), Column("told", "date", "told"))
    dimension = Dimension("dim_thing", "id", source, made)
    system = system_of(
        declare(source, dimension),
        "CREATE TABLE thing (id integer PRIMARY KEY, day date NOT NULL, told text NOT NULL)",
        "INSERT INTO thing VALUES (1, 'infinity', '2024-01-01'), (2, 'infinity', 'soon')",
        "INSERT INTO thing VALUES (3, '2024-01-01', '2024-01-02')",
    )
    (rejected,) = system.run_cleanly().of_kind("load")["dim_thing"].examples
    assert (rejected.key, rejected.reason) == (2, "told 'soon' is not a date")
    assert system.warehouse("SELECT id, day FROM dim_thing ORDER BY 1") == [(1, "infinity"), (3, "2024-01-01")]


def test_what_parquet_cannot_hold_is_null_there_with_its_text_beside(system_of: MakeSystem) -> None:
    source, statements = valued("date")
    dimension = mirror(Dimension, source, "dim_thing")
    system = system_of(declare(source, dimension), *statements)
    system.run_cleanly()
    tables = [pq.read_table(pa.BufferReader(content)) for content in parquet_files(system, "dim_thing")]
    plain_file, told = sorted(tables, key=lambda rows: rows.num_columns)
    assert plain_file.column_names == ["id", "c1", OBSERVED, LOAD, KIND]
    assert told.column_names == ["id", "c1", f"c1{AS_TEXT}", OBSERVED, LOAD, KIND]
    assert set(told.column("c1").to_pylist()) == {None}
    beside: set[Any] = set(told.column(f"c1{AS_TEXT}").to_pylist())
    assert beside == {"4713-01-01 BC", "0044-03-15 BC", "5874897-12-31", "infinity", "-infinity", "10000-01-01"}


@pytest.mark.parametrize("kind", ["date", "interval"])
@pytest.mark.parametrize("fill_rows", [1, 1_000])
def test_columns_may_be_called_as_what_is_told_beside(
    system_of: MakeSystem, monkeypatch: pytest.MonkeyPatch, kind: str, fill_rows: int
) -> None:
    monkeypatch.setattr("include.warehouse.load.FILL_ROWS", fill_rows)
    kinds = {"id": "integer", "day": "date", "day_as_text": "text", "record_id": "integer", "more": kind}
    source = SourceTable("thing", "id", tuple(SourceColumn(*column) for column in kinds.items()))
    columns = tuple(Column(name, declared, name) for name, declared in kinds.items())
    fact = Fact("fact_thing", "thing_record_id", "id", source, columns)
    made = ", ".join(f"{name} {declared} NOT NULL" for name, declared in kinds.items())
    value = "2024-01-01" if kind == "date" else "1 day"
    system = system_of(
        declare(source, fact),
        f"CREATE TABLE thing ({made}, PRIMARY KEY (id))",
        f"INSERT INTO thing VALUES (1, '2024-01-01', 'first', 10, '{value}'), (2, 'infinity', 'last', 20, '{value}')",
    )
    system.run_cleanly()
    assert system.warehouse("SELECT thing_record_id, id, day, day_as_text, record_id FROM fact_thing") == [
        (1, 1, "2024-01-01", "first", 10), (2, 2, "infinity", "last", 20),
    ]  # fmt: skip


def test_what_is_derived_fits_its_column_or_its_row_is_set_aside(system_of: MakeSystem) -> None:
    columns = (KEY, SourceColumn("name", "text"), SourceColumn("code", "char(5)"))
    source = SourceTable("thing", "id", columns)

    def loud(text: str) -> str:
        return f"{text}!"

    dimension = Dimension("dim_thing", "id", source, (
        Column("id", "integer", "id"), Column("name", "varchar(3)", "name", derive=loud),
        Column("padded", "char(9)", "name", derive=loud), Column("code", "text", "code", derive=loud)))  # fmt: skip
    system = system_of(
        declare(source, dimension),
        "CREATE TABLE thing (id integer PRIMARY KEY, name text NOT NULL, code char(5) NOT NULL)",
        "INSERT INTO thing VALUES (1, 'ab', 'x'), (2, 'abc', 'y')",
    )
    (rejected,) = system.run_cleanly().of_kind("load")["dim_thing"].examples
    assert (rejected.key, rejected.reason) == (2, "name: 'abc!', which is derived of it, is longer than a varchar(3)")
    assert system.warehouse("SELECT * FROM dim_thing") == [(1, "ab!", "ab!      ", "x!")]
    system.run_cleanly()
    assert all(audit.equal for audit in audit_tables(system.declared, ()))
