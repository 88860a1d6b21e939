"""Every version of the warehouse held against what the lake tells of it: closed ones have no source any more."""

import psycopg
from psycopg import sql

from include.common.errors import DataError, ServiceError
from include.common.postgres import connect, identifiers, postgres_errors
from include.common.settings import WAREHOUSE_CONNECTION
from include.lake.ask import stored
from include.proof.audit import SHOWN_ROWS, DifferingRow, TableAudit
from include.tables.declarations import Declarations
from include.tables.drift import with_columns
from include.tables.numbering import same_key, shown
from include.tables.star import VERSION_COLUMNS, StarTable, is_versioned
from include.warehouse.publish import publish_files
from include.warehouse.rebuild import copy_stored, stored_columns
from include.warehouse.widen import wider_than

TOLD = "told"

CLAIM = """
    SELECT EXISTS (SELECT FROM pipeline.file WHERE table_name = %(table)s)
      FROM pipeline.load WHERE table_name = %(table)s FOR UPDATE"""

DIFFERING = sql.SQL("""
    SELECT count(*) OVER (), coalesce({version_here}, {version_told}),
           CASE WHEN here IS NULL THEN 'warehouse' WHEN told IS NULL THEN 'lake' ELSE '' END,
           ARRAY[{told}], ARRAY[{here}]
      FROM (SELECT {columns} FROM {table}) here FULL JOIN told ON {same}
     WHERE ROW({here}) IS DISTINCT FROM ROW({told}) ORDER BY 2 LIMIT {limit}""")
"""Versions that are not the same on both sides, those of one key beside each other."""


def audit_history(declared: Declarations, tables: list[StarTable]) -> list[TableAudit]:
    """Compare every version of these tables with the lake, which is brought up to date before.

    Raises: DataError where the lake has nothing of a table; ServiceError where a load went on meanwhile, or the lake is
        behind; others as `postgres_errors` and `ask`.
    """
    problems = publish_files(declared)
    if problems:
        raise ServiceError("; ".join(problems))
    return [_audit(table) for table in tables]


def _audit(declared: StarTable) -> TableAudit:
    with connect(WAREHOUSE_CONNECTION) as connection, postgres_errors(declared.name):
        row = connection.execute(CLAIM, {"table": declared.name}).fetchone()  # from here on no load changes the table
        if row and row[0]:
            raise ServiceError(f"{declared.name}: it was loaded meanwhile; audit it again")
        table = with_columns(declared, wider_than(connection, declared))
        found = stored(table)
        if not row or found is None:
            raise DataError(f"{table.name}: the lake has nothing of it; do a run first")
        names = [column.name for column in stored_columns(table)]
        like = sql.SQL("CREATE TEMPORARY TABLE {} ON COMMIT DROP AS SELECT {} FROM {} WITH NO DATA")
        connection.execute(like.format(sql.Identifier(TOLD), identifiers(names), sql.Identifier(table.name)))
        copy_stored(connection, table, TOLD, found)
        return _compare(connection, table, names)


def _compare(connection: psycopg.Connection, table: StarTable, names: list[str]) -> TableAudit:
    query = DIFFERING.format(
        version_here=_version(table, "here"),
        version_told=_version(table, TOLD),
        here=_texts("here", names),
        told=_texts(TOLD, names),
        columns=identifiers(names),
        table=sql.Identifier(table.name),
        same=_same(table),
        limit=sql.Literal(SHOWN_ROWS),
    )
    rows = connection.execute(query).fetchall()
    total = connection.execute(sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(table.name))).fetchone()
    return TableAudit(
        table=table.name,
        rows=total[0] if total else 0,
        differing=rows[0][0] if rows else 0,
        rows_shown=[_differing(names, *row) for _, *row in rows],
    )


def _differing(
    names: list[str], version: str, missing: str, told: list[str | None], here: list[str | None]
) -> DifferingRow:
    pairs = dict(zip(names, zip(told, here, strict=True), strict=True))
    values = {} if missing else {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}
    return DifferingRow(key=version, missing=missing, values=values)


def _version(table: StarTable, alias: str) -> sql.Composable:
    """What a version is called, for people."""
    key = sql.SQL("{}::text").format(shown(table, alias))
    since = sql.SQL("{} || ' from ' || {}").format(key, sql.Identifier(alias, VERSION_COLUMNS[0]))
    return since if is_versioned(table) else key


def _same(table: StarTable) -> sql.Composable:
    keys, since = same_key(table, "here", TOLD), sql.Identifier(VERSION_COLUMNS[0])
    return sql.SQL("{} AND here.{since} = told.{since}").format(keys, since=since) if is_versioned(table) else keys


def _texts(alias: str, names: list[str]) -> sql.Composable:
    return sql.SQL(", ").join(sql.SQL("{}::text").format(sql.Identifier(alias, name)) for name in names)
