"""What a table holds and its source no longer has: found, believed or not, and closed or noted."""

import psycopg
from psycopg import sql

from include.common.keys import KeySet
from include.common.manifests import FileEntry, Inputs, SourceRead, StarFiles, instant_text
from include.common.postgres import key_set
from include.state.latest import read_keys
from include.tables.belief import doubt
from include.tables.numbering import number_of
from include.tables.star import Dimension, Fact, is_versioned
from include.warehouse.merge import close_versions, note_deleted, noted_deleted
from include.warehouse.told import saying, tell_gone


def may_hold_others(read: SourceRead, earlier: Inputs) -> bool:
    """Whether the table can hold keys that the source does not.

    Some were deleted since, or the table was loaded from a reading that was never recorded: nobody knows its keys.
    """
    recorded = instant_text(read.base) if read.base else ""
    return read.deletions or read.base is None or earlier.get(read.table, "") > recorded


def find_gone(connection: psycopg.Connection, table: Dimension | Fact, read: SourceRead) -> tuple[KeySet, str]:
    """The keys that the table holds and the source no longer has, and why that is not believed (empty where it is)."""
    current = sql.SQL("valid_to IS NULL") if is_versioned(table) else sql.SQL("true")
    names = {"key": number_of(table), "table": sql.Identifier(table.name), "current": current}
    held = key_set(connection, sql.SQL("SELECT {key}::bigint FROM {table} WHERE {current}").format(**names))
    shown = held - noted_deleted(connection, table.name)
    gone = held - read_keys(read.table, read.keys_key)
    newly = len(shown) - len(shown - gone)
    return gone, "" if read.accepted else doubt(table.source, len(shown), newly, read.rows)


def remove_gone(
    connection: psycopg.Connection, table: Dimension | Fact, gone: KeySet, files: StarFiles
) -> tuple[int, list[FileEntry]]:
    """Close, or note, what the source no longer has; gives the number of keys, and the file that tells the lake."""
    said = saying(files, "gone")
    told = tell_gone(connection, table, said, gone - noted_deleted(connection, table.name))
    if is_versioned(table):
        return close_versions(connection, table, gone, said.observed_at), told
    return note_deleted(connection, table.name, gone), told
