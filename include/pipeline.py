"""A function for each kind of step. The DAG wraps them in tasks; the command line calls them in order."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

from include.common import kept
from include.common.errors import DataError, DeclarationError, ServiceError, border
from include.common.manifests import CheckResult, FileEntry, Inputs, LoadResult, SourceRead, StarFiles
from include.common.slices import Planned, Progress
from include.lake.transform import calendar_inputs, transform, write_calendar
from include.proof.audit import TableAudit, audit, named_tables
from include.proof.calendar import differing_days, in_words
from include.proof.prove import Prover
from include.reports import alerts, metrics
from include.reports.events import told
from include.source.known import Known
from include.state import status
from include.state.history import RunIdentity, describe_run
from include.state.latest import State, read_keys, read_state
from include.state.record import COUNTS, RunReport, record
from include.state.work import Work
from include.tables.declarations import Declarations
from include.tables.star import Calendar
from include.warehouse import checks, roles, slicing
from include.warehouse import tables as warehouse
from include.warehouse.load import load
from include.warehouse.publish import publish_files

log = logging.getLogger(__name__)

DIFFERING = "differing"
"""Where `prepare` says in its answer, in place of what the calendar was built from, what of it is wrong."""


@dataclass(frozen=True)
class Options:
    """What a run is asked for.

    tables: source or warehouse tables to bring up to date, with all that they refer to; empty for all.
    full_refresh: read the named tables (all, where none is named) whole, whatever is known of them.
    accept_deletions: source or warehouse tables whose deletions are believed, however many they are.
    prove_all: compare every value of these tables with the source, whatever was proven before.
    run_id: which run it is: what it began to read whole in slices, it goes on with.
    """

    tables: tuple[str, ...] = ()
    full_refresh: bool = False
    accept_deletions: tuple[str, ...] = ()
    prove_all: bool = False
    run_id: str = ""

    def sources(self, declared: Declarations) -> set[str]:
        """The source tables to read. Raises: DeclarationError for a table that is not declared."""
        return declared.select_sources(self.tables) if self.tables else set(declared.sources)

    def whole(self, declared: Declarations) -> set[str]:
        """The source tables to read whole."""
        if not self.full_refresh:
            return set()
        return declared.named_sources(self.tables) if self.tables else set(declared.sources)

    def accepted(self, declared: Declarations) -> set[str]:
        """The source tables whose deletions are believed. Raises: as `accepted_sources`."""
        read = self.sources(declared)
        return declared.accepted_sources(self.accept_deletions, read) if self.accept_deletions else set()

    def identity(self, run_id: str, started_at: datetime) -> RunIdentity:
        """The run that was asked for so, as its history tells it."""
        return RunIdentity(
            run_id=run_id,
            started_at=started_at,
            tables=list(self.tables),
            full_refresh=self.full_refresh,
            accept_deletions=list(self.accept_deletions),
        )


def _describe_warehouse(loaded: dict[str, Inputs]) -> dict[str, Any]:
    return {"loaded": len(loaded)}


def _size(files: list[FileEntry]) -> dict[str, int]:
    return {"rows": sum(file.rows for file in files), "bytes": sum(file.size_bytes for file in files)}


def _describe_plan(planned: Planned) -> dict[str, Any]:
    return {"slices": len(planned.numbers)} if planned.load_id else {"outcome": "unchanged"}


def _describe_read(read: SourceRead | Progress) -> dict[str, Any]:
    if isinstance(read, Progress):
        return {"outcome": "in progress", "done": read.done, "slices": read.slices}
    size = _size(read.files if read.changed else [])
    outcome = "held" if read.held else "done" if read.changed else "unchanged"
    return {"outcome": outcome, **size, "source_rows": read.rows, "deletions": read.deletions}


def _describe_files(files: StarFiles | None) -> dict[str, Any]:
    return {**_size(files.files), "rejected": len(files.rejected)} if files else {"outcome": "unchanged"}


def _describe_load(result: LoadResult) -> dict[str, Any]:
    counts = {"new": result.new, "changed": result.changed, "deleted": result.deleted, "rejected": len(result.rejected)}
    return counts | ({} if result.done else {"outcome": "held" if result.held else "superseded"})


def _describe_checks(results: dict[str, CheckResult]) -> dict[str, Any]:
    return {"tables": len(results), "held": sum(result.held for result in results.values())}


def _describe_run(report: RunReport) -> dict[str, Any]:
    counts: dict[str, int] = {name: report.total(name) for name in COUNTS}
    return {"tables": len(report.tables), **counts, "lag_seconds": round(report.lag_seconds, 3)}


@told("prepare", _describe_warehouse)
def prepare(declared: Declarations) -> dict[str, Inputs]:
    """Make the warehouse as declared; gives from which readings each of its tables was last built.

    A calendar with days that are not as they should be counts as one that is still to be loaded.
    """
    roles.ensure_role()
    loaded, days = warehouse.prepare(declared), declared.calendar
    roles.ensure_api_login()
    if days and loaded.get(days.name) == calendar_inputs(days) and (wrong := differing_days(days)):
        loaded[days.name] = {DIFFERING: in_words(wrong)}
    return loaded


@told("plan", _describe_plan)
def plan_table(declared: Declarations, name: str, state: State, loaded: dict[str, Inputs], options: Options) -> Planned:
    """How a source table is to be read in slices, if it is. See `slicing.plan`."""
    return slicing.plan(declared.sources[name], _known(declared, name, state, loaded, options), options.run_id)


@told("slice", lambda done: {"outcome": "done" if done else "void"})
def slice_table(declared: Declarations, name: str, load_id: str, number: int) -> bool:
    """Read, transform and keep a slice of a source table. See `slicing.read`."""
    done = slicing.read(declared, name, load_id, number)
    if done:
        _show_progress(declared, name)
    return done


@told("ingest", _describe_read)
def ingest_table(
    declared: Declarations, name: str, state: State, loaded: dict[str, Inputs], options: Options
) -> SourceRead | Progress:
    """Read a source table's changes into the ingestion bucket. See `ingest` and `slicing.complete`."""
    return slicing.complete(declared.sources[name], _known(declared, name, state, loaded, options))


