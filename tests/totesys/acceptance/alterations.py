"""What people do to the source's tables themselves: altered, rewritten, swapped, emptied and filled again.

No row version tells of most of it. Each is a `Write`, made in a transaction that ends at once.
"""

from dataclasses import dataclass

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy
from psycopg import Connection, sql

from local.totesys.schema import ENUMS, TABLE, TABLES
from tests.totesys.acceptance.replacing import copy_table, is_there, replace_table, swapped
from tests.totesys.acceptance.writes import COLUMNS, KEYS, STAMP_COLUMNS, Write

LEAVES = """
    SELECT leaf::regclass::text, indexrelid::regclass::text
      FROM (SELECT relid FROM pg_partition_tree(%(table)s::regclass) WHERE isleaf
             UNION SELECT oid FROM pg_class WHERE oid = %(table)s::regclass AND relkind = 'r') AS leaves (leaf)
      JOIN pg_index ON indrelid = leaf AND indisprimary"""
"""What holds a table's rows, itself or its partitions, each with the index of its primary key."""


@dataclass(frozen=True)
class AddAgain:
    """Drop a column and add it again: every row has this value then, and none a new version."""

    table: str
    column: str
    value: object

    def apply(self, connection: Connection) -> None:
        drop, add = sql.SQL("ALTER TABLE {} DROP COLUMN {}"), sql.SQL("ALTER TABLE {} ADD COLUMN {} {} {} DEFAULT {}")
        names = sql.Identifier(self.table), sql.Identifier(self.column)
        null = sql.SQL("NULL" if _nullable(self.table, self.column) else "NOT NULL")
        connection.execute(drop.format(*names))
        connection.execute(add.format(*names, _type(self.table, self.column), null, sql.Literal(self.value)))


@dataclass(frozen=True)
class Rewrite:
    """Convert a column, in all rows, to a value of the type that it has."""

    table: str
    column: str
    value: object

    def apply(self, connection: Connection) -> None:
        kind = _type(self.table, self.column)
        statement = sql.SQL("ALTER TABLE {} ALTER COLUMN {} TYPE {} USING {}::{}")
        names = sql.Identifier(self.table), sql.Identifier(self.column)
        connection.execute(statement.format(*names, kind, sql.Literal(self.value), kind))


@dataclass(frozen=True)
class SwapColumns:
    """Let two columns of the same type have each other's name."""

    table: str
    columns: tuple[str, str]

    def apply(self, connection: Connection) -> None:
        for old, new in swapped(*self.columns):
            statement = sql.SQL("ALTER TABLE {} RENAME COLUMN {} TO {}")
            connection.execute(statement.format(*map(sql.Identifier, (self.table, old, new))))


@dataclass(frozen=True)
class SwapLabels:
    """Let the first two labels of an enum have each other's name."""

    enum: str

    def apply(self, connection: Connection) -> None:
        for old, new in swapped(*ENUMS[self.enum][:2]):  # type: ignore[index]
            statement = sql.SQL("ALTER TYPE {} RENAME VALUE {} TO {}")
            connection.execute(statement.format(sql.Identifier(self.enum), sql.Literal(old), sql.Literal(new)))


@dataclass(frozen=True)
class Note:
    """Add a column that nobody reads, or drop it where it is there."""

    table: str
    default: int

    def apply(self, connection: Connection) -> None:
        there = "SELECT FROM pg_attribute WHERE attrelid = %s::regclass AND attname = 'note'"
        if connection.execute(there, [self.table]).fetchone() is None:
            change = sql.SQL("ADD COLUMN note integer DEFAULT {}").format(sql.Literal(self.default))
        else:
            change = sql.SQL("DROP COLUMN note")
        connection.execute(sql.SQL("ALTER TABLE {} {}").format(sql.Identifier(self.table), change))


@dataclass(frozen=True)
class Cluster:
    """Write a table's rows into new files, in the order of their keys, with other storage parameters."""

    table: str
    target: int

    def apply(self, connection: Connection) -> None:
        for leaf, index in connection.execute(LEAVES, {"table": self.table}).fetchall():
            stored = sql.SQL("ALTER TABLE {} SET (toast_tuple_target = {})")
            connection.execute(stored.format(sql.SQL(leaf), sql.Literal(self.target)))
            connection.execute(sql.SQL("CLUSTER {} USING {}").format(sql.SQL(leaf), sql.SQL(index)))


@dataclass(frozen=True)
class Keep:
    """Keep a copy of a table as it is now, in place of an earlier one."""

    table: str

    def apply(self, connection: Connection) -> None:
        copy = f"{self.table}_kept"
        connection.execute(sql.SQL("DROP TABLE IF EXISTS {} CASCADE").format(sql.Identifier(copy)))
        copy_table(connection, self.table, copy)


