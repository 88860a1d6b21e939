"""Load: Parquet into a warehouse table, in one transaction, changing nothing when it is run again."""

import json
import logging
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from time import monotonic

import psycopg
from psycopg import sql

from include.common.errors import DataError
from include.common.keys import KeySet
from include.common.manifests import FileEntry, Inputs, LoadResult, SourceRead, StarFiles, instant_text
from include.common.postgres import connect, key_set, postgres_errors
from include.common.settings import WAREHOUSE_CONNECTION
from include.lake.changelog import new_load
from include.lake.parquet import brought_again
from include.lake.rejected import first_examples
from include.state.latest import read_keys
from include.tables.belief import doubt
from include.tables.declarations import Declarations, is_built
from include.tables.drift import with_columns
from include.tables.numbering import number_of
from include.tables.star import Calendar, Dimension, Fact, StarTable, is_versioned
from include.warehouse.fill import fill
from include.warehouse.merge import (
    STAGED,
    close_versions,
    merge_latest,
    merge_versions,
    note_deleted,
    note_present,
    noted_deleted,
)
from include.warehouse.references import Refused, refuse_unreferenced
from include.warehouse.refusals import REFUSALS, merge_each, set_aside_raw, stage_each
from include.warehouse.slices import bring_load, clear, stage_load, tell_end
from include.warehouse.told import note, saying, tell_gone
from include.warehouse.widen import too_narrow, widen

log = logging.getLogger(__name__)

FILL_ROWS = 10_000
"""From how many rows on an empty table gets its constraints and indexes after the rows."""

LOAD_LOCK = 0x746F7466
"""Held by every load to its end: shared by those that merge, exclusively by one that fills an empty table.

A fill takes constraints away and makes them again, which locks all tables that they join, in another order than a merge
reads and writes them."""

CHANGED = """
    UPDATE pipeline.load SET changed_at = greatest(clock_timestamp(), changed_at + interval '1 microsecond'),
           restated_at = CASE WHEN %s THEN clock_timestamp() ELSE restated_at END
     WHERE table_name = %s"""
"""Told only of a load that changed rows: copies of the table that are kept elsewhere are good until then."""

Merge = Callable[[psycopg.Connection, StarTable, StarFiles], "_Outcome"]
Fill = Callable[[], "_Outcome | None"]


@dataclass(frozen=True)
class _Outcome:
    """Numbers of keys that a load added, changed and found gone; rows that it refused; why it did nothing.

    told: the file that tells the lake which are gone.
    """

    new: int = 0
    changed: int = 0
    deleted: int = 0
    refused: Refused = field(default_factory=Refused)
    held: str = ""
    told: list[FileEntry] = field(default_factory=list)


@dataclass(frozen=True)
class _Earlier:
    """The last load of a table, as `pipeline.load` tells it. load_id: None where the lake has not all of the table."""

    inputs: Inputs = field(default_factory=dict)
    load_id: str | None = None
    refused: bool = False


def load(declared: Declarations, table: StarTable, files: StarFiles) -> LoadResult:
    """Bring a warehouse table to the state that `files` describes, in one transaction.

    It may be repeated, and an older state than the table's is ignored: both change nothing. Rows that refer to
    what is not there are set aside as rejected; rows that the source no longer has are closed (facts) or noted
    (dimensions). Where those are so many that it is not believed, nothing is changed, and the result says why.

    Raises: DataError where another run loaded the table meanwhile from partly older, partly newer readings; others as
        `postgres_errors` and `lake_errors`.
    """
    started = monotonic()
    with connect(WAREHOUSE_CONNECTION) as connection, postgres_errors(table.name):
        earlier = _claim(connection, table)
        own = files.model_copy(update={"load_id": new_load()}) if files.load_id == earlier.load_id else files
        empty = _is_empty(connection, table)
        filling = empty and files.rows >= FILL_ROWS
        table = with_columns(table, files.wider)
        narrow = too_narrow(connection, table) if files.wider else {}
        _take_turn(connection, alone=filling or bool(narrow))
        superseded = _is_superseded(table, files.inputs, earlier.inputs)
        if narrow and not superseded:
            widen(connection, table, narrow)
        brought = _brought(table, own) if own is files and not superseded else []  # which locks need not last for
        bring = partial(
            _bring, connection, table, own, partial(_fill, connection, declared, table, own) if filling else None
        )
        outcome = _Outcome() if superseded else bring(None if empty else earlier.inputs)
        if not superseded and not outcome.held:
            restated = empty or files.inputs == earlier.inputs
            _note(connection, files, outcome, _Noted(empty or earlier.load_id is not None, restated))
            rows = brought if own is files else _brought_again(table, own, earlier, outcome)
            note(connection, own, [*rows, *outcome.told, *outcome.refused.told])
            if is_built(table):
                clear(connection, table, files)
        result = _describe(files, outcome, superseded, started)
        connection.commit()
    return result


