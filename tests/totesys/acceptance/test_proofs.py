"""Values that no row version tells of: whatever made them differ, they are found by value, and healed."""

from typing import LiteralString

import pytest

from tests.system import System, open_exactly
from tests.totesys.acceptance.oracle import all_differences

EDITS: dict[str, tuple[str, LiteralString, LiteralString]] = {
    "a value changed": (
        "fact_sales_order",
        "UPDATE fact_sales_order SET units_sold = units_sold + 1 WHERE sales_order_id = 5",
        "SELECT units_sold FROM current_sales_order WHERE sales_order_id = 5",
    ),
    "a row deleted": (
        "fact_payment",
        "DELETE FROM fact_payment WHERE payment_id = 7",
        "SELECT payment_id FROM current_payment WHERE payment_id = 7",
    ),
    "a version closed": (
        "fact_purchase_order",
        "UPDATE fact_purchase_order SET valid_to = now() WHERE purchase_order_id = 3",
        "SELECT purchase_order_id FROM current_purchase_order WHERE purchase_order_id = 3",
    ),
    "a row added": (
        "fact_sales_order",
        "INSERT INTO fact_sales_order SELECT 900001, 900001, created_date, created_time, last_updated_date,"
        " last_updated_time, sales_staff_id, counterparty_id, units_sold, unit_price, currency_id, design_id,"
        " agreed_payment_date, agreed_delivery_date, agreed_delivery_location_id, valid_from, NULL"
        " FROM fact_sales_order LIMIT 1",
        "SELECT count(*) FROM current_sales_order WHERE sales_order_id = 900001",
    ),
    "a fact emptied": (
        "fact_payment",
        "TRUNCATE fact_payment",
        "SELECT count(*), sum(payment_amount) FROM current_payment",
    ),
    "a dimension's text emptied": (
        "dim_design",
        "UPDATE dim_design SET file_name = '' WHERE design_id = 2",
        "SELECT file_name FROM dim_design WHERE design_id = 2",
    ),
    "a joined value": (
        "dim_staff",
        "UPDATE dim_staff SET department_name = 'Other' WHERE staff_id = 2",
        "SELECT department_name FROM dim_staff WHERE staff_id = 2",
    ),
    "a NULL in place of a text": (
        "dim_counterparty",
        "UPDATE dim_counterparty SET counterparty_legal_district = coalesce(NULL, 'x') WHERE counterparty_id = 2",
        "SELECT counterparty_legal_district FROM dim_counterparty WHERE counterparty_id = 2",
    ),
    "a derived value": (
        "dim_currency",
        "UPDATE dim_currency SET currency_name = 'Pound' WHERE currency_id = 1",
        "SELECT currency_name FROM dim_currency WHERE currency_id = 1",
    ),
    "a row noted as deleted": (
        "dim_transaction",
        "INSERT INTO pipeline.deleted VALUES ('dim_transaction', 4)",
        "SELECT count(*) FROM pipeline.deleted",
    ),
}


@pytest.mark.parametrize("edit", EDITS)
def test_what_somebody_changed_in_the_warehouse_by_hand_is_healed_and_told(system: System, edit: str) -> None:
    table, statement, query = EDITS[edit]
    system.run_cleanly()
    if edit == "a row added":
        right: list[tuple[object, ...]] = [(0,)]
    else:
        right = system.warehouse(query)
    system.edit_warehouse(statement)
    done = system.run()
    assert system.warehouse(query) == right
    assert [str(step) for step in done.failures] == ["record"]
    assert table in str(*done.failures.values())
    system.run_cleanly()


JOINED: dict[str, LiteralString] = {
    "columns renamed": """
        ALTER TABLE address RENAME city TO other;
        ALTER TABLE address RENAME country TO city;
        ALTER TABLE address RENAME other TO country""",
    "a column added again": """
        ALTER TABLE department DROP COLUMN location;
        ALTER TABLE department ADD COLUMN location text DEFAULT 'Leeds'""",
    "another table": """
        ALTER TABLE department RENAME TO replaced;
        ALTER TABLE department_kept RENAME TO department""",
}


@pytest.mark.parametrize("change", JOINED)
def test_what_no_row_version_of_a_joined_table_tells_is_explained_and_fails_no_run(system: System, change: str) -> None:
    system.write("CREATE TABLE department_kept (LIKE department INCLUDING ALL)")
    system.write("INSERT INTO department_kept TABLE department")
    system.write("UPDATE department_kept SET location = 'Hull'")
    system.run_cleanly()
    system.write(JOINED[change])
    done = system.run_cleanly()
    explained = {name for read in done.of_kind("ingest").values() for name, p in read.proofs.items() if p.explained}
    assert explained & {"dim_staff", "dim_counterparty"} or done.of_kind("ingest")["staff"].base is None
    with open_exactly(system.endpoints.source_url) as source, open_exactly(system.endpoints.warehouse_url) as warehouse:
        assert all_differences(source, warehouse) == []


def test_a_quiet_run_proves_small_tables_whole_and_changes_nothing(system: System) -> None:
    system.run_cleanly()
    rows = system.row_versions()
    done = system.run_cleanly()
    proofs = {name: proof for read in done.of_kind("ingest").values() for name, proof in read.proofs.items()}
    assert len(proofs) == 10
    assert all(proof.marks[-1].to is None and len(proof.marks) == 1 for proof in proofs.values())
    assert system.row_versions() == rows
