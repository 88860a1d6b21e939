"""Ingest: what changed in one source table, out of the database and into CSV files, in one snapshot."""

import logging
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from time import monotonic

import psycopg

from include.common.errors import DataError
from include.common.manifests import Cursor, FileEntry, Slices, SourceRead
from include.common.postgres import connect, postgres_errors
from include.common.settings import SOURCE_CONNECTION
from include.common.slices import SlicePlan
from include.source.beside import Beside, look_beside
from include.source.changes import Keys, compare_keys
from include.source.columns import tell_columns
from include.source.held import doubted, hold_back
from include.source.known import Base, Known, Subject, after_seen, find_base
from include.source.landing import Extract, copy_files
from include.source.observe import FoundColumns, Observation, check_columns
from include.source.open import open_since, tell_long
from include.source.plans import Looked, plan_changes, restless
from include.source.reading import ATTEMPTS, begin_reading, end_reading, is_moved
from include.source.server import remembered_starts
from include.source.slices import Sliced, sliced_base
from include.source.yielding import giving_way
from include.state.latest import TableState, write_keys
from include.tables.drift import with_types
from include.tables.source import SourceTable

log = logging.getLogger(__name__)


def ingest(table: SourceTable, known: Known, sliced: Sliced | None = None) -> SourceRead | SlicePlan:
    """Read what changed in a source table since it was recorded, and write it to the ingestion bucket.

    Where that is more than a slice has, of a table that is read in slices, gives how to read it so, and writes nothing.

    sliced: what was read of it in slices before: what changed since those began is read, which makes them whole.

    It may be repeated: each time it reads anew and writes new files. A table without a change writes none.

    Raises: DataError where the table is not as declared, or a replica was restored; ServiceError where the table is
        changed under every reading, or a replica has still to replay what was read before; PlanVoidError where slices
        cannot be made whole; DeclarationError and others as `postgres_errors` and `lake_errors`.
    """
    with (
        connect(SOURCE_CONNECTION) as connection,
        giving_way(connection, table.name),
        postgres_errors(table.name),
    ):
        for _ in range(ATTEMPTS):
            read = _read(connection, table, known, sliced)
            if isinstance(read, SourceRead):
                return read.model_copy(update={"accepted": known.accepted})
            if read:
                return read
    raise restless(table)


def _read(
    connection: psycopg.Connection, table: SourceTable, known: Known, sliced: Sliced | None
) -> SourceRead | SlicePlan | None:
    """One reading; None where the table was changed under it, whatever came of that."""
    started = monotonic()
    read = Extract(table, known.declared.joined_to(table.name))
    observation = begin_reading(connection, table, *read.others)
    try:
        find = partial(_complete, sliced=sliced) if sliced else _find_changes
        reading, files = find(connection, read, known, observation)
    except (DataError, psycopg.Error):
        connection.rollback()
        if is_moved(connection, observation, table, *read.others):
            return None
        raise
    ended = end_reading(connection, reading.observation, table, *read.others)
    if ended is None:
        return None
    if reading.plan:
        return reading.plan.model_copy(update={"cursor": ended.cursor})
    if known.state and reading.held:
        return hold_back(table, known.state, reading.held, monotonic() - started)
    tell_long(table, reading.held_since, reading.observation.observed_at)
    starts = remembered_starts(known.state.cursor if known.state else None, ended.server)
    ended = replace(ended, cursor=ended.cursor.model_copy(update={"starts": starts}))
    fingerprint = known.declared.fingerprint(table.name)
    return _describe(replace(reading, observation=ended), files, fingerprint, monotonic() - started)


def _find_changes(
    connection: psycopg.Connection, read: Extract, known: Known, observation: Observation
) -> tuple["_Reading", list[FileEntry]]:
    """What changed, and the files that hold it."""
    table = read.table
    observation = after_seen(table, known, observation)
    base = find_base(table, known, observation)
    columns = check_columns(connection, table, observation.cursor.relation)
    tell_columns(table.name, columns.ignored, columns.wider, known.state)
    table = with_types(table, columns.wider)
    beside = look_beside(connection, table, read.joins, observation, base.state.joined if base else {})
    keys = compare_keys(connection, table, base, observation.next_xid, beside.changes)
    held = _held(table, known, base, keys)
    if base and not (held or base.doubts) and 0 < read.table.slice_rows < len(keys.selected.keys):
        looked = Looked(observation, beside.reads, columns.wider)
        plan = plan_changes(read.table, known, base, keys.selected.keys, looked)
        return _Reading(table, columns, base.state, observation, keys, True, "", None, beside, plan=plan), []
    if base and not held:
        base, keys = _compare_values(
            connection, known, base, Subject(table, base.keys, keys.current, base.doubts), keys
        )
    state = base.state if base else None
    changed = not held and (keys.changed or known.is_ahead(table, state))
    held_since = open_since(connection, table, observation, known.state)
    reading = _Reading(table, columns, state, observation, keys, changed, held, held_since, beside)
    return reading, _copy(connection, replace(read, table=table), reading) if changed else []


