"""Load: Parquet into a warehouse table, in one transaction, changing nothing when it is run again."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from time import monotonic

import psycopg
from psycopg import sql

from include.common.manifests import FileEntry, Inputs, LoadResult, StarFiles
from include.common.postgres import connect, postgres_errors
from include.common.settings import WAREHOUSE_CONNECTION
from include.lake.changelog import new_load
from include.lake.parquet import brought_again
from include.lake.rejected import first_examples
from include.tables.declarations import Declarations, is_built
from include.tables.drift import with_columns
from include.tables.star import Calendar, Dimension, StarTable, is_versioned
from include.warehouse.fill import fill
from include.warehouse.gone import find_gone, may_hold_others, remove_gone
from include.warehouse.ledger import Earlier, Noted, claim, is_superseded, note_load
from include.warehouse.merge import (
    STAGED,
    merge_latest,
    merge_versions,
    note_present,
)
from include.warehouse.references import Refused, refuse_unreferenced
from include.warehouse.refusals import REFUSALS, merge_each, set_aside_raw, stage_each
from include.warehouse.slices import bring_load, clear, stage_load, tell_end
from include.warehouse.told import note, saying
from include.warehouse.widen import too_narrow, widen

log = logging.getLogger(__name__)

FILL_ROWS = 10_000
"""From how many rows on an empty table gets its constraints and indexes after the rows."""

LOAD_LOCK = 0x746F7466
"""Held by every load to its end: shared by those that merge, exclusively by one that fills an empty table.

A fill takes constraints away and makes them again, which locks all tables that they join, in another order than a merge
reads and writes them."""

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
        earlier = claim(connection, table)
        own = files.model_copy(update={"load_id": new_load()}) if files.load_id == earlier.load_id else files
        empty = _is_empty(connection, table)
        filling = empty and files.rows >= FILL_ROWS
        table = with_columns(table, files.wider)
        narrow = too_narrow(connection, table) if files.wider else {}
        _take_turn(connection, alone=filling or bool(narrow))
        superseded = is_superseded(table, files.inputs, earlier.inputs)
        if narrow and not superseded:
            widen(connection, table, narrow)
        brought = _brought(table, own) if own is files and not superseded else []  # which locks need not last for
        bring = partial(
            _bring, connection, table, own, partial(_fill, connection, declared, table, own) if filling else None
        )
        outcome = _Outcome() if superseded else bring(None if empty else earlier.inputs)
        if not superseded and not outcome.held:
            note_load(connection, files, _noted(files, None if empty else earlier, outcome))
            rows = brought if own is files else _brought_again(table, own, earlier, outcome)
            note(connection, own, [*rows, *outcome.told, *outcome.refused.told])
            if is_built(table):
                clear(connection, table, files)
        result = _describe(files, outcome, superseded, started)
        connection.commit()
    return result


def _noted(files: StarFiles, earlier: Earlier | None, outcome: _Outcome) -> Noted:
    """What is to be noted of a load. earlier: None for a table without rows."""
    return Noted(
        known=earlier is None or earlier.load_id is not None,
        restated=earlier is None or files.inputs == earlier.inputs,
        refused=bool(outcome.refused.keys),
        changed=bool(outcome.new or outcome.changed or outcome.deleted),
    )


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
    if not may_hold_others(files.source, earlier):
        return merge(connection, table, files)
    gone, why = find_gone(connection, table, files.source)
    if why:
        log.error("%s", why)
        return _Outcome(held=why)
    outcome = merge(connection, table, files)
    deleted, told = remove_gone(connection, table, gone, files)
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


def _brought(table: StarTable, files: StarFiles) -> list[FileEntry]:
    """The files that the lake takes of a load."""
    if files.slices is None or not is_built(table):
        return files.files
    return [*files.sliced, *files.files, *tell_end(table, files)]


def _brought_again(table: StarTable, own: StarFiles, earlier: Earlier, outcome: _Outcome) -> list[FileEntry]:
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
