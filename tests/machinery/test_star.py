"""Stars as people model them: references that may be empty, one dimension in two roles, facts with joined columns."""

from dataclasses import replace
from datetime import date
from unittest import mock

import pytest

from include.common.errors import DeclarationError
from include.pipeline import audit_tables
from include.state.latest import read_state
from include.tables.source import SourceColumn, SourceTable
from include.tables.star import Calendar, Column, Dimension, Fact, Join
from include.warehouse import load
from tests.machinery.conftest import MakeSystem, declare
from tests.system import System

KEY = SourceColumn("id", "integer")
PLACE = SourceTable("place", "id", (KEY, SourceColumn("name", "text")))
ORDER = SourceTable(
    "sale",
    "id",
    (
        KEY,
        SourceColumn("ship_to", "integer"),
        SourceColumn("bill_to", "integer", nullable=True),
        SourceColumn("paid_on", "date", nullable=True),
    ),
)
DAYS = Calendar("days", "date_id", (Column("date_id", "date"),), date(2024, 1, 1), date(2024, 12, 31))
DIM_PLACE = Dimension("dim_place", "id", PLACE, (Column("id", "integer", "id"), Column("name", "text", "name")))
FACT = Fact(
    "fact_sale",
    "record_id",
    "id",
    ORDER,
    (
        Column("id", "integer", "id"),
        Column("ship_to_id", "integer", "ship_to", references=DIM_PLACE),
        Column("bill_to_id", "integer", "bill_to", nullable=True, references=DIM_PLACE),
        Column("paid_on", "date", "paid_on", nullable=True, references=DAYS),
    ),
)
MADE = """
    CREATE TABLE place (id integer PRIMARY KEY, name text NOT NULL);
    CREATE TABLE sale (id integer PRIMARY KEY, ship_to integer NOT NULL, bill_to integer, paid_on date);
    INSERT INTO place VALUES (1, 'here'), (2, 'there');
    INSERT INTO sale VALUES (1, 1, 2, '2024-02-29'), (2, 2, NULL, NULL), (3, 1, 9, NULL), (4, 9, 1, '2025-01-01')"""


def sales(system: System) -> list[tuple[object, ...]]:
    return system.warehouse("SELECT id, ship_to_id, bill_to_id, paid_on FROM current_sale ORDER BY id")


def test_a_reference_may_be_empty_and_a_dimension_have_two_roles(system_of: MakeSystem) -> None:
    system = system_of(declare(PLACE, ORDER, DAYS, DIM_PLACE, FACT), MADE)
    load = system.run_cleanly().of_kind("load")["fact_sale"]
    assert {example.key: example.reason for example in load.examples} == {
        3: "bill_to_id 9 is not in dim_place",
        4: "paid_on 2025-01-01 is outside the calendar, 2024-01-01 to 2024-12-31",
    }
    assert sales(system) == [(1, 1, 2, "2024-02-29"), (2, 2, None, None)]
    keys = system.warehouse("SELECT conname FROM pg_constraint WHERE contype = 'f' ORDER BY 1")
    assert keys == [("fact_sale_bill_to_id_fkey",), ("fact_sale_paid_on_fkey",), ("fact_sale_ship_to_id_fkey",)]


def test_a_reference_that_becomes_empty_is_a_version(system_of: MakeSystem) -> None:
    system = system_of(declare(PLACE, ORDER, DAYS, DIM_PLACE, FACT), MADE)
    system.run_cleanly()
    system.write("INSERT INTO place VALUES (9, 'far'); UPDATE sale SET bill_to = NULL, paid_on = NULL WHERE id <> 2")
    system.run_cleanly()
    assert sales(system) == [(1, 1, None, None), (2, 2, None, None), (3, 1, None, None), (4, 9, None, None)]
    assert system.warehouse("SELECT count(*) FROM fact_sale WHERE id = 1") == [(2,)]


