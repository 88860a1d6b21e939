"""status.json: the warehouse at a glance, in one small file that each run replaces and a page reads.

It holds nothing that cannot be made anew: where it is missing or cannot be read, it is drawn from the runs' documents.
"""

import logging
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Literal

from pydantic import AwareDatetime, Field, ValidationError

from include.common.errors import DataError, ServiceError
from include.common.manifests import Manifest
from include.common.settings import STATE_BUCKET, required_variable
from include.common.slices import Progress
from include.lake.files import read_current, replace_file
from include.lake.rejected import RejectedRow
from include.state.history import (
    Outcome,
    RunDocument,
    RunIdentity,
    RunSummary,
    TableLoad,
    TableOutcome,
    describe_lost_run,
    runs_since,
    write_run,
)
from include.state.latest import ATTEMPTS, State, TableState, held_seconds, read_state
from include.state.proven import Proven, proven
from include.tables.declarations import Declarations, referenced_by
from include.tables.star import Calendar, StarTable, is_versioned

log = logging.getLogger(__name__)

STATUS_KEY = "status.json"
KEPT = timedelta(hours=24)
KEPT_RUNS = 200
"""The most runs that are listed, however many there were within KEPT; 72 is one every 20 minutes."""
KEPT_ROWS = 100
"""The most rejected rows that are listed, the newest."""


class TableProgress(Manifest):
    """How far a table is whose source is read in slices. ends_at: when the last will be read, as far as can be told."""

    done: int
    slices: int
    ends_at: AwareDatetime | None


class TableStatus(Manifest):
    """A warehouse table as it is now.

    kind: fact, dimension or calendar. references: the tables that it refers to. view: of its current versions.
    rows: of its source at the last reading. observed_at: up to which instant of the source's clock it shows all.
    outcome, problem, held: of the last run that was to bring it up to date, which began at run_at.
    last_load: the last one that brought changes. rejected: rows that it cannot take now.
    proven: how much of it was held against the source of late, value by value.
    held_since: since when a transaction has been open at the source for long, so that each run reads more.
    progress: of its source, as long as that is read in slices.
    """

    name: str
    kind: str
    description: str
    sources: list[str]
    references: list[str]
    view: str
    rows: int | None = None
    observed_at: AwareDatetime | None = None
    outcome: Outcome | None = None
    problem: str = ""
    held: list[str] = Field(default_factory=list)
    run_at: AwareDatetime | None = None
    last_load: TableLoad | None = None
    rejected: int = 0
    proven: Proven | None = None
    held_since: AwareDatetime | None = None
    progress: TableProgress | None = None


FOUND = (
    "rows", "observed_at", "outcome", "problem", "held", "run_at", "last_load", "rejected", "proven", "held_since",
    "progress",
)  # fmt: skip
"""What of a table's status is found by runs; the rest is declared."""


class Status(Manifest):
    """The whole of status.json. runs: of the last 24 hours, the newest first."""

    format: Literal["totesys-status/1"] = "totesys-status/1"
    updated_at: AwareDatetime | None = None
    tables: dict[str, TableStatus] = Field(default_factory=dict)
    runs: list[RunSummary] = Field(default_factory=list)
    rejected_rows: list[RejectedRow] = Field(default_factory=list)


def remember(declared: Declarations, document: RunDocument) -> None:
    """Keep what a run did, and show it in status.json. It may be repeated: a run is shown once.

    Raises: ServiceError where other runs replaced the file every time; others as `lake_errors`.
    """
    write_run(document)
    bucket = required_variable(STATE_BUCKET)
    for _ in range(ATTEMPTS):
        content, etag = read_current(bucket, STATUS_KEY)
        status = _with_state(declared, advance(declared, _parse(declared, content), document), _recorded())
        if replace_file(bucket, STATUS_KEY, status.model_dump_json().encode(), etag):
            return
    raise ServiceError(f"{STATUS_KEY}: other runs wrote it {ATTEMPTS} times meanwhile; the next run shows this one too")


def show_progress(declared: Declarations, source: str, progress: Progress) -> None:
    """Show in status.json how far a source table is that a run is reading in slices; the run's end tells anew.

    Where another writes the file at the same time, nothing is shown: the next slice does. Raises: as `lake_errors`.
    """
    bucket, shown = required_variable(STATE_BUCKET), {"progress": _progress(progress)}
    content, etag = read_current(bucket, STATUS_KEY)
    status = _parse(declared, content)
    tables = {name: _declared(table, status.tables.get(name)) for name, table in declared.star.items()}
    tables |= {table.name: tables[table.name].model_copy(update=shown) for table in declared.built_on(source)}
    replace_file(bucket, STATUS_KEY, status.model_copy(update={"tables": tables}).model_dump_json().encode(), etag)


def remember_lost(declared: Declarations, run: RunIdentity, problem: str) -> None:
    """Keep that a run ended so, unless it has told of itself what it did. Raises: as `remember`."""
    if find_run(declared, run.run_id) is None:
        remember(declared, describe_lost_run(declared, run, problem))


