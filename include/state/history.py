"""History: what every run did, as a document that is written once; `status` draws the present state from them."""

import logging
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Literal

from pydantic import AwareDatetime, Field, ValidationError

from include.common.manifests import LoadResult, Manifest
from include.common.settings import STATE_BUCKET, required_variable
from include.lake.files import list_keys, new_key, read_file, write_file
from include.lake.rejected import RejectedRow, rejected_rows
from include.state.differences import healed
from include.state.record import table_report
from include.state.work import Work
from include.tables.declarations import Declarations, is_built
from include.tables.star import StarTable

log = logging.getLogger(__name__)

FOLDER = "runs"
PROBLEM_CHARACTERS = 500
"""The longest problem that is kept of a run; its tasks' logs have all of it."""
PROBLEMS = 20
"""The most problems that are kept of a run."""


class RunIdentity(Manifest):
    """Which run it is, since when, and what it was asked for.

    tables: to bring up to date; none for all. full_refresh: whether to read them whole.
    accept_deletions: tables whose deletions are believed, however many.
    """

    run_id: str
    started_at: AwareDatetime
    tables: list[str] = Field(default_factory=list)
    full_refresh: bool = False
    accept_deletions: list[str] = Field(default_factory=list)


class TableLoad(Manifest):
    """What a load did to a warehouse table. lag_seconds: as in `TableReport`."""

    new: int
    changed: int
    deleted: int
    rejected: int
    seconds: float | None
    lag_seconds: float | None
    loaded_at: AwareDatetime


Outcome = Literal["loaded", "unchanged", "superseded", "failed"]


class TableOutcome(Manifest):
    """What became of a warehouse table in a run that was to bring it up to date.

    problem: what is wrong, in a sentence. held: those of its sources that are held back until deletions are accepted.
    """

    table: str
    outcome: Outcome
    problem: str
    load: TableLoad | None
    held: list[str] = Field(default_factory=list)


class RunSummary(Manifest):
    """A run in a few numbers.

    read: rows that were read of the source. new, changed, deleted, rejected: of all warehouse tables.
    healed: rows that did not equal the source's, and do now. lag_seconds: the longest of its tables.
    problems: a sentence each; none where all went well.
    told: whether alerts of their own have told all of these.
    """

    run: RunIdentity
    ended_at: AwareDatetime
    seconds: float
    read: int
    new: int
    changed: int
    deleted: int
    rejected: int
    healed: int = 0
    lag_seconds: float | None
    problems: list[str]
    told: bool = False


class RunDocument(Manifest):
    """All that is kept of a run. rejected_rows: some of those that its loads set aside."""

    summary: RunSummary
    tables: list[TableOutcome]
    rejected_rows: list[RejectedRow]


def describe_run(run: RunIdentity, work: Work, problems: list[str]) -> RunDocument:
    """What a run that ends now did."""
    tables = [outcome for table in work.declared.star.values() if (outcome := _outcome(table, work))]
    return RunDocument(
        summary=_summary(run, work, [table.load for table in tables if table.load], problems),
        tables=tables,
        rejected_rows=rejected_rows(work.loads.values()),
    )


def describe_lost_run(declared: Declarations, run: RunIdentity, problem: str) -> RunDocument:
    """A run of which nothing is known but that it ended, and how."""
    return RunDocument(summary=_summary(run, Work(declared), [], [problem]), tables=[], rejected_rows=[])


def _summary(run: RunIdentity, work: Work, loads: list[TableLoad], problems: list[str]) -> RunSummary:
    ended_at = datetime.now(UTC)
    return RunSummary(
        run=run,
        ended_at=ended_at,
        seconds=max((ended_at - run.started_at).total_seconds(), 0.0),
        read=sum(read.read_rows for read in work.reads.values()),
        new=sum(load.new for load in loads),
        changed=sum(load.changed for load in loads),
        deleted=sum(load.deleted for load in loads),
        rejected=sum(load.rejected for load in loads),
        healed=sum(healed(work).values()),
        lag_seconds=max((load.lag_seconds for load in loads if load.lag_seconds is not None), default=None),
        problems=[problem[:PROBLEM_CHARACTERS] for problem in problems[:PROBLEMS]],
        told=bool(problems) and set(problems) <= set(work.held.values()),
    )


def _outcome(table: StarTable, work: Work) -> TableOutcome | None:
    """What became of a table; None where the run was not to touch it."""
    own = table.source.name if is_built(table) else ""
    if own and own not in work.expected:
        return None
    result = work.loads.get(table.name)
    held = {name: why for name, why in work.held.items() if name == own}
    missing = "" if work.waits(table.name) else _missing_problem(own, work)
    problem = _load_problem(result, work) if result else missing
    problem = "; ".join(filter(None, [problem, *held.values()]))
    kind: Outcome = "failed" if problem else "unchanged"
    if result and not problem:
        kind = "superseded" if result.superseded else "loaded"
    load = _table_load(result, work) if result and result.done else None
    return TableOutcome(table=table.name, outcome=kind, problem=problem, load=load, held=sorted(held))


def _table_load(result: LoadResult, work: Work) -> TableLoad:
    report = table_report(work, result)
    return TableLoad(**report.model_dump(exclude={"table"}), loaded_at=result.loaded_at)


def _load_problem(result: LoadResult, work: Work) -> str:
    if work.checked is None:
        return "loaded, but not checked and so not recorded"
    compared = work.checked.get(result.table)
    return "" if compared is None or compared.held else "does not equal its source; the next run reads it whole"


def _missing_problem(own: str, work: Work) -> str:
    """own: the source table that it is built on; empty for a calendar."""
    if own and own not in work.reads:
        return f"not read: {own}"
    return "not loaded" if own and work.reads[own].changed else ""


def write_run(document: RunDocument) -> None:
    """Keep what a run did, beside what other attempts of it have left. Raises: as `lake_errors`."""
    key = new_key(FOLDER, document.summary.run.started_at.astimezone(UTC), "json")
    write_file(required_variable(STATE_BUCKET), key, document.model_dump_json().encode())


def runs_since(instant: datetime) -> Iterable[RunDocument]:
    """What is kept of the runs that began on the day of this instant and later, in their order.

    Raises: as `lake_errors`.
    """
    bucket, today = required_variable(STATE_BUCKET), datetime.now(UTC).date()
    day = instant.astimezone(UTC).date()
    while day <= today:
        for key in list_keys(bucket, f"{FOLDER}/{day}/"):
            try:
                yield RunDocument.model_validate_json(read_file(bucket, key))
            except ValidationError as error:
                log.warning("s3://%s/%s is no run's and is left out: %s", bucket, key, error.errors()[0]["msg"])
        day += timedelta(days=1)
