"""How a table is read in slices: whether it is to be, where it is cut, and whether an earlier plan still holds."""

import logging
from dataclasses import dataclass
from datetime import UTC, datetime

import psycopg

from include.common.errors import ServiceError
from include.common.keys import KeySet
from include.common.manifests import JoinedRead
from include.common.postgres import connect, postgres_errors
from include.common.settings import SOURCE_CONNECTION
from include.common.slices import Since, SlicePlan
from include.lake.changelog import new_load
from include.source.beside import doubts, look_beside
from include.source.cuts import cut, cut_keys, is_ordered
from include.source.known import Base, Known, after_seen, find_base
from include.source.landing import Extract
from include.source.observe import Observation, check_columns, follows, suspicions
from include.source.reading import ATTEMPTS, begin_reading, end_reading
from include.source.server import remembered_starts
from include.source.yielding import giving_way
from include.tables.declarations import Declarations
from include.tables.drift import with_types
from include.tables.source import SourceTable

log = logging.getLogger(__name__)

NO_BASE = "the warehouse does not hold what was recorded then"


@dataclass(frozen=True)
class Looked:
    """What a reading saw of a table before it read any row. joined, wider: as in `SourceRead`."""

    observation: Observation
    joined: dict[str, JoinedRead]
    wider: dict[str, str]


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
            why = _why_not(earlier, known, observation, run_id) if earlier else ""
            if earlier and not why:
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
    raise restless(table)


def restless(table: SourceTable) -> ServiceError:
    """The error of a table that is changed under every reading."""
    return ServiceError(
        f"{table.name}: it was changed under each of {ATTEMPTS} readings: truncated, rebuilt or altered"
    )


def is_over(plan: SlicePlan, known: Known) -> bool:
    """Whether what a plan was for is recorded."""
    return known.state is not None and known.state.observed_at >= plan.observed_at


def _why_not(plan: SlicePlan, known: Known, observation: Observation, run_id: str) -> str:
    """Why a plan is not gone on with; empty where it is."""
    if is_over(plan, known):
        return "what it was for is recorded"
    if known.full_refresh and plan.run_id != run_id:
        return "all is to be read anew"
    why = void(plan, known.declared, observation)
    if plan.since and not why and not recorded_base(plan, known, observation):
        return NO_BASE
    return why


def recorded_base(plan: SlicePlan, known: Known, observation: Observation) -> Base | None:
    """What is recorded, where the slices have what changed since that, and the warehouse holds it without a doubt."""
    base = find_base(known.declared.sources[plan.table], known, observation)
    same = base and plan.since and base.state.read_at == plan.since.read_at and not base.doubts
    return base if same else None


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


def plan_changes(table: SourceTable, known: Known, base: Base, changed: KeySet, reading: Looked) -> SlicePlan:
    """How what changed in a table is read in slices, as it is more than one has. changed: the keys of those rows."""
    state = base.state
    return SlicePlan(
        load_id=new_load(),
        run_id="",
        began_at=datetime.now(UTC),
        table=table.name,
        fingerprint=known.declared.fingerprint(table.name),
        observed_at=reading.observation.observed_at,
        cursor=reading.observation.cursor,
        joined=reading.joined,
        wider=reading.wider,
        by_number=True,
        cuts=cut_keys(changed, table.slice_rows),
        rows=len(changed),
        since=Since(read_at=state.read_at, cursor=state.cursor, joined=state.joined),
    )
