"""Keys of any type, of several columns and of none: found, changed, deleted, proven and told as integers are."""

from dataclasses import dataclass
from unittest import mock
from uuid import uuid4

import psycopg
import pytest
from psycopg import sql

from include.common.errors import DataError
from include.pipeline import audit_tables
from include.proof import compare
from include.proof.sides import KeyRange, Side
from include.source import landing
from include.state.latest import read_state
from include.tables.source import SourceColumn, SourceTable
from include.tables.star import Column, Dimension, Fact
from include.warehouse import load, merge
from local.postgres import PostgresServer
from tests.machinery.conftest import MakeSystem, assert_equal, declare, mirror
from tests.system import System

ROWS = 3_000


@dataclass(frozen=True)
class Keyed:
    """A kind of key: its columns as they are declared, what makes the n-th, and what is run before."""

    columns: tuple[tuple[str, str], ...]
    made: str
    before: str = ""


KINDS = {
    "uuid": Keyed((("id", "uuid"),), "md5(n::text)::uuid"),
    "text": Keyed((("id", "text"),), "E'K\\n\"ü ' || n"),
    "varchar": Keyed((("id", "varchar(20)"),), "'v' || n"),
    "char": Keyed((("id", "char(9)"),), "'c' || n"),
    "date": Keyed((("day", "date"),), "date '2024-01-01' + n"),
    "array of integers": Keyed((("id", "integer[]"),), "ARRAY[n, -n]"),
    "bytes, and an array of uuids": Keyed(
        (("raw", "bytea"), ("ids", "uuid[]")), "decode(md5(n::text), 'hex'), ARRAY[md5(n::text)::uuid]"
    ),
    "numeric": Keyed((("number", "numeric"),), "n / 7.0"),
    "sparse bigints": Keyed((("id", "bigint"),), "(n::bigint - 1500) * 6000000000000000"),
    "two integers": Keyed((("Order ID", "integer"), ("line", "smallint")), "n / 4, n % 4"),
    "an enum, a moment and a text": Keyed(
        (("mood", '"mood"'), ("at", "timestamptz"), ("name", "text")),
        "(ARRAY['sad', 'glad'])[1 + n % 2]::mood, timestamptz '2024-01-01' + n * interval '0.5 s', 'n' || n % 7",
        "CREATE TYPE mood AS ENUM ('sad', 'glad')",
    ),
}


def keyed(kind: Keyed, **fields: object) -> SourceTable:
    columns = [SourceColumn(name, declared) for name, declared in kind.columns]
    key = tuple(name for name, _ in kind.columns)
    columns += [SourceColumn("value", "integer", nullable=True), SourceColumn("note", "text", nullable=True)]
    return SourceTable("thing", key if len(key) > 1 else key[0], tuple(columns), **fields)  # type: ignore[arg-type]


def make(kind: Keyed, rows: int = ROWS) -> str:
    columns = ", ".join(f'"{name}" {declared}' for name, declared in kind.columns)
    key = ", ".join(f'"{name}"' for name, _ in kind.columns)
    return f"""{kind.before};
        CREATE TABLE thing ({columns}, value integer, note text, PRIMARY KEY ({key}));
        INSERT INTO thing SELECT {kind.made}, n, 'note ' || n FROM generate_series(1, {rows}) AS n"""  # noqa: S608