def _known(declared: Declarations, name: str, state: State, loaded: dict[str, Inputs], options: Options) -> Known:
    return Known(
        declared,
        state.tables.get(name),
        loaded,
        full_refresh=name in options.whole(declared),
        accepted=name in options.accepted(declared),
        prove=Prover(declared, state, options.prove_all),
    )


@told("transform", _describe_files)
def transform_table(
    declared: Declarations, name: str, read: SourceRead | None, loaded: dict[str, Inputs]
) -> StarFiles | None:
    """Build a warehouse table's Parquet from the reading of its source. None: nothing changed. See `transform`.

    read: None for the calendar.
    """
    table = declared.star[name]
    if isinstance(table, Calendar):
        known = loaded.get(name, {})
        return None if known == calendar_inputs(table) else write_calendar(table, known.get(DIFFERING, ""))
    if not read or not read.changed:
        return None
    return transform(table, read, read_keys(read.table, read.slices.replaced_key) if read.slices else None)


@told("load", _describe_load)
def load_table(declared: Declarations, name: str, files: StarFiles) -> LoadResult:
    """Bring a warehouse table to what its Parquet files say. See `load`."""
    return load(declared, declared.star[name], files)


@told("check", _describe_checks)
def check_tables(
    declared: Declarations, reads: dict[str, SourceRead], loads: dict[str, LoadResult]
) -> dict[str, CheckResult]:
    """Compare each table that was loaded with its source. See `check`."""
    results = {}
    for name, result in loads.items():
        table = declared.star[name]
        if not isinstance(table, Calendar) and result.done and table.source.name in reads:
            compared = checks.check(table, reads, result)
            if compared:
                results[name] = compared
    return results


