"""A row that cannot be right is set aside with its reason, counted and read again; the rows beside it load."""

import csv
from collections.abc import Callable
from dataclasses import replace
from io import StringIO
from typing import Any, LiteralString

import pytest

from include.lake.files import read_current
from include.lake.rejected import EXAMPLES, RejectedRow
from include.lake.rows import REASON_CHARACTERS
from include.runner import Run
from include.state.status import STATUS_KEY, Status
from include.totesys import DECLARED
from tests.system import System

SALE = 7
ON_SALES: dict[str, tuple[LiteralString, str]] = {
    "impossible date": (
        "UPDATE sales_order SET agreed_delivery_date = '2024-02-30' WHERE sales_order_id = 7",
        "agreed_delivery_date '2024-02-30' is not a date",
    ),
    "empty date": (
        "UPDATE sales_order SET agreed_delivery_date = '' WHERE sales_order_id = 7",
        "agreed_delivery_date '' is not a date",
    ),
    "no date at all": (
        "UPDATE sales_order SET agreed_payment_date = 'tomorrow' WHERE sales_order_id = 7",
        "agreed_payment_date 'tomorrow' is not a date",
    ),
    "date with a time": (
        "UPDATE sales_order SET agreed_payment_date = '2024-01-01 10:00' WHERE sales_order_id = 7",
        "agreed_payment_date '2024-01-01 10:00' is not a date",
    ),
    "date before the calendar": (
        "UPDATE sales_order SET agreed_payment_date = '1999-12-31' WHERE sales_order_id = 7",
        "agreed_payment_date 1999-12-31 is outside the calendar, 2000-01-01 to 2100-12-31",
    ),
    "date after the calendar": (
        "UPDATE sales_order SET agreed_payment_date = '2101-01-01' WHERE sales_order_id = 7",
        "agreed_payment_date 2101-01-01 is outside the calendar",
    ),
    "stamp before the calendar": (
        "UPDATE sales_order SET created_at = '1970-01-01' WHERE sales_order_id = 7",
        "created_at 1970-01-01 is outside the calendar",
    ),
    "date BC": (
        "UPDATE sales_order SET created_at = '0044-03-15 12:00:00 BC' WHERE sales_order_id = 7",
        "created_at '0044-03-15 12:00:00 BC' is not a timestamp(3)",
    ),
    "infinity": (
        "UPDATE sales_order SET last_updated = 'infinity' WHERE sales_order_id = 7",
        "last_updated 'infinity' is not a timestamp(3)",
    ),
    "minus infinity": (
        "UPDATE sales_order SET created_at = '-infinity' WHERE sales_order_id = 7",
        "created_at '-infinity' is not a timestamp(3)",
    ),
    "year of five digits": (
        "UPDATE sales_order SET created_at = '12024-01-01' WHERE sales_order_id = 7",
        "created_at '12024-01-01 00:00:00' is not a timestamp(3)",
    ),
    "year 0000": (
        "UPDATE sales_order SET agreed_delivery_date = '0000-01-01' WHERE sales_order_id = 7",
        "agreed_delivery_date '0000-01-01' is not a date",
    ),
    "first year": (
        "UPDATE sales_order SET agreed_delivery_date = '0001-01-01' WHERE sales_order_id = 7",
        "agreed_delivery_date 0001-01-01 is outside the calendar",
    ),
    "last year of the server": (
        "UPDATE sales_order SET created_at = '294276-12-31 23:59:59.999' WHERE sales_order_id = 7",
        "created_at '294276-12-31 23:59:59.999' is not a timestamp(3)",
    ),
    "huge text": (
        "UPDATE sales_order SET agreed_delivery_date = repeat('x', 200000) WHERE sales_order_id = 7",
        f"agreed_delivery_date '{'x' * 120}… (200,000 bytes)' is not a date",
    ),
    "huge text of controls and quotes": (
        "UPDATE sales_order SET agreed_delivery_date = repeat(E'\"\\x1b\\r\\n,', 50000) WHERE sales_order_id = 7",
        r"\x1b\r\n",
    ),
    "everything at once": (
        "UPDATE sales_order SET agreed_delivery_date = repeat('x', 200000), agreed_payment_date = repeat('y', 200000),"
        "created_at = 'infinity', last_updated = '-infinity' WHERE sales_order_id = 7",
        "last_updated '-infinity' is not a timestamp(3)",
    ),
    "NULL": (
        "ALTER TABLE sales_order ALTER units_sold DROP NOT NULL;"
        "UPDATE sales_order SET units_sold = NULL WHERE sales_order_id = 7",
        "units_sold is NULL",
    ),
    "NULL stamp": (
        "ALTER TABLE sales_order ALTER last_updated DROP NOT NULL;"
        "UPDATE sales_order SET last_updated = NULL WHERE sales_order_id = 7",
        "last_updated is NULL",
    ),
    "NULL date": (
        "ALTER TABLE sales_order ALTER agreed_payment_date DROP NOT NULL;"
        "UPDATE sales_order SET agreed_payment_date = NULL WHERE sales_order_id = 7",
        "agreed_payment_date is NULL",
    ),
    "reference that is not there": (
        "ALTER TABLE sales_order DROP CONSTRAINT sales_order_staff_id_fkey;"
        "UPDATE sales_order SET staff_id = 999 WHERE sales_order_id = 7",
        "sales_staff_id 999 is not in dim_staff",
    ),
}

