"""A table copied, renamed, and put in the place of another one of the source."""

from psycopg import Connection, sql

FOREIGN_KEYS = """
    SELECT format('ALTER TABLE %%s DROP CONSTRAINT %%I', conrelid::regclass, conname),
           format('ALTER TABLE %%s ADD CONSTRAINT %%I %%s', conrelid::regclass, conname, pg_get_constraintdef(oid))
      FROM pg_constraint
     WHERE contype = 'f' AND conparentid = 0 AND %s::regclass IN (conrelid, confrelid)"""
"""The foreign keys of a table and to it: the statements that take each away and make it again."""


def swapped(one: str, other: str) -> tuple[tuple[str, str], ...]:
    """The renamings, old name and new, after which each of two has the other's name."""
    return (one, "swapped"), (other, one), ("swapped", other)


def rename(connection: Connection, old: str, new: str) -> None:
    """Give a table another name."""
    statement = sql.SQL("ALTER TABLE {} RENAME TO {}")
    connection.execute(statement.format(sql.Identifier(old), sql.Identifier(new)))


def is_there(connection: Connection, name: str, kinds: str = "rp") -> bool:
    """Whether there is such a table of one of these kinds (as pg_class.relkind)."""
    found = "SELECT FROM pg_class WHERE oid = to_regclass(%s) AND relkind::text = ANY (%s)"
    return connection.execute(found, [name, list(kinds)]).fetchone() is not None


def copy_table(connection: Connection, table: str, name: str) -> None:
    """Make another table with the same columns, keys and rows."""
    names = sql.Identifier(name), sql.Identifier(table)
    connection.execute(sql.SQL("CREATE TABLE {} (LIKE {} INCLUDING ALL)").format(*names))
    connection.execute(sql.SQL("INSERT INTO {} TABLE {}").format(*names))


def replace_table(connection: Connection, table: str, other: str, kept: str) -> None:
    """Put another table in a table's place, which is kept under a name of its own; foreign keys move on."""
    foreign_keys = connection.execute(FOREIGN_KEYS, [table]).fetchall()
    for drop, _ in foreign_keys:
        connection.execute(sql.SQL(drop))
    rename(connection, table, "replaced")
    rename(connection, other, table)
    rename(connection, "replaced", kept)
    for _, add in foreign_keys:
        connection.execute(sql.SQL(add))