def _claim(connection: psycopg.Connection, table: StarTable) -> _Earlier:
    """Wait until no other load of this table runs, and tell of the last one."""
    connection.execute(
        "INSERT INTO pipeline.load (table_name, inputs) VALUES (%s, '{}') ON CONFLICT DO NOTHING",
        [table.name],
    )
    query = "SELECT inputs, load_id, refused FROM pipeline.load WHERE table_name = %s FOR UPDATE"
    row = connection.execute(query, [table.name]).fetchone()
    return _Earlier(*row) if row else _Earlier()


def _is_empty(connection: psycopg.Connection, table: StarTable) -> bool:
    """Whether the table has no row; nobody else gives it any, as this load has claimed it.

    Rolled back, so that the table is not locked while the load waits for its turn.
    """
    with connection.transaction(force_rollback=True):
        row = sql.SQL("SELECT FROM {} LIMIT 1").format(sql.Identifier(table.name))
        return connection.execute(row).fetchone() is None


def _take_turn(connection: psycopg.Connection, alone: bool) -> None:
    """Wait until no load fills a table, or with `alone` until no other load is going on."""
    take = "SELECT pg_advisory_xact_lock(%s)" if alone else "SELECT pg_advisory_xact_lock_shared(%s)"
    connection.execute(take, [LOAD_LOCK])


def _is_superseded(table: StarTable, inputs: Inputs, earlier: Inputs) -> bool:
    """Whether the table was built from later readings than these."""
    if isinstance(table, Calendar):
        return False
    older = [name for name, read_at in inputs.items() if read_at < earlier.get(name, "")]
    newer = [name for name, read_at in inputs.items() if read_at > earlier.get(name, "")]
    if older and newer:
        raise DataError(
            f"{table.name}: another run loaded it meanwhile, from an older {', '.join(newer)} "
            f"and a newer {', '.join(older)}; nothing was changed, and the next run brings both"
        )
    if older:
        log.warning("%s: a later reading is loaded already; this one is ignored", table.name)
    return bool(older)


def _bring(
    connection: psycopg.Connection, table: StarTable, files: StarFiles, fill_it: Fill | None, earlier: Inputs | None
) -> _Outcome:
    """Fill or update the table; where the warehouse refuses a row, all again with those rows set aside.

    fill_it: fills the table bare, where it can; None where that is not worth while.
    earlier: None for a table without rows.
    """
    connection.execute("SET CONSTRAINTS ALL IMMEDIATE")  # so that none speaks up as late as at the commit
    try:
        with connection.transaction():
            filled = fill_it() if fill_it else None
            return filled or _update(connection, table, files, earlier, _merge)
    except REFUSALS as error:
        if isinstance(table, Calendar):
            raise
        log.warning(
            "%s: a row is refused, and the rows are merged in parts: %s", table.name, error.diag.message_primary
        )
    return _update(connection, table, files, earlier, _merge_each)


def _fill(
    connection: psycopg.Connection, declared: Declarations, table: StarTable, files: StarFiles
) -> _Outcome | None:
    filled = fill(connection, declared, table, files)
    return _Outcome(new=filled.rows, refused=filled.refused, told=filled.told) if filled else None


def _update(
    connection: psycopg.Connection, table: StarTable, files: StarFiles, earlier: Inputs | None, merge: Merge
) -> _Outcome:
    """Merge the rows, and take out what the source no longer has. earlier: None for a table without rows."""
    if isinstance(table, Calendar) or not files.source or earlier is None:
        return merge(connection, table, files)
    if not _must_compare_keys(files.source, earlier):
        return merge(connection, table, files)
    gone, why = _find_gone(connection, table, files.source)
    if why:
        log.error("%s", why)
        return _Outcome(held=why)
    outcome = merge(connection, table, files)
    deleted, told = _remove_gone(connection, table, gone, files)
    return replace(outcome, deleted=deleted, told=[*outcome.told, *told])


def _merge(connection: psycopg.Connection, table: StarTable, files: StarFiles) -> _Outcome:
    told = stage_load(connection, table, files)
    if not is_versioned(table):
        new, changed = merge_latest(connection, table)
        if isinstance(table, Dimension):
            note_present(connection, table, files.rejected)
        return _Outcome(new, changed, told=told)
    assert files.source is not None
    refused = refuse_unreferenced(connection, table, STAGED, saying(files, "refused"))
    new, changed = merge_versions(connection, table, files.source.observed_at)
    return _Outcome(new, changed, refused=refused, told=told)


