"""A source may be called anything that PostgreSQL lets it be called."""

from unittest import mock

import pytest
from psycopg import sql

from include.common.errors import DeclarationError
from include.pipeline import audit_tables
from include.tables.source import SourceColumn, SourceTable
from include.tables.star import Column, Dimension, Fact
from include.warehouse import load
from tests.machinery.conftest import MakeSystem, assert_equal, declare, mirror
from tests.system import System, open_exactly

NAMES = {
    "mixed case": "OrderLines",
    "reserved": "select",
    "spaces": "order lines ",
    "quotes": 'a "quoted" name\'s',
    "comma": "a,b",
    "dots": "a.b.c",
    "line break": "two\nlines",
    "carriage return": "two\r\nlines",
    "percent": "100%s %(a)s",
    "braces": "{} {0}",
    "backslash": "back\\slash",
    "not ASCII": "Größe_東京_😀",
    "63 bytes": "ß" * 31 + "x",
    "a digit first": "1st",
    "a column of the pipeline's": "reason",
}


def source_called(name: str) -> SourceTable:
    other = f"{name[:20]}2"
    columns = (SourceColumn(name, "integer"), SourceColumn(other, "text", nullable=True))
    return SourceTable("thing", name, columns, schema=name, relation=name)


def statements(table: SourceTable) -> list[str]:
    key, other = map(sql.Identifier, table.by_name)
    place = sql.Identifier(table.schema, table.found_name)
    create = sql.SQL("CREATE SCHEMA {}; CREATE TABLE {} ({} integer PRIMARY KEY, {} text)")
    insert = sql.SQL("INSERT INTO {} SELECT n, nullif('value ' || n, 'value 3') FROM generate_series(1, 9) AS n")
    return [
        create.format(sql.Identifier(table.schema), place, key, other).as_string(),
        insert.format(place).as_string(),
    ]


def change(system: System, table: SourceTable) -> None:
    key, other = map(sql.Identifier, table.by_name)
    place = sql.Identifier(table.schema, table.found_name)
    with open_exactly(system.endpoints.source_url) as connection:
        connection.execute(sql.SQL("UPDATE {} SET {} = 'other' WHERE {} = 2").format(place, other, key))
        connection.execute(sql.SQL("DELETE FROM {} WHERE {} = 4").format(place, key))
        connection.execute(sql.SQL("INSERT INTO {} VALUES (10, 'new')").format(place))


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES.keys())
def test_schemas_tables_and_columns_may_have_any_name(system_of: MakeSystem, name: str) -> None:
    source = source_called(name)
    fact = mirror(Fact, source, "fact_thing")
    system = system_of(declare(source, fact), *statements(source))
    system.run_cleanly()
    assert_equal(system, fact)
    change(system, source)
    system.run_cleanly()
    assert_equal(system, fact)
    assert all(audit.equal for audit in audit_tables(system.declared, ()))


def test_a_bad_row_of_a_table_with_such_names_is_set_aside_with_them(system_of: MakeSystem) -> None:
    source = SourceTable(
        "thing",
        "Thing, Id",
        (SourceColumn("Thing, Id", "integer"), SourceColumn('the "day"', "text")),
        relation="Thing",
    )
    days = mirror(Dimension, source, "dim_thing")
    made = days.columns[0], type(days.columns[1])("day", "date", 'the "day"')
    dimension = Dimension("dim_thing", "id", source, made)
    system = system_of(
        declare(source, dimension),
        'CREATE TABLE "Thing" ("Thing, Id" integer PRIMARY KEY, "the ""day""" text)',
        """INSERT INTO "Thing" VALUES (1, '2024-01-31'), (2, '31.1.2024')""",
    )
    done = system.run_cleanly()
    (rejected,) = done.of_kind("load")["dim_thing"].examples
    assert (rejected.key, rejected.reason) == (2, "the \"day\" '31.1.2024' is not a date")
    assert system.warehouse("SELECT * FROM dim_thing") == [(1, "2024-01-31")]


def test_two_tables_of_one_name_in_two_schemas_are_two_sources(system_of: MakeSystem) -> None:
    key = SourceColumn("id", "integer")
    sources = [SourceTable(f"{schema}_item", "id", (key,), schema=schema, relation="item") for schema in ("a", "b")]
    star = [mirror(Dimension, source, f"dim_{source.name}") for source in sources]
    made = [
        f"CREATE SCHEMA {schema}; CREATE TABLE {schema}.item (id integer PRIMARY KEY);"
        f"INSERT INTO {schema}.item SELECT generate_series(1, {rows})"
        for schema, rows in (("a", 3), ("b", 5))
    ]
    system = system_of(declare(*sources, *star), *made)
    system.run_cleanly()
    for table in star:
        assert_equal(system, table)


