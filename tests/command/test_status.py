"""`python -m include status` and `python -m include describe`."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from include.common.slices import Progress
from include.reports.dictionary import data_dictionary
from include.state import latest
from tests.command.conftest import Command
from tests.shop import DECLARED

Change = Callable[[Any], None]


def test_before_the_first_run_every_table_was_never_read(command: Command) -> None:
    answer = command("status")
    assert answer.status == 0
    assert answer.out.count("never") == len(DECLARED.sources)
    assert command("status", "--json").json["tables"] == {}


def test_status_shows_each_table_with_its_lag_and_counts(command: Command) -> None:
    command("run")
    answer = command("status")
    assert answer.status == 0
    for name in DECLARED.sources:
        assert sum(name in line.split() for line in answer.out.splitlines()) == 1
    assert "never" not in answer.out


def test_status_tells_how_far_a_table_is_that_is_read_in_slices(command: Command) -> None:
    began = datetime.now(UTC) - timedelta(minutes=10)
    latest.update_state(lambda _: latest.State(slicing={"sale": Progress(done=1, slices=4, began_at=began)}))
    assert "sale: 1 of 4 slices are read, the last by about " in command("status").out
    assert command("status", "--json").json["slicing"]["sale"]["slices"] == 4


def test_status_in_json_tells_what_was_recorded(command: Command, change: Change) -> None:
    change("UPDATE sale SET delivery_date = 'soon' WHERE sale_id = 1")
    command("run")
    table = command("status", "--json").json["tables"]["sale"]
    assert (table["rows"], table["last_load"]["new"], table["last_load"]["rejected"]) == (200, 199, 1)
    assert table["rejected"] == {"fact_sale": 1}
    assert 0 <= table["lag_seconds"] < 600
    assert table["observed_at"].endswith("Z")


def test_status_tells_of_a_transaction_that_stays_open_at_the_source(
    command: Command, filled_url: str, monkeypatch: pytest.MonkeyPatch, s3: Any, buckets: Any
) -> None:
    with psycopg.connect(filled_url) as other:
        other.execute("CREATE TABLE held ()")
        with psycopg.connect(filled_url) as source:
            source.execute("UPDATE currency SET currency_code = currency_code")
        command("run", "--tables", "product")
        assert "has been open" not in command("status").out
        monkeypatch.setattr(latest, "LONG_SECONDS", 0.001)
        command("run", "--tables", "product")
        assert "product: each run reads again what changed since" in command("status").out
    table = command("status", "--json").json["tables"]["product"]
    assert table["held_since"] < table["observed_at"]
    shown = json.loads(s3.get_object(Bucket=buckets.state, Key="status.json")["Body"].read())
    assert shown["tables"]["dim_product"]["held_since"] == table["held_since"]
    command("run", "--tables", "product")
    assert "has been open" not in command("status").out


def test_a_status_that_cannot_be_read_is_one_error(command: Command, s3: Any, buckets: Any) -> None:
    s3.put_object(Bucket=buckets.state, Key="latest_update.json", Body=b"{}")
    for arguments in (["status"], ["status", "--json"], ["run"]):
        answer = command(*arguments)
        assert (answer.status, answer.out) == (1, "")
        assert answer.err.startswith("error: s3://")
        assert answer.err.count("\n") == 1


def test_the_data_dictionary_tells_of_every_table_and_column() -> None:
    text = data_dictionary(DECLARED)
    for table in DECLARED.star.values():
        assert f"## {table.name}\n" in text
        for column in table.columns:
            assert f"| {column.name} |" in text or f"| **{column.name}** |" in text
    for source in DECLARED.sources:
        assert f"| {source} |" in text


def test_the_data_dictionary_marks_what_is_personal() -> None:
    rows = [line for line in data_dictionary(DECLARED).splitlines() if line.endswith("| Personal. |")]
    assert [row.split(" | ")[0] for row in rows] == ["| first_name", "| last_name", "| email_address"]


def test_the_diagram_draws_each_reference_once() -> None:
    text = data_dictionary(DECLARED)
    for table in DECLARED.star.values():
        for column in table.columns:
            if column.references:
                assert text.count(f"{column.references.name} ||--o{{ {table.name} : {column.name}\n") == 1


def test_describe_needs_no_service(process: Command) -> None:
    answer = process("describe")
    assert (answer.status, answer.err) == (0, "")
    assert answer.out == data_dictionary(DECLARED)
