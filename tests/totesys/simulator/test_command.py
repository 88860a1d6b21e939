"""The command line does what the functions do, and names what is wrong in one line."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from local.totesys.__main__ import main
from local.totesys.connection import Connection
from tests.totesys.simulator.reading import value

ROOT = Path(__file__).parents[3]
NOWHERE = "postgresql://nobody@127.0.0.1:1/nothing"


def test_create_fill_and_play(source_url: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["create", "--url", source_url]) == 0
    assert main(["fill", "--url", source_url, "--sales-orders", "20", "--seed", "4", "--bad-rows", "2"]) == 0
    assert main(["play", "--url", source_url, "--ticks", "10", "--speed", "0"]) == 0
    created, filled, day, total = capsys.readouterr().out.splitlines()
    assert created == "created"
    assert "sales_order 20, purchase_order 8, transaction 28, payment 28" in filled
    assert day.startswith("day 1 (")
    assert total.startswith("total: ")


def test_the_url_may_come_from_the_environment(source_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOTESYS_URL", source_url)
    assert main(["create"]) == 0
    assert main(["create", "--replace"]) == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["create"], "the schema is already there (table _prisma_migrations); pass --replace to drop it"),
        (["fill"], "table address has rows already; run create --replace first"),
        (["fill", "--sales-orders", "-1"], "sales orders must not be negative: -1"),
        (["play", "--ticks", "-1"], "ticks must not be negative: -1"),
        (["play", "--speed", "nan"], "speed must not be negative: nan"),
        (["play", "--unruly", "1.5"], "the unruly share must be from 0 to 1: 1.5"),
        (["play", "--url", NOWHERE], "cannot connect to the source"),
        (["play", "--url", "no url"], "cannot connect to the source"),
        (["play", "--url", ""], "no URL: pass --url or set TOTESYS_URL"),
    ],
)
def test_a_mistake_is_one_line_and_status_2(
    filled: Connection, arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    command, *options = arguments
    assert main([command, "--url", filled.info.dsn, *options]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"totesys: {message}")


@pytest.mark.parametrize("command", ["fill", "play"])
def test_a_missing_schema_is_one_line_and_status_2(
    source_url: str, command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([command, "--url", source_url]) == 2
    assert capsys.readouterr().err == "totesys: the schema is missing (no table address); run create first\n"


def test_help_tells_every_option_of_every_subcommand(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        main(["--help"])
    told = capsys.readouterr().out
    options = ["url", "replace", "sales-orders", "only-sales", "bad-rows", "seed", "days", "ticks", "speed"]
    options += ["simulated-from", "unruly", "rule-changes", "missed-batch"]
    assert [option for option in options if f"--{option}" not in told] == []
    assert "insert_sale 400" in told


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_play_cleanly(filled: Connection, number: signal.Signals) -> None:
    play = subprocess.Popen(
        [sys.executable, "-m", "local.totesys", "play", "--speed", "6000"],
        cwd=ROOT,
        env={**os.environ, "TOTESYS_URL": filled.info.dsn},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    while value(filled, "SELECT count(*) FROM sales_order WHERE created_at > '2025-01-01'") < 5:
        assert play.poll() is None
    play.send_signal(number)
    out, errors = play.communicate(timeout=10)
    assert (play.returncode, errors) == (0, "")
    assert out.splitlines()[-1].startswith("total: ")
    sessions = "SELECT count(*) FROM pg_stat_activity WHERE datname = %s AND pid <> pg_backend_pid()"
    assert value(filled, sessions, filled.info.dbname) == 0
