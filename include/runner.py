"""One run without a scheduler: the steps of the plan, two at a time, each as soon as what it needs is there."""

from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass, field
from datetime import UTC, datetime
from graphlib import TopologicalSorter
from typing import Any

from include import pipeline
from include.common.errors import DataError, DeclarationError, ServiceError, border
from include.common.manifests import CheckResult, LoadResult, SourceRead
from include.common.threads import Threads
from include.lake.files import STREAMS
from include.pipeline import Options
from include.state.history import RunIdentity, Work
from include.state.latest import State, read_state
from include.state.record import RunReport, TableReport, table_report
from include.tables.star import STAR
from include.tables.steps import CHECK, PREPARE, Order, Step, plan


@dataclass
class Run:
    """A run in progress: what its steps gave, and what went wrong with those that failed."""

    options: Options
    state: State
    identity: RunIdentity
    results: dict[Step, Any] = field(default_factory=dict)
    failures: dict[Step, Exception] = field(default_factory=dict)

    def of_kind(self, kind: str) -> dict[str, Any]:
        """Table → result, of the steps of one kind that gave one."""
        return {step.table: result for step, result in self.results.items() if step.kind == kind and result is not None}

    def largest_first(self, steps: tuple[Step, ...]) -> list[Step]:
        """Steps that could begin now, those of large source tables first, so that none is left alone at the end."""
        tables = self.state.tables
        return sorted(steps, key=lambda step: tables[step.table].rows if step.table in tables else 0, reverse=True)

    def summary(self) -> dict[str, Any]:
        """What the run did, as plain values: each warehouse table's counts, and whether all went well."""
        steps = plan(self.options.sources)
        tables = [self._table_summary(step.table) for step in steps if step.kind == "load"]
        failures = {str(step): str(error) for step, error in self.failures.items()}
        return {"succeeded": not failures, "tables": tables, "failures": failures}

    def _table_summary(self, name: str) -> dict[str, Any]:
        result = self.results.get(Step("load", name))
        if result is None:
            held = any(read.held for source, read in self.of_kind("ingest").items() if source in STAR[name].sources)
            outcome = "held" if held else "unchanged" if Step("load", name) in self.results else "failed"
            nothing = TableReport(table=name, new=0, changed=0, deleted=0, rejected=0, seconds=0, lag_seconds=None)
            return {"outcome": outcome, **nothing.model_dump()}
        report = table_report(result, self.of_kind("ingest"))
        outcome = "held" if result.held else "superseded" if result.superseded else "loaded"
        return {"outcome": outcome, **report.model_dump()}


def run(options: Options, progress: Callable[[Step, int], None]) -> Run:
    """Do one run, and give what its steps gave and where they failed. A step's failure stops what hangs on it alone.

    progress: called with each step when it is over, and with the number of all.

    Raises: DeclarationError for a table that is not declared, or not read though its deletions are accepted; as
        `read_state`.
    """
    steps, _ = plan(options.sources), options.accepted
    going = Run(options, read_state(), identify(options))
    order = TopologicalSorter({step: order.needs | order.follows for step, order in steps.items()})
    order.prepare()
    with Threads(STREAMS) as threads:
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
                progress(step, len(steps))
    return going


def identify(options: Options) -> RunIdentity:
    """A run that begins now."""
    now = datetime.now(UTC)
    return options.identity(f"command__{now.isoformat()}", now)


def _attempt(going: Run, step: Step, order: Order) -> None:
    """Do a step, unless one that it needs failed or was not done. Whatever goes wrong is the step's failure alone."""
    try:
        with border(str(step)):
            if going.results.keys() >= order.needs:
                going.results[step] = _do(going, step)
    except (DeclarationError, DataError, ServiceError) as error:
        going.failures[step] = error


def _do(going: Run, step: Step) -> object:
    if step.kind == "prepare":
        return pipeline.prepare()
    if step.kind == "ingest":
        return pipeline.ingest_table(step.table, going.state, going.results[PREPARE], going.options)
    if step.kind == "transform":
        reads: dict[str, SourceRead] = {name: going.results[Step("ingest", name)] for name in STAR[step.table].sources}
        return pipeline.transform_table(step.table, reads, going.results[PREPARE])
    if step.kind == "load":
        files = going.results[Step("transform", step.table)]
        return pipeline.load_table(step.table, files) if files else None
    reads, loads = going.of_kind("ingest"), going.of_kind("load")
    if step == CHECK:
        return pipeline.check_tables(reads, loads)
    return _record(going, reads, loads)


def _record(going: Run, reads: dict[str, SourceRead], loads: dict[str, LoadResult]) -> RunReport:
    checked: dict[str, CheckResult] | None = going.results.get(CHECK)
    return pipeline.record_run(going.identity, Work(going.options.sources, reads, loads, checked))
