"""The two sides of a comparison, each asked the same: digests of blocks, of rows, and the values themselves."""

from collections.abc import Iterable
from dataclasses import dataclass

import psycopg
from psycopg import sql

from include.proof.canonical import STORED, Derived, Texts, alias_of, original, source_texts, stored_texts
from include.source.beside import OWN, joined_rows
from include.tables.numbering import Keyed, among, number_of, shown
from include.tables.star import Column, Dimension, Fact, is_versioned


@dataclass(frozen=True)
class KeyRange:
    """Keys greater than `after` and up to `to`; None: without an end."""

    after: int | None = None
    to: int | None = None


@dataclass(frozen=True)
class Side:
    """Rows of one database that are to equal those of another.

    relation: what follows FROM. condition: under which a row counts. keyed, alias: the table whose key both sides know
    rows by, and what statements call it.
    """

    connection: psycopg.Connection
    relation: sql.Composable
    condition: sql.Composable
    keyed: Keyed
    alias: str
    texts: Texts

    @property
    def key(self) -> sql.Composable:
        """The number of a row's key."""
        return number_of(self.keyed, self.alias)

    def blocks(self, within: KeyRange, width: int) -> dict[int, tuple[int, int]]:
        """Block of `width` possible keys → its rows' number and the sum of their digests. Empty ones are left out.

        A key's block is its quotient, rounded towards zero.
        """
        block = sql.SQL("{}::bigint / {}").format(self.key, sql.Literal(width))
        statement = sql.SQL("SELECT {}, count(*), sum({}) {} GROUP BY 1").format(
            block, self._digest, self._among(within)
        )
        return {number: (rows, int(total)) for number, rows, total in self.connection.execute(statement)}

    def digests(self, within: KeyRange) -> dict[int, int]:
        """Key → its row's digest."""
        statement = sql.SQL("SELECT {}, {} {}").format(self.key, self._digest, self._among(within))
        return dict(self.connection.execute(statement).fetchall())

    def digests_of(self, keys: Iterable[int]) -> dict[int, int]:
        """Key → its row's digest, of these keys' rows."""
        statement = sql.SQL("SELECT {}, {} {}").format(self.key, self._digest, self._of(keys))
        return dict(self.connection.execute(statement).fetchall())

    def values(self, keys: Iterable[int]) -> dict[int, dict[str, str | None]]:
        """Key → column → its canonical text, of these keys' rows."""
        texts = sql.SQL(", ").join(sql.SQL("({})::text").format(text) for text in self.texts.columns.values())
        statement = sql.SQL("SELECT {}, {} {}").format(self.key, texts, self._of(keys))
        found = self.connection.execute(statement).fetchall()
        return {key: dict(zip(self.texts.columns, row, strict=True)) for key, *row in found}

    def named(self, keys: Iterable[int]) -> dict[int, str]:
        """The keys of rows, by their numbers, as people know them."""
        statement = sql.SQL("SELECT {}, {}::text {} ORDER BY 1")
        told = statement.format(self.key, shown(self.keyed, self.alias), self._of(keys))
        return dict(self.connection.execute(told).fetchall())

    @property
    def encoding(self) -> str:
        """The server's own encoding of texts."""
        return (self.connection.pgconn.parameter_status(b"server_encoding") or b"").decode()

    @property
    def _digest(self) -> sql.Composed:
        return self.texts.digest(self.encoding)

    def _among(self, within: KeyRange) -> sql.Composed:
        bounds = [sql.SQL("{} IS NOT NULL").format(self.key)]
        if within.after is not None:
            bounds.append(sql.SQL("{} > {}").format(self.key, sql.Literal(within.after)))
        if within.to is not None:
            bounds.append(sql.SQL("{} <= {}").format(self.key, sql.Literal(within.to)))
        return self._where(sql.SQL(" AND ").join(bounds))

    def _of(self, keys: Iterable[int]) -> sql.Composed:
        return self._where(among(self.keyed, keys, self.alias))

    def _where(self, condition: sql.Composable) -> sql.Composed:
        return sql.SQL("FROM {} WHERE {} AND {}").format(self.relation, self.condition, condition)


def stored_side(connection: psycopg.Connection, table: Dimension | Fact) -> Side:
    """What the warehouse calls current: not closed versions, nor dimension rows that are gone from the source."""
    key = number_of(table, STORED)
    current = sql.SQL("{} IS NULL").format(sql.Identifier(STORED, "valid_to"))
    gone = sql.SQL("NOT EXISTS (SELECT FROM pipeline.deleted d WHERE d.table_name = {} AND d.key = {})")
    condition = current if is_versioned(table) else gone.format(sql.Literal(table.name), key)
    name = sql.SQL("{} {}").format(sql.Identifier(table.name), sql.Identifier(STORED))
    return Side(connection, name, condition, table, STORED, stored_texts(table))


def source_side(connection: psycopg.Connection, table: Dimension | Fact) -> Side:
    """What the rows of a warehouse table are by what its sources hold."""
    texts = source_texts(table, _derived(connection, table))
    return Side(connection, _joined(table), sql.SQL("true"), table.source, OWN, texts)


def _joined(table: Dimension | Fact) -> sql.Composable:
    """The table's own source, with the rows that it joins beside each of its."""
    return joined_rows(table.source, OWN, [(join, alias_of(table, join.on)) for join in table.joins])


def _derived(connection: psycopg.Connection, table: Dimension | Fact) -> Derived:
    """What the source's values of derived columns become; values that nothing can be derived from are left out."""
    return {column.name: _derive(connection, table, column) for column in table.columns if column.derive}


def _derive(connection: psycopg.Connection, table: Dimension | Fact, column: Column) -> dict[str, str]:
    assert column.derive is not None
    value = original(table, column)
    distinct = sql.SQL("SELECT DISTINCT {0}::text FROM {1} WHERE {0} IS NOT NULL").format(value, _joined(table))
    derived = {}
    for (text,) in connection.execute(distinct):
        try:
            derived[text] = column.derive(text)
        except LookupError:
            continue  # its rows are rejected
    return derived