@dataclass(frozen=True)
class Swap:
    """Let a table and its kept copy, made now where there is none, have each other's name."""

    table: str

    def apply(self, connection: Connection) -> None:
        copy = f"{self.table}_kept"
        if not is_there(connection, copy):
            copy_table(connection, self.table, copy)
        replace_table(connection, self.table, copy, copy)


@dataclass(frozen=True)
class Truncate:
    """Empty a table, and with it all that refer to it."""

    table: str

    def apply(self, connection: Connection) -> None:
        connection.execute(sql.SQL("TRUNCATE {} CASCADE").format(sql.Identifier(self.table)))


@dataclass(frozen=True)
class Refill:
    """Empty a table and all that refer to it, and fill them again up to a key, one column of the table with a value."""

    table: str
    column: str
    value: object
    last_key: int

    def apply(self, connection: Connection) -> None:
        tables = _dependents(self.table)
        for table in tables:
            save = sql.SQL("CREATE TEMPORARY TABLE {} ON COMMIT DROP AS TABLE {}")
            connection.execute(save.format(sql.Identifier(f"saved_{table}"), sql.Identifier(table)))
        change = sql.SQL("UPDATE {} SET {} = {}")
        names = sql.Identifier(f"saved_{self.table}"), sql.Identifier(self.column), sql.Literal(self.value)
        connection.execute(change.format(*names))
        Truncate(self.table).apply(connection)
        for table in tables:
            fill = sql.SQL("INSERT INTO {} SELECT * FROM {} WHERE {} <= {}")
            names = (*map(sql.Identifier, (table, f"saved_{table}", f"{table}_id")), sql.Literal(self.last_key))
            connection.execute(fill.format(*names))


def _dependents(table: str) -> list[str]:
    """A table and all that refer to it, each after those that it refers to."""
    found = [table]
    for other in TABLES:
        if any(column.references in found for column in other.columns):
            found.append(other.name)
    return found


def _type(table: str, column: str) -> sql.SQL:
    named = {found.name: found.type for found in TABLE[table].columns}  # type: ignore[index]
    return sql.SQL(named.get(column, "timestamp(3)"))


def _nullable(table: str, column: str) -> bool:
    return any(found.name == column and found.nullable for found in TABLE[table].columns)  # type: ignore[index]


def _values(table: str) -> dict[str, SearchStrategy[object]]:
    """The columns of a table through which nothing refers, with what may be in them."""
    own = {column.name for column in TABLE[table].columns if not column.references}  # type: ignore[index]
    return {
        name: values for name, values in (COLUMNS[table] | STAMP_COLUMNS).items() if name in own | set(STAMP_COLUMNS)
    }  # type: ignore[index]


SWAPPED = [
    ("address", ("city", "postal_code")),
    ("address", ("address_line_2", "district")),
    ("staff", ("first_name", "last_name")),
    ("design", ("file_location", "file_name")),
    ("department", ("location", "manager")),
    ("sales_order", ("agreed_delivery_date", "agreed_payment_date")),
    ("purchase_order", ("created_at", "last_updated")),
    ("payment", ("counterparty_ac_number", "company_ac_number")),
]
"""Columns of the same type, both of which may be NULL or neither."""

NAMES = st.sampled_from([*COLUMNS, "sales_order", "payment", "purchase_order"])


@st.composite
def of_column(draw: st.DrawFn, kind: type[AddAgain] | type[Rewrite]) -> Write:
    """A change of all rows of one column."""
    table = draw(NAMES)
    column = draw(st.sampled_from(sorted(_values(table))))
    return kind(table, column, draw(_values(table)[column]))


@st.composite
def refills(draw: st.DrawFn) -> Refill:
    table = draw(NAMES)
    column = draw(st.sampled_from(sorted(_values(table))))
    return Refill(table, column, draw(_values(table)[column]), draw(KEYS))


ALTERATIONS: SearchStrategy[Write] = st.one_of(
    of_column(AddAgain),
    of_column(Rewrite),
    st.sampled_from([SwapColumns(*pair) for pair in SWAPPED]),
    st.builds(SwapLabels, st.sampled_from(sorted(ENUMS))),
    st.builds(Note, NAMES, st.integers(0, 2)),
    st.builds(Cluster, NAMES, st.sampled_from([128, 4096])),
    st.builds(Keep, NAMES),
    st.builds(Swap, NAMES),
    st.builds(Truncate, NAMES),
    refills(),
)