def _complete(
    connection: psycopg.Connection, read: Extract, known: Known, observation: Observation, sliced: Sliced
) -> tuple["_Reading", list[FileEntry]]:
    """As `_find_changes`, of what has changed since slices of the table were begun to be read."""
    table = read.table
    observation = after_seen(table, known, observation, sliced.observed_at)
    base, recorded = sliced_base(sliced, known, observation)
    columns = check_columns(connection, table, observation.cursor.relation)
    tell_columns(table.name, columns.ignored, columns.wider, known.state)
    table = with_types(table, columns.wider)
    beside = look_beside(connection, table, read.joins, observation, base.state.joined)
    keys = compare_keys(connection, table, base, observation.next_xid, beside.changes)
    held = _held(table, known, recorded, keys) if recorded else ""
    held_since = open_since(connection, table, observation, known.state)
    replaced = keys.selected.keys | keys.again | (keys.known - keys.current)
    slices = Slices(
        load_id=sliced.plan.load_id,
        manifests=sliced.manifests,
        rows=sliced.rows,
        replaced_key=write_keys(table.name, observation.observed_at, replaced),
    )
    state = recorded.state if recorded else None
    reading = _Reading(table, columns, state, observation, keys, not held, held, held_since, beside, slices)
    return reading, [] if held else _copy(connection, replace(read, table=table), reading)


def _held(table: SourceTable, known: Known, base: Base | None, keys: Keys) -> str:
    """Why what the source holds now is not believed; empty where it is.

    A table that is read whole is compared with what the warehouse holds, when it is loaded; here only if no warehouse
    table has its keys, since it completes another's rows.
    """
    if known.state is None or known.accepted or (base is None and known.declared.built_on(table.name)):
        return ""
    return doubted(table, known.state, base.keys if base else None, keys.current)


def _compare_values(
    connection: psycopg.Connection, known: Known, base: Base, subject: Subject, keys: Keys
) -> tuple[Base | None, Keys]:
    """What to go on from and the keys, after what was loaded was compared; all anew where doubts are left."""
    findings = known.prove(connection, subject)
    if not base.doubts or all(table.name in findings.proofs for table in known.declared.built_on(subject.table.name)):
        return base, keys.disproven(findings)
    log.warning("%s is read whole, as it cannot be compared now: %s", subject.table.name, "; ".join(base.doubts))
    return None, compare_keys(connection, subject.table, None)


@dataclass(frozen=True)
class _Reading:
    """A table as one transaction of the source shows it, against what was recorded (`base`; None for nothing).

    changed: whether there is anything to load. held: why what it shows is not believed.
    held_since: since when a transaction has been open at the source from which on each run reads.
    beside: what it sees of the tables that are joined. slices: those that it makes whole.
    plan: how the changes are to be read in slices, as they are too many.
    """

    table: SourceTable
    columns: FoundColumns
    base: TableState | None
    observation: Observation
    keys: Keys
    changed: bool
    held: str
    held_since: datetime | None
    beside: Beside
    slices: Slices | None = None
    plan: SlicePlan | None = None


def _copy(connection: psycopg.Connection, read: Extract, reading: _Reading) -> list[FileEntry]:
    """Write what is to be read: the changes, or all."""
    keys = reading.keys
    selected = keys.current if keys.whole else keys.selected.keys | keys.again
    return copy_files(connection, read, selected, keys.whole, reading.observation.observed_at)


def _describe(reading: _Reading, files: list[FileEntry], fingerprint: str, seconds: float) -> SourceRead:
    table, base, observation, keys = reading.table, reading.base, reading.observation, reading.keys
    return SourceRead(
        table=table.name,
        observed_at=observation.observed_at,
        read_at=base.read_at if base and not reading.changed else observation.observed_at,
        changed_at=_changed_at(reading),
        base=base.read_at if base else None,
        changed=reading.changed,
        deletions=keys.deletions,
        cursor=_next_cursor(reading),
        fingerprint=fingerprint,
        rows=len(keys.current),
        key_sum=keys.key_sum,
        keys_key=keys.known_key or write_keys(table.name, observation.observed_at, keys.current),
        files=files,
        read_rows=sum(file.rows for file in files) + (reading.slices.rows if reading.slices else 0),
        ignored_columns=reading.columns.ignored,
        wider=reading.columns.wider,
        seconds=seconds,
        proofs=keys.findings.proofs,
        held_since=reading.held_since,
        joined=reading.beside.reads,
        slices=reading.slices,
    )


def _changed_at(reading: _Reading) -> datetime | None:
    """The earliest instant at which any of the changes can have been made; None where nothing is known to have changed.

    Not before the last reading, which would have seen it; a silent change and a deletion tell no more than that.
    """
    base, observed_at, keys = reading.base, reading.observation.observed_at, reading.keys
    if base is None:
        return observed_at
    if reading.slices:
        return base.observed_at
    if not keys.deletions and not keys.selected.keys:
        return None
    stamps = [stamp for stamp in (keys.selected.oldest, reading.beside.oldest) if stamp]
    return min(max(min(stamps, default=base.observed_at), base.observed_at), observed_at)


def _next_cursor(reading: _Reading) -> Cursor:
    """The cursor of the next run. A stamp in the future counts as now, so that it does not hide what follows."""
    newest = [reading.keys.selected.newest, reading.base.cursor.last_updated if reading.base else None]
    stamps = [stamp for stamp in newest if stamp]
    last_updated = min(max(stamps), reading.observation.observed_at) if stamps else None
    return reading.observation.cursor.model_copy(update={"last_updated": last_updated})