ON_DIMENSIONS: dict[str, tuple[str, str, LiteralString, str]] = {
    "unknown currency": (
        "currency", "dim_currency",
        "UPDATE currency SET currency_code = 'XXY' WHERE currency_id = 2",
        "currency_code: 'XXY' is not a currency code of ISO 4217",
    ),
    "NULL name": (
        "design", "dim_design",
        "ALTER TABLE design ALTER design_name DROP NOT NULL; UPDATE design SET design_name = NULL WHERE design_id = 2",
        "design_name is NULL",
    ),
    "missing department": (
        "staff", "dim_staff",
        "ALTER TABLE staff DROP CONSTRAINT staff_department_id_fkey;"
        "UPDATE staff SET department_id = 999 WHERE staff_id = 2",
        "department_id 999 is not in department",
    ),
    "joined NULL": (
        "department", "dim_staff",
        "ALTER TABLE department ALTER department_name DROP NOT NULL;"
        "UPDATE department d SET department_name = NULL FROM staff s"
        " WHERE d.department_id = s.department_id AND staff_id = 2",
        "department_id.department_name is NULL",
    ),
}  # fmt: skip


csv.field_size_limit(1 << 30)


@pytest.fixture
def rejected_rows(system: System, s3: Any) -> Any:
    """A function that gives the rows of every file under rejected/ of a warehouse table."""

    def rows(table: str) -> list[dict[str, str]]:
        bucket = system.endpoints.buckets.processed
        found = s3.list_objects_v2(Bucket=bucket, Prefix=f"rejected/{table}/").get("Contents", [])
        files = [s3.get_object(Bucket=bucket, Key=entry["Key"])["Body"].read().decode() for entry in found]
        return [row for file in files for row in csv.DictReader(StringIO(file))]

    return rows


def shown_rows(system: System) -> list[RejectedRow]:
    """The rejected rows that status.json shows."""
    content, _ = read_current(system.endpoints.buckets.state, STATUS_KEY)
    return Status.model_validate_json(content or b"").rejected_rows


def counts(done: Run, table: str) -> tuple[int, int, int]:
    """How many rows of a table a run found new, changed and rejected."""
    (row,) = [row for row in done.summary()["tables"] if row["table"] == table]
    return row["new"], row["changed"], row["rejected"]


@pytest.mark.parametrize(("change", "reason"), ON_SALES.values(), ids=ON_SALES.keys())
def test_a_bad_fact_row_is_set_aside_with_its_reason_while_the_others_load(
    system: System, rejected_rows: Any, change: LiteralString, reason: str
) -> None:
    system.write(change)
    done = system.run_cleanly("sales_order")
    assert counts(done, "fact_sales_order") == (199, 0, 1)
    assert system.warehouse("SELECT count(*) FROM current_sales_order WHERE sales_order_id = 7") == [(0,)]
    (row,) = rejected_rows("fact_sales_order")
    assert row["sales_order_id"] == "7"
    assert reason in row["reason"]
    assert len(row["reason"]) <= REASON_CHARACTERS
    assert row["reason"].isprintable()
    (shown,) = shown_rows(system)
    assert (shown.table, shown.key) == ("fact_sales_order", 7)
    assert row["reason"].startswith(shown.reason)


@pytest.mark.parametrize("case", ON_DIMENSIONS.values(), ids=ON_DIMENSIONS.keys())
def test_a_bad_dimension_row_is_set_aside_and_its_last_good_state_stays(
    system: System, rejected_rows: Any, case: tuple[str, str, LiteralString, str]
) -> None:
    source, table, change, reason = case
    system.run_cleanly(source)
    before = system.row_versions()[table]
    system.write(change)
    done = system.run_cleanly(source)
    assert counts(done, table)[2] >= 1
    assert system.row_versions()[table] == before
    assert reason in rejected_rows(table)[0]["reason"]


def test_a_bad_change_keeps_the_last_good_version_current(system: System) -> None:
    system.run_cleanly("sales_order")
    system.write("UPDATE sales_order SET agreed_delivery_date = 'soon' WHERE sales_order_id = 7")
    system.run_cleanly("sales_order")
    assert system.warehouse("SELECT count(*) FROM current_sales_order WHERE sales_order_id = 7") == [(1,)]


def test_every_thing_that_is_wrong_with_a_row_is_told(system: System, rejected_rows: Any) -> None:
    system.write("UPDATE sales_order SET agreed_delivery_date = 'soon' WHERE sales_order_id = 7")
    system.write("UPDATE sales_order SET agreed_payment_date = '' WHERE sales_order_id = 7")
    system.run_cleanly("sales_order")
    (row,) = rejected_rows("fact_sales_order")
    assert "agreed_delivery_date 'soon'" in row["reason"]
    assert "agreed_payment_date ''" in row["reason"]


