"""A pipeline of any declarations, and what its warehouse must hold, told by plain SQL."""

import sys
from collections.abc import Callable
from datetime import date
from importlib import import_module
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql

from include.declare.command import Wanted, draw_up, keep
from include.tables.declarations import Declarations
from include.tables.source import SourceTable
from include.tables.star import Calendar, Column, Dimension, Fact, StarTable
from local.aws import AwsServer
from local.environment import Buckets, Endpoints
from tests import conftest as services
from tests.clients import own_clients  # noqa: F401 - a fixture of all tests here
from tests.system import System, open_exactly

DAYS = Calendar("days", "date_id", (Column("date_id", "date"),), date(2024, 1, 1), date(2024, 12, 31))
"""A calendar for those sets that refer to one."""

MakeSystem = Callable[..., System]

DeclareIt = Callable[..., list[str]]


@pytest.fixture
def system_of(
    monkeypatch: pytest.MonkeyPatch, source_url: str, warehouse_url: str, aws: AwsServer, buckets: Buckets
) -> MakeSystem:
    """A function from declarations and the statements that make their source to the pipeline of both."""

    def make(declared: Declarations, *statements: str) -> System:
        with psycopg.connect(source_url) as connection:
            for statement in statements:
                connection.execute(statement.encode())
        endpoints = Endpoints(source_url, warehouse_url, aws.endpoint_url, buckets)
        system = System(endpoints, Path(services.AIRFLOW_HOME.name), declared)
        for name, value in system.variables.items():
            monkeypatch.setenv(name, value)
        return system

    return make


@pytest.fixture
def declare_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> DeclareIt:
    """A function that does the command `declare` in an empty folder, and gives what it tells."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)

    def run(overwrite: bool = False, **wanted: tuple[str, ...]) -> list[str]:
        return list(keep(draw_up(Wanted(**wanted)), Path("own"), "own", overwrite))

    return run


def declared_in(package: str = "own") -> Declarations:
    """The declarations of a package as they now are."""
    for name in [name for name in sys.modules if name.partition(".")[0] == package]:
        del sys.modules[name]
    found = import_module(package).DECLARED
    assert isinstance(found, Declarations)
    return found


def declare(*tables: SourceTable | StarTable) -> Declarations:
    """The set of these tables."""
    sources = [table for table in tables if isinstance(table, SourceTable)]
    return Declarations.of(sources, [table for table in tables if not isinstance(table, SourceTable)])


def mirror(kind: type[Dimension] | type[Fact], source: SourceTable, name: str) -> Dimension | Fact:
    """A dimension or a fact that takes over every column of a source table.

    They are called c0, c1 …; the key `id`, or where it is of several columns k0, k1 ….
    """
    names = {column: f"c{number}" for number, column in enumerate(source.by_name)}
    several = len(source.key_columns) > 1
    names |= {column: f"k{number}" if several else "id" for number, column in enumerate(source.key_columns)}
    kinds = {own.name: "text" if own.type.startswith('"') else own.type for own in source.by_name.values()}
    columns = tuple(Column(names[name], kinds[name], name, own.nullable) for name, own in source.by_name.items())
    keys = tuple(names[column] for column in source.key_columns)
    key = keys if several else keys[0]
    return Fact(name, "record_id", key, source, columns) if kind is Fact else Dimension(name, key, source, columns)


def shown(system: System, table: Dimension | Fact) -> tuple[list[tuple[Any, ...]], list[tuple[Any, ...]]]:
    """The texts of all rows, in the source and in the warehouse: of a table made by `mirror`.

    Of the warehouse: what it calls current, and of a dimension what is not noted as gone.
    """
    own = table.source
    held = [column.name for column in table.columns if column.source in {column.name for column in own.columns}]
    current = "valid_to IS NULL" if isinstance(table, Fact) else "true"
    source = _texts(system.endpoints.source_url, sql.Identifier(own.schema, own.found_name),
                    [column.name for column in own.columns], "true")  # fmt: skip
    return source, _texts(system.endpoints.warehouse_url, sql.Identifier(table.name), held, current)


def _texts(url: str, place: sql.Identifier, columns: list[str], condition: str) -> list[tuple[Any, ...]]:
    texts = sql.SQL(", ").join(sql.SQL("{}::text").format(sql.Identifier(name)) for name in columns)
    statement = sql.SQL("SELECT {} FROM {} WHERE {}").format(
        texts,
        place,
        sql.SQL(condition),  # type: ignore[arg-type]
    )
    with open_exactly(url) as connection:
        return sorted(connection.execute(statement), key=repr)


def assert_equal(system: System, table: Dimension | Fact) -> None:
    """The warehouse table shows what its source does, to the last character."""
    source, warehouse = shown(system, table)
    assert warehouse == source