def _merge_each(connection: psycopg.Connection, table: StarTable, files: StarFiles) -> _Outcome:
    """As `_merge`, but what the warehouse refuses is set aside."""
    assert not isinstance(table, Calendar)
    assert files.source is not None
    observed_at, said = files.source.observed_at, saying(files, "refused")
    told = bring_load(connection, table, files)
    reasons = stage_each(connection, table)
    if is_versioned(table):
        unreferenced = refuse_unreferenced(connection, table, STAGED, said)
        merge = partial(merge_versions, connection, table, observed_at)
    else:
        unreferenced, merge = Refused(), partial(merge_latest, connection, table)
    (new, changed), more = merge_each(connection, table, merge)
    refused = set_aside_raw(connection, table, said, reasons | more)
    if isinstance(table, Dimension) and not table.history:
        note_present(connection, table, files.rejected | refused.keys)
    return _Outcome(new, changed, refused=unreferenced | refused, told=told)


def _must_compare_keys(read: SourceRead, earlier: Inputs) -> bool:
    """Whether the table can hold keys that the source does not.

    Some were deleted since, or the table was loaded from a reading that was never recorded: nobody knows its keys.
    """
    recorded = instant_text(read.base) if read.base else ""
    return read.deletions or read.base is None or earlier.get(read.table, "") > recorded


def _find_gone(connection: psycopg.Connection, table: Dimension | Fact, read: SourceRead) -> tuple[KeySet, str]:
    """The keys that the table holds and the source no longer has, and why that is not believed (empty where it is)."""
    current = sql.SQL("valid_to IS NULL") if is_versioned(table) else sql.SQL("true")
    names = {"key": number_of(table), "table": sql.Identifier(table.name), "current": current}
    held = key_set(connection, sql.SQL("SELECT {key}::bigint FROM {table} WHERE {current}").format(**names))
    shown = held - noted_deleted(connection, table.name)
    gone = held - read_keys(read.table, read.keys_key)
    newly = len(shown) - len(shown - gone)
    return gone, "" if read.accepted else doubt(table.source, len(shown), newly, read.rows)


def _remove_gone(
    connection: psycopg.Connection, table: Dimension | Fact, gone: KeySet, files: StarFiles
) -> tuple[int, list[FileEntry]]:
    """Close, or note, what the source no longer has; gives the number of keys, and the file that tells the lake."""
    said = saying(files, "gone")
    told = tell_gone(connection, table, said, gone - noted_deleted(connection, table.name))
    if is_versioned(table):
        return close_versions(connection, table, gone, said.observed_at), told
    return note_deleted(connection, table.name, gone), told


@dataclass(frozen=True)
class _Noted:
    """What is noted of a load beside its outcome.

    known: whether the lake has all else that the table holds. restated: whether its rows show anything but what came
    after all that was loaded before.
    """

    known: bool
    restated: bool


def _note(connection: psycopg.Connection, files: StarFiles, outcome: _Outcome, noted: _Noted) -> None:
    """Note in the warehouse what was loaded."""
    done = """
        UPDATE pipeline.load SET inputs = %s, loaded_at = clock_timestamp(), load_id = %s, refused = %s
         WHERE table_name = %s"""
    load_id = files.load_id if noted.known else None
    connection.execute(done, [json.dumps(files.inputs), load_id, bool(outcome.refused.keys), files.table])
    if outcome.new or outcome.changed or outcome.deleted:
        connection.execute(CHANGED, [noted.restated, files.table])


def _brought(table: StarTable, files: StarFiles) -> list[FileEntry]:
    """The files that the lake takes of a load."""
    if files.slices is None or not is_built(table):
        return files.files
    return [*files.sliced, *files.files, *tell_end(table, files)]


def _brought_again(table: StarTable, own: StarFiles, earlier: _Earlier, outcome: _Outcome) -> list[FileEntry]:
    """The files that the lake takes of a load that is repeated, as one of its own: none where nothing was refused.

    Other rows may be refused now than before, and the lake holds what was refused against the load that brought it.
    Where slices were loaded before, and what changed since was read again, that is brought.
    """
    if earlier.refused or outcome.refused.keys:
        again = _brought(table, own)
    else:
        again = own.files if own.slices and own.inputs != earlier.inputs else []
    return [brought_again(table, file, saying(own, "row")) for file in again]


def _describe(files: StarFiles, outcome: _Outcome, superseded: bool, started: float) -> LoadResult:
    """Say to the tasks that follow what was loaded."""
    return LoadResult(
        table=files.table,
        inputs=files.inputs,
        superseded=superseded,
        held=outcome.held,
        new=outcome.new,
        changed=outcome.changed,
        deleted=outcome.deleted,
        rejected=files.rejected | outcome.refused.keys,
        rejected_files=[*files.rejected_files, *outcome.refused.files],
        examples=first_examples([*files.examples, *outcome.refused.examples]),
        loaded_at=datetime.now(UTC),
        seconds=files.seconds + monotonic() - started,
        differing=files.differing,
    )
