"""`python -m include run`."""

import os
import pty
import re
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from include.common.slices import Progress as Slices
from include.console import Progress
from include.proof.prove import Prover
from include.source.known import Findings
from include.tables.steps import Step
from tests.command.conftest import DECLARATIONS, REPOSITORY, Command
from tests.shop import DECLARED

Change = Callable[[Any], None]


def test_a_run_prints_each_table_with_its_counts(command: Command) -> None:
    answer = command("run")
    assert answer.status == 0, answer.err
    lines = answer.out.splitlines()
    for heading in ("table", "new", "changed", "deleted", "rejected", "seconds"):
        assert any(heading in line for line in lines)
    for name in DECLARED.star:
        assert sum(name in line.split() or f" {name} " in line for line in lines) == 1, name
    assert "10,958" in answer.out


def test_json_is_all_that_is_printed(command: Command) -> None:
    answer = command("run", "--json")
    assert answer.status == 0
    assert answer.json["succeeded"] is True
    assert answer.json["seconds"] > 0
    assert answer.json["failures"] == {}
    assert {row["table"] for row in answer.json["tables"]} == DECLARED.star.keys()
    row = answer.table("fact_sale")
    assert {name: row[name] for name in ("outcome", "new", "changed", "deleted", "rejected")} == {
        "outcome": "loaded", "new": 200, "changed": 0, "deleted": 0, "rejected": 0,
    }  # fmt: skip


def test_the_counts_say_what_changed(command: Command, change: Change) -> None:
    command("run")
    change("UPDATE sale SET units_sold = 7 WHERE sale_id <= 3")
    change("DELETE FROM payment WHERE payment_id <= 2")
    change("INSERT INTO branch (branch_name, last_updated) VALUES ('New', now())")
    answer = command("run", "--json")
    assert answer.table("fact_sale")["changed"] == 3
    assert answer.table("fact_payment")["deleted"] == 2
    assert answer.table("dim_product")["outcome"] == "unchanged"
    assert answer.table("dim_product")["changed"] == 0


def test_named_tables_come_with_what_they_refer_to(command: Command) -> None:
    answer = command("run", "--json", "--tables", "fact_payment")
    named = {row["table"] for row in answer.json["tables"]}
    assert {"fact_payment", "dim_method", "dim_currency", "dim_date"} <= named
    assert "dim_method" not in command("run", "--json", "--tables", "product,dim_currency").out


@pytest.mark.parametrize("names", ["sales", "product,sales", "fact"])
def test_an_unknown_table_is_one_error_and_nothing_is_done(command: Command, names: str) -> None:
    answer = command("run", "--tables", names)
    assert (answer.status, answer.out) == (1, "")
    assert answer.err.startswith("error: no such table: ")
    assert answer.err.count("\n") == 1


@pytest.mark.parametrize("names", ["", ","])
def test_no_table_is_not_every_table(command: Command, names: str) -> None:
    answer = command("run", "--tables", names)
    assert answer.status in {1, 2}
    assert "table" in answer.err


@pytest.mark.parametrize("options", [[], ["--full-refresh"]], ids=["by proof", "by a full refresh"])
def test_what_was_changed_by_hand_is_mended(command: Command, warehouse_url: str, options: list[str]) -> None:
    command("run", "--tables", "product")
    with psycopg.connect(warehouse_url) as warehouse:
        warehouse.execute("UPDATE dim_product SET product_name = 'by hand' WHERE product_id <= 5")
    assert command("run", "--json", "--tables", "product", *options).table("dim_product")["changed"] == 5


def test_a_table_that_lost_most_of_its_rows_is_held_back_and_can_be_accepted(command: Command, change: Change) -> None:
    change("INSERT INTO product SELECT n, 'n', '/', 'f', now(), now() FROM generate_series(1001, 2000) AS n")
    command("run", "--tables", "product")
    change("DELETE FROM product WHERE product_id > 1000")
    answer = command("run", "--json", "--tables", "product")
    assert (answer.status, answer.table("dim_product")["outcome"]) == (1, "held")
    assert "product: 1,000 of 1,424 known rows are gone" in answer.err
    assert "--accept-deletions product" in answer.err
    assert command("run", "--accept-deletions", "products").status == 1
    answer = command("run", "--json", "--tables", "dim_product", "--accept-deletions", "dim_product")
    assert (answer.status, answer.table("dim_product")["deleted"]) == (0, 1000)