def audit_tables(declared: Declarations, names: tuple[str, ...]) -> list[TableAudit]:
    """Compare every value of these tables (all, where none is named) with the source, now. See `audit`."""
    tables, state = named_tables(declared, names), read_state()
    with kept.KEPT.keeping():
        return [audit(declared, table, state) for table in tables]


def audit_versions(declared: Declarations, names: tuple[str, ...]) -> list[TableAudit]:
    """Compare every version of these tables (all, where none is named) with the lake. See `audit_history`."""
    from include.warehouse.retold import audit_history  # which takes what only questions to the lake take

    return audit_history(declared, named_tables(declared, names))


@told("record", _describe_run)
def record_run(run: RunIdentity, work: Work, tell: Callable[[RunReport], object] = lambda _: None) -> RunReport:
    """Move latest_update.json on for every source table whose changes are loaded, and tell what the run did.

    After that the lake's tables name the files that this run, or an earlier one, has loaded.

    tell: called with the report, also of a run that then fails.

    Raises: DataError that names what was not loaded, or does not equal the source; what could be recorded is.
    """
    try:
        with border("record"):
            report = record(work)
    except (DeclarationError, DataError, ServiceError) as error:
        _remember(run, work, [str(error)])
        raise
    problems = [*report.problems, *_forget_slices(work), *_publish(work.declared)]
    problems += _announce(report, run.started_at, work.reads.keys() - report.held.keys())
    problems += _remember(run, work, problems)
    report = report.model_copy(update={"problems": problems})
    tell(report)
    if problems:
        raise DataError("; ".join(problems))
    return report


def _forget_slices(work: Work) -> list[str]:
    """Forget the plans of what is recorded; where that fails it is told: the next run sees that a plan is over."""
    try:
        with border("slices"):
            slicing.forget_recorded(work)
    except (DeclarationError, DataError, ServiceError) as error:
        return [f"what was read in slices is not forgotten yet: {error}"]
    return []


def _publish(declared: Declarations) -> list[str]:
    """Bring the lake's tables up to date; what goes wrong with that is told, and the next run does it."""
    try:
        with border("the lake"):
            return publish_files(declared)
    except (DeclarationError, DataError, ServiceError) as error:
        return [f"the lake is behind: {error}"]


def _remember(run: RunIdentity, work: Work, problems: list[str]) -> list[str]:
    """Add a run to the history; what goes wrong with that is told, and hides nothing else."""
    try:
        with border("the history of runs"):
            status.remember(work.declared, describe_run(run, work, problems))
    except (DeclarationError, DataError, ServiceError) as error:
        log.warning("the run is not in the history: %s", error)
        return [f"the run is not in the history: {error}"]
    return []


def _show_progress(declared: Declarations, name: str) -> None:
    """Have the page show how far a table is that is read in slices; where that fails, no slice does."""
    try:
        with border("the page"):
            if progress := slicing.find_progress(name):
                status.show_progress(declared, name, progress)
    except (DeclarationError, DataError, ServiceError) as error:
        log.warning("the page does not show how far %s is: %s", name, error)


def _announce(report: RunReport, started_at: datetime, believed: set[str]) -> list[str]:
    """Publish a run's metrics and alerts; what could not be published is told, and hides nothing else.

    believed: source tables that were read and are not held back.
    """
    raised = [
        *alerts.of_rejected(report.newly_rejected),
        *alerts.of_held(report.held),
        *alerts.of_differing(report.differing),
    ]
    over = [alerts.held_identity(name) for name in believed]
    announcements = {
        "metrics": partial(metrics.publish, report, started_at),
        f"alert ({', '.join(alert.subject for alert in raised) or 'of an earlier run'})": partial(
            alerts.tell, raised, over
        ),
    }
    problems = []
    for name, publish in announcements.items():
        try:
            with border(name):
                publish()
        except (DeclarationError, DataError, ServiceError) as error:
            problems.append(f"{name} not published: {error}")
    return problems