def test_a_dimension_may_join_one_table_twice(system_of: MakeSystem) -> None:
    columns = (KEY, SourceColumn("born_in", "integer"), SourceColumn("lives_in", "integer"))
    person = SourceTable("person", "id", columns)
    dimension = Dimension(
        "dim_person",
        "id",
        person,
        (
            Column("id", "integer", "id"),
            Column("born_in", "text", ("born_in", "name")),
            Column("lives_in", "text", ("lives_in", "name")),
        ),
        joins=(Join(PLACE, on="born_in"), Join(PLACE, on="lives_in")),
    )
    system = system_of(
        declare(PLACE, person, dimension),
        "CREATE TABLE place (id integer PRIMARY KEY, name text NOT NULL)",
        "CREATE TABLE person (id integer PRIMARY KEY, born_in integer NOT NULL, lives_in integer NOT NULL)",
        "INSERT INTO place VALUES (1, 'here'), (2, 'there'); INSERT INTO person VALUES (1, 1, 2), (2, 2, 2), (3, 2, 9)",
    )
    (rejected,) = system.run_cleanly().of_kind("load")["dim_person"].examples
    assert (rejected.key, rejected.reason) == (3, "lives_in 9 is not in place")
    people = "SELECT * FROM dim_person ORDER BY id"
    assert system.warehouse(people) == [(1, "here", "there"), (2, "there", "there")]
    system.write("UPDATE place SET name = 'elsewhere' WHERE id = 1")
    system.run_cleanly()
    assert system.warehouse("SELECT * FROM dim_person ORDER BY id") == [
        (1, "elsewhere", "there"),
        (2, "there", "there"),
    ]
    assert all(audit.equal for audit in audit_tables(system.declared, ()))


HEADER = SourceTable("orders", "id", (
    SourceColumn("id", "uuid"), SourceColumn("customer", "integer"), SourceColumn("placed", "date"),
    SourceColumn("note", "text", nullable=True), SourceColumn("updated", "timestamptz", nullable=True),
), stamp="updated")  # fmt: skip
LINE = SourceTable("line", ("order_id", "number"), (
    SourceColumn("order_id", "uuid", nullable=False), SourceColumn("number", "smallint"),
    SourceColumn("amount", "numeric(10,2)"), SourceColumn("gift_for", "integer", nullable=True)))  # fmt: skip
CUSTOMER = SourceTable("customer", "id", (KEY, SourceColumn("name", "text")))
DIM_CUSTOMER = Dimension(
    "dim_customer", "id", CUSTOMER, (Column("id", "integer", "id"), Column("name", "text", "name"))
)
FACT_LINE = Fact(
    "fact_line", "record_id", ("order_id", "number"), LINE,
    (
        Column("order_id", "uuid", "order_id"),
        Column("number", "smallint", "number"),
        Column("amount", "numeric(10,2)", "amount"),
        Column("customer_id", "integer", ("order_id", "customer"), references=DIM_CUSTOMER),
        Column("placed_on", "date", ("order_id", "placed")),
        Column("gift_for", "text", ("gift_for", "name"), nullable=True),
    ),
    joins=(Join(HEADER, on="order_id"), Join(CUSTOMER, on="gift_for")),
)  # fmt: skip
SHOP = """
    CREATE TABLE customer (id integer PRIMARY KEY, name text NOT NULL);
    CREATE TABLE orders (
        id uuid PRIMARY KEY, customer integer NOT NULL, placed date NOT NULL, note text, updated timestamptz);
    CREATE TABLE line (order_id uuid, number smallint, amount numeric(10,2) NOT NULL, gift_for integer,
                       PRIMARY KEY (order_id, number));
    INSERT INTO customer SELECT n, 'customer ' || n FROM generate_series(1, 9) AS n;
    INSERT INTO orders SELECT md5(n::text)::uuid, 1 + n % 9, date '2024-01-01' + n, NULL, now()
      FROM generate_series(1, 50) AS n;
    INSERT INTO line SELECT md5((1 + n % 50)::text)::uuid, n, n / 3.0, NULLIF(n % 10, 0)
      FROM generate_series(1, 400) AS n"""
