"""`python -m include audit`: every value held against the source, and rows that differ healed on demand."""

import psycopg
import pytest

from tests.command.conftest import Command

EDITS = """
    UPDATE fact_sale SET unit_price = unit_price + 0.01 WHERE sale_id IN (3, 4);
    DELETE FROM fact_payment WHERE payment_id = 9;
    UPDATE dim_clerk SET town = 'Elsewhere' WHERE clerk_id = 1;
    UPDATE dim_date SET quarter = 5 WHERE date_id = '2024-02-29'"""


@pytest.fixture
def edited(command: Command, warehouse_url: str) -> Command:
    """A loaded warehouse in which somebody has changed values of four tables by hand."""
    assert command("run").status == 0
    with psycopg.connect(warehouse_url) as connection:
        connection.execute(EDITS)
    return command


def test_a_warehouse_that_equals_its_source_passes(command: Command) -> None:
    assert command("run").status == 0
    told = command("audit", "--json").json
    assert told["equal"]
    assert len(told["tables"]) == 7


def test_it_lists_what_differs_with_both_values_and_changes_nothing(edited: Command) -> None:
    answer = edited("audit", "--json")
    told = {table["table"]: table for table in answer.json["tables"]}
    assert answer.status == 1
    assert {name for name, table in told.items() if not table["equal"]} == {
        "fact_sale", "fact_payment", "dim_clerk", "dim_date",
    }  # fmt: skip
    prices = {row["key"]: row["values"]["unit_price"] for row in told["fact_sale"]["rows_shown"]}
    assert prices.keys() == {3, 4}
    assert all(round(float(theirs) - float(ours), 2) == 0.01 for ours, theirs in prices.values())
    assert [row["missing"] for row in told["fact_payment"]["rows_shown"]] == ["warehouse"]
    assert told["dim_date"]["days"] == ["2024-02-29"]
    assert edited("audit").status == 1


def test_it_heals_just_those_and_says_what_they_were(edited: Command, warehouse_url: str) -> None:
    told = edited("audit", "--heal", "--json").json
    assert told["equal"]
    assert sum(table["differing"] for table in told["found"]) == 5
    with psycopg.connect(warehouse_url) as connection:
        versions = connection.execute("SELECT count(*) FROM fact_sale").fetchone()
        orders = connection.execute("SELECT count(DISTINCT sale_id) FROM fact_sale").fetchone()
    assert versions is not None
    assert orders is not None
    assert versions[0] == orders[0] + 2


def test_changes_that_wait_for_a_run_are_counted_and_no_difference(command: Command, filled_url: str) -> None:
    assert command("run").status == 0
    with psycopg.connect(filled_url) as connection:
        connection.execute("UPDATE product SET label = 'new' WHERE product_id = 1")
        connection.execute("UPDATE branch SET branch_name = 'New' WHERE branch_id = 1")
        connection.execute("DELETE FROM payment WHERE payment_id = 2")
    told = command("audit", "--json").json
    left_out = {table["table"]: table["left_out"] for table in told["tables"] if table["left_out"]}
    assert left_out.keys() == {"dim_product", "dim_clerk", "fact_payment"}


def test_some_tables_only(edited: Command) -> None:
    told = edited("audit", "--tables", "dim_product,currency", "--json").json
    assert [table["table"] for table in told["tables"]] == ["dim_currency", "dim_product"]


@pytest.mark.parametrize("tables", ["dim_nothing", "sales"])
def test_an_unknown_table_is_named(command: Command, tables: str) -> None:
    answer = command("audit", "--tables", tables)
    assert answer.status == 1
    assert tables in answer.err


def test_a_table_that_was_never_loaded_is_no_equal_one(command: Command) -> None:
    answer = command("audit")
    assert answer.status == 1
    assert "do a run first" in answer.err
