"""Whatever somebody's database is, `declare` makes a star of it, and the star follows it through any history."""

import os
import sys
from collections import Counter
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from psycopg import errors, sql

from include.common.postgres import identifiers
from include.declare.command import Wanted, draw_up, keep
from include.pipeline import audit_tables
from include.tables.coherence import origin_of
from include.tables.declarations import Declarations
from include.tables.star import Calendar, Dimension, Fact, is_versioned
from tests.machinery.random_databases import PREPARED, Row, Table, databases, keys, rows
from tests.system import Servers, System, cloned_system, open_exactly

EXAMPLES = {"ci": 5, "thorough": 100}[os.environ.get("HYPOTHESIS_PROFILE", "ci")]
SEED = int(os.environ.get("PROOF_SEED", "0"))
PHASES = [Phase.generate] if os.environ.get("NOSHRINK") else list(Phase)
REFUSED = (errors.UniqueViolation, errors.ForeignKeyViolation, errors.NotNullViolation)
"""What a drawn row may meet: another with its key, or a row that it refers to and that is gone."""


def create(connection: psycopg.Connection, tables: list[Table]) -> None:
    connection.execute(PREPARED.encode())
    for table in tables:
        columns = [
            sql.SQL("{} {}{}").format(
                sql.Identifier(name), sql.SQL(kind), sql.SQL("" if name in table.nullable else " NOT NULL")
            )
            for name, kind in table.kinds.items()
        ]
        if table.key:
            columns.append(sql.SQL("PRIMARY KEY ({})").format(identifiers(table.key)))
        for name, place in table.references.items():
            target = tables[place]
            names = map(sql.Identifier, (name, target.name, *target.key))
            form = sql.SQL("FOREIGN KEY ({}) REFERENCES {} ({}) ON DELETE CASCADE ON UPDATE CASCADE")
            columns.append(form.format(*names))
        own = sql.Identifier(table.name)
        parted = sql.SQL(" PARTITION BY HASH ({})").format(identifiers(table.key)) if table.parts else sql.SQL("")
        connection.execute(sql.SQL("CREATE TABLE {} ({}){}").format(own, sql.SQL(", ").join(columns), parted))
        for part in range(table.parts):
            form = sql.SQL("CREATE TABLE {} PARTITION OF {} FOR VALUES WITH (MODULUS {}, REMAINDER {})")
            name = sql.Identifier("parts", f"{tables.index(table)} {part}")
            connection.execute(form.format(name, own, sql.Literal(table.parts), sql.Literal(part)))
        for row in table.rows:
            attempt(connection, insert(table, row))


def attempt(connection: psycopg.Connection, statement: sql.Composed) -> None:
    try:
        with connection.transaction():
            connection.execute(statement)
    except REFUSED:
        return


def insert(table: Table, row: Row) -> sql.Composed:
    names = sql.SQL(", ").join(map(sql.Identifier, row))
    return sql.SQL("INSERT INTO {} ({}) VALUES ({})").format(sql.Identifier(table.name), names, values(row))


def values(row: Row) -> sql.Composed:
    return sql.SQL(", ").join(sql.Literal(value) for value in row.values())


def one_row(table: Table, number: int) -> sql.Composed:
    """The condition of one of its rows, whichever."""
    found = sql.SQL(
        "ctid = (SELECT ctid FROM {0} ORDER BY ctid OFFSET {1} % greatest((SELECT count(*) FROM {0}), 1) LIMIT 1)"
    )
    return found.format(sql.Identifier(table.name), sql.Literal(number))


def changes(tables: list[Table]) -> st.SearchStrategy[sql.Composed]:
    """Statements, each of which inserts, changes or deletes a row."""

    @st.composite
    def draw_one(draw: st.DrawFn) -> sql.Composed:
        table = draw(st.sampled_from(tables))
        kind, number = draw(st.sampled_from(["insert", "update", "delete"])), draw(st.integers(0, 20))
        if kind == "delete":
            return sql.SQL("DELETE FROM {} WHERE {}").format(sql.Identifier(table.name), one_row(table, number))
        row = draw(rows(tables, table, draw(keys(table))))
        if kind == "insert":
            return insert(table, row)
        columns = sql.SQL(", ").join(map(sql.Identifier, row))
        return sql.SQL("UPDATE {} SET ({}) = ROW({}) WHERE {}").format(
            sql.Identifier(table.name), columns, values(row), one_row(table, number))  # fmt: skip

    return draw_one()