LINES = """
    SELECT order_id, number, amount, customer, placed, name FROM line l JOIN orders o ON o.id = order_id
      LEFT JOIN customer c ON c.id = gift_for ORDER BY order_id, number"""
FACT_LINES = "SELECT order_id, number, amount, customer_id, placed_on, gift_for FROM current_line ORDER BY 1, 2"


@pytest.fixture
def shop(system_of: MakeSystem) -> System:
    return system_of(declare(CUSTOMER, HEADER, LINE, DIM_CUSTOMER, FACT_LINE), SHOP)


CHANGES = {
    "headers change": ("UPDATE orders SET customer = 9, placed = '2025-05-05' WHERE customer = 1", 40),
    "what is not taken changes": ("UPDATE orders SET note = 'whatever'", 0),
    "another joined table changes": ("UPDATE customer SET name = 'new' WHERE id IN (1, 2)", 80),
    "lines change": ("UPDATE line SET amount = 0, gift_for = NULL WHERE number <= 10", 10),
    "a header with its line is new": (
        "INSERT INTO orders SELECT md5('x')::uuid, 1, '2024-01-01', NULL, now();"
        "INSERT INTO line SELECT md5('x')::uuid, 1, 1", 1),
    "lines are gone and headers change": (
        "DELETE FROM line WHERE number > 390; UPDATE orders SET placed = '2020-01-01' WHERE placed < '2024-01-10'", 73),
}  # fmt: skip


@pytest.mark.parametrize(("change", "lines"), CHANGES.values(), ids=CHANGES)
def test_a_fact_takes_columns_of_what_it_refers_to_and_follows_them(shop: System, change: str, lines: int) -> None:
    assert shop.run_cleanly().of_kind("load")["fact_line"].new == 400
    assert shop.warehouse(FACT_LINES) == shop.source(LINES)
    shop.write(change)
    load = shop.run_cleanly().of_kind("load").get("fact_line")
    assert (load.new + load.changed + load.deleted if load else 0) == lines
    assert shop.warehouse(FACT_LINES) == shop.source(LINES)
    assert all(audit.equal for audit in audit_tables(shop.declared, ()))
    assert not any(read.changed for read in shop.run_cleanly().of_kind("ingest").values())


def test_only_the_rows_that_join_what_changed_are_read(shop: System) -> None:
    shop.run_cleanly()
    shop.write("UPDATE orders SET placed = '2025-01-01', updated = now() - interval '1 h' WHERE customer = 1")
    assert shop.run_cleanly().of_kind("ingest")["line"].read_rows == 40
    last = read_state().tables["line"].last_load
    assert last is not None
    assert last.lag_seconds < 60  # not the hour: it counts from the reading before at most


def test_a_row_whose_joined_row_is_gone_is_rejected_until_it_is_back(shop: System) -> None:
    shop.run_cleanly()
    shop.write("DELETE FROM orders WHERE id = md5('7')::uuid")
    load = shop.run_cleanly().of_kind("load")["fact_line"]
    assert len(load.rejected) == 8
    assert all(example.reason.endswith("is not in orders") for example in load.examples)
    shop.write("INSERT INTO orders SELECT md5('7')::uuid, 3, '2024-07-07', NULL, NULL")
    shop.run_cleanly()
    assert shop.warehouse(FACT_LINES) == shop.source(LINES)


def test_a_joined_value_that_is_wrong_in_the_warehouse_is_found_and_healed(shop: System) -> None:
    shop.run_cleanly()
    shop.edit_warehouse("UPDATE fact_line SET placed_on = '1999-01-01' WHERE number = 7")
    assert [audit.differing for audit in audit_tables(shop.declared, ("fact_line",))] == [1]
    assert "nothing explains why" in str(shop.run().failures)
    shop.run_cleanly()
    assert shop.warehouse(FACT_LINES) == shop.source(LINES)


