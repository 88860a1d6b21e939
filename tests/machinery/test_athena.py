"""The views for Athena tell what the warehouse shows."""

# ruff: noqa: S608 - the statements are the tests' own

from collections.abc import Iterator
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest

from include.lake import iceberg
from include.lake.athena import athena_views
from include.tables.source import SourceColumn, SourceTable
from include.tables.star import Column, Dimension, Fact
from tests.athena import answer
from tests.machinery.conftest import MakeSystem, declare
from tests.system import System

TYPES = {
    "small": "smallint",
    "price": "numeric(10,2)",
    "rough": "real",
    "flag": "boolean",
    "day": "date",
    "clock": "time",
    "local": "timestamp",
    "instant": "timestamptz(3)",
    "bytes": "bytea",
    "code": "uuid",
}
MADE = f"""
    CREATE TABLE thing (id integer PRIMARY KEY, {", ".join(f"{name} {kind}" for name, kind in TYPES.items())});
    INSERT INTO thing VALUES
        (1, 7, 12.50, 0.5, true, '2024-08-22', '14:20:49.962', '2024-08-22 14:20:49.962001', '2024-08-22 12:00Z',
         '\\x00ff', '00000000-0000-0000-0000-000000000001');
    INSERT INTO thing (id, small) VALUES (2, NULL), (3, 1)"""
THING = SourceTable(
    "thing",
    "id",
    (SourceColumn("id", "integer"), *(SourceColumn(name, kind, nullable=True) for name, kind in TYPES.items())),
)
COLUMNS = (
    Column("id", "integer", "id"),
    *(Column(name, kind, name, nullable=True) for name, kind in TYPES.items()),
)
FACT = Fact("fact_thing", "record_id", "id", THING, COLUMNS)
DIMENSION = Dimension("dim_thing", "id", THING, COLUMNS)

NAMES = "id, small, price, rough, flag, day, clock, local, instant, bytes, code, local_as_text"
AS_SHOWN = """
    id, small, price, rough, flag, day, to_char(clock, 'HH24:MI:SS.US'), nullif(local, 'infinity'),
    instant AT TIME ZONE 'UTC', bytes, code::text, CASE local WHEN 'infinity' THEN 'infinity' END"""


@pytest.fixture
def system(system_of: MakeSystem, monkeypatch: pytest.MonkeyPatch) -> Iterator[System]:
    """A fact and a dimension of three things with columns of all kinds, after two changes."""
    monkeypatch.setenv("AIRFLOW_VAR_LAKE_DATABASE", f"lake_{uuid4().hex[:12]}")
    iceberg.catalogue.cache_clear()
    made = system_of(declare(THING, FACT, DIMENSION), MADE)
    made.run_cleanly()
    made.write("UPDATE thing SET small = 8, local = 'infinity' WHERE id = 1; DELETE FROM thing WHERE id = 2")
    made.run_cleanly()
    made.write("UPDATE thing SET clock = '00:00:00.000001' WHERE id = 3; INSERT INTO thing VALUES (4)")
    made.run_cleanly()
    yield made
    iceberg.catalogue.cache_clear()


def shown(system: System, question: str) -> list[tuple[Any, ...]]:
    """What a question to the views is answered."""
    return [tuple(map(as_told, row)) for row in answer(system.declared, question)]


def as_told(value: Any) -> Any:
    """A value as `System.warehouse` gives it: what Python has no exact form for as PostgreSQL's text."""
    if isinstance(value, datetime) and value.microsecond:
        return str(value).rstrip("0")
    return str(value) if isinstance(value, Decimal | date) else value


WHEN = "valid_from AT TIME ZONE 'UTC', valid_to AT TIME ZONE 'UTC'"


def test_every_version_is_shown_as_the_warehouse_has_it(system: System) -> None:
    versions = shown(system, f"SELECT {NAMES}, valid_from, valid_to FROM fact_thing ORDER BY id, valid_from")
    assert versions == system.warehouse(f"SELECT {AS_SHOWN}, {WHEN} FROM fact_thing ORDER BY id, valid_from")
    assert len(versions) == 6
    current = shown(system, f"SELECT {NAMES} FROM current_thing ORDER BY id")
    assert current == system.warehouse(f"SELECT {AS_SHOWN} FROM current_thing ORDER BY id")


def test_a_dimension_is_shown_in_its_latest_state(system: System) -> None:
    latest = shown(system, f"SELECT {NAMES} FROM dim_thing ORDER BY id")
    assert latest == system.warehouse(f"SELECT {AS_SHOWN} FROM dim_thing ORDER BY id")
    assert [row[0] for row in latest] == [1, 2, 3, 4]


def test_columns_have_types_that_views_of_the_catalogue_can_have(system: System) -> None:
    views = athena_views(system.declared)
    assert {name: view["table"] for name, view in views.items()} == {
        "fact_thing": "fact_thing", "current_thing": "fact_thing", "dim_thing": "dim_thing",
    }  # fmt: skip
    told = {column["name"]: (column["athena"], column["glue"]) for column in views["fact_thing"]["columns"]}
    assert list(told)[:12] == ["id", *TYPES, "price_as_text"]
    assert [*told.values()][:11] == [
        ("bigint", "bigint"), ("bigint", "bigint"), ("decimal(38,2)", "decimal(38,2)"), ("double", "double"),
        ("boolean", "boolean"), ("date", "date"), ("varchar", "string"), ("timestamp(6)", "timestamp"),
        ("timestamp(6)", "timestamp"), ("varbinary", "binary"), ("varchar", "string"),
    ]  # fmt: skip
    assert told["valid_to"] == ("timestamp(6)", "timestamp")
    assert "valid_to" not in {column["name"] for column in views["current_thing"]["columns"]}
