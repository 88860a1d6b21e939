"""Ingest: what changed in one source table, out of the database and into CSV files, in one snapshot."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from time import monotonic

import psycopg
from psycopg import sql

from include.common.errors import DataError, ServiceError
from include.common.keys import STATEMENT_KEYS, KeySet
from include.common.manifests import Cursor, FileEntry, Inputs, Proof, SourceRead, instant_text
from include.common.postgres import connect, postgres_errors
from include.common.settings import INGESTION_BUCKET, SOURCE_CONNECTION, required_variable
from include.lake.files import exists
from include.source.held import doubted, hold_back
from include.source.landing import copy_files
from include.source.observe import (
    Observation,
    Selection,
    among,
    changed_since,
    check_columns,
    count_rows,
    follows,
    select_keys,
    sum_keys,
    suspicions,
)
from include.source.open import open_since, tell_long
from include.source.reading import begin_reading, end_reading, is_moved
from include.source.server import Recorded, remembered_starts, require_not_behind
from include.source.yielding import giving_way
from include.state.latest import TableState, recorded_keys, write_keys
from include.tables.lineage import fed_by, fingerprint, is_joined
from include.tables.schema import SourceTable

log = logging.getLogger(__name__)

ATTEMPTS = 5
"""How often a table is read that is changed under its reading, before that is left for later."""


@dataclass(frozen=True)
class Subject:
    """A source table whose rows are to be compared with what was loaded of them.

    known, current: its keys as they were recorded, and as they are now. doubts: why rows may hold other values though
    no version of them is newer.
    """

    table: SourceTable
    known: KeySet
    current: KeySet
    doubts: list[str]


@dataclass(frozen=True)
class Findings:
    """How the rows that a source table feeds compare.

    proofs: warehouse table → its proof, of those whose own source it is. joined_differ: whether rows of others, which
    join it, are unequal; then it is read whole, for what they joined may be what is wrong.
    """

    proofs: dict[str, Proof] = field(default_factory=dict)
    joined_differ: bool = False


Prove = Callable[[psycopg.Connection, Subject], Findings]
"""Compares values in the transaction that reads them."""


def _unproven(_: psycopg.Connection, __: Subject) -> Findings:
    return Findings()


@dataclass(frozen=True)
class Known:
    """What a reading begins from.

    state: what was recorded of the table; None reads it whole, as `full_refresh` does.
    loaded: what the warehouse says it was built from; where that is behind the state, the table is read whole.
    accepted: deletions are believed, however many they are; else those of most of the table hold it back.
    prove: compares what was loaded with what the reading shows; rows that differ are read as well.
    """

    state: TableState | None
    loaded: dict[str, Inputs]
    full_refresh: bool = False
    accepted: bool = False
    prove: Prove = _unproven


def ingest(table: SourceTable, known: Known) -> SourceRead:
    """Read what changed in a source table since it was recorded, and write it to the ingestion bucket.

    It may be repeated: each time it reads anew and writes new files. A table without a change writes none.

    Raises: DataError where the table is not as declared, or a replica was restored; ServiceError where the table is
        changed under every reading, or a replica has still to replay what was read before; DeclarationError and
        others as `postgres_errors` and `lake_errors`.
    """
    with (
        connect(SOURCE_CONNECTION) as connection,
        giving_way(connection, table.name),
        postgres_errors(table.name),
    ):
        for _ in range(ATTEMPTS):
            read = _read(connection, table, known)
            if read:
                return read.model_copy(update={"accepted": known.accepted})
    raise ServiceError(f"{table.name}: it was changed under each of {ATTEMPTS} readings: truncated, rebuilt or altered")


def _read(connection: psycopg.Connection, table: SourceTable, known: Known) -> SourceRead | None:
    """One reading; None where the table was changed under it, whatever came of that."""
    started = monotonic()
    observation = begin_reading(connection, table)
    try:
        reading, files, ignored = _find_changes(connection, table, known, observation)
    except (DataError, psycopg.Error):
        connection.rollback()
        if is_moved(connection, table, observation):
            return None
        raise
    ended = end_reading(connection, table, reading.observation)
    if ended is None:
        return None
    if known.state and reading.held:
        return hold_back(table, known.state, reading.held, monotonic() - started)
    tell_long(table, reading.held_since, reading.observation.observed_at)
    starts = remembered_starts(known.state.cursor if known.state else None, ended.server)
    ended = replace(ended, cursor=ended.cursor.model_copy(update={"starts": starts}))
    return _describe(replace(reading, observation=ended), files, ignored, monotonic() - started)


def _find_changes(
    connection: psycopg.Connection, table: SourceTable, known: Known, observation: Observation
) -> tuple["_Reading", list[FileEntry], list[str]]:
    """What changed, the files that hold it, and the columns that are not declared."""
    observation = _later_than(observation, _seen(table, known.state, known.loaded))
    base, recorded = _with_keys(table, _base(table, known, observation))
    ignored = check_columns(connection, table, observation.cursor.relation)
    _tell_ignored(table, ignored, known.state)
    keys = _compare_keys(connection, table, base, recorded)
    held = doubted(table, known.state, keys.whole, keys.current) if known.state and not known.accepted else ""
    if base and not held:
        doubts = suspicions(base.cursor, observation)
        keys = keys.disproven(known.prove(connection, Subject(table, keys.known, keys.current, doubts)))
    changed = not held and (keys.changed or _is_ahead(table, base, known.loaded))
    held_since = open_since(connection, table, observation, known.state)
    reading = _Reading(table, base, observation, keys, changed, held, held_since)
    needed = changed or (not held and _is_expired(table, base))
    return reading, _copy(connection, reading) if needed else [], ignored


def _base(table: SourceTable, known: Known, observation: Observation) -> TableState | None:
    """What the reading goes on from; None where it begins anew."""
    state = known.state
    if state is None or known.full_refresh:
        return None
    recorded, clock = Recorded(state.cursor, state.observed_at), observation.cursor.clock
    assert clock is not None
    require_not_behind(table.name, recorded, observation.server, observation.next_xid, clock)
    return state if _usable(table, state, known.loaded, observation) else None


def _with_keys(table: SourceTable, base: TableState | None) -> tuple[TableState | None, KeySet]:
    """What a reading goes on from, with its keys; it begins anew where the file of those is gone, expired for one."""
    if base is None:
        return None, KeySet()
    keys = recorded_keys(table.name, base.keys_key)
    if keys is None:
        log.warning("%s is read whole: the file of its keys, %s, is gone", table.name, base.keys_key)
        return None, KeySet()
    return base, keys


def _is_expired(table: SourceTable, base: TableState | None) -> bool:
    """Whether the whole CSV of a table that dimensions join is gone, though nothing changed since it was written."""
    if base is None or not is_joined(table.name):
        return False
    bucket = required_variable(INGESTION_BUCKET)
    gone = [file.key for file in base.snapshot if not exists(bucket, file.key)]
    if gone:
        log.warning("%s is written anew: %s of its newest files are gone, as %s", table.name, len(gone), gone[0])
    return bool(gone)


def _seen(table: SourceTable, state: TableState | None, loaded: dict[str, Inputs]) -> datetime:
    """The newest instant of the source's clock that the state or the warehouse has of this table."""
    instants = [datetime.fromisoformat(inputs[table.name]) for inputs in loaded.values() if table.name in inputs]
    return max([*instants, *([state.observed_at] if state else [])], default=datetime.min.replace(tzinfo=UTC))