def test_a_joined_table_may_be_renewed_renamed_within_or_widened(shop: System) -> None:
    shop.run_cleanly()
    shop.write("""
        ALTER TABLE orders ADD later date NOT NULL DEFAULT '2026-06-06';
        ALTER TABLE orders RENAME placed TO earlier; ALTER TABLE orders RENAME later TO placed""")
    shop.run_cleanly()
    assert shop.warehouse(FACT_LINES) == shop.source(LINES)
    shop.write("ALTER TABLE customer ALTER name TYPE varchar(40)")
    shop.write(
        "BEGIN; TRUNCATE customer; INSERT INTO customer SELECT n, 'again ' || n FROM generate_series(1, 9) AS n; COMMIT"
    )
    shop.run_cleanly()
    assert shop.warehouse(FACT_LINES) == shop.source(LINES)


def test_a_row_may_join_another_of_its_own_table(system_of: MakeSystem) -> None:
    person = SourceTable(
        "person", "id", (KEY, SourceColumn("name", "text"), SourceColumn("boss", "integer", nullable=True))
    )
    dimension = Dimension("dim_person", "id", person, (
        Column("id", "integer", "id"), Column("name", "text", "name"),
        Column("boss", "text", ("boss", "name"), nullable=True)), joins=(Join(person, on="boss"),))  # fmt: skip
    system = system_of(declare(person, dimension), """
        CREATE TABLE person (id integer PRIMARY KEY, name text NOT NULL, boss integer);
        INSERT INTO person VALUES (1, 'Ada', NULL), (2, 'Ben', 1), (3, 'Cy', 1)""")  # fmt: skip
    system.run_cleanly()
    system.write("UPDATE person SET name = 'Ida' WHERE id = 1")
    assert system.run_cleanly().of_kind("ingest")["person"].read_rows == 3
    shown = "SELECT id, name, boss FROM dim_person ORDER BY id"
    assert system.warehouse(shown) == [(1, "Ida", None), (2, "Ben", "Ida"), (3, "Cy", "Ida")]


KEPT = Dimension("dim_customer", "id", CUSTOMER, DIM_CUSTOMER.columns, history=True)
KEPT_LINE = replace(FACT_LINE, columns=tuple(
    replace(column, references=KEPT) if column.references else column for column in FACT_LINE.columns))  # fmt: skip
VERSIONS = "SELECT id, name, valid_to IS NULL FROM dim_customer WHERE id IN (1, 2, 99) ORDER BY customer_record_id"


@pytest.fixture
def keeping(system_of: MakeSystem) -> System:
    return system_of(declare(CUSTOMER, HEADER, LINE, KEPT, KEPT_LINE), SHOP)


def test_a_dimension_that_keeps_history_has_every_version_and_a_view_of_the_current_ones(keeping: System) -> None:
    keeping.run_cleanly()
    keeping.write("UPDATE customer SET name = 'new' WHERE id = 1; INSERT INTO customer VALUES (99, 'late')")
    keeping.run_cleanly()
    keeping.write("DELETE FROM customer WHERE id = 99; UPDATE customer SET name = 'newer' WHERE id = 1")
    done = keeping.run_cleanly().of_kind("load")["dim_customer"]
    assert (done.new, done.changed, done.deleted) == (0, 1, 1)
    assert keeping.warehouse(VERSIONS) == [
        (1, "customer 1", False), (2, "customer 2", True), (1, "new", False), (99, "late", False), (1, "newer", True),
    ]  # fmt: skip
    current = "SELECT id, name FROM current_customer ORDER BY id"
    assert keeping.warehouse(current) == keeping.source("SELECT id, name FROM customer ORDER BY id")
    assert keeping.warehouse("SELECT count(*) FROM pipeline.deleted") == [(0,)]
    assert not any(read.changed for read in keeping.run_cleanly().of_kind("ingest").values())
    assert all(audit.equal for audit in audit_tables(keeping.declared, ()))
    keeping.edit_warehouse("UPDATE dim_customer SET name = 'by hand' WHERE id = 2")
    assert "nothing explains why" in str(keeping.run().failures)
    keeping.run_cleanly()
    assert keeping.warehouse(current) == keeping.source("SELECT id, name FROM customer ORDER BY id")