def find_run(declared: Declarations, run_id: str) -> RunSummary | None:
    """What a run of the last 24 hours told of itself; None where it told nothing. Raises: as `lake_errors`."""
    content, _ = read_current(required_variable(STATE_BUCKET), STATUS_KEY)
    return next((known for known in _parse(declared, content).runs if known.run.run_id == run_id), None)


def _parse(declared: Declarations, content: bytes | None) -> Status:
    """What the file holds; drawn anew where there is none, or another format."""
    try:
        if content is not None:
            return Status.model_validate_json(content)
    except ValidationError as error:
        log.warning("%s cannot be read and is drawn anew from the runs: %s", STATUS_KEY, error.errors()[0]["msg"])
    return draw(declared, runs_since(datetime.now(UTC) - KEPT))


def draw(declared: Declarations, documents: Iterable[RunDocument]) -> Status:
    """What these runs, in their order, have led to."""
    status = Status()
    for document in documents:
        status = advance(declared, status, document)
    return status


def _recorded() -> State:
    """The recorded state; empty where it cannot be read, which the runs themselves tell of."""
    try:
        return read_state()
    except DataError:
        return State()


def advance(declared: Declarations, status: Status, document: RunDocument) -> Status:
    """The status after a run; of two runs the one that began later tells about a table, whichever ended first."""
    now = datetime.now(UTC)
    outcomes = {outcome.table: outcome for outcome in document.tables}
    tables = {}
    for name, table in declared.star.items():
        shown = _declared(table, status.tables.get(name))
        tables[name] = _after(shown, outcomes[name], document.summary) if name in outcomes else shown
    runs = [run for run in status.runs if run.run.run_id != document.summary.run.run_id]
    runs = sorted([document.summary, *runs], key=lambda run: run.run.started_at, reverse=True)
    return Status(
        updated_at=now,
        tables=tables,
        runs=[run for run in runs if now - run.run.started_at < KEPT][:KEPT_RUNS],
        rejected_rows=_rejected_rows(status, document, tables),
    )


def _declared(table: StarTable, known: TableStatus | None) -> TableStatus:
    """A table as it is declared now, with what is known of it."""
    facts = known.model_dump(include=set(FOUND)) if known else {}
    return TableStatus(
        name=table.name,
        kind=type(table).__name__.lower(),
        description=table.description,
        sources=list(table.source_names),
        references=[dimension.name for dimension in referenced_by(table)],
        view=table.view if is_versioned(table) else "",
        **facts,
    )


def _after(table: TableStatus, outcome: TableOutcome, run: RunSummary) -> TableStatus:
    if table.run_at and table.run_at > run.run.started_at:
        return table
    told = {**outcome.model_dump(include={"outcome", "problem", "held"}), "run_at": run.run.started_at}
    return table.model_copy(update=told | ({"last_load": outcome.load} if outcome.load else {}))


def _rejected_rows(status: Status, document: RunDocument, tables: dict[str, TableStatus]) -> list[RejectedRow]:
    """The newest of all; a table's last load tells all of its rejected rows, so the others of it are past."""
    rows = [*document.rejected_rows, *status.rejected_rows]
    last = {name: table.last_load.loaded_at for name, table in tables.items() if table.last_load}
    present = {(row.table, row.key): row for row in rows if row.at == last.get(row.table)}
    return sorted(present.values(), key=lambda row: row.at, reverse=True)[:KEPT_ROWS]


def _with_state(declared: Declarations, status: Status, state: State) -> Status:
    """The status with what is recorded of each table's sources."""
    tables = {name: _as_recorded(declared.star[name], table, status, state) for name, table in status.tables.items()}
    return status.model_copy(update={"tables": tables})


def _as_recorded(declared: StarTable, table: TableStatus, status: Status, state: State) -> TableStatus:
    if isinstance(declared, Calendar):
        at = status.updated_at  # each run that reads anything proves it whole
        return table.model_copy(update={"rows": declared.days, "proven": Proven(share=1.0, oldest_at=at)})
    known = [state.tables[name] for name in table.sources if name in state.tables]
    table = table.model_copy(update={"progress": _progress(state.slicing.get(declared.source.name))})
    if len(known) < len(table.sources):
        return table
    recorded = {
        "rows": known[0].rows,
        "observed_at": min(source.observed_at for source in known),
        "rejected": len(known[0].rejected.get(table.name, ())),
        "last_load": table.last_load or _last_load(known[0]),
        "proven": proven(state.proofs.get(table.name, [])),
        "held_since": min(filter(None, map(_long_held, known)), default=None),
    }
    return table.model_copy(update=recorded)


def _progress(found: Progress | None) -> TableProgress | None:
    if found is None:
        return None
    return TableProgress(done=found.done, slices=found.slices, ends_at=found.ends_at(datetime.now(UTC)))


def _long_held(source: TableState) -> datetime | None:
    return source.held_since if held_seconds(source.held_since, source.observed_at) else None


def _last_load(source: TableState) -> TableLoad | None:
    """The last load of a table that none of the kept runs loaded."""
    return TableLoad(**source.last_load.model_dump(), seconds=None) if source.last_load else None
