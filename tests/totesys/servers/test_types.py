"""All types in one table, on servers of each version, citext where it can be had."""

from collections.abc import Callable
from itertools import chain, cycle, islice

import psycopg
import pytest
from psycopg import sql

from include.pipeline import audit_tables
from include.tables.source import SourceColumn, SourceTable
from include.tables.star import Column, Dimension, Fact, Join
from local.postgres import PostgresServer
from tests.machinery.conftest import assert_equal, declare, mirror
from tests.machinery.values import EDGES
from tests.totesys.servers.conftest import Filled, Pipeline

CITEXT = {"citext": ["", "Abc", "ABC", "Ünï", "O'Neill"]}
ROWS = 14
"""As many as the type with the most values has."""


@pytest.fixture(params=[15, 16, 18])
def server(filled: Filled, request: pytest.FixtureRequest) -> PostgresServer:
    """A server of each version that can be had."""
    return filled(request.param)


def typed(server: PostgresServer) -> dict[str, list[str]]:
    return {**EDGES, **(CITEXT if server.version == 15 else {})}


def create(server: PostgresServer, source: SourceTable, values: dict[str, list[str]]) -> None:
    """Make the table `thing`, with a column for each type, whose values are repeated from row to row."""
    columns = sql.SQL(", ").join(
        sql.SQL("{} {}").format(sql.Identifier(column.name), sql.SQL(column.type))
        for column in source.columns[1:]  # type: ignore[arg-type]
    )
    rows = zip(*(islice(cycle(chain(texts, [None])), ROWS + 1) for texts in values.values()), strict=True)
    with psycopg.connect(server.url("totesys")) as connection:
        if "citext" in values:
            connection.execute("CREATE EXTENSION citext")
        connection.execute(sql.SQL("CREATE TABLE thing (id integer PRIMARY KEY, {})").format(columns))
        for number, row in enumerate(rows):
            texts = sql.SQL(", ").join(map(sql.Literal, row))
            connection.execute(sql.SQL("INSERT INTO thing VALUES ({}, {})").format(number, texts))


def test_every_type_arrives_beside_all_others(
    server: PostgresServer, pipeline_of: Callable[..., Pipeline], monkeypatch: pytest.MonkeyPatch
) -> None:
    values = typed(server)
    columns = (SourceColumn(f"of {number}", declared, nullable=True) for number, declared in enumerate(values))
    source = SourceTable("thing", "id", (SourceColumn("id", "integer"), *columns))
    dimension, fact = mirror(Dimension, source, "dim_thing"), mirror(Fact, source, "fact_thing")
    create(server, source, values)
    system = pipeline_of(server.url("totesys"), server.url("warehouse")).system
    system.declared = declare(source, dimension, fact)
    monkeypatch.setattr("include.warehouse.load.FILL_ROWS", 1)
    assert not any(load.rejected for load in system.run_cleanly().of_kind("load").values())
    for table in (dimension, fact):
        assert_equal(system, table)
    system.write("UPDATE thing SET id = -id - 1")  # other keys for all, and no two for one on the way
    system.run_cleanly()
    assert_equal(system, fact)
    assert all(audit.equal for audit in audit_tables(system.declared, ()))


CODE = SourceColumn("code", "citext")
THING = SourceTable("thing", "code", (CODE, SourceColumn("name", "text")))
LINE = SourceTable("line", "id", (SourceColumn("id", "integer"), SourceColumn("thing", "citext")))
DIM_THING = Dimension("dim_thing", "code", THING, (Column("code", "citext", "code"), Column("name", "text", "name")))
FACT_LINE = Fact("fact_line", "record_id", "id", LINE, (
    Column("id", "integer", "id"), Column("thing", "citext", "thing", references=DIM_THING),
    Column("name", "text", ("thing", "name"))), (Join(THING, on="thing"),))  # fmt: skip


def test_references_and_joins_by_citext_pass_over_case(filled: Filled, pipeline_of: Callable[..., Pipeline]) -> None:
    server = filled(15)
    system = pipeline_of(server.url("totesys"), server.url("warehouse")).system
    system.declared = declare(THING, LINE, DIM_THING, FACT_LINE)
    system.write("""
        CREATE EXTENSION citext;
        CREATE TABLE thing (code citext PRIMARY KEY, name text NOT NULL);
        CREATE TABLE line (id integer PRIMARY KEY, thing citext NOT NULL REFERENCES thing);
        INSERT INTO thing VALUES ('Ab', 'one'), ('C', 'two');
        INSERT INTO line VALUES (1, 'aB'), (2, 'c')""")  # fmt: skip
    lines = "SELECT id, thing::text, name FROM current_line ORDER BY id"
    assert not system.run_cleanly().of_kind("load")["fact_line"].rejected
    assert system.warehouse(lines) == [(1, "aB", "one"), (2, "c", "two")]
    system.write("UPDATE thing SET code = 'AB', name = 'other' WHERE code = 'ab'")
    assert not system.run_cleanly().of_kind("load")["fact_line"].rejected
    assert system.warehouse(lines) == [(1, "aB", "other"), (2, "c", "two")]
    system.write("UPDATE thing SET code = 'ab' WHERE code = 'ab'")
    system.run_cleanly()
    assert system.warehouse("SELECT code::text, name FROM dim_thing ORDER BY 1") == [("C", "two"), ("ab", "other")]
    assert all(audit.equal for audit in audit_tables(system.declared, ()))
