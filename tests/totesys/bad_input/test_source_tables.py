"""A source table that is not as declared stops itself alone, and says which column or table it is."""

from typing import LiteralString

import pytest

from include.common.errors import DataError
from include.runner import Run
from include.tables.steps import Step
from tests.messages import one_line
from tests.system import System
from tests.totesys.bad_input.conftest import Recorded

INGEST_DESIGN = Step("ingest", "design")

WRONG: dict[str, tuple[LiteralString, tuple[str, ...]]] = {
    "renamed column": (
        "ALTER TABLE design RENAME file_name TO filename",
        ("design", "file_name", "missing", "filename"),
    ),
    "missing column": ("ALTER TABLE design DROP COLUMN file_location", ("design", "file_location", "missing")),
    "other type": (
        "ALTER TABLE design ALTER file_name TYPE integer USING 1",
        ("design", "file_name", "integer", "declared as text"),
    ),
    "key of another kind": (
        "ALTER TABLE design ALTER design_id TYPE numeric(10,0)",
        ("design", "design_id", "numeric(10,0)", "integer"),
    ),
    "time zone": (
        "ALTER TABLE design ALTER last_updated TYPE timestamptz(3)",
        ("design", "last_updated", "timestamptz(3)"),
    ),
    "missing stamp": ("ALTER TABLE design DROP COLUMN last_updated", ("design", "last_updated", "missing")),
    "missing table": ("ALTER TABLE design RENAME TO designs", ("design", "no table public.design")),
    "other schema": ("CREATE SCHEMA s; ALTER TABLE design SET SCHEMA s", ("design", "no table public.design")),
}


def failed_ingest(done: Run) -> Exception:
    """The error of reading `design`, beside which only the run's own summary failed."""
    assert {str(step) for step in done.failures} == {"ingest design", "record"}
    return done.failures[INGEST_DESIGN]


@pytest.mark.parametrize(("change", "named"), WRONG.values(), ids=WRONG.keys())
def test_a_table_that_is_not_as_declared_is_an_error_that_names_what_is_wrong(
    system: System, recorded: Recorded, change: LiteralString, named: tuple[str, ...]
) -> None:
    system.run_cleanly("design")
    known, rows = recorded.table("design"), system.row_versions()
    system.write("UPDATE design SET design_name = 'Lost?'")
    system.write(change)
    error = failed_ingest(system.run("design"))
    assert type(error) is DataError
    one_line(error, *named)
    assert (recorded.table("design"), system.row_versions()) == (known, rows)


def test_every_wrong_column_is_named_at_once(system: System) -> None:
    system.write("ALTER TABLE design DROP COLUMN file_name, ALTER design_name TYPE json USING '{}'")
    message = one_line(failed_ingest(system.run("design")), "correct its declaration or the source")
    assert "file_name is missing" in message
    assert "design_name is json, declared as text" in message


def test_the_other_tables_load_and_are_recorded(system: System, recorded: Recorded) -> None:
    system.write("ALTER TABLE design RENAME file_name TO filename")
    done = system.run()
    assert {str(step) for step in done.failures} == {"ingest design", "record"}
    one_line(done.failures[Step("record")], "not read", "design", "fact_sales_order")
    assert recorded.table("payment") is not None
    assert recorded.table("purchase_order") is not None
    assert recorded.table("design") is None
    assert system.warehouse("SELECT count(*) FROM current_purchase_order") == system.source(
        "SELECT count(*) FROM purchase_order"
    )


def test_a_fact_whose_dimension_cannot_be_read_waits_and_is_not_recorded(system: System, recorded: Recorded) -> None:
    system.write("ALTER TABLE design RENAME file_name TO filename")
    system.run()
    assert recorded.table("sales_order") is None
    assert system.warehouse("SELECT count(*) FROM fact_sales_order") == [(0,)]


def test_the_next_run_after_the_repair_brings_everything(system: System) -> None:
    system.write("ALTER TABLE design RENAME file_name TO filename")
    system.run()
    system.write("ALTER TABLE design RENAME filename TO file_name")
    system.run_cleanly()
    assert system.warehouse("SELECT count(*) FROM current_sales_order") == system.source(
        "SELECT count(*) FROM sales_order"
    )


def test_new_columns_are_ignored_and_said_once(system: System, caplog: pytest.LogCaptureFixture) -> None:
    said: list[str] = []
    for change in (
        "SELECT 1",
        "ALTER TABLE design ADD colour text, ADD price money",
        "UPDATE design SET colour = 'red'",
    ):
        system.write(change)
        caplog.clear()
        with caplog.at_level("WARNING", "include"):
            system.run_cleanly("design")
        said.append("\n".join(message for message in caplog.messages if "ignored" in message))
    assert said[0] == ""
    assert "design" in said[1]
    assert "colour" in said[1]
    assert "price" in said[1]
    assert said[2] == ""
