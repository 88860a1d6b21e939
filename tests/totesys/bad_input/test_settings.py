"""A variable, a bucket or a file that is missing: the error names it and says what to do."""

import json
from collections.abc import Callable
from typing import Any, LiteralString

import pytest

from include.common.errors import DataError, DeclarationError
from include.runner import Run
from include.state import latest
from include.tables.steps import Step
from tests.messages import one_line
from tests.system import System
from tests.totesys.bad_input.conftest import Recorded, standstill

PURPOSES = ("ingestion", "processed", "state")


def error_of(run: Callable[[], Run], purpose: str) -> Exception:
    """The error that a run ends with, or that of the step which uses this bucket."""
    if purpose == "state":
        with pytest.raises(DeclarationError) as raised:
            run()
        return raised.value
    step = Step("ingest", "currency") if purpose == "ingestion" else Step("transform", "dim_currency")
    return run().failures[step]


@pytest.mark.parametrize("purpose", PURPOSES)
@pytest.mark.parametrize("value", [None, ""], ids=["missing", "empty"])
def test_a_missing_variable_is_named_with_where_to_set_it(
    system: System, monkeypatch: pytest.MonkeyPatch, purpose: str, value: str | None
) -> None:
    system.run_cleanly("currency")
    system.write("UPDATE currency SET currency_code = 'JPY' WHERE currency_id = 1")
    name = f"AIRFLOW_VAR_{purpose.upper()}_BUCKET"
    with monkeypatch.context() as patch:
        if value is None:
            patch.delenv(name)
        else:
            patch.setenv(name, value)
        error = error_of(lambda: system.run("currency"), purpose)
    assert type(error) is DeclarationError
    one_line(error, f"{purpose}_bucket", name, f"airflow/variables/{purpose}_bucket")


@pytest.mark.parametrize("purpose", PURPOSES)
def test_a_missing_bucket_is_named_and_nothing_moves_on(
    system: System, recorded: Recorded, monkeypatch: pytest.MonkeyPatch, purpose: str
) -> None:
    system.run_cleanly("currency")
    system.write("UPDATE currency SET currency_code = 'JPY' WHERE currency_id = 1")
    known, rows = recorded.table("currency"), system.row_versions()
    with monkeypatch.context() as patch:
        patch.setenv(f"AIRFLOW_VAR_{purpose.upper()}_BUCKET", "no-such-bucket")
        error = error_of(lambda: system.run("currency"), purpose)
    assert type(error) is DeclarationError
    one_line(error, "'no-such-bucket' does not exist", f"{purpose}_bucket")
    assert (recorded.table("currency"), system.row_versions()) == (known, rows)
    system.run_cleanly("currency")
    assert ("JPY",) in system.warehouse("SELECT currency_code FROM dim_currency")


@pytest.fixture
def keys_in_files(monkeypatch: pytest.MonkeyPatch) -> None:
    """However small a set of keys is, it has a file."""
    monkeypatch.setattr(latest, "SMALL_BYTES", 0)


def keys_file(system: System, recorded: Recorded) -> dict[str, str]:
    return {"Bucket": system.endpoints.buckets.state, "Key": recorded.table("currency")["keys_key"]}


LOSSES: dict[str, LiteralString] = {
    "currency": "INSERT INTO currency VALUES (9, 'CHF', now(), now())",
    "department": "UPDATE department SET location = 'Leeds'",
}


@pytest.mark.usefixtures("keys_in_files")
@pytest.mark.parametrize("table", ["currency", "department"], ids=["with a table of its own", "joined"])
def test_a_deleted_keys_file_has_its_table_read_whole(system: System, recorded: Recorded, s3: Any, table: str) -> None:
    system.run_cleanly(table)
    lost = recorded.table(table)["keys_key"]
    s3.delete_object(Bucket=system.endpoints.buckets.state, Key=lost)
    system.write(LOSSES[table])
    done = system.run_cleanly(table)
    assert done.of_kind("ingest")[table].base is None
    assert recorded.table(table)["keys_key"] != lost
    assert system.run_cleanly(table).of_kind("ingest")[table].changed is False


@pytest.mark.usefixtures("keys_in_files")
def test_a_full_refresh_mends_a_deleted_keys_file(system: System, recorded: Recorded, s3: Any) -> None:
    system.run_cleanly("currency")
    s3.delete_object(**keys_file(system, recorded))
    system.run_cleanly("currency", full_refresh=True)
    system.run_cleanly("currency")


@pytest.mark.usefixtures("keys_in_files")
@pytest.mark.parametrize(
    "content", [b"", b"no bitmap", b"\x3a\x30\x00\x00\xff\xff\xff\xff"], ids=["empty", "text", "cut"]
)
def test_a_keys_file_with_other_content_is_named_and_nothing_moves_on(
    system: System, recorded: Recorded, s3: Any, content: bytes
) -> None:
    system.run_cleanly("currency")
    s3.put_object(**keys_file(system, recorded), Body=content)
    error = system.run("currency").failures[Step("ingest", "currency")]
    assert type(error) is DataError
    one_line(error, recorded.table("currency")["keys_key"])


@pytest.mark.parametrize("kept", ["", "bm8gYml0bWFw", "no base64"], ids=["empty", "text", "no base64"])
def test_keys_that_are_none_are_named_with_the_file_they_stand_in(
    system: System, recorded: Recorded, kept: str
) -> None:
    system.run_cleanly("currency")
    document = json.loads(recorded.content())
    document["tables"]["currency"]["keys_key"] = latest.INLINE + kept
    recorded.replace(json.dumps(document).encode())
    error = system.run("currency").failures[Step("ingest", "currency")]
    assert type(error) is DataError
    one_line(error, "currency", latest.STATE_KEY, "--full-refresh")
    system.run_cleanly("currency", full_refresh=True)
    system.run_cleanly("currency")


def test_an_undeclared_table_is_named_with_those_that_are(system: System, recorded: Recorded) -> None:
    system.run_cleanly("currency")
    with standstill(system, recorded), pytest.raises(DeclarationError) as raised:
        system.run("currency", "sales_orders")
    one_line(raised.value, "sales_orders", "sales_order, ", "dim_currency")


@pytest.mark.parametrize(
    ("variable", "value"),
    [("METRICS_NAMESPACE", "AWS/Reserved:*"), ("ALERTS_TOPIC_ARN", "arn:aws:sns:eu-west-2:123456789012:no-such-topic")],
)
def test_what_cannot_be_published_is_one_error_after_all_is_recorded(
    system: System, recorded: Recorded, monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    system.write("UPDATE currency SET currency_code = 'ZZZ' WHERE currency_id = 1")
    monkeypatch.setenv(f"AIRFLOW_VAR_{variable}", value)
    if variable == "METRICS_NAMESPACE":
        monkeypatch.setenv("AWS_ENDPOINT_URL_CLOUDWATCH", "http://127.0.0.1:1")
        monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    error = system.run("currency").failures[Step("record")]
    one_line(error, variable.lower())
    assert recorded.table("currency") is not None
