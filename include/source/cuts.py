"""Where a source table is cut into slices of its keys, and the conditions that hold for the rows of each."""

import psycopg
from psycopg import sql

from include.common.keys import KeySet
from include.common.postgres import identifiers
from include.common.slices import MOST_SLICES, SlicePlan
from include.source.observe import place
from include.tables.numbering import number_of
from include.tables.source import SourceTable
from include.tables.types import INTEGERS, known_type

SAMPLED_PAGES = 2_000
"""About how many of a table's pages are looked at to cut it: 16 MB."""

ORDERED = {*INTEGERS, "uuid", "text", "varchar", "date", "timestamp", "timestamptz", "numeric"}
"""Families of types whose texts are read as what they were, and which are compared as they are sorted."""

NUMBERS = 1 << 64
"""How many numbers keys may have."""

PAGES = """
    WITH RECURSIVE part (oid) AS (
        SELECT %s::oid UNION SELECT inhrelid FROM part JOIN pg_inherits ON inhparent = part.oid)
    SELECT coalesce(sum(pg_relation_size(oid)), 0)::bigint / current_setting('block_size')::integer FROM part"""

SPREAD = """
    SELECT histogram_bounds::text::bigint[] FROM pg_stats
     WHERE schemaname = %s AND tablename = %s AND attname = %s AND abs(coalesce(correlation, 1)) > %s
     ORDER BY inherited DESC LIMIT 1"""
"""Between which values ANALYZE found about as many rows each."""

IN_ORDER = 0.9
"""How well rows lie in their keys' order where a range of these is no more to read than its rows. The server tells it
as -1 to 1."""

SAMPLE = sql.SQL("FROM {table} TABLESAMPLE SYSTEM ({percent}) REPEATABLE (0)")
COUNT = sql.SQL("SELECT count(*) {sample}")
CUTS = sql.SQL("""
    SELECT {texts} FROM (SELECT {keys}, row_number() OVER (ORDER BY {keys}) AS {place} {sample}) AS sampled
     WHERE {place} = ANY ({places}) ORDER BY {place}""")


def is_ordered(table: SourceTable) -> bool:
    """Whether slices are ranges of the key's own values, which an index finds; else of its number."""
    kinds = [known_type(kind) for kind in table.key_types]
    return all(kind.family in ORDERED and not kind.array for kind in kinds)


def cut(connection: psycopg.Connection, table: SourceTable, relation: int) -> tuple[int, list[list[str]]]:
    """About how many rows a table has, and where it is cut; nowhere, where they are few."""
    row = connection.execute(PAGES, [relation]).fetchone()
    percent = min(100.0, 100.0 * SAMPLED_PAGES / max(row[0] if row else 0, 1))
    sample = SAMPLE.format(table=place(table), percent=sql.Literal(percent))
    counted = connection.execute(COUNT.format(sample=sample)).fetchone()
    sampled = int(counted[0]) if counted else 0
    rows = round(sampled * 100 / percent)
    if rows <= table.slice_rows:
        return rows, []
    count = min(-(-rows // table.slice_rows), MOST_SLICES)
    if not is_ordered(table):
        return rows, [[str(number * NUMBERS // count - NUMBERS // 2)] for number in range(1, count)]
    places = sorted({number * sampled // count + 1 for number in range(1, count)} - {1})
    statement = CUTS.format(
        texts=sql.SQL(", ").join(sql.SQL("{}::text").format(sql.Identifier(name)) for name in table.key_columns),
        keys=identifiers(table.key_columns),
        place=sql.Identifier("\x01place"),  # no column is called so
        sample=sample,
        places=sql.Literal(places),
    )
    return rows, [list(found) for found in connection.execute(statement)]


def spread(connection: psycopg.Connection, table: SourceTable, count: int) -> list[int]:
    """Where integer keys are cut into up to `count` ranges of about as many rows, as far as the server knows.

    Nowhere, where it does not, or where a range would be scattered over the whole table.
    """
    where = [table.schema, table.found_name, *table.key_columns]
    row = connection.execute(SPREAD, [*where, IN_ORDER]).fetchone()
    bounds = row[0] if row and row[0] else []
    places = {number * (len(bounds) - 1) // count for number in range(1, count)} if bounds else set()
    return sorted({bounds[place] for place in places})


def cut_keys(keys: KeySet, slice_rows: int) -> list[list[str]]:
    """Where rows with these keys are cut, by their numbers, into slices of about so many; into two at least."""
    count = max(2, min(-(-len(keys) // slice_rows), MOST_SLICES))
    return [[str(keys.at(number * len(keys) // count))] for number in range(1, count)]


def within(plan: SlicePlan, table: SourceTable, number: int, alias: str = "") -> sql.Composable:
    """The condition that holds for the rows of a slice, in a statement that knows the table by this alias."""
    bounds = []
    if number > 0:
        bounds.append(_compared(plan, table, alias, ">=", plan.cuts[number - 1]))
    if number < len(plan.cuts):
        bounds.append(_compared(plan, table, alias, "<", plan.cuts[number]))
    return sql.SQL(" AND ").join(bounds)


def _compared(plan: SlicePlan, table: SourceTable, alias: str, how: str, at: list[str]) -> sql.Composed:
    if plan.by_number:
        return sql.SQL("{} {} {}").format(number_of(table, alias), sql.SQL(how), sql.Literal(int(at[0])))
    columns = [sql.Identifier(*filter(None, (alias, name))) for name in table.key_columns]
    form = "{}" if len(at) == 1 else "ROW({})"
    sides = (sql.SQL(form).format(sql.SQL(", ").join(side)) for side in (columns, map(sql.Literal, at)))
    own, other = sides
    return sql.SQL("{} {} {}").format(own, sql.SQL(how), other)
