"""A table too large to be read at once: cut into slices of its keys, each read in a short transaction of its own.

They share no snapshot. What changed since the plan was drawn up, before the first of them, is read by an ordinary
reading after the last: so all of them together are what that reading shows.
"""

import logging
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from time import monotonic

import psycopg
from psycopg import sql

from include.common.errors import DataError
from include.common.keys import KeySet
from include.common.manifests import Cursor, FileEntry
from include.common.postgres import connect, postgres_errors
from include.common.settings import SOURCE_CONNECTION
from include.common.slices import Since, SlicePlan
from include.source.beside import OWN, rows_of_changed
from include.source.changes import require_unique
from include.source.cuts import within
from include.source.known import Base, Known
from include.source.landing import Extract, copy_keys, copy_where
from include.source.observe import Observation, changed_since, select_keys
from include.source.plans import NO_BASE, recorded_base, restless, void
from include.source.reading import ATTEMPTS, begin_reading, end_reading, is_moved
from include.source.server import Recorded, require_not_behind
from include.source.yielding import giving_way
from include.state.latest import TableState
from include.tables.declarations import Declarations
from include.tables.drift import with_types

log = logging.getLogger(__name__)


class PlanVoidError(DataError):
    """The plan of a table's slices does not hold any more: the next run draws up another."""


@dataclass(frozen=True)
class Sliced:
    """All slices of a table, read and kept.

    cursor: the plan's, with how far the server was when the last of them was read. keys: of all.
    observed_at: the latest instant that one shows. rows: how many they have. manifests: their files.
    """

    plan: SlicePlan
    cursor: Cursor
    keys: KeySet
    observed_at: datetime
    rows: int
    manifests: list[str]


@dataclass(frozen=True)
class Slice:
    """The rows of one slice, in CSV files. cursor: of its reading."""

    observed_at: datetime
    cursor: Cursor
    keys: KeySet
    files: list[FileEntry]


def read_slice(declared: Declarations, plan: SlicePlan, number: int) -> Slice:
    """Read the rows of a slice, as they are now, into CSV files of the ingestion bucket.

    It may be repeated: each time it writes new files.

    Raises: PlanVoidError where they do not fit those of other slices any more; DataError where the key is not unique;
        others as `ingest`.
    """
    table = declared.sources[plan.table]
    read = Extract(table, declared.joined_to(table.name))
    with connect(SOURCE_CONNECTION) as connection, giving_way(connection, table.name), postgres_errors(table.name):
        for _ in range(ATTEMPTS):
            started, observation = monotonic(), begin_reading(connection, table, *read.others)
            try:
                found = _read_slice(connection, declared, plan, number, observation)
            except (DataError, psycopg.Error) as error:
                connection.rollback()
                if not isinstance(error, PlanVoidError) and is_moved(connection, observation, table, *read.others):
                    continue
                raise
            ended = end_reading(connection, observation, table, *read.others)
            if ended:
                log.info("%s: slice %d is read in %.1f s", table.name, number, monotonic() - started)
                return replace(found, cursor=ended.cursor)
    raise restless(table)


def _read_slice(
    connection: psycopg.Connection, declared: Declarations, plan: SlicePlan, number: int, observation: Observation
) -> Slice:
    require_whole(plan, declared, observation)
    table = with_types(declared.sources[plan.table], plan.wider)
    read = Extract(table, declared.joined_to(table.name))
    observed_at = max(observation.observed_at, plan.observed_at + timedelta(microseconds=1))
    if plan.since:
        condition = sql.SQL("{} AND ({})").format(within(plan, table, number), _changed(read, plan.since))
        copied = copy_keys(connection, read, select_keys(connection, table, condition).keys, observed_at)
    else:
        copied = copy_where(connection, read, within(plan, table, number, OWN), observed_at)
    require_unique(table, copied.rows, copied.keys)
    return Slice(observed_at, observation.cursor, copied.keys, copied.files)


def _changed(read: Extract, since: Since) -> sql.Composable:
    """The condition that holds for rows that changed since, or join a row that did."""
    joined = (rows_of_changed(read.table, join, since.joined[join.table.name].cursor) for join in read.joins)
    return sql.SQL(" OR ").join([changed_since(read.table, since.cursor), *joined])


def require_whole(plan: SlicePlan, declared: Declarations, observation: Observation) -> None:
    """Make sure that what was read by a plan can be completed by what changed since.

    Raises: PlanVoidError where it cannot; others as `require_not_behind`.
    """
    clock = observation.cursor.clock
    assert clock is not None
    recorded = Recorded(plan.cursor, plan.observed_at)
    require_not_behind(plan.table, recorded, observation.server, observation.next_xid, clock)
    if why := void(plan, declared, observation):
        raise PlanVoidError(f"{plan.table}: what was read of it in slices is of no use any more: {why}")


def sliced_base(sliced: Sliced, known: Known, observation: Observation) -> tuple[Base, Base | None]:
    """What the reading goes on from that completes all slices, and what is recorded where they are what changed since.

    Raises: as `require_whole`.
    """
    plan = sliced.plan.model_copy(update={"cursor": sliced.cursor})
    require_whole(plan, known.declared, observation)
    if len(sliced.keys) != sliced.rows:
        raise PlanVoidError(f"{plan.table}: slices of it have keys in common")
    recorded = recorded_base(plan, known, observation) if plan.since else None
    if plan.since and recorded is None:
        raise PlanVoidError(f"{plan.table}: what changed in it was read in slices for nothing: {NO_BASE}")
    keys = recorded.keys | sliced.keys if recorded else sliced.keys
    state = TableState(
        observed_at=sliced.observed_at,
        read_at=sliced.observed_at,
        cursor=sliced.cursor,
        fingerprint=plan.fingerprint,
        rows=len(keys),
        key_sum=keys.sum(),
        keys_key="",
        rejected=recorded.state.rejected if recorded else {},
        reread=False,
        ignored_columns=[],
        last_load=None,
        joined=plan.joined,
    )
    return Base(state, keys, []), recorded
