"""Check: what the warehouse calls current against what the source held when it was read."""

import psycopg
from psycopg import IsolationLevel, sql

from include.common.keys import STATEMENT_KEYS, KeySet
from include.common.manifests import CheckResult, LoadResult, SourceRead
from include.common.postgres import connect, postgres_errors
from include.common.settings import WAREHOUSE_CONNECTION
from include.proof.sides import stored_side
from include.tables.numbering import number_of
from include.tables.star import Dimension, Fact, is_versioned

CURRENT_VERSIONS = sql.SQL("SELECT {key} FROM {table} WHERE valid_to IS NULL")
LATEST = sql.SQL(
    "SELECT {key} FROM {table} WHERE NOT EXISTS "
    "(SELECT FROM pipeline.deleted d WHERE d.table_name = {name} AND d.key = {key})"
)
"""The keys that a table has as the source's: not those whose rows are gone there."""


def check(table: Dimension | Fact, reads: dict[str, SourceRead], result: LoadResult) -> CheckResult | None:
    """Compare a loaded table with the reading that it was loaded from, by the number and the sum of its keys.

    Rejected rows that are not in the warehouse count as if they were. Rows that were read again as they differed are
    compared by their digests. None: a later run has loaded the table since, and checks it itself.

    Raises: as `postgres_errors`.
    """
    with connect(WAREHOUSE_CONNECTION) as connection, postgres_errors(table.name):
        connection.isolation_level = IsolationLevel.REPEATABLE_READ
        loaded = connection.execute("SELECT inputs FROM pipeline.load WHERE table_name = %s", [table.name]).fetchone()
        if loaded is None or loaded[0] != result.inputs:
            return None
        rows, key_sum = _count(connection, table, result)
        unequal = _still_unequal(connection, table, reads, result)
    read = reads[table.source.name]
    return CheckResult(
        table=table.name,
        held=(rows, key_sum) == (read.rows, read.key_sum) and not unequal,
        source_rows=read.rows,
        source_key_sum=read.key_sum,
        warehouse_rows=rows,
        warehouse_key_sum=key_sum,
        unequal=unequal,
    )


def _still_unequal(
    connection: psycopg.Connection, table: Dimension | Fact, reads: dict[str, SourceRead], result: LoadResult
) -> KeySet:
    """Of the rows that were found to differ: those that the load did not make equal to what was read."""
    proof = reads[table.source.name].proofs.get(table.name)
    if proof is None:
        return KeySet()
    stored = stored_side(connection, table).digests_of(proof.digests)
    unequal = [key for key, digest in proof.digests.items() if stored.get(key) != digest]
    return KeySet.of(unequal) - result.rejected


def _count(connection: psycopg.Connection, table: Dimension | Fact, result: LoadResult) -> tuple[int, int]:
    names = {
        "key": number_of(table, table.name),
        "table": sql.Identifier(table.name),
        "name": sql.Literal(table.name),
    }
    counted = sql.SQL("SELECT count(*), coalesce(sum(key), 0) FROM ({}) AS current (key)")
    shown = (CURRENT_VERSIONS if is_versioned(table) else LATEST).format(**names)
    current = counted.format(shown)
    rows, key_sum = map(int, connection.execute(current).fetchone() or (0, 0))
    absent = sql.SQL("SELECT key FROM unnest(%s::bigint[]) AS rejected (key) EXCEPT {}")
    missing = counted.format(absent.format(shown))
    for part in result.rejected.slices(STATEMENT_KEYS):
        more_rows, more_sum = map(int, connection.execute(missing, [list(part)]).fetchone() or (0, 0))
        rows, key_sum = rows + more_rows, key_sum + more_sum
    return rows, key_sum
