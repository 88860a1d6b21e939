"""Columns that their owner widens go through by themselves; what cannot be read as declared stops its table alone."""

# ruff: noqa: S608 - the statements are the tests' own

import logging

import psycopg
import pytest
from psycopg import sql

from include.common.errors import DataError
from include.pipeline import Options, audit_tables
from include.runner import run
from include.source import catalogue
from include.state.latest import read_state
from include.tables.source import SourceColumn, SourceTable
from include.tables.star import Column, Dimension, Fact
from include.tables.steps import Step
from tests.machinery.conftest import MakeSystem, assert_equal, declare, mirror
from tests.system import System

KEY = SourceColumn("id", "integer")

WIDER = {
    "smallint": ("integer", "32767", "32768"),
    "integer": ("bigint", "2147483647", "2147483648"),
    "varchar(3)": ("varchar(10)", "abc", "abcdefghij"),
    "varchar(10)": ("text", "abc", "abcdefghijk"),
    "numeric(10,2)": ("numeric(12,2)", "99999999.99", "9999999999.99"),
    "numeric(12,2)": ("numeric", "1.00", "1.000"),
    "timestamp(3)": ("timestamp", "2024-01-01 00:00:00.123", "2024-01-01 00:00:00.123456"),
    "timestamptz(0)": ("timestamptz(6)", "2024-01-01 00:00:00+00", "2024-01-01 00:00:00.000001+00"),
    "time(3)": ("time", "12:00:00.123", "12:00:00.123456"),
    "interval(0)": ("interval", "1 day 00:00:01", "1 day 00:00:01.123456"),
    "integer[]": ("bigint[]", "{1,NULL}", "{2147483648}"),
    "varchar(3)[]": ("text[]", '{abc,""}', "{abcd}"),
}
"""Type → the wider one, a value of it, and one that only that holds."""


def valued(declared: str) -> SourceTable:
    return SourceTable("thing", "id", (KEY, SourceColumn("value", declared)))


def created(declared: str, value: str) -> str:
    values = ", ".join(f"({number}, '{value}')" for number in range(1, 1_200))
    return f"CREATE TABLE thing (id integer PRIMARY KEY, value {declared} NOT NULL); INSERT INTO thing VALUES {values}"


def widen(system: System, kind: str, column: str = "value") -> None:
    statement = sql.SQL("ALTER TABLE thing ALTER {} TYPE {}").format(sql.Identifier(column), sql.SQL(kind))  # type: ignore[arg-type]
    with psycopg.connect(system.endpoints.source_url) as connection:
        connection.execute(statement)


@pytest.mark.parametrize("declared", WIDER)
def test_a_column_that_becomes_wider_is_read_on_and_widened_in_the_warehouse(
    system_of: MakeSystem, declared: str
) -> None:
    wide, value, beyond = WIDER[declared]
    source = valued(declared)
    dimension, fact = mirror(Dimension, source, "dim_thing"), mirror(Fact, source, "fact_thing")
    system = system_of(declare(source, dimension, fact), created(declared, value))
    system.run_cleanly()
    widen(system, wide)
    rows = system.row_versions()
    read = system.run_cleanly().of_kind("ingest")["thing"].read_rows
    assert (read, system.row_versions()) == (0, rows)
    with psycopg.connect(system.endpoints.source_url) as connection:
        connection.execute("UPDATE thing SET value = %s WHERE id = 2", [beyond])
        connection.execute("INSERT INTO thing VALUES (5000, %s)", [beyond])
    done = system.run_cleanly().of_kind("load")["fact_thing"]
    assert (done.new, done.changed, len(done.rejected)) == (1, 1, 0)
    for table in (dimension, fact):
        assert_equal(system, table)
    system.run_cleanly()
    assert all(audit.equal for audit in audit_tables(system.declared, ()))