def test_names_that_are_made_of_long_ones_are_told_apart(system_of: MakeSystem) -> None:
    long = "x" * 50
    place = SourceTable(f"{long}_place", "id", (SourceColumn("id", "integer"),))
    columns = [SourceColumn(f"{long}_{end}", "integer") for end in ("one", "two")]
    thing = SourceTable(f"{long}_thing", "id", (SourceColumn("id", "uuid"), *columns))
    dimension = Dimension(f"dim_{long}", "id", place, (Column("id", "integer", "id"),), history=True)
    kept = Dimension(f"dim_{long}_2", "id", place, (Column("id", "integer", "id"),))
    fact = Fact(f"fact_{long}", "record_id", "id", thing, (Column("id", "uuid", "id"), *(
        Column(column.name, "integer", column.name, references=kept) for column in columns)))  # fmt: skip
    system = system_of(declare(place, thing, dimension, kept, fact), f"""
        CREATE TABLE {place.name} (id integer PRIMARY KEY); INSERT INTO {place.name} VALUES (1), (2);
        CREATE TABLE {thing.name} (
            id uuid PRIMARY KEY, {columns[0].name} integer NOT NULL, {columns[1].name} integer NOT NULL);
        INSERT INTO {thing.name} VALUES (md5('a')::uuid, 1, 2)""")  # noqa: S608  # fmt: skip
    system.run_cleanly()
    assert system.warehouse("SELECT count(*) FROM pg_constraint WHERE contype = 'f'") == [(2,)]
    assert not any(read.changed for read in system.run_cleanly().of_kind("ingest").values())


def referring(name: str, column: str, target: Dimension) -> tuple[SourceTable, Fact]:
    key = SourceColumn("id", "integer")
    source = SourceTable(name, "id", (key, SourceColumn("place", "integer")))
    columns = Column("id", "integer", "id"), Column(column, "integer", "place", references=target)
    return source, Fact(f"fact_{name}", "record_id", "id", source, columns)


@pytest.mark.parametrize("fill_rows", [1, 1_000])
def test_foreign_keys_of_two_tables_may_come_to_one_name(system_of: MakeSystem, fill_rows: int) -> None:
    place = SourceTable("place", "id", (SourceColumn("id", "integer"),))
    dimension = Dimension("dim_place", "id", place, (Column("id", "integer", "id"),))
    tables = [*referring("sale", "line_place", dimension), *referring("sale_line", "place", dimension)]
    system = system_of(declare(place, dimension, *tables), """
        CREATE TABLE place (id integer PRIMARY KEY); INSERT INTO place VALUES (1);
        CREATE TABLE sale (id integer PRIMARY KEY, place integer NOT NULL); INSERT INTO sale VALUES (1, 1), (2, 9);
        CREATE TABLE sale_line (LIKE sale INCLUDING ALL); INSERT INTO sale_line TABLE sale""")  # fmt: skip
    with mock.patch.object(load, "FILL_ROWS", fill_rows):
        loads = system.run_cleanly().of_kind("load")
    assert [(loads[name].new, len(loads[name].rejected)) for name in ("fact_sale", "fact_sale_line")] == [(1, 1)] * 2
    keys = "SELECT conrelid::regclass::text, conname FROM pg_constraint WHERE contype = 'f' ORDER BY 1"
    assert system.warehouse(keys) == [
        ("fact_sale", "fact_sale_line_place_fkey"), ("fact_sale_line", "fact_sale_line_place_fkey"),
    ]  # fmt: skip


@pytest.mark.parametrize("end", ["current", "pkey"])
def test_a_table_that_is_called_as_anothers_index_is_refused(end: str) -> None:
    place = SourceTable("place", "id", (SourceColumn("id", "integer"),))
    dimension = Dimension("dim_place", "id", place, (Column("id", "integer", "id"),))
    tables = [*referring("sale", "place", dimension), *referring(f"sale_{end}", "place", dimension)]
    with pytest.raises(DeclarationError, match=f"fact_sale and fact_sale_{end} would share the name fact_sale_{end}"):
        declare(place, dimension, *tables)


def test_a_column_that_is_called_as_one_of_postgresqls_own_is_refused() -> None:
    box = SourceTable("box", "id", (SourceColumn("id", "integer"), SourceColumn("XMIN", "integer")))
    with pytest.raises(DeclarationError, match="dim_box: a column cannot be called xmin"):
        Dimension("dim_box", "id", box, (Column("id", "integer", "id"), Column("xmin", "integer", "XMIN")))
