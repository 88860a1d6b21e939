"""What the command line shows to people: progress on a terminal, and tables."""

import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from math import floor
from typing import Self

from rich.box import SIMPLE
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bar
from rich.table import Table

from include.common.slices import Progress as Slices
from include.proof.audit import TableAudit
from include.runner import Run
from include.state.latest import State, held_seconds
from include.state.proven import proven
from include.tables.declarations import Declarations
from include.tables.steps import Step

COUNTS = ("new", "changed", "deleted", "rejected")


class Progress:
    """A bar on standard error that advances with each step; silent where that is no terminal.

    Each table that is being read in slices has a bar below it, which tells when the last will be read.
    """

    def __init__(self) -> None:
        console = Console(stderr=True)
        columns = (TextColumn("{task.description:<32}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        ends = TextColumn("{task.fields[ends]}")
        self._bar = Bar(*columns, ends, console=console, transient=True, disable=not console.is_terminal)
        self._task = self._bar.add_task("connecting", total=None, ends="")
        self._sliced: dict[Step, TaskID] = {}

    def __enter__(self) -> Self:
        if not self._bar.disable:
            self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        if not self._bar.disable:
            self._bar.stop()

    def advance(self, step: Step, steps: int, slices: Slices | None = None) -> None:
        """Show that a step of so many is over; with `slices`, how far it is, which any thread may tell."""
        if slices:
            if step not in self._sliced:
                self._sliced[step] = self._bar.add_task(str(step), total=slices.slices, ends="", completed=slices.done)
            self._bar.update(self._sliced[step], completed=slices.done, ends=slices.told_end(datetime.now(UTC)))
            return
        if step in self._sliced:
            self._bar.remove_task(self._sliced.pop(step))
        self._bar.update(self._task, description=str(step), total=steps, advance=1)


def print_run(done: Run, seconds: float) -> None:
    """Show what a run did to each warehouse table."""
    table = Table("table", *COUNTS, "seconds", title=f"Run of {seconds:.1f} s", title_justify="left")
    for column in table.columns[1:]:
        column.justify = "right"
    for row in done.summary()["tables"]:
        if row["outcome"] == "loaded":
            table.add_row(row["table"], *(f"{row[count]:,}" for count in COUNTS), f"{row['seconds']:.2f}")
        else:
            table.add_row(row["table"], row["outcome"], style="red" if row["outcome"] in {"failed", "held"} else "dim")
    Console().print(table)


def print_failures(done: Run) -> None:
    """Print each error once, with the steps that it stopped, to standard error."""
    stopped: dict[str, list[str]] = {}
    for step, error in done.failures.items():
        stopped.setdefault(str(error), []).append(str(step))
    for message, steps in stopped.items():
        more = f" and {len(steps) - 1} more" if len(steps) > 1 else ""
        print(f"error: {steps[0]}{more}: {message}", file=sys.stderr)


def print_audits(audits: Sequence[TableAudit], title: str, other: str = "source") -> None:
    """Show how each table compares with the other side, and the first rows that differ, with both values."""
    table = Table("table", "rows", "left out", "differing", title=title, title_justify="left")
    for audit in audits:
        counts = (f"{number:,}" for number in (audit.rows, audit.left_out, audit.differing))
        table.add_row(audit.table, *counts, style=None if audit.equal else "red")
    console = Console()
    console.print(table)
    for audit in audits:
        for line in _differences(audit, other):
            console.print(line, markup=False, highlight=False, soft_wrap=True)


def _differences(audit: TableAudit, other: str) -> Iterator[str]:
    for day in audit.days:
        yield f"{audit.table} {day} is missing or other than it is"
    for row in audit.rows_shown:
        if row.missing:
            yield f"{audit.table} {row.key}: no such row in the {row.missing}"
        else:
            pairs = (f"{name} {ours!r} in the {other}, {theirs!r} here" for name, (ours, theirs) in row.values.items())
            yield f"{audit.table} {row.key}: {'; '.join(pairs)}"
    hidden = audit.differing - len(audit.rows_shown) - len(audit.days)
    if hidden:
        yield f"{audit.table}: and {hidden:,} more"


def _proven(declared: Declarations, source: str, state: State) -> str:
    """The least share of what a source table feeds that was proven within a day; empty where it is only joined."""
    shares = [proven(state.proofs.get(table.name, [])).share for table in declared.built_on(source)]
    return f"{floor(min(shares) * 100)} %" if shares else ""


def print_status(declared: Declarations, state: State) -> None:
    """Show what is recorded of each source table."""
    title = f"Recorded {state.recorded_at:%Y-%m-%d %H:%M:%S} UTC" if state.recorded_at else "Nothing recorded yet"
    headings = ("source table", "read (UTC)", "lag", "rows", *COUNTS, "proven")
    table = Table(*headings, title=title, title_justify="left", box=SIMPLE, padding=(0, 0))
    for column in table.columns[2:]:
        column.justify = "right"
    now = datetime.now(UTC)
    for name in declared.sources:
        known = state.tables.get(name)
        if known is None:
            table.add_row(name, "never", style="red")
            continue
        counts = [f"{getattr(known.last_load, count):,}" if known.last_load else "" for count in COUNTS]
        lag = f"{(now - known.observed_at).total_seconds():,.0f} s"
        read = "to be read whole" if known.reread else f"{known.observed_at:%d %b %H:%M}"
        table.add_row(name, read, lag, f"{known.rows:,}", *counts, _proven(declared, name, state))
    Console().print(table)
    for name, progress in state.slicing.items():
        print(f"{name}: {progress.told()}")
    _print_held(state)


def _print_held(state: State) -> None:
    """Show which tables are read again from a transaction on that has been open at the source for long."""
    for name, known in state.tables.items():
        if seconds := held_seconds(known.held_since, known.observed_at):
            since = f"a transaction has been open at the source for {seconds / 60:,.0f} min or more"
            print(f"{name}: each run reads again what changed since {known.held_since:%d %b %H:%M} UTC: {since}")