def test_a_key_that_becomes_a_bigint_goes_on_with_what_refers_to_it(system_of: MakeSystem) -> None:
    thing = SourceTable("thing", "id", (KEY, SourceColumn("name", "text")))
    line = SourceTable("line", "id", (KEY, SourceColumn("thing_id", "integer")))
    dimension = mirror(Dimension, thing, "dim_thing")
    assert isinstance(dimension, Dimension)
    columns = Column("id", "integer", "id"), Column("thing_id", "integer", "thing_id", references=dimension)
    fact = Fact("fact_line", "record_id", "id", line, columns)
    system = system_of(
        declare(thing, line, dimension, fact),
        "CREATE TABLE thing (id integer PRIMARY KEY, name text NOT NULL)",
        "CREATE TABLE line (id integer PRIMARY KEY, thing_id integer NOT NULL REFERENCES thing)",
        "INSERT INTO thing SELECT n, 'thing ' || n FROM generate_series(1, 1200) AS n",
        "INSERT INTO line SELECT n, n FROM generate_series(1, 1200) AS n",
    )
    system.run_cleanly()
    system.write("ALTER TABLE line DROP CONSTRAINT line_thing_id_fkey")
    system.write("ALTER TABLE thing ALTER id TYPE bigint")
    system.write("ALTER TABLE line ALTER thing_id TYPE bigint")
    system.write("INSERT INTO thing VALUES (3000000000, 'far')")
    system.write("INSERT INTO line VALUES (9999, 3000000000)")
    system.write("DELETE FROM line WHERE id = 7")
    system.run_cleanly()
    assert_equal(system, dimension)
    assert system.warehouse("SELECT thing_id FROM current_line WHERE id = 9999") == [(3000000000,)]
    system.edit_warehouse("UPDATE dim_thing SET c1 = 'by hand' WHERE id = 3000000000")
    (audit,) = audit_tables(system.declared, ("dim_thing",))
    assert [row.key for row in audit.rows_shown] == [3000000000]
    done = run(system.declared, Options(prove_all=True), lambda *_: None)
    assert "dim_thing: 1 rows did not equal" in str(done.failures[Step("record")])
    assert_equal(system, dimension)
    system.run_cleanly(full_refresh=True)
    assert_equal(system, dimension)


def test_it_is_told_once(system_of: MakeSystem, caplog: pytest.LogCaptureFixture) -> None:
    source = valued("integer")
    system = system_of(declare(source, mirror(Dimension, source, "dim_thing")), created("integer", "1"))
    system.run_cleanly()
    widen(system, "bigint")
    logging.getLogger("include").setLevel(logging.WARNING)
    for _ in range(3):
        system.run_cleanly()
    told = [message for message in caplog.messages if "wider than declared" in message]
    assert told == ["thing: columns are wider than declared, and so is what they feed: value is bigint"]
    assert read_state().tables["thing"].wider == {"value": "bigint"}


def test_who_may_read_the_view_still_may(system_of: MakeSystem) -> None:
    source = valued("integer")
    system = system_of(declare(source, mirror(Fact, source, "fact_thing")), created("integer", "1"))
    system.run_cleanly()
    system.edit_warehouse("GRANT SELECT ON current_thing TO PUBLIC; GRANT UPDATE ON current_thing TO pg_monitor")
    query = """
        SELECT coalesce(grantee::regrole::text, ''), privilege_type
          FROM pg_class, aclexplode(relacl) WHERE relname = 'current_thing' ORDER BY 1, 2"""
    before = system.warehouse(query)
    widen(system, "bigint")
    system.write("UPDATE thing SET value = 3000000000 WHERE id = 2")
    system.run_cleanly()
    assert system.warehouse("SELECT value FROM (SELECT c1 AS value, id FROM current_thing) v WHERE id = 2") == [
        (3000000000,)
    ]
    assert system.warehouse(query) == before


def test_an_analysts_view_that_keeps_a_column_as_it_is_is_named_and_nothing_is_lost(system_of: MakeSystem) -> None:
    source = valued("integer")
    fact = mirror(Fact, source, "fact_thing")
    system = system_of(declare(source, fact), created("integer", "1"))
    system.run_cleanly()
    system.edit_warehouse("CREATE VIEW analysis AS SELECT sum(c1) FROM current_thing")
    widen(system, "bigint")
    system.write("UPDATE thing SET value = 3000000000 WHERE id = 2")
    error = system.run().failures[Step("load", "fact_thing")]
    assert type(error) is DataError
    for named in ("fact_thing", "c1 bigint", "view analysis"):
        assert named in str(error)
    system.edit_warehouse("DROP VIEW analysis")
    system.run_cleanly()
    assert_equal(system, fact)


