"""Most of a table gone at once: it is held back, alone, until somebody says that it was meant."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, LiteralString

import pytest

from include.common.errors import DataError, DeclarationError
from include.runner import Run
from include.state import latest
from include.state.latest import STATE_KEY
from include.state.status import STATUS_KEY, Status
from include.tables import belief
from include.tables.steps import RECORD, Step
from include.totesys import DECLARED
from include.warehouse.load import load
from tests.messages import one_line
from tests.system import System
from tests.totesys.bad_input.conftest import Recorded

LEAST = 20
PAYMENTS = "SELECT count(*) FROM current_payment"
SALES = "SELECT count(*) FROM current_sales_order"
MOST: LiteralString = "DELETE FROM payment WHERE payment_id % 10 < 6"
REVERSE: LiteralString = "UPDATE sales_order SET units_sold = 7 WHERE sales_order_id = 1"


@pytest.fixture(autouse=True)
def _small_tables(monkeypatch: pytest.MonkeyPatch) -> None:
    """A small table is guarded as a large one is."""
    monkeypatch.setattr(belief, "LEAST_KEYS", LEAST)


def counted(system: System, query: LiteralString, *, of: str = "warehouse") -> int:
    ((number,),) = system.warehouse(query) if of == "warehouse" else system.source(query)
    return int(number)


def held_in(done: Run, table: str) -> str:
    """Why a table was held back in a run that failed for nothing else."""
    assert set(done.failures) == {RECORD}, done.failures
    error = done.failures[RECORD]
    assert type(error) is DataError
    return one_line(error, f"{table}: ", "held back", "accept_deletions", f"--accept-deletions {table}")


def shown(system: System, s3: Any) -> Status:
    body = s3.get_object(Bucket=system.endpoints.buckets.state, Key=STATUS_KEY)["Body"]
    return Status.model_validate_json(body.read())


def test_most_rows_gone_at_once_hold_the_table_back_alone_until_it_is_accepted(
    system: System, recorded: Recorded, s3: Any
) -> None:
    system.run_cleanly()
    before, known, sales = counted(system, PAYMENTS), recorded.table("payment"), recorded.table("sales_order")
    system.write(MOST)
    system.write(REVERSE)
    for _ in range(2):  # not even later is it believed
        done = system.run()
        left = counted(system, "SELECT count(*) FROM payment", of="source")
        assert f"{before - left} of {before} known rows" in held_in(done, "payment")
    assert {row["table"]: row["outcome"] for row in done.summary()["tables"]}["fact_payment"] == "held"
    assert (counted(system, PAYMENTS), recorded.table("payment")) == (before, known)
    assert system.warehouse("SELECT units_sold FROM current_sales_order WHERE sales_order_id = 1") == [(7,)]
    assert recorded.table("sales_order")["read_at"] > sales["read_at"]
    table = shown(system, s3).tables["fact_payment"]
    assert (table.outcome, table.held) == ("failed", ["payment"])
    assert "--accept-deletions payment" in table.problem

    accepted = system.run_cleanly(accept=("fact_payment",))
    assert accepted.results[Step("load", "fact_payment")].deleted == before - left
    assert counted(system, PAYMENTS) == left
    system.run_cleanly()
    assert shown(system, s3).tables["fact_payment"].held == []


@pytest.mark.parametrize(("more", "believed"), [(0, True), (1, False)])
def test_half_of_the_rows_are_believed_to_be_deleted_and_one_more_is_not(
    system: System, more: int, believed: bool
) -> None:
    system.run_cleanly()
    gone = counted(system, PAYMENTS) // 2 + more
    system.write("DELETE FROM payment WHERE payment_id IN (SELECT payment_id FROM payment LIMIT %s)", gone)
    assert (not system.run().failures) == believed


def test_a_declared_share_takes_the_place_of_half_and_reads_nothing_again(system: System) -> None:
    system.declare(replace(DECLARED.sources["payment"], believed_deletions=0.0))
    assert system.declared.fingerprint("payment") == DECLARED.fingerprint("payment")
    system.run_cleanly()
    system.write("DELETE FROM payment WHERE payment_id = 3")
    held_in(system.run(), "payment")
    system.declare(replace(DECLARED.sources["payment"], believed_deletions=1.0))
    system.write("DELETE FROM payment")
    system.run_cleanly()
    assert counted(system, PAYMENTS) == 0


@pytest.mark.parametrize("share", [-0.1, 1.1, float("nan")])
def test_a_share_that_is_none_is_refused(share: float) -> None:
    with pytest.raises(DeclarationError, match="believed_deletions must lie between 0 and 1"):
        replace(DECLARED.sources["payment"], believed_deletions=share)


def test_a_table_with_fewer_rows_is_believed_to_lose_all(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(belief, "LEAST_KEYS", 100_000)
    system.run_cleanly()
    system.write("DELETE FROM payment")
    system.run_cleanly()
    assert counted(system, PAYMENTS) == 0


def test_a_thousand_rows_are_where_it_begins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    assert belief.doubt(DECLARED.sources["payment"], 999, 999, 0) == ""
    assert "1,000 of 1,000" in belief.doubt(DECLARED.sources["payment"], 1000, 1000, 0)


GONE: dict[str, LiteralString] = {
    "emptied": "DELETE FROM payment",
    "truncated": "TRUNCATE payment",
    "with other keys": "UPDATE payment SET payment_id = payment_id + 1000000",
    "refilled with other keys": "CREATE TEMP TABLE kept AS TABLE payment; TRUNCATE payment;"
    " UPDATE kept SET payment_id = payment_id + 1000000; INSERT INTO payment TABLE kept",
    "recreated with other keys": "ALTER TABLE payment RENAME TO old; CREATE TABLE payment (LIKE old INCLUDING ALL);"
    " INSERT INTO payment SELECT * FROM old WHERE payment_id < 5",
}


@pytest.mark.parametrize("change", GONE.values(), ids=GONE.keys())
def test_however_the_rows_went_nothing_is_closed_and_nothing_added(system: System, change: LiteralString) -> None:
    system.run_cleanly()
    rows = system.row_versions()
    system.write(change)
    held_in(system.run(), "payment")
    held_in(system.run("payment", full_refresh=True), "payment")
    assert system.row_versions() == rows
    system.run_cleanly(accept=("payment",))
    assert counted(system, PAYMENTS) == counted(system, "SELECT count(*) FROM payment", of="source")
    system.run_cleanly()


def forget_state(system: System, s3: Any) -> None:
    s3.delete_object(Bucket=system.endpoints.buckets.state, Key=STATE_KEY)


def lose_keys(system: System, s3: Any) -> None:
    for entry in s3.list_objects_v2(Bucket=system.endpoints.buckets.state, Prefix="keys/")["Contents"]:
        s3.delete_object(Bucket=system.endpoints.buckets.state, Key=entry["Key"])


@pytest.mark.parametrize("lose", [forget_state, lose_keys])
def test_a_table_that_is_read_whole_is_held_against_what_the_warehouse_has(
    system: System, s3: Any, lose: Callable[[System, Any], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(latest, "SMALL_BYTES", 0)
    system.run_cleanly()
    before = counted(system, PAYMENTS)
    lose(system, s3)
    system.write("DELETE FROM payment WHERE payment_id > 3")
    done = system.run(full_refresh=True)
    assert f"{before - 3} of {before} known rows" in held_in(done, "payment")
    assert counted(system, PAYMENTS) == before
    system.run_cleanly(full_refresh=True, accept=("payment",))
    assert counted(system, PAYMENTS) == 3


def test_a_reading_that_was_loaded_and_never_recorded_is_known_by_the_warehouse(
    system: System, recorded: Recorded
) -> None:
    system.run_cleanly()
    state = recorded.content()
    system.write(
        "INSERT INTO transaction (transaction_id, transaction_type, last_updated)"
        " SELECT n, 'SALE', now() FROM generate_series(500001, 501000) AS n"
    )
    system.run_cleanly()
    before = counted(system, "SELECT count(*) FROM dim_transaction")
    recorded.replace(state)
    system.write("DELETE FROM transaction WHERE transaction_id > 500000")
    assert f"1,000 of {before:,} known rows" in held_in(system.run(), "transaction")
    assert system.warehouse("SELECT count(*) FROM pipeline.deleted") == [(0,)]
    system.run_cleanly(accept=("transaction",))
    assert system.warehouse("SELECT count(*) FROM pipeline.deleted") == [(1000,)]


def test_rows_of_a_dimension_that_are_known_to_be_gone_do_not_count_again(system: System) -> None:
    add: LiteralString = (
        "INSERT INTO design SELECT n, 'n', '/', 'f', now(), now() FROM generate_series(1001, 1500) AS n"
    )
    system.write(add)
    system.run_cleanly("design")
    for bound in (1400, 1300, 1200, 1100, 1000):  # each time few, in the end more than half
        system.write("DELETE FROM design WHERE design_id > %s", bound)
        system.run_cleanly("design")
    system.run_cleanly("design", full_refresh=True)
    assert counted(system, "SELECT count(*) FROM pipeline.deleted WHERE table_name = 'dim_design'") == 500
    system.write(add)
    system.run_cleanly("design")
    system.write("DELETE FROM design WHERE design_id > 1000")
    held_in(system.run("design"), "design")
    held_in(system.run("design", full_refresh=True), "design")
    assert counted(system, "SELECT count(*) FROM pipeline.deleted WHERE table_name = 'dim_design'") == 0


def test_facts_go_on_beside_a_dimension_that_is_held_back(system: System) -> None:
    system.write("INSERT INTO design SELECT n, 'n', '/', 'f', now(), now() FROM generate_series(1001, 1500) AS n")
    system.run_cleanly()
    system.write("DELETE FROM design WHERE design_id > 1000")
    system.write(REVERSE)
    held_in(system.run(), "design")
    assert system.warehouse("SELECT units_sold FROM current_sales_order WHERE sales_order_id = 1") == [(7,)]
    held_in(system.run(full_refresh=True), "design")


@pytest.mark.parametrize("whole", [False, True], ids=["changes", "whole"])
def test_what_a_held_table_completes_goes_on_and_loses_nothing(system: System, whole: bool) -> None:
    """Departments are no table of the warehouse: nobody but the state knows which there were."""
    system.write("INSERT INTO department SELECT n, 'd', 'l', 'm', now(), now() FROM generate_series(100, 200) AS n")
    system.run_cleanly()
    system.write("DELETE FROM department WHERE department_id >= 100; UPDATE department SET location = 'Leeds'")
    system.write("UPDATE staff SET first_name = 'Ann' WHERE staff_id = 1")
    system.write(
        "ALTER TABLE staff DROP CONSTRAINT staff_department_id_fkey; DELETE FROM department WHERE department_id = 2"
    )
    of_gone = system.source("SELECT staff_id FROM staff WHERE department_id = 2 ORDER BY 1")
    listed = ", ".join(str(key) for (key,) in of_gone)
    kept = f"SELECT * FROM dim_staff WHERE staff_id IN ({listed}) ORDER BY 1"  # noqa: S608
    before = system.warehouse(kept)
    held_in(system.run(full_refresh=whole), "department")
    assert system.warehouse("SELECT first_name FROM dim_staff WHERE staff_id = 1") == [("Ann",)]
    assert system.warehouse(kept) == before
    others = "SELECT count(*) FROM dim_staff WHERE location = 'Leeds'"
    assert system.warehouse(others) == system.source("SELECT count(*) FROM staff WHERE department_id <> 2")
    system.run_cleanly(accept=("department",), full_refresh=whole)


def test_of_two_tables_one_can_be_accepted(system: System) -> None:
    system.run_cleanly()
    system.write("DELETE FROM payment; DELETE FROM transaction")
    done = system.run()
    one_line(done.failures[RECORD], "transaction: ", "payment: ")
    held_in(system.run(accept=("payment",)), "transaction")
    assert counted(system, PAYMENTS) == 0
    system.run_cleanly(accept=("dim_transaction",))


def test_an_accepted_load_can_be_repeated_and_changes_nothing_again(system: System) -> None:
    system.run_cleanly()
    system.write(MOST)
    done = system.run_cleanly(accept=("payment",))
    rows = system.row_versions()
    again = load(DECLARED, DECLARED.star["fact_payment"], done.results[Step("transform", "fact_payment")])
    assert (again.held, again.deleted) == ("", 0)
    assert system.row_versions() == rows


def test_rows_that_come_back_end_it(system: System) -> None:
    system.run_cleanly()
    system.write("CREATE TABLE kept AS TABLE payment")
    system.write("DELETE FROM payment")
    held_in(system.run(), "payment")
    system.write("INSERT INTO payment TABLE kept")
    before = counted(system, PAYMENTS)
    system.run_cleanly()
    assert counted(system, PAYMENTS) == before == counted(system, "SELECT count(*) FROM payment", of="source")


def test_what_is_accepted_is_a_table_that_the_run_reads(system: System) -> None:
    with pytest.raises(DeclarationError, match="no such table: payments"):
        system.run(accept=("payments",))
    with pytest.raises(DeclarationError, match="accept_deletions names payment, which this run does not read"):
        system.run("design", accept=("payment",))
