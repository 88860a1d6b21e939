"""A warehouse table beside its sources, each in one snapshot, and which of the differences no known change explains."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice

import psycopg
from psycopg import IsolationLevel, sql

from include.common.keys import KeySet
from include.common.manifests import Inputs, instant_text
from include.common.postgres import connect, postgres_errors
from include.common.settings import WAREHOUSE_CONNECTION
from include.proof.canonical import MANY_BYTES
from include.proof.compare import BLOCK_ROWS, Difference, differences
from include.proof.sides import KeyRange, Side, source_side, stored_side
from include.source.beside import rows_of_changed
from include.source.observe import changed_since, relation
from include.state.latest import State, TableState
from include.tables.numbering import among, number_of
from include.tables.star import Dimension, Fact


@dataclass(frozen=True)
class Comparison:
    """A warehouse table and its sources, in snapshots that stay what they are while it is used.

    recorded: what was recorded of its own source. known: the keys that that was recorded with.
    """

    table: Dimension | Fact
    source: Side
    stored: Side
    recorded: TableState
    known: KeySet

    def found(self, within: KeyRange, width: int) -> Iterator[tuple[list[Difference], list[Difference]]]:
        """The differences in a range of keys, some at a time, and those of them that nothing explains."""
        for some in _batched(differences(self.source, self.stored, within, width)):
            yield some, self._unexplained(some)

    def _unexplained(self, some: list[Difference]) -> list[Difference]:
        """Without rows that were rejected, that changed or went since they were read, or that join such a row."""
        present = [difference.key for difference in some if difference.source is not None]
        absent = KeySet.of([difference.key for difference in some if difference.source is None])
        rejected = self.recorded.rejected.get(self.table.name, KeySet())
        explained = set(self._waiting(present)) | set((absent & self.known) | rejected)
        return [difference for difference in some if difference.key not in explained]

    def named(self, keys: Iterable[int]) -> dict[int, str]:
        """Keys by their numbers, as people know them; those of rows that are on neither side are left out."""
        asked = list(keys)
        return self.stored.named(asked) | self.source.named(asked) if asked else {}

    def _waiting(self, keys: list[int]) -> list[int]:
        """Those of the keys whose rows, or rows that they join, have changed since they were recorded."""
        if not keys:
            return []
        own = self.table.source
        joined = self.recorded.joined
        changes = [changed_since(own, self.recorded.cursor)]
        changes += (rows_of_changed(own, join, joined[join.table.name].cursor) for join in self.table.joins)
        names = {"key": number_of(own), "own": relation(own), "among": among(own, keys)}
        statement = sql.SQL("SELECT {key} FROM {own} WHERE {among} AND ({changed})")
        found = self.source.connection.execute(statement.format(changed=sql.SQL(" OR ").join(changes), **names))
        return [key for (key,) in found]


def _batched(items: Iterable[Difference]) -> Iterator[list[Difference]]:
    remaining = iter(items)
    while some := list(islice(remaining, BLOCK_ROWS)):
        yield some


@contextmanager
def compare(
    connection: psycopg.Connection, table: Dimension | Fact, state: State, known: KeySet, beyond: bool = False
) -> Iterator[Comparison | None]:
    """A warehouse table beside the transaction of its own source that this connection is in.

    None where the warehouse was not loaded from the recorded readings alone: another run is at work, or one that was
    never recorded was; and where a server's texts cannot be hashed as UTF-8.

    beyond: it may have been loaded from later readings. Every row that changed since the recorded ones is left out
        then as well, but rows that came and went, or were rejected, meanwhile count as unexplained.

    Raises: as `postgres_errors`.
    """
    recorded = state.tables.get(table.source.name)
    with connect(WAREHOUSE_CONNECTION) as warehouse, postgres_errors(table.name):
        known_joins = recorded and {join.table.name for join in table.joins} <= recorded.joined.keys()
        if recorded is None or not known_joins or not _shows(table, _inputs(warehouse, table), recorded, beyond):
            yield None
        else:
            stored, source = stored_side(warehouse, table), source_side(connection, table)
            hashable = MANY_BYTES.isdisjoint({stored.encoding, source.encoding})
            yield Comparison(table, source, stored, recorded, known) if hashable else None


def _inputs(warehouse: psycopg.Connection, table: Dimension | Fact) -> Inputs | None:
    """From which readings the table was last built, in a snapshot that is younger than any filling of it."""
    warehouse.read_only, warehouse.isolation_level = True, IsolationLevel.REPEATABLE_READ
    warehouse.execute(sql.SQL("LOCK TABLE {} IN ACCESS SHARE MODE").format(sql.Identifier(table.name)))
    row = warehouse.execute("SELECT inputs FROM pipeline.load WHERE table_name = %s", [table.name]).fetchone()
    return row[0] if row else None


def _shows(table: Dimension | Fact, inputs: Inputs | None, recorded: TableState, beyond: bool) -> bool:
    """Whether a table that was built from these readings shows the recorded one. beyond: or a later one."""
    shown, wanted = (inputs or {}).get(table.source.name, ""), instant_text(recorded.read_at)
    return shown == wanted or (beyond and shown > wanted)
