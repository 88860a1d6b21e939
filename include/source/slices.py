"""A table too large to be read at once: cut into slices of its keys, each read in a short transaction of its own.

They share no snapshot. What changed since the plan was drawn up, before the first of them, is read by an ordinary
reading after the last: so all of them together are what that reading shows.
"""

import logging
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from time import monotonic

import psycopg

from include.common.errors import DataError, ServiceError
from include.common.keys import KeySet
from include.common.manifests import Cursor, FileEntry
from include.common.postgres import connect, postgres_errors
from include.common.settings import SOURCE_CONNECTION
from include.common.slices import SlicePlan
from include.lake.changelog import new_load
from include.source.beside import OWN, doubts, look_beside
from include.source.cuts import cut, is_ordered, within
from include.source.known import Base, Known, after_seen, find_base
from include.source.landing import Extract, copy_where
from include.source.observe import Observation, check_columns, follows, select_keys, suspicions
from include.source.reading import begin_reading, end_reading, is_moved
from include.source.server import Recorded, remembered_starts, require_not_behind
from include.source.yielding import giving_way
from include.state.latest import TableState
from include.tables.declarations import Declarations
from include.tables.drift import with_types
from include.tables.source import SourceTable

log = logging.getLogger(__name__)

ATTEMPTS = 5
"""How often a slice is read that is changed under its reading, as in `ingest`."""


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


def plan_slices(table: SourceTable, known: Known, run_id: str, earlier: SlicePlan | None) -> SlicePlan | None:
    """How a table is to be read in slices; None where it is not to be.

    It is where it has to be read whole, and has more rows than its declaration says. A plan that an earlier run has
    left is gone on with as long as it holds.

    Raises: as `ingest`.
    """
    with connect(SOURCE_CONNECTION) as connection, giving_way(connection, table.name), postgres_errors(table.name):
        for _ in range(ATTEMPTS):
            read = Extract(table, known.declared.joined_to(table.name))
            observation = begin_reading(connection, table, *read.others)
            if earlier and not (why := _unwanted(earlier, known, run_id) or void(earlier, known.declared, observation)):
                return earlier
            if earlier:
                log.info("%s: the earlier plan of its slices is not gone on with: %s", table.name, why)
            plan = _draw_up(connection, read, known, after_seen(table, known, observation), run_id)
            ended = end_reading(connection, observation, table, *read.others)
            if ended and plan:
                starts = remembered_starts(earlier.cursor if earlier else None, ended.server)
                return plan.model_copy(update={"cursor": ended.cursor.model_copy(update={"starts": starts})})
            if ended:
                return None
    raise _restless(table)


def _restless(table: SourceTable) -> ServiceError:
    return ServiceError(
        f"{table.name}: it was changed under each of {ATTEMPTS} readings: truncated, rebuilt or altered"
    )


def is_over(plan: SlicePlan, known: Known) -> bool:
    """Whether what a plan was for is recorded."""
    return known.state is not None and known.state.observed_at >= plan.observed_at


def _unwanted(plan: SlicePlan, known: Known, run_id: str) -> str:
    """Why a plan is no longer wanted; empty where it is."""
    if is_over(plan, known):
        return "what it was for is recorded"
    return "all is to be read anew" if known.full_refresh and plan.run_id != run_id else ""


def void(plan: SlicePlan, declared: Declarations, observation: Observation) -> str:
    """Why what was read by a plan cannot be completed by what changed since; empty where it can."""
    cursors = {name: read.cursor for name, read in plan.joined.items()}
    joined = all(name in cursors and follows(cursors[name], seen) for name, seen in observation.joined.items())
    reasons = {
        "its declaration changed": plan.fingerprint != declared.fingerprint(plan.table),
        "the source cannot tell what changed since": not (joined and follows(plan.cursor, observation)),
    }
    found = [reason for reason, holds in reasons.items() if holds]
    return "; ".join(found or [*suspicions(plan.cursor, observation), *doubts(plan.joined, observation)])


def _draw_up(
    connection: psycopg.Connection, read: Extract, known: Known, observation: Observation, run_id: str
) -> SlicePlan | None:
    table = read.table
    if find_base(table, known, observation) or not known.declared.built_on(table.name):
        return None
    columns = check_columns(connection, table, observation.cursor.relation)
    wide = with_types(table, columns.wider)
    rows, cuts = cut(connection, wide, observation.cursor.relation)
    if not cuts:
        return None
    beside = look_beside(connection, wide, read.joins, observation, {})
    return SlicePlan(
        load_id=new_load(),
        run_id=run_id,
        began_at=datetime.now(UTC),
        table=table.name,
        fingerprint=known.declared.fingerprint(table.name),
        observed_at=observation.observed_at,
        cursor=observation.cursor,
        joined=beside.reads,
        wider=columns.wider,
        by_number=not is_ordered(wide),
        cuts=cuts,
        rows=rows,
    )


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
    raise _restless(table)


def _read_slice(
    connection: psycopg.Connection, declared: Declarations, plan: SlicePlan, number: int, observation: Observation
) -> Slice:
    require_whole(plan, declared, observation)
    table = with_types(declared.sources[plan.table], plan.wider)
    read = Extract(table, declared.joined_to(table.name))
    observed_at = max(observation.observed_at, plan.observed_at + timedelta(microseconds=1))
    files = copy_where(connection, read, within(plan, table, number, OWN), observed_at)
    keys = select_keys(connection, table, within(plan, table, number)).keys
    rows = sum(file.rows for file in files)
    if rows != len(keys):
        told = f"{rows} rows of a slice have {len(keys)} different values of {', '.join(table.key_columns)}"
        raise DataError(f"{table.name}: {told}; declare a key that is unique and never NULL")
    return Slice(observed_at, observation.cursor, keys, files)


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


def sliced_base(sliced: Sliced, declared: Declarations, observation: Observation) -> Base:
    """What the reading goes on from that completes all slices. Raises: as `require_whole`."""
    plan, keys = sliced.plan.model_copy(update={"cursor": sliced.cursor}), sliced.keys
    require_whole(plan, declared, observation)
    if len(keys) != sliced.rows:
        raise PlanVoidError(f"{plan.table}: slices of it have keys in common")
    state = TableState(
        observed_at=sliced.observed_at,
        read_at=sliced.observed_at,
        cursor=sliced.cursor,
        fingerprint=plan.fingerprint,
        rows=len(keys),
        key_sum=keys.sum(),
        keys_key="",
        rejected={},
        reread=False,
        ignored_columns=[],
        last_load=None,
        joined=plan.joined,
    )
    return Base(state, keys, [])
