"""The history of runs that fail, and a history that cannot be written."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from include import pipeline
from include.common.errors import DataError, ServiceError
from include.state import status
from include.state.history import RunIdentity
from include.state.status import STATUS_KEY, Status
from include.state.work import Work
from include.totesys import DECLARED
from tests.messages import one_line
from tests.system import System
from tests.totesys.bad_input.conftest import Recorded


def told(system: System, s3: Any) -> Status:
    """What status.json tells."""
    body = s3.get_object(Bucket=system.endpoints.buckets.state, Key=STATUS_KEY)["Body"]
    return Status.model_validate_json(body.read())


def test_a_run_that_could_not_read_a_table_is_in_the_history_with_the_table(system: System, s3: Any) -> None:
    system.write("ALTER TABLE design RENAME file_name TO filename")
    system.run("design")
    shown = told(system, s3)
    assert shown.runs[0].problems == ["not read: design"]
    assert (shown.tables["dim_design"].outcome, shown.tables["dim_design"].problem) == ("failed", "not read: design")
    assert shown.tables["dim_design"].rows is None
    assert shown.tables["dim_staff"].outcome is None


def test_a_run_whose_record_failed_is_in_the_history_with_the_reason(
    system: System, recorded: Recorded, s3: Any
) -> None:
    system.run_cleanly("currency")
    recorded.replace(b"{")
    run = RunIdentity(run_id="scheduled__1", started_at=datetime.now(UTC))
    with pytest.raises(DataError, match=r"latest_update\.json"):
        pipeline.record_run(run, Work(DECLARED, {"currency"}, checked={}))
    newest = told(system, s3).runs[0]
    assert newest.run == run
    assert "latest_update.json" in newest.problems[0]


def test_a_history_that_cannot_be_written_is_told_and_leaves_the_data_recorded(
    system: System, recorded: Recorded, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise ServiceError("s3://state/status.json: SlowDown")

    monkeypatch.setattr(status, "replace_file", refuse)
    done = system.run("currency")
    (error,) = done.failures.values()
    one_line(error, "history", STATUS_KEY, "SlowDown")
    assert recorded.table("currency")["rows"] == 3
    assert system.warehouse("SELECT count(*) FROM dim_currency") == [(3,)]


def test_rejected_rows_are_in_the_history_with_key_reason_and_file_until_they_are_repaired(
    system: System, s3: Any
) -> None:
    system.write("UPDATE currency SET currency_code = 'XXY' WHERE currency_id = 1")
    system.run_cleanly("currency")
    shown = told(system, s3)
    (row,) = shown.rejected_rows
    assert (row.table, row.key) == ("dim_currency", 1)
    assert "XXY" in row.reason
    content = s3.get_object(Bucket=system.endpoints.buckets.processed, Key=row.file)["Body"].read()
    assert b"XXY" in content
    assert shown.tables["dim_currency"].rejected == 1
    system.write("UPDATE currency SET currency_code = 'GBP' WHERE currency_id = 1")
    system.run_cleanly("currency")
    assert told(system, s3).rejected_rows == []
    assert told(system, s3).tables["dim_currency"].rejected == 0


def test_a_row_that_refers_to_nothing_is_in_the_history_under_its_key(system: System, s3: Any) -> None:
    system.write("ALTER TABLE sales_order DROP CONSTRAINT sales_order_design_id_fkey")
    system.write("UPDATE sales_order SET design_id = 999999 WHERE sales_order_id = 4")
    system.run_cleanly()
    (row,) = told(system, s3).rejected_rows
    assert (row.table, row.key, row.reason) == ("fact_sales_order", 4, "design_id 999999 is not in dim_design")


def test_the_history_tells_what_the_run_told(system: System, s3: Any) -> None:
    done = system.run_cleanly()
    shown = told(system, s3)
    summary = json.loads(json.dumps(done.summary()))["tables"]
    for table in summary:
        load = shown.tables[table["table"]].last_load
        assert load is not None
        assert {name: getattr(load, name) for name in ("new", "changed", "deleted", "rejected")} == {
            name: table[name] for name in ("new", "changed", "deleted", "rejected")
        }
    assert shown.runs[0].new == sum(table["new"] for table in summary)
    assert shown.runs[0].run == done.identity
    ((rows,),) = system.source("SELECT count(*) FROM payment")
    assert shown.tables["fact_payment"].rows == rows
