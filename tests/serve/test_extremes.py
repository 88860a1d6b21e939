"""Values at the edges of every declared type, infinite ones among them, in every format, on pages and in filters."""

import csv
import io
import json
from collections.abc import Callable, Iterator
from datetime import date, datetime, time
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from psycopg import sql

from include.lake.arrow import AS_TEXT
from include.tables.source import SourceColumn, SourceTable
from include.tables.star import Column, Dimension
from include.tables.types import known_type
from include.warehouse.tables import prepare
from tests.machinery.conftest import MakeSystem, declare, system_of  # noqa: F401 - a fixture of the tests here
from tests.machinery.values import EDGES
from tests.serve.conftest import READER
from tests.serve.server import serving, settings_for
from tests.serve.test_pages import walk
from tests.system import System

WIDENED, WIDE = "numeric(10,2)", "1" + "0" * 40 + ".00"
"""A type that the warehouse's column has outgrown, and a value that has more digits than Arrow's numbers."""

TYPES = {f"c{number}": kind for number, kind in enumerate(EDGES)}
VALUES = {name: [*EDGES[kind], *([WIDE] if kind == WIDENED else [])] for name, kind in TYPES.items()}
COUNT = max(map(len, VALUES.values()))
CAST = {name: "numeric" if kind.startswith("numeric(") and kind[-1] != "]" else kind for name, kind in TYPES.items()}
"""What texts are read as: without a size."""

Texts = dict[str, list[str | None]]
Same = Callable[[str, list[str | None]], list[str | None]]


def _fill(system: System) -> None:
    """A row for each number, which has of each type the value of that number, where there is one."""
    with psycopg.connect(system.endpoints.warehouse_url) as connection:
        connection.execute(READER.encode())
        (wide,) = (name for name, kind in TYPES.items() if kind == WIDENED)
        widen = sql.SQL("ALTER TABLE dim_thing ALTER {} TYPE numeric(60,2)")
        connection.execute(widen.format(sql.Identifier(wide)))
        for row in range(COUNT):
            told = {name: values[row] for name, values in VALUES.items() if row < len(values)}
            insert = sql.SQL("INSERT INTO dim_thing (id, {}) VALUES ({}, {})").format(
                sql.SQL(", ").join(map(sql.Identifier, told)), row, sql.SQL(", ").join(map(sql.Literal, told.values()))
            )
            connection.execute(insert)


@pytest.fixture
def things(system_of: MakeSystem) -> System:  # noqa: F811
    """A warehouse with a table of all types."""
    own = tuple(SourceColumn(name, kind, nullable=True) for name, kind in TYPES.items())
    source = SourceTable("thing", "id", (SourceColumn("id", "integer"), *own))
    columns = tuple(Column(name, kind, name, nullable=True) for name, kind in TYPES.items())
    system = system_of(declare(source, Dimension("dim_thing", "id", source, (Column("id", "integer", "id"), *columns))))
    prepare(system.declared)
    _fill(system)
    return system


@pytest.fixture
def asking(things: System, tmp_path: Path) -> Iterator[httpx.Client]:
    url = things.endpoints.warehouse_url.replace("postgres@", "served_reader@")
    with serving(settings_for(url, tmp_path), things.declared) as running, running.client() as client:
        yield client


def as_postgres_writes(system: System, name: str, texts: list[str | None]) -> list[str | None]:
    """Texts of a column's values, read as its type and written as the warehouse writes them."""
    query = sql.SQL("SELECT ARRAY(SELECT (t::{})::text FROM unnest(%s::text[]) WITH ORDINALITY AS u (t, n) ORDER BY n)")
    with psycopg.connect(system.endpoints.warehouse_url, options="-c timezone=UTC") as connection:
        row = connection.execute(query.format(sql.SQL(CAST[name])), [texts]).fetchone()
    assert row is not None
    return list(row[0])


def held(system: System) -> Texts:
    """The texts of what the warehouse holds."""
    with psycopg.connect(system.endpoints.warehouse_url, options="-c timezone=UTC") as connection:
        shown = sql.SQL(", ").join(sql.SQL("{}::text").format(sql.Identifier(name)) for name in TYPES)
        rows = connection.execute(sql.SQL("SELECT {} FROM dim_thing ORDER BY id").format(shown)).fetchall()
    return dict(zip(TYPES, map(list, zip(*rows, strict=True)), strict=True))


def assert_same(system: System, found: Texts) -> None:
    """What a format tells of every column is what the warehouse holds, down to the way that it is written."""
    expected = held(system)
    for name, texts in found.items():
        assert as_postgres_writes(system, name, texts) == expected[name], TYPES[name]


