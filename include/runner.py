"""One run without a scheduler: the steps of the plan, two at a time, each as soon as what it needs is there."""

from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from graphlib import TopologicalSorter
from itertools import count
from threading import Lock
from typing import Any

from include import pipeline
from include.common import kept
from include.common.errors import DataError, DeclarationError, ServiceError, border
from include.common.slices import Planned, Progress
from include.common.threads import Threads, side_by_side
from include.lake.files import STREAMS
from include.pipeline import Options
from include.state.history import RunIdentity
from include.state.latest import State, read_state
from include.state.record import TableReport, table_report
from include.state.work import Work
from include.tables.declarations import Declarations
from include.tables.steps import CHECK, PREPARE, Order, Step, plan, read_step

Tell = Callable[[Step, int, Progress | None], object]

ATTEMPTS = 5
"""How often a run begins anew whose slices are of no use any more, before that is left to the next."""


@dataclass
class Run:
    """A run in progress: what its steps gave, and what went wrong with those that failed.

    parallel: how many slices of a table are read at a time. waiting: tables not all of whose slices are read.
    tell: called with a step that reads slices, and how far it is, when one is read.
    """

    declared: Declarations
    options: Options
    state: State
    identity: RunIdentity
    parallel: int = STREAMS
    tell: Callable[[Step, Progress], object] = lambda *_: None
    results: dict[Step, Any] = field(default_factory=dict)
    waiting: dict[str, Progress] = field(default_factory=dict)
    failures: dict[Step, Exception] = field(default_factory=dict)

    def of_kind(self, kind: str) -> dict[str, Any]:
        """Table → result, of the steps of one kind that gave one."""
        return {step.table: result for step, result in self.results.items() if step.kind == kind and result is not None}

    @property
    def work(self) -> Work:
        """What it was to do and has done."""
        expected = self.options.sources(self.declared)
        checked = self.results.get(CHECK)
        return Work(self.declared, expected, self.of_kind("ingest"), self.of_kind("load"), checked, self.waiting)

    def largest_first(self, steps: tuple[Step, ...]) -> list[Step]:
        """Steps that could begin now, those with the most rows first, so that none is left alone at the end."""
        return sorted(steps, key=self._rows, reverse=True)

    def _rows(self, step: Step) -> int:
        """How many rows a step takes: those that were read, or else those that the source table had."""
        source = read_step(self.declared.star[step.table]).table if step.kind in ("transform", "load") else step.table
        read, known = self.results.get(Step("ingest", source)), self.state.tables.get(source)
        return read.read_rows if read else known.rows if known else 0

    def summary(self) -> dict[str, Any]:
        """What the run did, as plain values: each warehouse table's counts, and whether all went well."""
        steps = plan(self.declared, self.options.sources(self.declared))
        tables = [self._table_summary(step.table) for step in steps if step.kind == "load"]
        failures = {str(step): str(error) for step, error in self.failures.items()}
        return {"succeeded": not failures, "tables": tables, "failures": failures}

    def _table_summary(self, name: str) -> dict[str, Any]:
        result = self.results.get(Step("load", name))
        if result is None:
            held = read_step(self.declared.star[name]).table in self.work.held
            unchanged = "unchanged" if Step("load", name) in self.results else "failed"
            outcome = "held" if held else "waiting" if self.work.waits(name) else unchanged
            nothing = TableReport(table=name, new=0, changed=0, deleted=0, rejected=0, seconds=0, lag_seconds=None)
            return {"outcome": outcome, **nothing.model_dump()}
        report = table_report(self.work, result)
        outcome = "held" if result.held else "superseded" if result.superseded else "loaded"
        return {"outcome": outcome, **report.model_dump()}


