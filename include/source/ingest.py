"""Ingest: what changed in one source table, out of the database and into CSV files, in one snapshot."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from time import monotonic

import psycopg

from include.common.errors import DataError
from include.common.manifests import Cursor, FileEntry, JoinedRead, Slices, SourceRead
from include.common.postgres import connect, postgres_errors
from include.common.settings import SOURCE_CONNECTION
from include.common.slices import SlicePlan
from include.source.beside import Beside, look_beside
from include.source.changes import Keys, compare_keys, require_unique
from include.source.columns import tell_columns
from include.source.held import doubted, hold_back
from include.source.known import Base, Known, Subject, after_seen, find_base
from include.source.landing import Extract, copy_all, copy_keys
from include.source.observe import EVERY_ROW, FoundColumns, Observation, Selection, check_columns, survey
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
    seen = reading.seen
    ended = end_reading(connection, seen.observation, table, *read.others)
    if ended is None:
        return None
    if reading.plan:
        return reading.plan.model_copy(update={"cursor": ended.cursor})
    if known.state and reading.held:
        return hold_back(table, known.state, reading.held, monotonic() - started)
    tell_long(table, seen.held_since, seen.observation.observed_at)
    starts = remembered_starts(known.state.cursor if known.state else None, ended.server)
    ended = replace(ended, cursor=ended.cursor.model_copy(update={"starts": starts}))
    fingerprint = known.declared.fingerprint(table.name)
    return _describe(replace(reading, seen=replace(seen, observation=ended)), files, fingerprint, monotonic() - started)


def _find_changes(
    connection: psycopg.Connection, read: Extract, known: Known, observation: Observation
) -> tuple["_Reading", list[FileEntry]]:
    """What changed, and the files that hold it: all of the table, where nothing is known that it can be told from."""
    observation = after_seen(read.table, known, observation)
    base = find_base(read.table, known, observation)
    seen = _look(connection, read, known, observation, base.state.joined if base else {})
    found = _read_changes(connection, seen, known, base) if base else None
    return found or _read_whole(connection, seen, known)


def _look(
    connection: psycopg.Connection,
    read: Extract,
    known: Known,
    observation: Observation,
    joined: Mapping[str, JoinedRead],
) -> "_Seen":
    """What the table is, and those that it joins. joined: what is known of these."""
    columns = check_columns(connection, read.table, observation.cursor.relation)
    tell_columns(read.table.name, columns.ignored, columns.wider, known.state)
    table = with_types(read.table, columns.wider)
    return _Seen(
        read=replace(read, table=table),
        columns=columns,
        observation=observation,
        held_since=open_since(connection, table, observation, known.state),
        beside=look_beside(connection, table, read.joins, observation, joined),
    )


def _read_whole(connection: psycopg.Connection, seen: "_Seen", known: Known) -> tuple["_Reading", list[FileEntry]]:
    """All rows. Raises: DataError where the key is not unique."""
    table, observed_at = seen.read.table, seen.observation.observed_at
    surveyed = survey(connection, table, EVERY_ROW)
    copied = copy_all(connection, seen.read, surveyed.rows, observed_at)
    require_unique(table, surveyed.rows, copied.keys)
    keys = Keys.of_all(Selection(copied.keys, surveyed.oldest, surveyed.newest))
    return _Reading(seen, None, keys, changed=True, held=_held(table, known, None, keys)), copied.files


def _read_changes(
    connection: psycopg.Connection, seen: "_Seen", known: Known, base: Base
) -> tuple["_Reading", list[FileEntry]] | None:
    """What changed since the base; None where that cannot be told, and all is to be read.

    Raises: DataError where the key is not unique.
    """
    table, observation = seen.read.table, seen.observation
    keys = compare_keys(connection, table, base, observation.next_xid, seen.beside.changes)
    held = _held(table, known, base, keys)
    if not (held or base.doubts) and 0 < table.slice_rows < len(keys.selected.keys):
        looked = Looked(observation, seen.beside.reads, seen.columns.wider)
        plan = plan_changes(table, known, base, keys.selected.keys, looked)
        return _Reading(seen, base.state, keys, changed=True, plan=plan), []
    if held:
        return _Reading(seen, base.state, keys, changed=False, held=held), []
    compared = _compare_values(connection, known, base, Subject(table, base.keys, keys.current, base.doubts), keys)
    if compared is None:
        return None
    reading = _Reading(seen, base.state, compared, compared.changed or known.is_ahead(table, base.state))
    return reading, _copy_changes(connection, reading) if reading.changed else []


def _complete(
    connection: psycopg.Connection, read: Extract, known: Known, observation: Observation, sliced: Sliced
) -> tuple["_Reading", list[FileEntry]]:
    """As `_find_changes`, of what has changed since slices of the table were begun to be read."""
    observation = after_seen(read.table, known, observation, sliced.observed_at)
    base, recorded = sliced_base(sliced, known, observation)
    seen = _look(connection, read, known, observation, base.state.joined)
    table = seen.read.table
    keys = compare_keys(connection, table, base, observation.next_xid, seen.beside.changes)
    held = _held(table, known, recorded, keys) if recorded else ""
    replaced = keys.selected.keys | keys.again | (keys.known - keys.current)
    slices = Slices(
        load_id=sliced.plan.load_id,
        manifests=sliced.manifests,
        rows=sliced.rows,
        replaced_key=write_keys(table.name, observation.observed_at, replaced),
    )
    reading = _Reading(seen, recorded.state if recorded else None, keys, not held, held, slices)
    return reading, [] if held else _copy_changes(connection, reading)


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
) -> Keys | None:
    """The keys, after what was loaded was compared; None where doubts are left."""
    findings = known.prove(connection, subject)
    if not base.doubts or all(table.name in findings.proofs for table in known.declared.built_on(subject.table.name)):
        return keys.disproven(findings)
    log.warning("%s is read whole, as it cannot be compared now: %s", subject.table.name, "; ".join(base.doubts))
    return None


@dataclass(frozen=True)
class _Seen:
    """A table as one transaction of the source shows it.

    read: with its columns as wide as they are. held_since: since when a transaction has been open at the source from
    which on each run reads. beside: what it sees of the tables that are joined.
    """

    read: Extract
    columns: FoundColumns
    observation: Observation
    held_since: datetime | None
    beside: Beside


@dataclass(frozen=True)
class _Reading:
    """What a table shows against what was recorded (`base`; None for nothing).

    changed: whether there is anything to load. held: why what it shows is not believed.
    slices: those that it makes whole. plan: how the changes are to be read in slices, as they are too many.
    """

    seen: _Seen
    base: TableState | None
    keys: Keys
    changed: bool
    held: str = ""
    slices: Slices | None = None
    plan: SlicePlan | None = None


def _copy_changes(connection: psycopg.Connection, reading: _Reading) -> list[FileEntry]:
    """Write what is to be read of the changes."""
    keys = reading.keys.selected.keys | reading.keys.again
    return copy_keys(connection, reading.seen.read, keys, reading.seen.observation.observed_at).files


def _describe(reading: _Reading, files: list[FileEntry], fingerprint: str, seconds: float) -> SourceRead:
    seen, base, keys = reading.seen, reading.base, reading.keys
    table, observed_at = seen.read.table.name, seen.observation.observed_at
    return SourceRead(
        table=table,
        observed_at=observed_at,
        read_at=base.read_at if base and not reading.changed else observed_at,
        changed_at=_changed_at(reading),
        base=base.read_at if base else None,
        changed=reading.changed,
        deletions=keys.deletions,
        cursor=_next_cursor(reading),
        fingerprint=fingerprint,
        rows=len(keys.current),
        key_sum=keys.key_sum,
        keys_key=keys.known_key or write_keys(table, observed_at, keys.current),
        files=files,
        read_rows=sum(file.rows for file in files) + (reading.slices.rows if reading.slices else 0),
        ignored_columns=seen.columns.ignored,
        wider=seen.columns.wider,
        seconds=seconds,
        proofs=keys.findings.proofs,
        held_since=seen.held_since,
        joined=seen.beside.reads,
        slices=reading.slices,
    )


def _changed_at(reading: _Reading) -> datetime | None:
    """The earliest instant at which any of the changes can have been made; None where nothing is known to have changed.

    Not before the last reading, which would have seen it; a silent change and a deletion tell no more than that.
    """
    base, observed_at, keys = reading.base, reading.seen.observation.observed_at, reading.keys
    if base is None:
        return observed_at
    if reading.slices:
        return base.observed_at
    if not keys.deletions and not keys.selected.keys:
        return None
    stamps = [stamp for stamp in (keys.selected.oldest, reading.seen.beside.oldest) if stamp]
    return min(max(min(stamps, default=base.observed_at), base.observed_at), observed_at)


def _next_cursor(reading: _Reading) -> Cursor:
    """The cursor of the next run. A stamp in the future counts as now, so that it does not hide what follows."""
    observation = reading.seen.observation
    newest = [reading.keys.selected.newest, reading.base.cursor.last_updated if reading.base else None]
    stamps = [stamp for stamp in newest if stamp]
    last_updated = min(max(stamps), observation.observed_at) if stamps else None
    return observation.cursor.model_copy(update={"last_updated": last_updated})