def test_rejected_rows_are_shown_and_do_not_fail_a_run(command: Command, change: Change) -> None:
    change("UPDATE sale SET delivery_date = '2024-02-30' WHERE sale_id <= 2")
    answer = command("run", "--json", "--tables", "sale")
    assert answer.status == 0
    assert (answer.table("fact_sale")["new"], answer.table("fact_sale")["rejected"]) == (198, 2)


def test_a_failed_table_fails_the_run_and_the_others_load(command: Command, change: Change) -> None:
    change("ALTER TABLE product RENAME label TO filename")
    answer = command("run", "--json")
    assert answer.status == 1
    assert answer.json["succeeded"] is False
    assert "label is missing" in answer.json["failures"]["ingest product"]
    assert answer.table("dim_product")["outcome"] == "failed"
    assert answer.table("fact_payment")["outcome"] == "loaded"
    assert "error: ingest product: product: column label is missing" in answer.err


def test_a_check_that_does_not_hold_fails_the_run(
    command: Command, change: Change, warehouse_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Prover, "__call__", lambda *_: Findings())  # else it is found before anything is loaded
    command("run", "--tables", "product")
    with psycopg.connect(warehouse_url) as warehouse:
        warehouse.execute("DELETE FROM dim_product WHERE product_id = 3")
    change("UPDATE product SET product_name = 'x' WHERE product_id = 1")
    answer = command("run", "--tables", "product")
    assert answer.status == 1
    assert "dim_product does not equal its source" in answer.err
    assert command("run", "--tables", "product").status == 0


@pytest.mark.parametrize("arguments", [[], ["runs"], ["run", "--table"], ["status", "--tables", "product"]])
def test_wrong_arguments_are_told_how_to_use_it(command: Command, arguments: list[str]) -> None:
    answer = command(*arguments)
    assert answer.status == 2
    assert "usage: python -m include" in answer.err


def test_help_names_the_commands_and_the_settings(command: Command) -> None:
    answer = command("--help")
    assert answer.status == 0
    for name in ("run", "status", "describe", "AIRFLOW_CONN_TOTESYS", "AIRFLOW_VAR_STATE_BUCKET", "AWS_ENDPOINT_URL"):
        assert name in answer.out
    text = command("run", "--help").out
    for name in ("--tables", "--full-refresh", "--accept-deletions", "--json", *DECLARED.sources, *DECLARED.star):
        assert name in text


def test_a_process_without_a_metadata_database_prints_json_and_nothing_else(process: Command) -> None:
    answer = process("run", "--json", "--tables", "product")
    assert answer.status == 0, answer.err
    assert answer.table("dim_product")["new"] == 424
    assert answer.err == ""


def read_all(terminal: int) -> str:
    """What is written to a terminal until its other end is closed."""
    shown = b""
    with suppress(OSError):  # Linux says EIO at the end
        while block := os.read(terminal, 1 << 16):
            shown += block
    os.close(terminal)
    return shown.decode()


def test_progress_is_shown_on_a_terminal_alone(pipeline_environment: dict[str, str]) -> None:
    terminal, end = pty.openpty()
    environment = {**os.environ, **pipeline_environment, **DECLARATIONS, "TERM": "xterm"}
    command = [sys.executable, "-m", "include", "run", "--json", "--tables", "product"]
    with subprocess.Popen(command, cwd=REPOSITORY, env=environment, stdout=subprocess.PIPE, stderr=end) as running:
        os.close(end)
        shown = read_all(terminal)
        assert running.stdout is not None
        out = running.stdout.read()
    assert "record" in shown
    assert out.startswith(b"{")
    assert b"\x1b" not in out


def test_a_table_that_is_read_in_slices_shows_how_many_are_read_and_when_the_last_will_be(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    terminal, end = pty.openpty()
    began, step = datetime.now(UTC) - timedelta(minutes=3), Step("slice", "sale")
    with os.fdopen(end, "w") as stderr, monkeypatch.context() as shown:
        shown.setenv("TERM", "xterm")
        shown.setenv("COLUMNS", "140")
        shown.setattr(sys, "stderr", stderr)
        with Progress() as progress:
            progress.advance(Step("plan", "sale"), 9, None)
            progress.advance(step, 9, Slices(done=4, slices=10, began_at=began, before=4))
            progress.advance(step, 9, Slices(done=7, slices=10, began_at=began, before=4))
    lines = re.sub(r"\x1b\[[^a-zA-Z]*[a-zA-Z]", "", read_all(terminal)).splitlines()
    line = next(line for line in lines if line.startswith("slice sale") and "7/10" in line)
    assert f"by about {datetime.now(UTC) + timedelta(minutes=3):%d %b}" in line
    assert any("plan sale" in line and "1/9" in line for line in lines)
