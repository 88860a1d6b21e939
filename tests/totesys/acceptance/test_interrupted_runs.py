"""Runs that end between a load and its record, and runs over a part of the tables: the smallest cases of each."""

from collections.abc import Callable
from typing import LiteralString

import pytest

from include import pipeline
from include.runner import Run
from include.tables.steps import Step
from include.totesys import DECLARED
from tests.system import System, open_exactly
from tests.totesys.acceptance.faults import Faults, PowerCut, watched_run
from tests.totesys.acceptance.oracle import all_differences

NEW_SALE = """
    INSERT INTO sales_order (sales_order_id, design_id, staff_id, counterparty_id, units_sold, unit_price, currency_id,
        agreed_delivery_date, agreed_payment_date, agreed_delivery_location_id, last_updated)
    VALUES (999, 1, 1, 1, 1, 1, 1, '2024-01-01', '2024-01-01', 1, now())"""
NEW_STAFF = """
    INSERT INTO staff (staff_id, first_name, last_name, department_id, email_address, last_updated)
    VALUES (999, 'Ana', 'Lee', 1, 'ana.lee@terrifictotes.com', now())"""
CURRENT_SALE = "SELECT count(*) FROM current_sales_order WHERE sales_order_id = 999"

TAKEN_BACK: dict[str, LiteralString] = {
    "labels": """
        ALTER TYPE "TransactionType" RENAME VALUE 'SALE' TO 'other';
        ALTER TYPE "TransactionType" RENAME VALUE 'PURCHASE' TO 'SALE';
        ALTER TYPE "TransactionType" RENAME VALUE 'other' TO 'PURCHASE'""",
    "columns": """
        ALTER TABLE sales_order RENAME agreed_payment_date TO other;
        ALTER TABLE sales_order RENAME agreed_delivery_date TO agreed_payment_date;
        ALTER TABLE sales_order RENAME other TO agreed_delivery_date""",
    "columns of a joined table": """
        ALTER TABLE address RENAME city TO other;
        ALTER TABLE address RENAME country TO city;
        ALTER TABLE address RENAME other TO country""",
    "columns of a table that joins": """
        ALTER TABLE staff RENAME first_name TO other;
        ALTER TABLE staff RENAME last_name TO first_name;
        ALTER TABLE staff RENAME other TO last_name""",
    "tables": """
        CREATE TABLE IF NOT EXISTS kept (LIKE payment INCLUDING ALL);
        INSERT INTO kept SELECT (jsonb_populate_record(payment, '{"payment_amount": 7}')).* FROM payment
            ON CONFLICT DO NOTHING;
        ALTER TABLE payment RENAME TO other;
        ALTER TABLE kept RENAME TO payment;
        ALTER TABLE other RENAME TO kept""",
}
"""What no row version tells of: done twice, it is as if nothing had been."""

Unrecorded = Callable[[System], None]


@pytest.fixture
def run_unrecorded(monkeypatch: pytest.MonkeyPatch) -> Unrecorded:
    """A function that makes a run which loads everything and ends before it records that."""

    def cut(*_: object) -> None:
        raise PowerCut

    def run(system: System) -> None:
        with monkeypatch.context() as patch:
            patch.setattr(pipeline, "record_run", cut)
            with pytest.raises(PowerCut):
                system.run()

    return run


def test_a_fact_that_was_loaded_but_not_recorded_is_closed_when_its_row_is_deleted(
    system: System, run_unrecorded: Unrecorded
) -> None:
    system.run_cleanly()
    system.write(NEW_SALE)
    run_unrecorded(system)
    assert system.warehouse(CURRENT_SALE) == [(1,)]
    system.write("DELETE FROM sales_order WHERE sales_order_id = 999")
    system.run_cleanly()
    assert system.warehouse(CURRENT_SALE) == [(0,)]


def test_a_dimension_row_that_was_loaded_but_not_recorded_and_then_deleted_does_not_stop_later_loads(
    system: System, run_unrecorded: Unrecorded
) -> None:
    system.run_cleanly()
    system.write(NEW_STAFF)
    run_unrecorded(system)
    system.write("DELETE FROM staff WHERE staff_id = 999")
    system.write("UPDATE department SET location = 'Leeds'")
    system.run_cleanly()
    assert system.warehouse("SELECT DISTINCT location FROM dim_staff WHERE staff_id <> 999") == [("Leeds",)]


@pytest.mark.parametrize("change", TAKEN_BACK)
def test_what_was_loaded_but_not_recorded_and_then_taken_back_without_a_row_version_is_right_after_the_next_run(
    system: System, run_unrecorded: Unrecorded, change: str
) -> None:
    system.run_cleanly()
    system.write(TAKEN_BACK[change])
    run_unrecorded(system)
    system.write(TAKEN_BACK[change])
    system.run_cleanly()
    with open_exactly(system.endpoints.source_url) as source, open_exactly(system.endpoints.warehouse_url) as warehouse:
        assert all_differences(source, warehouse) == []
    rows = system.row_versions()
    system.run_cleanly()
    assert system.row_versions() == rows


@pytest.mark.parametrize("table", [name for name in DECLARED.star if name != "dim_date"])
def test_a_run_over_one_table_brings_its_changes_and_does_not_fail(system: System, table: str) -> None:
    system.run_cleanly()
    for source in DECLARED.star[table].source_names:
        system.write(f"UPDATE {source} SET created_at = created_at + interval '1 second'")  # noqa: S608
    system.run_cleanly(table)
    system.run_cleanly()


def test_rows_written_between_the_reads_of_a_run_are_never_refused_for_what_they_refer_to(system: System) -> None:
    def write_a_sale_of_a_new_design(step: Step, going: Run, do: Callable[[], object]) -> object:
        if step.kind == "ingest":
            system.write("""
                WITH made AS (INSERT INTO design (design_name, file_location, file_name, last_updated)
                              VALUES ('new', '/', 'new', now()) RETURNING design_id)
                INSERT INTO sales_order (design_id, staff_id, counterparty_id, units_sold, unit_price, currency_id,
                    agreed_delivery_date, agreed_payment_date, agreed_delivery_location_id, last_updated)
                SELECT design_id, 1, 1, 1, 1, 1, '2024-01-01', '2024-01-01', 1, now() FROM made""")
        return do()

    for _ in range(2):
        with watched_run(Faults(), write_a_sale_of_a_new_design):
            assert not system.run_cleanly().of_kind("load")["fact_sales_order"].rejected