@pytest.mark.parametrize("change", ["repaired", "deleted"])
def test_a_rejected_row_is_forgotten_when_it_is_right_or_gone(system: System, change: str) -> None:
    system.write("UPDATE sales_order SET agreed_delivery_date = 'soon' WHERE sales_order_id = 7")
    system.run_cleanly("sales_order")
    system.write("UPDATE transaction SET sales_order_id = NULL WHERE sales_order_id = 7")
    if change == "repaired":
        system.write("UPDATE sales_order SET agreed_delivery_date = '2024-01-31' WHERE sales_order_id = 7")
    else:
        system.write("DELETE FROM sales_order WHERE sales_order_id = 7")
    assert counts(system.run_cleanly("sales_order"), "fact_sales_order")[2] == 0
    assert system.warehouse("SELECT count(*) FROM current_sales_order") == system.source(
        "SELECT count(*) FROM sales_order"
    )


def test_a_rejected_row_that_stays_wrong_writes_no_version_and_does_not_fail_the_run(system: System) -> None:
    system.write("UPDATE sales_order SET agreed_delivery_date = 'soon' WHERE sales_order_id = 7")
    system.run_cleanly("sales_order")
    before = system.row_versions()["fact_sales_order"]
    assert counts(system.run_cleanly("sales_order"), "fact_sales_order") == (0, 0, 1)
    assert system.row_versions()["fact_sales_order"] == before


def test_a_fact_is_loaded_when_the_dimension_row_that_it_misses_is_repaired(system: System) -> None:
    system.write("UPDATE currency SET currency_code = 'XXY' WHERE currency_id = 2")
    missing = system.source("SELECT count(*) FROM sales_order WHERE currency_id = 2")[0][0]
    assert counts(system.run_cleanly(), "fact_sales_order")[2] == missing > 0
    system.write("UPDATE currency SET currency_code = 'USD' WHERE currency_id = 2")
    assert counts(system.run_cleanly(), "fact_sales_order") == (missing, 0, 0)


def test_a_table_of_nothing_but_bad_rows_is_no_failure(system: System) -> None:
    system.write("UPDATE sales_order SET agreed_delivery_date = 'soon'")
    assert counts(system.run_cleanly("sales_order"), "fact_sales_order") == (0, 0, 200)


def test_one_huge_text_does_not_stop_the_rows_beside_it(system: System) -> None:
    system.write("UPDATE design SET file_location = repeat('x', 9000000) WHERE design_id = 2")
    system.run_cleanly("design")
    assert system.warehouse("SELECT count(*) >= 423 FROM dim_design") == [(True,)]


def fails(error: Exception) -> Callable[[str], str]:
    def derive(value: str) -> str:
        if value == "USD":
            raise error
        return value

    return derive


DERIVES: dict[str, tuple[Callable[[str], Any], str]] = {
    "no argument": (fails(LookupError()), "currency_code: it is not known"),
    "no text": (fails(KeyError(7)), "currency_code: 7"),
    "another error": (fails(ZeroDivisionError("two\nlines")), r"derive failed for it: ZeroDivisionError: two\nlines"),
    "a long one": (fails(ValueError("x" * 200_000)), "derive failed for it: ValueError: xxx"),
    "nothing": (lambda value: None if value == "USD" else value, "<lambda> failed for it: AttributeError"),
    "a number": (lambda value: 5 if value == "USD" else value, "<lambda> failed for it: AttributeError"),
    "half a character": (lambda value: "\ud800" if value == "USD" else value, "UnicodeEncodeError"),
}


@pytest.mark.parametrize(("derive", "reason"), DERIVES.values(), ids=DERIVES.keys())
def test_a_function_that_fails_for_a_value_costs_its_rows_alone(
    system: System, rejected_rows: Any, derive: Callable[[str], Any], reason: str
) -> None:
    table = DECLARED.star["dim_currency"]
    columns = tuple(replace(column, derive=derive) if column.derive else column for column in table.columns)
    system.declare(replace(table, columns=columns))
    assert counts(system.run_cleanly("currency"), table.name) == (2, 0, 1)
    (row,) = rejected_rows(table.name)
    assert reason in row["reason"]
    assert len(row["reason"]) < 500
    assert "\n" not in row["reason"]


def test_many_rejected_rows_are_told_in_a_few_words(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    system.write("UPDATE sales_order SET agreed_delivery_date = repeat('x', 50000) || sales_order_id")
    load = system.run_cleanly("sales_order").of_kind("load")["fact_sales_order"]
    assert len(load.rejected) == 200
    assert len(load.model_dump_json()) < 20_000
    assert len(shown_rows(system)) == EXAMPLES


def test_a_rejected_file_that_is_gone_stops_no_run(system: System, s3: Any) -> None:
    system.write("UPDATE sales_order SET agreed_delivery_date = 'soon' WHERE sales_order_id = 7")
    system.run_cleanly("sales_order")
    s3.delete_object(Bucket=system.endpoints.buckets.processed, Key=shown_rows(system)[0].file)
    system.write("UPDATE sales_order SET units_sold = 1 WHERE sales_order_id = 8")
    system.run_cleanly("sales_order")