def declared_by_command(folder: str) -> Declarations:
    """What the command `declare` writes of the source, read back as the DAG does."""
    drawn = draw_up(Wanted())
    list(keep(drawn, Path(folder) / "drawn", "drawn", overwrite=False))
    sys.path.insert(0, folder)
    try:
        found = import_module("drawn").DECLARED
    finally:
        sys.path.remove(folder)
        for name in [name for name in sys.modules if name.partition(".")[0] == "drawn"]:
            del sys.modules[name]
    assert found == drawn.declared
    return found  # type: ignore[no-any-return]


def expected(connection: psycopg.Connection, table: Dimension | Fact) -> Counter[Any]:
    """How often the source holds each row of a warehouse table, as texts; without the numbers of rows without a key."""
    own = table.source
    found = sql.SQL("{} s").format(sql.Identifier(own.schema, own.found_name))
    for join in table.joins:
        other, alias = join.table, sql.Identifier(f"j {join.on}")
        found = sql.SQL("{} LEFT JOIN {} {} ON {}.{} = s.{}").format(
            found, sql.Identifier(other.schema, other.found_name), alias, alias,
            sql.Identifier(*other.key_columns), sql.Identifier(join.on))  # fmt: skip
    columns = []
    for column in told(table):
        origin = origin_of(table, column)
        columns.append(sql.Identifier(f"j {origin.on}" if origin.on else "s", origin.column.name))
    texts = sql.SQL(", ").join(sql.SQL("{}::text").format(column) for column in columns)
    return Counter(connection.execute(sql.SQL("SELECT {} FROM {}").format(texts, found)))


def told(table: Dimension | Fact) -> list[Any]:
    return [column for column in table.columns if not (table.source.keyless and column.name in table.key_columns)]


def held(connection: psycopg.Connection, table: Dimension | Fact) -> Counter[Any]:
    """How often the warehouse holds each row, as texts; of a dimension those, too, that are gone."""
    texts = sql.SQL(", ").join(sql.SQL("{}::text").format(sql.Identifier(column.name)) for column in told(table))
    current = sql.SQL("valid_to IS NULL" if is_versioned(table) else "true")
    statement = sql.SQL("SELECT {} FROM {} WHERE {}").format(texts, sql.Identifier(table.name), current)
    return Counter(connection.execute(statement))


def assert_follows(system: System) -> None:
    with open_exactly(system.endpoints.source_url) as source, open_exactly(system.endpoints.warehouse_url) as warehouse:
        for table in system.declared.star.values():
            assert not isinstance(table, Calendar)
            there, here = expected(source, table), held(warehouse, table)
            gone = "SELECT count(*) FROM pipeline.deleted WHERE table_name = %s"
            ((noted,),) = warehouse.execute(gone, [table.name]).fetchall()
            assert not there - here, table.name
            assert (here - there).total() == noted, table.name
    assert all(audit.equal for audit in audit_tables(system.declared, ()))


@pytest.mark.timeout(0)
def test_a_star_is_made_of_any_database_and_follows_it(servers: Callable[[int], Servers]) -> None:
    ours = servers(18)

    @seed(SEED)
    @settings(
        max_examples=EXAMPLES, deadline=None, database=None, suppress_health_check=list(HealthCheck), phases=PHASES
    )
    @given(databases(), st.data())
    def play(tables: list[Table], data: st.DataObject) -> None:
        nothing = Declarations.of([], [])
        with cloned_system(ours, nothing, "template1") as system, TemporaryDirectory() as folder:
            with psycopg.connect(system.endpoints.source_url, options="-c timezone=UTC") as connection:
                create(connection, tables)
            system.declared = declared_by_command(folder)
            done = system.run_cleanly()
            assert not any(load.rejected for load in done.of_kind("load").values())
            assert_follows(system)
            for _ in range(2):
                with psycopg.connect(system.endpoints.source_url, options="-c timezone=UTC") as connection:
                    for change in data.draw(st.lists(changes(tables), max_size=12)):
                        attempt(connection, change)
                system.run_cleanly()
                assert_follows(system)
            assert not any(read.changed for read in system.run_cleanly().of_kind("ingest").values())

    play()
