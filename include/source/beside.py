"""Tables that are read beside another, which joins them: what changed in them, and which of its rows that concerns."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime

import psycopg
from psycopg import sql

from include.common.manifests import Cursor, JoinedRead
from include.source.observe import (
    EVERY_ROW,
    Observation,
    Survey,
    changed_since,
    check_columns,
    count_rows,
    relation,
    survey,
    suspicions,
)
from include.tables.source import SourceTable
from include.tables.star import Join
from include.tables.types import NAMED, known_type

OWN = "s"
"""What statements call a table whose rows are read; those that it joins are j0, j1 …"""


@dataclass(frozen=True)
class Beside:
    """What a reading sees of the tables that it joins.

    changes: conditions, any of which holds for a row that joins another row than before, or none where there was one.
    oldest: the oldest stamp among the joined rows that changed, as far as there is one.
    """

    reads: dict[str, JoinedRead] = field(default_factory=dict)
    changes: list[sql.Composable] = field(default_factory=list)
    oldest: datetime | None = None


def look_beside(
    connection: psycopg.Connection,
    table: SourceTable,
    joins: Iterable[Join],
    observation: Observation,
    known: Mapping[str, JoinedRead],
) -> Beside:
    """What the tables are that a source table joins, and what changed in them since they were recorded.

    known: what was recorded of them; without it nothing is known of their changes.

    Raises: DataError where one is not as declared.
    """
    reads, changes, stamps = dict[str, JoinedRead](), list[sql.Composable](), list[datetime]()
    for other in {join.table.name: join.table for join in joins}.values():
        seen, before = observation.joined[other.name], known.get(other.name)
        wider = check_columns(connection, other, seen.cursor.relation).wider
        changed = changed_since(other, before.cursor) if before else EVERY_ROW
        rows, some = count_rows(connection, other, changed)
        stamped = survey(connection, other, changed) if some and other.stamp else Survey(some, None, None)
        cursor = _cursor(seen, before, stamped.newest)
        reads[other.name] = JoinedRead(cursor=cursor, rows=rows, wider=wider)
        if before and (some or rows != before.rows):
            changes += (rows_of_changed(table, join, before.cursor) for join in joins if join.table.name == other.name)
            stamps += [stamped.oldest] if stamped.oldest else []
    return Beside(reads, changes, min(stamps, default=None))


def _cursor(seen: Observation, before: JoinedRead | None, newest: datetime | None) -> Cursor:
    """How far a joined table is read. What tells of the server stands in the cursor of the table that joins it."""
    stamps = [stamp for stamp in (newest, before.cursor.last_updated if before else None) if stamp]
    last_updated = min(max(stamps), seen.observed_at) if stamps else None
    return seen.cursor.model_copy(update={"last_updated": last_updated, "clock": None, "starts": []})


def rows_of_changed(table: SourceTable, join: Join, cursor: Cursor) -> sql.Composed:
    """The condition that holds for rows that join one which may have changed since the cursor, or is not there.

    The statement knows the table by its own name.
    """
    form = sql.SQL("""
        ({on} IN (SELECT {key} FROM {other} WHERE {changed})
         OR {on} IS NOT NULL AND NOT EXISTS (SELECT FROM {there} WHERE {beside} = {on}))""")
    alias = "beside" if table.found_name != "beside" else "other"
    key = join.table.key_columns
    return form.format(
        on=_compared(join, table.found_name, join.on),
        key=_compared(join, *key),
        other=relation(join.table),
        changed=changed_since(join.table, cursor),
        beside=_compared(join, alias, *key),
        there=relation(join.table, alias),
    )


def _compared(join: Join, *column: str) -> sql.Composable:
    """A column as it is compared with the other one of a join.

    A session sees no operators but PostgreSQL's own. Those of an extension's types are not asked, then: citext is
    compared as it compares itself, any other as its text.
    """
    family = known_type(join.table.key_types[0]).family
    forms = {"citext": "lower({}::text)", NAMED: "{}::text"}
    return sql.SQL(forms.get(family, "{}")).format(sql.Identifier(*column))


def joined_rows(table: SourceTable, alias: str, joins: Iterable[tuple[Join, str]]) -> sql.Composable:
    """What follows FROM: a table, known by an alias, with the rows that it joins beside each of its, by theirs."""
    found = relation(table, alias)
    for join, other in joins:
        pair = _compared(join, other, *join.table.key_columns), _compared(join, alias, join.on)
        found = sql.SQL("{} LEFT JOIN {} ON {} = {}").format(found, relation(join.table, other), *pair)
    return found


def doubts(state: Mapping[str, JoinedRead], observation: Observation) -> Iterator[str]:
    """Why rows of joined tables may hold other values though no version of them is newer than what was recorded."""
    for name, seen in observation.joined.items():
        if name in state:
            yield from (f"{name}: {doubt}" for doubt in suspicions(state[name].cursor, seen))
