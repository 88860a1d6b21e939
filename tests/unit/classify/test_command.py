"""The command line: `python -m include classify`, in a process of its own, within its memory at any number of rows."""

import json
import os
import subprocess
import sys
from pathlib import Path
from time import monotonic
from typing import Any

import pytest

from include.classify.scoring import score
from tests.unit.classify import bills
from tests.unit.classify.bills import QUESTION
from tests.unit.classify.learned import by_rule, crown
from tests.unit.classify.ledger import NOON, Habits, Ledger, weekdays_ago

ROOT = Path(__file__).parents[3]
BILLS = int(os.environ.get("CLASSIFY_BILLS", "30000"))
"""How many rows are learned from, and scored."""

MOST_KB = 400_000
MOST_SECONDS = 300
MOST_RATIO = 100
"""So many times as long as it takes to count rows, scoring them may take."""

MEASURED = """
import runpy, sys
try:
    runpy.run_module("include", run_name="__main__", alter_sys=True)
finally:
    (peak,) = [line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM:")]
    print(peak, file=sys.stderr)
"""
"""The command, which tells its own peak: what the system tells of a child counts its parent's memory, too."""

pytestmark = pytest.mark.timeout(1_800)  # a million rows are written first


def do(*arguments: str) -> tuple[int, str, int]:
    """Status, answer and peak of memory, in kB, of a command."""
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, "classify", *arguments],
        cwd=ROOT,
        env=os.environ | {"DECLARATIONS": bills.__name__},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout, int(done.stderr.split()[-1])


def answer(*arguments: str) -> Any:
    status, text, _ = do(*arguments, "--json")
    assert status == 0
    return json.loads(text)


def test_training_stays_within_its_memory_and_each_command_tells_what_it_did(ledger: Ledger) -> None:
    ledger.write(BILLS, weekdays_ago(100), habits=Habits(unruly=0.1))
    started = monotonic()
    status, text, peak_kb = do("train", "--json")
    seconds = monotonic() - started
    print(f"{BILLS:,} bills: training took {peak_kb / 1000:.0f} MB and {seconds:.0f} s")
    trained = json.loads(text)
    assert status == 0
    assert peak_kb < MOST_KB
    assert seconds < MOST_SECONDS
    assert answer("card", "--version", trained["version"])["winner"] == "tree"
    _, told, _ = do("card")
    assert told.startswith("# Will this bill be paid on its day?\n")
    assert "| rule by hand |" in told
    assert answer("score")["version"] == trained["version"]
    assert do("rollback")[0] == 1
    other = crown(by_rule(), NOON)
    assert answer("rollback")["version"] == trained["version"]
    assert answer("promote", other)["version"] == other
    assert answer("train", "--question", "without_calendar")["version"] == ""
    assert do("score", "--question", "without_calendar")[0] == 1


def test_many_bills_are_scored_in_a_time_that_goes_with_their_number(ledger: Ledger) -> None:
    first = weekdays_ago(100)
    ledger.write(BILLS, first, habits=Habits(paid_until=first))
    crown(by_rule(), NOON)
    count = "SELECT count(*) FROM fact_bill WHERE NOT paid AND valid_to IS NULL"
    ledger.ask(count)
    started = monotonic()
    ((rows,),) = ledger.ask(count)
    counted, started = monotonic() - started, monotonic()
    done = score(QUESTION, NOON.replace(year=2022))
    scored = monotonic() - started
    print(f"{rows:,} rows counted in {counted:.3f} s, scored in {scored:.3f} s: {scored / counted:.0f} times as long")
    assert done.added == rows > 0.99 * BILLS
    assert scored < MOST_RATIO * max(counted, 0.02)