@pytest.mark.parametrize("table", [Fact, Dimension])
@pytest.mark.parametrize("kind", KINDS)
def test_changes_and_deletions_are_found_by_any_key(
    system_of: MakeSystem, kind: str, table: type[Fact] | type[Dimension]
) -> None:
    source = keyed(KINDS[kind])
    star = mirror(table, source, "thing_star")
    system = system_of(declare(source, star), make(KINDS[kind]))
    with mock.patch.object(landing, "FILE_ROWS", 500), mock.patch.object(load, "FILL_ROWS", 1_000):
        first = system.run_cleanly()
    assert first.of_kind("load")["thing_star"].new == ROWS
    assert_equal(system, star)
    assert not system.run_cleanly().of_kind("ingest")["thing"].changed
    system.write(
        "UPDATE thing SET value = -value WHERE value % 10 = 0;"  # noqa: S608
        f"INSERT INTO thing SELECT {KINDS[kind].made}, n, NULL FROM generate_series({ROWS + 1}, {ROWS + 5}) AS n",
    )
    done = system.run_cleanly().of_kind("load")["thing_star"]
    assert (done.new, done.changed, done.deleted) == (5, ROWS // 10, 0)
    assert_equal(system, star)
    system.write("DELETE FROM thing WHERE value IN (1, 77, 1205)")
    assert system.run_cleanly().of_kind("load")["thing_star"].deleted == 3
    if table is Dimension:
        assert system.warehouse("SELECT count(*) FROM pipeline.deleted") == [(3,)]
    else:
        assert_equal(system, star)
    system.write(f"INSERT INTO thing SELECT {KINDS[kind].made}, n, 'back' FROM generate_series(77, 77) AS n")  # noqa: S608
    system.run_cleanly()
    assert all(audit.equal for audit in audit_tables(system.declared, ()))


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_wrong_in_the_warehouse_is_found_named_and_healed(system_of: MakeSystem, kind: str) -> None:
    source = keyed(KINDS[kind])
    star = mirror(Fact, source, "thing_star")
    system = system_of(declare(source, star), make(KINDS[kind], 50))
    system.run_cleanly()
    value = next(column.name for column in star.columns if column.source == "value")
    shown = ", ".join(f'"{name}"::text' for name in star.key_columns)
    (key,) = system.warehouse(f"SELECT concat_ws(', ', {shown}) FROM thing_star WHERE {value} = 7")  # noqa: S608
    system.edit_warehouse(f"UPDATE thing_star SET {value} = 8 WHERE {value} = 7")  # noqa: S608
    (audit,) = audit_tables(system.declared, ())
    assert [(str(row.key), row.values) for row in audit.rows_shown] == [(key[0], {value: ("7", "8")})]
    problems = "; ".join(map(str, system.run().failures.values()))
    assert f"({', '.join(star.key_columns)} {key[0]})" in problems
    system.run_cleanly()
    assert_equal(system, star)


@pytest.mark.parametrize("kind", ["uuid", "two integers", "an enum, a moment and a text"])
def test_a_row_that_cannot_be_right_is_told_by_its_key(system_of: MakeSystem, kind: str) -> None:
    source = keyed(KINDS[kind])
    star = mirror(Fact, source, "thing_star")
    required = tuple(
        Column(column.name, column.type, column.source, column.nullable and column.source != "note")
        for column in star.columns
    )
    fact = Fact(star.name, "record_id", star.key, source, required)
    system = system_of(declare(source, fact), make(KINDS[kind], 20), "UPDATE thing SET note = NULL WHERE value = 3")
    done = system.run_cleanly().of_kind("load")["thing_star"]
    shown = ", ".join(f'"{name}"::text' for name in source.key_columns)
    ((key,),) = system.source(f"SELECT concat_ws(', ', {shown}) FROM thing WHERE value = 3")  # noqa: S608
    assert [(example.key, example.reason) for example in done.examples] == [(key, "note is NULL")]
    assert len(done.rejected) == 1
    system.write("UPDATE thing SET note = 'now' WHERE value = 3")
    system.run_cleanly()
    assert_equal(system, fact)


def test_facts_refer_to_dimensions_by_keys_of_any_type(system_of: MakeSystem) -> None:
    shop = SourceTable("shop", "code", (SourceColumn("code", "text"), SourceColumn("town", "text")))
    columns = (("at", "timestamp", False), ("till", "uuid", False), ("shop", "text", True))
    sale = SourceTable("sale", ("at", "till"), tuple(SourceColumn(*column) for column in columns))
    dimension = mirror(Dimension, shop, "dim_shop")
    assert isinstance(dimension, Dimension)
    fact = Fact("fact_sale", "record_id", ("at", "till"), sale, (
        Column("at", "timestamp", "at"), Column("till", "uuid", "till"),
        Column("shop", "text", "shop", nullable=True, references=dimension)))  # fmt: skip
    system = system_of(declare(shop, sale, dimension, fact), """
        CREATE TABLE shop (code text PRIMARY KEY, town text NOT NULL);
        CREATE TABLE sale (at timestamp, till uuid, shop text, PRIMARY KEY (at, till));
        INSERT INTO shop VALUES ('a', 'Ulm'), ('ä', 'Köln');
        INSERT INTO sale SELECT timestamp '2024-01-01' + n * interval '1 h', md5(n::text)::uuid,
               (ARRAY['a', 'ä', NULL, 'x'])[1 + n % 4] FROM generate_series(0, 39) AS n""")  # fmt: skip
    done = system.run_cleanly().of_kind("load")["fact_sale"]
    assert (done.new, len(done.rejected)) == (30, 10)
    assert done.examples[0].reason == "shop x is not in dim_shop"
    assert str(done.examples[0].key).startswith("2024-01-0")
    system.write("INSERT INTO shop VALUES ('x', 'Xanten')")
    assert system.run_cleanly().of_kind("load")["fact_sale"].new == 10
    assert all(audit.equal for audit in audit_tables(system.declared, ()))


LOG = SourceTable("log", (), (SourceColumn("line", "text", nullable=True), SourceColumn("size", "integer")),
                  follow="whole")  # fmt: skip


def test_rows_without_a_key_are_a_snapshot_that_follows_its_table(system_of: MakeSystem) -> None:
    star = mirror(Fact, LOG, "fact_log")
    system = system_of(declare(LOG, star), """
        CREATE TABLE log (line text, size integer NOT NULL);
        INSERT INTO log SELECT CASE WHEN n % 3 > 0 THEN 'line ' || n % 50 END, n % 7
          FROM generate_series(1, 2000) AS n""")  # fmt: skip
    with mock.patch.object(landing, "FILE_ROWS", 500):
        assert system.run_cleanly().of_kind("load")["fact_log"].new == 2_000
    assert_equal(system, star)
    assert not system.run_cleanly().of_kind("ingest")["log"].changed
    system.write(
        "DELETE FROM log WHERE ctid IN (SELECT min(ctid) FROM log WHERE line = 'line 1' GROUP BY size);"
        "INSERT INTO log VALUES ('line 2', 3), ('new', 1), ('new', 1);"
        "UPDATE log SET size = 9 WHERE line = 'line 4' AND size = 1",
    )
    done = system.run_cleanly()
    assert done.of_kind("ingest")["log"].read_rows < 100
    assert_equal(system, star)
    assert not system.run_cleanly().of_kind("ingest")["log"].changed
    assert all(audit.equal for audit in audit_tables(system.declared, ()))


@pytest.mark.parametrize("key", ["name", ("name", "value")])
def test_a_key_that_is_not_unique_or_null_stops_its_table_by_name(
    system_of: MakeSystem, key: str | tuple[str, ...]
) -> None:
    columns = (SourceColumn("name", "text"), SourceColumn("value", "integer"))
    source = SourceTable("thing", key, columns)
    star = mirror(Fact, source, "thing_star")
    system = system_of(declare(source, star), """
        CREATE TABLE thing (name text, value integer);
        INSERT INTO thing VALUES ('a', 1), ('a', 1), ('b', 2)""")  # fmt: skip
    (error,) = [error for error in system.run().failures.values() if isinstance(error, DataError)][:1]
    told = key if isinstance(key, str) else ", ".join(key)
    assert f"thing: 3 rows have 2 different values of {told}; declare a key that is unique" in str(error)
    system.write("DELETE FROM thing WHERE name = 'a'; INSERT INTO thing VALUES (NULL, 3)")
    failures = "; ".join(map(str, system.run().failures.values()))
    assert f"thing: 2 rows have 1 different values of {told}" in failures
    system.write("DELETE FROM thing WHERE name IS NULL")
    system.run_cleanly()
    assert_equal(system, star)


def test_most_of_a_table_gone_is_not_believed_whatever_its_key_is(system_of: MakeSystem) -> None:
    source = keyed(KINDS["uuid"])
    star = mirror(Fact, source, "thing_star")
    system = system_of(declare(source, star), make(KINDS["uuid"]))
    system.run_cleanly()
    recorded = read_state().tables["thing"].rows
    system.write("DELETE FROM thing WHERE value > 100")
    assert any("accept_deletions" in str(error) for error in system.run().failures.values())
    assert system.warehouse("SELECT count(*) FROM current_thing") == [(recorded,)]


def test_a_view_without_a_stamp_is_compared_whole_and_read_where_it_differs(system_of: MakeSystem) -> None:
    source = SourceTable(
        "shown", "id", (SourceColumn("id", "integer"), SourceColumn("twice", "integer")), follow="whole"
    )
    star = mirror(Dimension, source, "dim_shown")
    system: System = system_of(declare(source, star), """
        CREATE TABLE own (id integer PRIMARY KEY, value integer NOT NULL);
        INSERT INTO own SELECT n, n FROM generate_series(1, 500) AS n;
        CREATE VIEW shown AS SELECT id, 2 * value AS twice FROM own""")  # fmt: skip
    system.run_cleanly()
    assert not system.run_cleanly().of_kind("ingest")["shown"].changed
    system.write("UPDATE own SET value = 0 WHERE id = 7; INSERT INTO own VALUES (501, 1)")
    assert system.run_cleanly().of_kind("ingest")["shown"].read_rows == 2
    assert_equal(system, star)


@pytest.mark.parametrize("key", ["key", ("key", "shown")])
def test_a_rejected_row_may_have_columns_that_are_called_as_what_is_told_of_it(
    system_of: MakeSystem, key: str | tuple[str, ...]
) -> None:
    columns = tuple(SourceColumn(name, "text") for name in ("key", "shown", "reason"))
    source = SourceTable("thing", key, columns)
    star = mirror(Fact, source, "thing_star")
    system = system_of(declare(source, star), """
        CREATE TABLE thing (key text, shown text, reason text);
        INSERT INTO thing VALUES ('a', 'b', NULL), ('c', 'd', 'e')""")  # fmt: skip
    done = system.run_cleanly().of_kind("load")["thing_star"]
    shown = "a" if key == "key" else "a, b"
    assert [(example.key, example.reason) for example in done.examples] == [(shown, "reason is NULL")]
    system.edit_warehouse("ALTER TABLE thing_star ADD CHECK (c2 <> 'no')")
    system.write("UPDATE thing SET reason = 'no' WHERE key = 'a'")
    (example,) = system.run_cleanly().of_kind("load")["thing_star"].examples
    assert example.key == shown
    assert "violates check constraint" in example.reason


def test_rows_without_a_key_may_all_change_at_once_but_not_most_of_them_go(system_of: MakeSystem) -> None:
    star = mirror(Fact, LOG, "fact_log")
    system = system_of(declare(LOG, star), """
        CREATE TABLE log (line text, size integer NOT NULL);
        INSERT INTO log SELECT 'line ' || n, n FROM generate_series(1, 2000) AS n""")  # fmt: skip
    system.run_cleanly()
    system.write("UPDATE log SET size = size + 1")
    system.run_cleanly()
    assert_equal(system, star)
    system.write("TRUNCATE log; INSERT INTO log SELECT 'new ' || n, n FROM generate_series(1, 1900) AS n")
    system.run_cleanly(full_refresh=True)
    assert_equal(system, star)
    system.write("DELETE FROM log WHERE size > 100")
    for full_refresh in (False, True):
        failures = system.run(full_refresh=full_refresh).failures
        assert any("1,800 of 1,900 known rows are gone" in str(error) for error in failures.values())
    system.run_cleanly(accept=("log",))
    assert_equal(system, star)


def test_a_key_far_from_all_others_makes_no_block_of_them_all(system_of: MakeSystem) -> None:
    source = keyed(Keyed((("id", "bigint"),), ""))
    star = mirror(Fact, source, "thing_star")
    system = system_of(declare(source, star), """
        CREATE TABLE thing (id bigint PRIMARY KEY, value integer, note text);
        INSERT INTO thing SELECT n, n, 'note' FROM generate_series(-1000, 2000) AS n;
        INSERT INTO thing VALUES (9223372036854775807, 0, 'last')""")  # fmt: skip
    system.run_cleanly()
    system.edit_warehouse("UPDATE thing_star SET c1 = -7 WHERE id IN (-900, 3, 1500, 9223372036854775807)")
    held, digests = list[int](), Side.digests

    def counted(side: Side, within: KeyRange) -> dict[int, int]:
        found = digests(side, within)
        held.append(len(found))
        return found

    blocks = mock.patch.multiple(compare, BLOCK_ROWS=16, MOST_BLOCK_ROWS=64)
    with blocks, mock.patch.object(Side, "digests", counted):
        (audit,) = audit_tables(system.declared, ())
    assert [row.key for row in audit.rows_shown] == [-900, 3, 1500, 9223372036854775807]
    assert max(held) <= 64


def test_any_number_of_deleted_rows_is_noted_a_part_at_a_time(system_of: MakeSystem) -> None:
    source = keyed(KINDS["text"])
    star = mirror(Dimension, source, "thing_star")
    system = system_of(declare(source, star), make(KINDS["text"], 60))
    system.run_cleanly()
    with mock.patch.object(merge, "STATEMENT_KEYS", 7):
        system.write("DELETE FROM thing WHERE value <= 40")
        assert system.run_cleanly().of_kind("load")["thing_star"].deleted == 40
        system.write(f"INSERT INTO thing SELECT {KINDS['text'].made}, n FROM generate_series(1, 20) AS n")  # noqa: S608
        system.write("DELETE FROM thing WHERE value = 50")
        assert system.run_cleanly().of_kind("load")["thing_star"].deleted == 1
    assert system.warehouse("SELECT count(*) FROM pipeline.deleted") == [(21,)]
    assert all(audit.equal for audit in audit_tables(system.declared, ()))


@pytest.mark.parametrize("key", ["name", ("name", "code", "day")])
def test_a_key_that_the_warehouse_cannot_hold_costs_its_row_alone(
    system_of: MakeSystem, postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch, key: str | tuple[str, ...]
) -> None:
    kinds = {"name": "text", "code": "char(5)", "day": "date"}
    source = SourceTable("thing", key, tuple(SourceColumn(*column) for column in kinds.items()))
    star = mirror(Fact, source, "thing_star")
    system = system_of(declare(source, star), """
        CREATE TABLE thing (name text PRIMARY KEY, code char(5) NOT NULL, day date NOT NULL);
        INSERT INTO thing
            SELECT name, 'x', '2024-01-01' FROM unnest(ARRAY['plain', 'café', '東京']) AS name""")  # fmt: skip
    name = f"latin_{uuid4().hex[:12]}"
    with psycopg.connect(postgres.url(), autocommit=True) as connection:
        made = sql.SQL("CREATE DATABASE {} ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0")
        connection.execute(made.format(sql.Identifier(name)))
    monkeypatch.setenv("AIRFLOW_CONN_WAREHOUSE", f"{postgres.url(name)}?client_encoding=utf8")
    done = system.run_cleanly().of_kind("load")["thing_star"]
    told = "東京" if key == "name" else "東京, x    , 2024-01-01"
    assert (done.new, [example.key for example in done.examples]) == (2, [told])
    system.write("UPDATE thing SET code = 'y'; DELETE FROM thing WHERE name = '東京'")
    assert not system.run_cleanly().of_kind("load")["thing_star"].rejected
    assert all(audit.equal for audit in audit_tables(system.declared, ()))
    postgres.drop_database(name)


def test_a_reference_may_be_a_value_that_only_its_text_tells(system_of: MakeSystem) -> None:
    moment = SourceTable("moment", "at", (SourceColumn("at", "timestamp"), SourceColumn("name", "text")))
    line = SourceTable("line", "id", (SourceColumn("id", "integer"), SourceColumn("at", "timestamp")))
    dimension = mirror(Dimension, moment, "dim_moment")
    assert isinstance(dimension, Dimension)
    fact = Fact("fact_line", "record_id", "id", line, (
        Column("id", "integer", "id"), Column("at", "timestamp", "at", references=dimension)))  # fmt: skip
    system = system_of(declare(moment, line, dimension, fact), """
        CREATE TABLE moment (at timestamp PRIMARY KEY, name text NOT NULL);
        CREATE TABLE line (id integer PRIMARY KEY, at timestamp NOT NULL);
        INSERT INTO moment VALUES ('infinity', 'open'), ('2024-01-01', 'new year');
        INSERT INTO line VALUES (1, 'infinity'), (2, '2024-01-01'), (3, '0044-03-15 BC')""")  # fmt: skip
    load = system.run_cleanly().of_kind("load")["fact_line"]
    assert [(example.key, example.reason) for example in load.examples] == [
        (3, "at 0044-03-15 00:00:00 BC is not in dim_moment")
    ]
    assert system.warehouse("SELECT id, at FROM fact_line ORDER BY id") == [(1, "infinity"), (2, "2024-01-01 00:00:00")]