def _later_than(observation: Observation, seen: datetime) -> Observation:
    """The observation, put after what was seen before even where the source's clock was set back."""
    if observation.observed_at > seen:
        return observation
    return replace(observation, observed_at=seen + timedelta(microseconds=1))


def _tell_ignored(table: SourceTable, ignored: list[str], state: TableState | None) -> None:
    new = sorted(set(ignored) - set(state.ignored_columns if state else ()))
    if new:
        log.warning("%s: columns that are not declared are ignored: %s", table.name, ", ".join(new))


def _usable(table: SourceTable, state: TableState, loaded: dict[str, Inputs], observation: Observation) -> bool:
    """Whether the changes since the state are enough; says in the log why not."""
    read_at = instant_text(state.read_at)
    behind = [fed.name for fed in fed_by(table.name) if loaded.get(fed.name, {}).get(table.name, "") < read_at]
    reasons = {
        "the last check did not hold": state.reread,
        "its declaration changed": state.fingerprint != fingerprint(table.name),
        "the source cannot tell what changed since the last run": not follows(state.cursor, observation),
        f"the warehouse has less than was recorded, in {', '.join(behind)}": bool(behind),
    }
    if is_joined(table.name):  # it is read whole with any change, and what joins it is not compared by its keys
        reasons |= dict.fromkeys(suspicions(state.cursor, observation), True)
    for reason, holds in reasons.items():
        if holds:
            log.warning("%s is read whole: %s", table.name, reason)
    return not any(reasons.values())


def _is_ahead(table: SourceTable, base: TableState | None, loaded: dict[str, Inputs]) -> bool:
    """Whether the warehouse was loaded from a reading that was never recorded.

    It may then hold what the source has taken back since: a row that came and went between two recorded readings.
    """
    recorded = instant_text(base.read_at) if base else ""
    return any(loaded.get(fed.name, {}).get(table.name, "") > recorded for fed in fed_by(table.name))