def text_of(value: Any) -> str | None:
    """A value of Arrow's or JSON's as PostgreSQL reads it."""
    if isinstance(value, float):
        return repr(value).replace("inf", "Infinity")
    if isinstance(value, date | datetime | time):
        return value.isoformat()
    return None if value is None else str(value)


def is_told_as_text(name: str) -> bool:
    """Whether JSON has another form for the values than their text."""
    kind = known_type(TYPES[name])
    return not kind.array and kind.family not in ("json", "jsonb")


def test_json_tells_every_value_as_it_is(things: System, asking: httpx.Client) -> None:
    answer = asking.get("/v1/dim_thing?order=id")
    assert answer.status_code == 200
    rows = json.loads(answer.content, parse_float=str, parse_int=str)
    assert_same(things, {name: [text_of(row[name]) for row in rows] for name in TYPES if is_told_as_text(name)})
    with psycopg.connect(things.endpoints.warehouse_url) as connection:
        query = "SELECT to_json({}) FROM dim_thing ORDER BY id"
        for name in (name for name in TYPES if not is_told_as_text(name)):
            found = connection.execute(sql.SQL(query).format(sql.Identifier(name))).fetchall()
            assert [row[name] for row in answer.json()] == [value for (value,) in found], TYPES[name]


def test_csv_tells_every_value_as_it_is(things: System, asking: httpx.Client) -> None:
    rows = list(csv.DictReader(io.StringIO(asking.get("/v1/dim_thing?order=id&format=csv").text, newline="")))
    expected = held(things)
    for name, kept in expected.items():
        told = [row[name] for row in rows]
        assert all(text == "" for text, value in zip(told, kept, strict=True) if value is None)
        told = [None if value is None else text for text, value in zip(told, kept, strict=True)]
        assert as_postgres_writes(things, name, told) == kept, TYPES[name]


@pytest.mark.parametrize("kind", ["arrow", "parquet"])
def test_typed_formats_have_the_value_or_its_text_beside(things: System, asking: httpx.Client, kind: str) -> None:
    content = asking.get(f"/v1/dim_thing?order=id&format={kind}").content
    read = pa.ipc.open_stream(content).read_all() if kind == "arrow" else pq.read_table(io.BytesIO(content))
    beside = {name for name in TYPES if f"{name}{AS_TEXT}" in read.column_names}
    assert {known_type(TYPES[name]).family for name in beside} == {
        "date",
        "time",
        "timestamp",
        "timestamptz",
        "numeric",
    }
    columns = {name: values.to_pylist() for name, values in zip(read.column_names, read.columns, strict=True)}
    found = {}
    for name in TYPES:
        texts = columns.get(f"{name}{AS_TEXT}", [None] * COUNT)
        assert all(value is None or text is None for value, text in zip(columns[name], texts, strict=True))
        found[name] = [
            text if value is None else text_of(value) for value, text in zip(columns[name], texts, strict=True)
        ]
    assert_same(things, found)


@pytest.mark.parametrize("kind", ["arrow", "parquet"])
def test_columns_without_such_a_value_have_none_beside(asking: httpx.Client, kind: str) -> None:
    content = asking.get(f"/v1/dim_thing?id=eq.0&format={kind}").content
    read = pa.ipc.open_stream(content).read_all() if kind == "arrow" else pq.read_table(io.BytesIO(content))
    assert not [name for name in read.column_names if name.endswith(AS_TEXT)]


def test_pages_in_the_order_of_any_column_come_to_their_end(things: System, asking: httpx.Client) -> None:
    for name, kind in TYPES.items():
        if not known_type(kind).comparable:
            continue
        for way in ("asc", "desc"):
            pages = walk(asking, f"/v1/dim_thing?select=id&limit=3&order={name}:{way}")
            found = [row["id"] for page in pages for row in page]
            with psycopg.connect(things.endpoints.warehouse_url) as connection:
                query = sql.SQL("SELECT id FROM dim_thing ORDER BY {} {}, id")
                rows = connection.execute(query.format(sql.Identifier(name), sql.SQL(way))).fetchall()
            assert found == [key for (key,) in rows], (kind, way)


def test_what_is_shown_can_be_asked_for(things: System, asking: httpx.Client) -> None:
    expected, rows = held(things), asking.get("/v1/dim_thing?order=id").text
    shown = json.loads(rows, parse_float=str, parse_int=str)
    for name, kind in TYPES.items():
        if not known_type(kind).comparable:
            continue
        for number, text in enumerate(expected[name]):
            if text is None or len(text) > 5_000:
                continue
            told = {text, *([text_of(shown[number][name])] if is_told_as_text(name) else [])} - {"True", "False"}
            for value in told:
                answer = asking.get("/v1/dim_thing", params={name: f"eq.{value}", "select": "id"})
                assert answer.status_code == 200, (kind, value, answer.text)
                assert {"id": number} in answer.json(), (kind, value)