def run(declared: Declarations, options: Options, progress: Tell, parallel: int = STREAMS) -> Run:
    """Do one run, and give what its steps gave and where they failed. A step's failure stops what hangs on it alone.

    progress: called with each step when it is over, the number of all, and None; of a step that reads slices also when
        it begins and with each of them, with how far it is in place of None, by any thread.
    parallel: how many slices of a table are read at a time.

    Raises: DeclarationError for a table that is not declared, or not read though its deletions are accepted; as
        `read_state`.
    """
    steps, _ = plan(declared, options.sources(declared)), options.accepted(declared)
    identity = identify(options)
    going = Run(declared, replace(options, run_id=identity.run_id), read_state(), identity, parallel)
    going.tell = lambda step, slices: progress(step, len(steps), slices)
    order = TopologicalSorter({step: order.needs | order.follows for step, order in steps.items()})
    order.prepare()
    with kept.KEPT.keeping(), Threads(STREAMS) as threads:
        pending: dict[Future[None], Step] = {}
        while order.is_active():
            pending |= {
                threads.submit(_attempt, going, step, steps[step]): step
                for step in going.largest_first(order.get_ready())
            }
            done, _ = wait(pending, return_when=FIRST_COMPLETED)
            for future in done:
                future.result()
                step = pending.pop(future)
                order.done(step)
                progress(step, len(steps), None)
    return going


def run_to_end(declared: Declarations, options: Options, progress: Tell, parallel: int = STREAMS) -> Run:
    """As `run`, again where slices that were read are of no use any more, as their table was changed under them."""
    for _ in range(ATTEMPTS):
        done = run(declared, options, progress, parallel)
        if done.failures or not done.waiting:
            break
    return done


def identify(options: Options) -> RunIdentity:
    """A run that begins now."""
    now = datetime.now(UTC)
    return options.identity(f"command__{now.isoformat()}", now)


def _attempt(going: Run, step: Step, order: Order) -> None:
    """Do a step, unless one that it needs failed or was not done. Whatever goes wrong is the step's failure alone."""
    try:
        with border(str(step)):
            if going.results.keys() >= order.needs:
                result = _do(going, step)
                if isinstance(result, Progress):
                    going.waiting[step.table] = result
                else:
                    going.results[step] = result
    except (DeclarationError, DataError, ServiceError) as error:
        going.failures[step] = error


def _read(going: Run, step: Step) -> object:
    name, begun = step.table, (going.declared, step.table, going.state, going.results[PREPARE], going.options)
    if step.kind == "plan":
        return pipeline.plan_table(*begun)
    if step.kind == "ingest":
        return pipeline.ingest_table(*begun)
    return _read_slices(going, step, going.results[Step("plan", name)])


def _read_slices(going: Run, step: Step, planned: Planned) -> list[bool]:
    """Read the slices that are left, and tell of each; gives which of them are of use."""
    before, began_at, telling = planned.done, datetime.now(UTC), Lock()
    slices, done = before + len(planned.numbers), count(before)

    def tell() -> None:
        with telling:
            going.tell(step, Progress(done=next(done), slices=slices, began_at=began_at, before=before))

    def read(number: int) -> bool:
        of_use = pipeline.slice_table(going.declared, step.table, planned.load_id, number)
        tell()
        return of_use

    if planned.numbers:
        tell()
    return side_by_side(going.parallel, read, planned.numbers)


def _do(going: Run, step: Step) -> object:
    declared, results = going.declared, going.results
    if step.kind == "prepare":
        return pipeline.prepare(declared)
    if step.kind in ("plan", "slice", "ingest"):
        return _read(going, step)
    if step.kind == "transform":
        read = going.of_kind("ingest").get(read_step(declared.star[step.table]).table)
        return pipeline.transform_table(declared, step.table, read, results[PREPARE])
    if step.kind == "load":
        files = results[Step("transform", step.table)]
        return pipeline.load_table(declared, step.table, files) if files else None
    if step == CHECK:
        return pipeline.check_tables(declared, going.of_kind("ingest"), going.of_kind("load"))
    return pipeline.record_run(going.identity, going.work)