@pytest.mark.parametrize("fill_rows", [1, 1_000])
def test_facts_refer_to_a_row_of_which_history_is_kept(keeping: System, fill_rows: int) -> None:
    keeping.write("UPDATE orders SET customer = 77 WHERE id = md5('7')::uuid")
    with mock.patch.object(load, "FILL_ROWS", fill_rows):
        first = keeping.run_cleanly().of_kind("load")["fact_line"]
    assert (first.new, len(first.rejected)) == (392, 8)
    assert {example.reason for example in first.examples} == {"customer_id 77 is not in dim_customer"}
    keeping.write("UPDATE customer SET name = 'again'; INSERT INTO customer VALUES (77, 'late')")
    assert keeping.run_cleanly().of_kind("load")["fact_line"].new == 8
    keeping.write("DELETE FROM customer WHERE id = 77")
    keeping.run_cleanly()
    assert keeping.warehouse(FACT_LINES) == keeping.source(LINES)
    assert all(audit.equal for audit in audit_tables(keeping.declared, ()))


def test_a_version_is_kept_of_what_a_dimension_joins_as_well(system_of: MakeSystem) -> None:
    person = SourceTable("person", "id", (KEY, SourceColumn("lives_in", "integer")))
    columns = (Column("id", "integer", "id"), Column("town", "text", ("lives_in", "name")))
    dimension = Dimension("dim_person", "id", person, columns, (Join(PLACE, on="lives_in"),), history=True)
    system = system_of(declare(PLACE, person, dimension), """
        CREATE TABLE place (id integer PRIMARY KEY, name text NOT NULL);
        CREATE TABLE person (id integer PRIMARY KEY, lives_in integer NOT NULL);
        INSERT INTO place VALUES (1, 'here'), (2, 'there'); INSERT INTO person VALUES (1, 1), (2, 2)""")  # fmt: skip
    system.run_cleanly()
    system.write("UPDATE place SET name = 'elsewhere' WHERE id = 1")
    system.run_cleanly()
    versions = "SELECT id, town, valid_to IS NULL FROM dim_person ORDER BY person_record_id"
    assert system.warehouse(versions) == [(1, "here", False), (2, "there", True), (1, "elsewhere", True)]


def test_two_tables_that_would_share_a_view_are_refused() -> None:
    with pytest.raises(DeclarationError, match="dim_customer and fact_customer would share the view current_customer"):
        declare(CUSTOMER, KEPT, Fact("fact_customer", "record_id", "id", CUSTOMER, DIM_CUSTOMER.columns))


def test_rows_may_join_by_a_label(system_of: MakeSystem) -> None:
    mood = SourceTable(
        "mood", "label", (SourceColumn("label", '"mood"'), SourceColumn("told", "text")), relation="told_mood"
    )
    day = SourceTable("day", "id", (KEY, SourceColumn("mood", '"mood"', nullable=True)))
    fact = Fact("fact_day", "record_id", "id", day, (
        Column("id", "integer", "id"),
        Column("told", "text", ("mood", "told"), nullable=True)), (Join(mood, on="mood"),))  # fmt: skip
    system = system_of(declare(mood, day, fact), """
        CREATE TYPE mood AS ENUM ('sad', 'glad');
        CREATE TABLE told_mood (label mood PRIMARY KEY, told text NOT NULL);
        INSERT INTO told_mood VALUES ('sad', 'low');
        CREATE TABLE day (id integer PRIMARY KEY, mood mood);
        INSERT INTO day VALUES (1, 'sad'), (2, NULL)""")  # fmt: skip
    system.run_cleanly()
    system.write("UPDATE told_mood SET told = 'lower'")
    system.run_cleanly()
    assert system.warehouse("SELECT id, told FROM current_day ORDER BY id") == [(1, "lower"), (2, None)]
    assert all(audit.equal for audit in audit_tables(system.declared, ()))