@dataclass(frozen=True)
class _Keys:
    """Which keys the source holds, which of their rows are to be read, and whether known ones are gone.

    again: rows that were rejected before, or that differ from what was loaded, and are read again whether they changed
        or not.
    known: the keys as they were recorded. whole: all rows are to be read.
    known_key: the file that holds the current keys already, if there is one.
    """

    selected: Selection
    again: KeySet
    known: KeySet
    current: KeySet
    key_sum: int
    whole: bool
    deletions: bool
    known_key: str | None
    findings: Findings = field(default_factory=Findings)

    @property
    def changed(self) -> bool:
        """Whether there are rows to read, or known ones gone."""
        unread = len(self.selected.keys) + len(self.again) > 0
        return self.whole or self.deletions or unread or self.findings.joined_differ

    def disproven(self, findings: Findings) -> "_Keys":
        """With the rows that proofs found to differ: those of the source are read, the others are to be taken out."""
        differing = KeySet()
        for proof in findings.proofs.values():
            differing.add(proof.differing)
        again = self.again | (differing & self.current)
        return replace(self, again=again, deletions=self.deletions or bool(differing - self.current), findings=findings)


@dataclass(frozen=True)
class _Reading:
    """A table as one transaction of the source shows it, against what was recorded (`base`; None for nothing).

    changed: whether there is anything to load. held: why what it shows is not believed.
    held_since: since when a transaction has been open at the source from which on each run reads.
    """

    table: SourceTable
    base: TableState | None
    observation: Observation
    keys: _Keys
    changed: bool
    held: str
    held_since: datetime | None


def _compare_keys(connection: psycopg.Connection, table: SourceTable, base: TableState | None, known: KeySet) -> _Keys:
    """Compare the source's keys with what the known ones and this run's changes predict.

    All keys are read only where those do not agree with what the source counts.
    """
    selected = select_keys(connection, table, changed_since(table, base.cursor) if base else sql.SQL("true"))
    predicted = known | selected.keys
    rows = count_rows(connection, table)
    agree = _agree(connection, table, predicted, rows)
    current = predicted if agree else select_keys(connection, table, sql.SQL("true")).keys
    if rows != len(current):
        advice = "declare a key that is unique and never NULL"
        raise DataError(f"{table.name}: {rows} rows have {len(current)} different values of {table.key}; {advice}")
    selected.keys.add(current - predicted)
    return _Keys(
        selected=selected,
        again=_rejected_before(connection, table, base),
        known=known,
        current=current,
        key_sum=base.key_sum if base and current == known else current.sum(),
        whole=base is None,
        deletions=len(known - current) > 0,
        known_key=base.keys_key if base and current == known else None,
    )


def _agree(connection: psycopg.Connection, table: SourceTable, predicted: KeySet, rows: int) -> bool:
    """Whether the predicted keys are the source's, which has so many rows.

    Where changes are found by xmin, every key of the snapshot is among the predicted ones, so equal numbers mean equal
    sets. A stamp may lie further back than the overlap, so with last_updated the sums must be equal too.
    """
    return rows == len(predicted) and (table.follow == "xmin" or sum_keys(connection, table) == predicted.sum())


def _rejected_before(connection: psycopg.Connection, table: SourceTable, base: TableState | None) -> KeySet:
    """The keys of the rows that were rejected before and are still there: what they lacked may have come."""
    rejected = KeySet()
    for keys in base.rejected.values() if base else ():
        rejected.add(keys)
    present = KeySet()
    for part in rejected.slices(STATEMENT_KEYS):
        present.add(select_keys(connection, table, among(table, part)).keys)
    return present


def _copy(connection: psycopg.Connection, reading: _Reading) -> list[FileEntry]:
    """Write what is to be read: the changes, or all of a table that dimensions join."""
    keys, table = reading.keys, reading.table
    dense = keys.whole or is_joined(table.name)
    selected = keys.current if dense else keys.selected.keys | keys.again
    return copy_files(connection, table, selected, dense, reading.observation.observed_at)


def _describe(reading: _Reading, files: list[FileEntry], ignored: list[str], seconds: float) -> SourceRead:
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
        fingerprint=fingerprint(table.name),
        rows=len(keys.current),
        key_sum=keys.key_sum,
        keys_key=keys.known_key or write_keys(table.name, observation.observed_at, keys.current),
        files=files or (base.snapshot if base and not reading.changed else []),
        read_rows=sum(file.rows for file in files),
        ignored_columns=ignored,
        seconds=seconds,
        proofs=keys.findings.proofs,
        held_since=reading.held_since,
    )


def _changed_at(reading: _Reading) -> datetime | None:
    """The earliest instant at which any of the changes can have been made; None where nothing is known to have changed.

    Not before the last reading, which would have seen it; a silent change and a deletion tell no more than that.
    """
    base, observed_at, keys = reading.base, reading.observation.observed_at, reading.keys
    if base is None:
        return observed_at
    if not keys.deletions and not keys.selected.keys:
        return None
    return min(max(keys.selected.oldest or base.observed_at, base.observed_at), observed_at)


def _next_cursor(reading: _Reading) -> Cursor:
    """The cursor of the next run. A stamp in the future counts as now, so that it does not hide what follows."""
    newest = [reading.keys.selected.newest, reading.base.cursor.last_updated if reading.base else None]
    stamps = [stamp for stamp in newest if stamp]
    last_updated = min(max(stamps), reading.observation.observed_at) if stamps else None
    return reading.observation.cursor.model_copy(update={"last_updated": last_updated})
