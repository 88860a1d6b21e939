"""What a run may fail with, by what the model knows of the circumstances, and what it must fail with."""

from dataclasses import dataclass

from include.common.errors import DataError, DeclarationError
from include.runner import Run
from include.tables.steps import RECORD
from include.totesys import DECLARED
from tests.totesys.acceptance.faults import Fault

READING = {"plan", "slice", "ingest"}
"""The kinds of steps that read a source table."""


@dataclass(frozen=True)
class Circumstances:
    """What stands in a run's way beside failures that were planned.

    hidden: source tables some of whose rows may not be seen; maybe: those of which this changed while it went on.
    touched: warehouse tables that somebody changed by hand: a run that finds that heals it, fails and says so.
    """

    hidden: set[str]
    maybe: set[str]
    touched: set[str]


def judge(done: Run | None, fired: list[Fault], given: Circumstances) -> None:
    """Hold a run to have failed where it had to, by name, and nowhere else. done: None for one that was cut off."""
    if done is None or fired:
        assert fired, "cut off"
        assert done is None or done.failures, fired
        return
    read = done.options.sources(DECLARED)
    hidden = given.hidden & read
    unread = {step.table for step in done.failures if step.kind in READING}
    assert hidden <= unread, (hidden, done.failures)
    joined = {join.table.name for name in read for join in DECLARED.joined_to(name)}
    _judge_unseen(done, (given.hidden | given.maybe) & (read | joined))
    rest = {step: error for step, error in done.failures.items() if step.kind not in READING}
    assert rest.keys() <= {RECORD}, rest
    if rest and len(rest) == len(done.failures):
        assert type(rest[RECORD]) is DataError, rest
        assert any(table in str(rest[RECORD]) for table in given.touched), (given, rest)


def _judge_unseen(done: Run, unseen: set[str]) -> None:
    """Only tables that cannot be seen, or are joined with such, are not read; each says what to grant."""
    beside = {
        name for table in DECLARED.star.values() if unseen & set(table.source_names) for name in table.source_names
    }
    for step, error in done.failures.items():
        if step.kind in READING:
            assert step.table in unseen | beside, (step, error)
            assert type(error) is DeclarationError, (step, error)
            assert any(name in str(error) for name in unseen), error
            assert "ROW LEVEL SECURITY" in str(error) or "BYPASSRLS" in str(error), error
