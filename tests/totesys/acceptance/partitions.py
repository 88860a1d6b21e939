"""What people do to a partitioned table of the source: partitions taken out, put back, exchanged for others."""

from dataclasses import dataclass

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy
from psycopg import Connection, sql

from tests.totesys.acceptance.replacing import copy_table, is_there, rename, replace_table, swapped
from tests.totesys.acceptance.writes import KEYS, Write

PARTED = ("payment", "sales_order", "purchase_order")
"""Tables that may be partitioned by their key: but for transactions, which need none, nothing refers to them."""

BOUNDS = {"low": "FROM (MINVALUE) TO (3)", "high": "FROM (3) TO (MAXVALUE)"}


def part(connection: Connection, table: str) -> None:
    """Replace a table by a partitioned one with the same rows."""
    key = sql.Identifier(f"{table}_id")
    names = sql.Identifier("parted"), sql.Identifier(table)
    like = sql.SQL("CREATE TABLE {} (LIKE {} INCLUDING DEFAULTS) PARTITION BY RANGE ({})")
    connection.execute(like.format(*names, key))
    connection.execute(sql.SQL("ALTER TABLE {} ADD PRIMARY KEY ({})").format(names[0], key))
    for half, bounds in BOUNDS.items():
        made = sql.SQL("CREATE TABLE {} PARTITION OF {} FOR VALUES {}")
        connection.execute(made.format(sql.Identifier(f"{table}_{half}"), names[0], sql.SQL(bounds)))
    connection.execute(sql.SQL("INSERT INTO {} TABLE {}").format(*names))
    replace_table(connection, table, "parted", f"{table}_kept")


def _attach(connection: Connection, table: str, half: str) -> None:
    statement = sql.SQL("ALTER TABLE {} ATTACH PARTITION {} FOR VALUES {}")
    names = sql.Identifier(table), sql.Identifier(f"{table}_{half}")
    connection.execute(statement.format(*names, sql.SQL(BOUNDS[half])))


def _detach(connection: Connection, table: str, half: str) -> None:
    statement = sql.SQL("ALTER TABLE {} DETACH PARTITION {}")
    connection.execute(statement.format(sql.Identifier(table), sql.Identifier(f"{table}_{half}")))


def _is_attached(connection: Connection, table: str, half: str) -> bool:
    """Whether the half is this table's: another table may have taken its place and name meanwhile."""
    found = "SELECT FROM pg_inherits WHERE inhrelid = to_regclass(%s) AND inhparent = to_regclass(%s)"
    return connection.execute(found, [f"{table}_{half}", table]).fetchone() is not None


@dataclass(frozen=True)
class Detach:
    """Take a partition out of its table, or put it back where it is out. Nothing where the table has no partitions."""

    table: str
    half: str

    def apply(self, connection: Connection) -> None:
        if not is_there(connection, self.table, "p"):
            return
        if _is_attached(connection, self.table, self.half):
            _detach(connection, self.table, self.half)
        else:
            _attach(connection, self.table, self.half)


@dataclass(frozen=True)
class Spare:
    """Make a spare of a partition, with its rows, of which one is another and one is missing.

    It may wait for its exchange as long as it likes: by then its row versions are old.
    """

    table: str
    half: str
    key: int
    changed: str

    def apply(self, connection: Connection) -> None:
        name, spare = f"{self.table}_{self.half}", f"{self.table}_{self.half}_spare"
        if not is_there(connection, self.table, "p"):
            return
        connection.execute(sql.SQL("DROP TABLE IF EXISTS {} CASCADE").format(sql.Identifier(spare)))
        copy_table(connection, name, spare)
        key = sql.Identifier(f"{self.table}_id")
        change = sql.SQL("UPDATE {} SET last_updated = {} WHERE {} <> {}")
        connection.execute(change.format(sql.Identifier(spare), sql.Literal(self.changed), key, sql.Literal(self.key)))
        delete = sql.SQL("DELETE FROM {} WHERE {} = {}")
        connection.execute(delete.format(sql.Identifier(spare), key, sql.Literal(self.key)))


@dataclass(frozen=True)
class Exchange:
    """Put a partition's spare in its place, and keep the partition as its spare."""

    table: str
    half: str

    def apply(self, connection: Connection) -> None:
        name, spare = f"{self.table}_{self.half}", f"{self.table}_{self.half}_spare"
        if not (_is_attached(connection, self.table, self.half) and is_there(connection, spare)):
            return
        _detach(connection, self.table, self.half)
        for old, new in swapped(name, spare):
            rename(connection, old, new)
        _attach(connection, self.table, self.half)


HALVES = st.sampled_from(sorted(BOUNDS))
STAMPS = st.sampled_from(["2024-01-05 10:00:00.123", "2024-01-05 10:00:00.125"])


def of_partitions(table: str) -> SearchStrategy[Write]:
    """Changes of the partitions of a table."""
    only = st.just(table)
    return st.one_of(
        st.builds(Detach, only, HALVES),
        st.builds(Spare, only, HALVES, KEYS, STAMPS),
        st.builds(Exchange, only, HALVES),
        st.builds(Exchange, only, HALVES),
    )