def test_a_column_that_is_narrower_than_declared_is_read_as_declared(system_of: MakeSystem) -> None:
    source = valued("bigint")
    dimension = mirror(Dimension, source, "dim_thing")
    system = system_of(declare(source, dimension), created("smallint", "7"))
    system.run_cleanly()
    assert_equal(system, dimension)


OTHER = {"text": "integer", "integer": "numeric(10,2)", "numeric(10,2)": "numeric(12,4)", "date": "timestamp"}
"""Type → one whose values are others, or are written otherwise."""


@pytest.mark.parametrize("declared", OTHER)
def test_a_column_of_another_type_stops_its_table_alone(system_of: MakeSystem, declared: str) -> None:
    source, other = valued(declared), SourceTable("other", "id", (KEY,))
    dimension = mirror(Dimension, other, "dim_other")
    system = system_of(
        declare(source, other, mirror(Dimension, source, "dim_thing"), dimension),
        "CREATE TABLE other (id integer PRIMARY KEY); INSERT INTO other VALUES (1)",
        created(declared, "2024-01-01" if declared == "date" else "1"),
    )
    system.run_cleanly()
    kind = sql.SQL("ALTER TABLE thing ALTER value TYPE {0} USING value::{0}").format(sql.SQL(OTHER[declared]))  # type: ignore[arg-type]
    with psycopg.connect(system.endpoints.source_url) as connection:
        connection.execute(kind)
    system.write("INSERT INTO other VALUES (2)")
    error = system.run().failures[Step("ingest", "thing")]
    assert type(error) is DataError
    assert f"column value is {OTHER[declared]}, declared as {declared}" in str(error)
    assert_equal(system, dimension)


MADE_OF = {
    "a composite gets an attribute": ("pair", "ALTER TYPE pair ADD ATTRIBUTE more text", "(1,sad)"),
    "a label in a composite": ("pair", "ALTER TYPE mood RENAME VALUE 'sad' TO 'low'", "(1,sad)"),
    "a label in an array of a domain over a domain": ("kept[]", "ALTER TYPE mood RENAME VALUE 'sad' TO 'low'", "{sad}"),
    "a label in a range": ("moods", "ALTER TYPE mood RENAME VALUE 'sad' TO 'low'", "[sad,glad]"),
    "a label in many ranges": ("moods_multi", "ALTER TYPE mood RENAME VALUE 'sad' TO 'low'", "{[sad,glad]}"),
}
"""What changes in a type → the column's own, how it is changed, and a value."""


@pytest.mark.parametrize("changed", MADE_OF)
def test_a_type_that_a_columns_type_is_made_of_changes_its_values(system_of: MakeSystem, changed: str) -> None:
    kind, statement, value = MADE_OF[changed]
    named = '"d"[]' if kind.endswith("[]") else '"d"'
    columns = (KEY, SourceColumn("value", named.replace("d", kind.removesuffix("[]").replace("kept", "mood"))))
    source = SourceTable("thing", "id", columns)
    fact = mirror(Fact, source, "fact_thing")
    system = system_of(
        declare(source, fact),
        "CREATE TYPE mood AS ENUM ('sad', 'glad'); CREATE TYPE pair AS (number integer, mood mood)",
        "CREATE DOMAIN liked AS mood; CREATE DOMAIN kept AS liked",
        "CREATE TYPE moods AS RANGE (subtype = mood, multirange_type_name = moods_multi)",
        f"CREATE TABLE thing (id integer PRIMARY KEY, value {kind} NOT NULL)",
        f"INSERT INTO thing SELECT n, '{value}' FROM generate_series(1, 30) AS n",
    )
    system.run_cleanly()
    with psycopg.connect(system.endpoints.source_url) as connection:
        connection.execute(statement.encode())
    system.run_cleanly()
    assert_equal(system, fact)


def test_a_server_does_not_take_the_question_for_work_that_is_worth_compiling(system_of: MakeSystem) -> None:
    system = system_of(declare(), *(created("integer", "1").replace("thing", f"thing_{n}") for n in range(50)))
    names = {"schema": "public", "table": "thing_1", "columns": ["id", "value"]}
    question = sql.SQL("EXPLAIN (FORMAT JSON) ") + catalogue._FOOTING
    with psycopg.connect(system.endpoints.source_url) as connection:
        ((((plan,),),),) = (connection.execute(question, names).fetchall(),)
    assert plan["Plan"]["Total Cost"] < 50_000  # jit_above_cost is 100,000
