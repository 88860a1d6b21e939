"""How staged rows change a table that has rows: versions for facts, the latest state for most dimensions."""

from datetime import datetime

import psycopg
from psycopg import sql

from include.common.keys import STATEMENT_KEYS, KeySet
from include.common.manifests import FileEntry, StarFiles
from include.common.postgres import copy_in, identifiers, key_set
from include.tables.numbering import among, number_of, same_key
from include.tables.star import Column, Dimension, Fact, StarTable, is_versioned
from include.tables.types import known_type
from include.warehouse import ddl, wire

STAGED = "staged"

PRESENT = "DELETE FROM pipeline.deleted WHERE table_name = %s AND key = ANY(%s)"


def stage(connection: psycopg.Connection, table: StarTable, files: list[FileEntry]) -> None:
    """Copy the rows of Parquet files into a temporary table."""
    connection.execute(ddl.create_staging(table, STAGED))
    copy_rows_in(connection, table, sql.Identifier(STAGED), files)
    connection.execute(sql.SQL("ANALYZE {}").format(sql.Identifier(STAGED)))


def copy_rows_in(
    connection: psycopg.Connection, table: StarTable, relation: sql.Composable, files: list[FileEntry]
) -> None:
    """Copy the rows of a table's Parquet files into a relation that has its columns."""
    columns = identifiers(column.name for column in table.columns)
    for copy in wire.copies(table, files) if files else ():
        statement = sql.SQL("COPY {} ({}) FROM STDIN ({})").format(relation, columns, copy.options)
        copy_in(connection, statement, copy.blocks)


def insert_staged(connection: psycopg.Connection, table: StarTable, files: StarFiles) -> int:
    """Add all staged rows to an empty table, as first versions where it keeps those; gives their number."""
    columns = identifiers(column.name for column in table.columns)
    names = {"table": sql.Identifier(table.name), "columns": columns}
    if not is_versioned(table):
        return connection.execute(
            sql.SQL("INSERT INTO {table} ({columns}) SELECT {columns} FROM staged").format(**names)
        ).rowcount
    assert files.source is not None
    add = sql.SQL("INSERT INTO {table} ({columns}, valid_from) SELECT {columns}, %s FROM staged").format(**names)
    return connection.execute(add, [files.source.observed_at]).rowcount


def merge_versions(connection: psycopg.Connection, table: Dimension | Fact, observed_at: datetime) -> tuple[int, int]:
    """Close the current version of each staged row that differs from it, and add the staged ones as current.

    Gives the numbers of new keys and of changed ones.
    """
    columns = [column.name for column in table.columns]
    names = _names(table, columns)
    close = sql.SQL("""
        UPDATE {table} t SET valid_to = %s FROM staged s
         WHERE {same} AND t.valid_to IS NULL AND ROW({t_exactly}) IS DISTINCT FROM ROW({s_exactly})""")
    add = sql.SQL("""
        INSERT INTO {table} ({columns}, valid_from) SELECT {staged}, %s FROM staged s
         WHERE NOT EXISTS (SELECT FROM {table} t WHERE {same} AND t.valid_to IS NULL) ORDER BY {ordered}""")
    changed = connection.execute(close.format(**names), [observed_at]).rowcount
    added = connection.execute(add.format(**names), [observed_at]).rowcount
    return added - changed, changed


def merge_latest(connection: psycopg.Connection, table: StarTable) -> tuple[int, int]:
    """Add the staged rows that are not there, and overwrite those that differ.

    Gives the numbers of new keys and of changed ones.
    """
    others = [column.name for column in table.columns if column.name not in table.key_columns or _varies(column)]
    names = _names(table, others)
    if not others:
        add = sql.SQL("INSERT INTO {table} ({keys}) SELECT {keys} FROM staged ON CONFLICT DO NOTHING")
        return connection.execute(add.format(**names)).rowcount, 0
    statement = sql.SQL("""
        WITH merged AS (
            INSERT INTO {table} AS t ({inserted}) SELECT {brought} FROM staged s
            ON CONFLICT ({keys}) DO UPDATE SET ({columns}) = ROW({excluded})
             WHERE ROW({t_exactly}) IS DISTINCT FROM ROW({excluded_exactly})
            RETURNING xmax = 0 AS is_new)
        SELECT count(*) FILTER (WHERE is_new), count(*) FILTER (WHERE NOT is_new) FROM merged""")
    row = connection.execute(statement.format(**names)).fetchone()
    return row or (0, 0)


