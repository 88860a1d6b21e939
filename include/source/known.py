"""What a reading goes on from: what was recorded of the table, unless something says that this is not enough."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import psycopg

from include.common.keys import KeySet
from include.common.manifests import Inputs, Proof, instant_text
from include.source.beside import doubts
from include.source.observe import Observation, follows, suspicions
from include.source.server import Recorded, require_not_behind
from include.state.latest import TableState, recorded_keys
from include.tables.declarations import Declarations
from include.tables.source import SourceTable

log = logging.getLogger(__name__)

NEVER_RECORDED = "the warehouse was loaded from a reading that was never recorded"
"""Then what no row version told of may have been taken back since."""


FOLLOWED_WHOLE = "nothing at the source tells what changed"
"""Then all values are compared in each run, and those that differ are read."""


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

    proofs: warehouse table → its proof.
    unequal: the keys of all rows that are not equal, changed ones too; None where not all were compared.
    """

    proofs: dict[str, Proof] = field(default_factory=dict)
    unequal: KeySet | None = None


Prove = Callable[[psycopg.Connection, Subject], Findings]
"""Compares values in the transaction that reads them."""


def _unproven(_: psycopg.Connection, __: Subject) -> Findings:
    return Findings()


@dataclass(frozen=True)
class Known:
    """What a reading begins from.

    declared: the tables. state: what was recorded of the table; None reads it whole, as `full_refresh` does.
    loaded: what the warehouse says it was built from; where that is behind the state, the table is read whole.
    accepted: deletions are believed, however many they are; else those of most of the table hold it back.
    prove: compares what was loaded with what the reading shows; rows that differ are read as well.
    """

    declared: Declarations
    state: TableState | None
    loaded: dict[str, Inputs]
    full_refresh: bool = False
    accepted: bool = False
    prove: Prove = _unproven

    def loaded_with(self, table: SourceTable) -> dict[str, str]:
        """Warehouse table built on a source table → the instant of the reading of it that was loaded; empty: none."""
        fed = [table.name for table in self.declared.built_on(table.name)]
        return {name: self.loaded.get(name, {}).get(table.name, "") for name in fed}

    def is_ahead(self, table: SourceTable, state: TableState | None) -> bool:
        """Whether the warehouse was loaded from a reading that was never recorded. state: what was, None for nothing.

        It may then hold what the source has taken back since: a row that came and went between two recorded readings.
        """
        recorded = instant_text(state.read_at) if state else ""
        return any(read_at > recorded for read_at in self.loaded_with(table).values())


@dataclass(frozen=True)
class Base:
    """What a reading goes on from: what was recorded, with the keys of then.

    doubts: why rows may hold other values, or be others, though no version of them is newer than the cursor.
    """

    state: TableState
    keys: KeySet
    doubts: list[str]


def find_base(table: SourceTable, known: Known, observation: Observation) -> Base | None:
    """What a reading goes on from; None where it begins anew, also as the file of the recorded keys is gone.

    Raises: ServiceError and DataError as `require_not_behind`.
    """
    state = known.state
    if state is None or known.full_refresh:
        return None
    recorded, clock = Recorded(state.cursor, state.observed_at), observation.cursor.clock
    assert clock is not None
    require_not_behind(table.name, recorded, observation.server, observation.next_xid, clock)
    if not _usable(table, state, known, observation):
        return None
    keys = recorded_keys(table.name, state)
    if keys is None:
        log.warning("%s is read whole: the file of its keys, %s, is gone", table.name, state.keys_key)
        return None
    read = [table, *(join.table for join in known.declared.joined_to(table.name))]
    whole = [FOLLOWED_WHOLE] * any(other.follow == "whole" for other in read)
    ahead = [NEVER_RECORDED] * known.is_ahead(table, state)
    found = [*suspicions(state.cursor, observation), *doubts(state.joined, observation)]
    return Base(state, keys, [*found, *ahead, *whole])


def _is_followed(state: TableState, observation: Observation) -> bool:
    """Whether the source can tell what changed, in the table and in those that it joins."""
    cursors = {name: read.cursor for name, read in state.joined.items()}
    joined = all(name in cursors and follows(cursors[name], seen) for name, seen in observation.joined.items())
    return joined and follows(state.cursor, observation)


def after_seen(table: SourceTable, known: Known, observation: Observation, *others: datetime) -> Observation:
    """The observation, put after all that was seen of this table even where the source's clock was set back.

    others: further instants that it was seen at.
    """
    instants = [datetime.fromisoformat(inputs[table.name]) for inputs in known.loaded.values() if table.name in inputs]
    seen = max([*instants, *others, *([known.state.observed_at] if known.state else [])], default=None)
    if seen is None or observation.observed_at > seen:
        return observation
    return replace(observation, observed_at=seen + timedelta(microseconds=1))


def _usable(table: SourceTable, state: TableState, known: Known, observation: Observation) -> bool:
    """Whether the changes since the state are enough; says in the log why not."""
    read_at = instant_text(state.read_at)
    behind = [name for name, loaded_at in known.loaded_with(table).items() if loaded_at < read_at]
    reasons = {
        "the last check did not hold": state.reread,
        "its declaration changed": state.fingerprint != known.declared.fingerprint(table.name),
        "the source cannot tell what changed since the last run": not _is_followed(state, observation),
        f"the warehouse has less than was recorded, in {', '.join(behind)}": bool(behind),
    }
    for reason, holds in reasons.items():
        if holds:
            log.warning("%s is read whole: %s", table.name, reason)
    return not any(reasons.values())
