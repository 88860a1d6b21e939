"""Stars as people model them: references that may be empty, and one dimension in two roles."""

from datetime import date

from include.pipeline import audit_tables
from include.tables.schema import Calendar, Column, Dimension, Fact, Join, SourceColumn, SourceTable
from tests.acceptance.system import System
from tests.machinery.conftest import MakeSystem, declare

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
    assert (rejected.key, rejected.reason) == (3, "lives_in 9 is not in place; lives_in.name is NULL")
    people = "SELECT * FROM dim_person ORDER BY id"
    assert system.warehouse(people) == [(1, "here", "there"), (2, "there", "there")]
    system.write("UPDATE place SET name = 'elsewhere' WHERE id = 1")
    system.run_cleanly()
    assert system.warehouse("SELECT * FROM dim_person ORDER BY id") == [
        (1, "elsewhere", "there"),
        (2, "there", "there"),
    ]
    assert all(audit.equal for audit in audit_tables(system.declared, ()))