def _names(table: StarTable, columns: list[str]) -> dict[str, sql.Composable]:
    every = dict.fromkeys([*table.key_columns, *(column.name for column in table.columns)])

    def of(alias: str) -> sql.Composed:
        return sql.SQL(", ").join(sql.Identifier(alias, column) for column in columns)

    def exactly(alias: str) -> sql.Composed:
        named = [column for column in table.columns if column.name in columns]
        return sql.SQL(", ").join(_exactly(alias, column) for column in named)

    return {
        "table": sql.Identifier(table.name),
        "keys": identifiers(table.key_columns),
        "same": same_key(table, "t", "s"),
        "ordered": sql.SQL(", ").join(sql.Identifier("s", name) for name in table.key_columns),
        "inserted": identifiers(every),
        "brought": sql.SQL(", ").join(sql.Identifier("s", name) for name in every),
        "columns": identifiers(columns),
        "staged": of("s"),
        "excluded": of("excluded"),
        **{f"{alias}_exactly": exactly(alias) for alias in ("t", "s", "excluded")},
    }


def _exactly(alias: str, column: Column) -> sql.Composed:
    """A value that is distinct from every other one: 1.0 from 1.00, 'A' from 'a' whatever the type says.

    The text of a bpchar is without the blanks at its end; a record's has them.
    """
    form = "{}" if not _varies(column) else "ROW({})::text" if column.type == "bpchar" else "{}::text"
    return sql.SQL(form).format(sql.Identifier(alias, column.name))


def _varies(column: Column) -> bool:
    """Whether PostgreSQL calls values of a column equal that are written otherwise."""
    return not known_type(column.type).equal_if_same


def close_versions(connection: psycopg.Connection, table: Dimension | Fact, keys: KeySet, observed_at: datetime) -> int:
    """End the current versions of keys that the source no longer has; gives their number."""
    statement = sql.SQL("UPDATE {} SET valid_to = {} WHERE valid_to IS NULL AND {}")
    names = (sql.Identifier(table.name), sql.Literal(observed_at))
    parts = (statement.format(*names, among(table, part)) for part in keys.slices(STATEMENT_KEYS))
    return sum(connection.execute(part).rowcount for part in parts)


def note_deleted(connection: psycopg.Connection, table: str, keys: KeySet) -> int:
    """Note exactly these keys of a dimension as gone from the source; gives the number of those newly gone."""
    noted = noted_deleted(connection, table)
    for part in (noted - keys).slices(STATEMENT_KEYS):
        connection.execute(PRESENT, [table, list(part)])
    new = keys - noted
    for part in new.slices(STATEMENT_KEYS):
        connection.execute("INSERT INTO pipeline.deleted SELECT %s, unnest(%s::bigint[])", [table, list(part)])
    return len(new)


def noted_deleted(connection: psycopg.Connection, table: str) -> KeySet:
    """The keys of a dimension that are noted as gone from the source."""
    noted = sql.SQL("SELECT key FROM pipeline.deleted WHERE table_name = {}")
    return key_set(connection, noted.format(sql.Literal(table)))


def note_present(connection: psycopg.Connection, table: Dimension, rejected: KeySet) -> None:
    """Take staged and rejected keys off the list of those gone from the source: it has them again."""
    statement = sql.SQL("DELETE FROM pipeline.deleted d USING staged s WHERE d.table_name = %s AND d.key = {}")
    connection.execute(statement.format(number_of(table, "s")), [table.name])
    for part in rejected.slices(STATEMENT_KEYS):
        connection.execute(PRESENT, [table.name, list(part)])
