"""The desk at which every change to the source is made: a connection, a clock, a source of chance."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from random import Random
from typing import LiteralString

from psycopg import sql

from local.totesys.connection import Connection
from local.totesys.schema import TABLE
from local.totesys.settling import RULE, Rule

Clock = Callable[[], datetime]
Values = Mapping[str, object]
# What a behaviour did: the ids of the rows of its table that it wrote or deleted.
Touched = list[int]

# How firmly a row is held until the transaction ends. Rows that others hold are passed over, not waited for.
REFER: LiteralString = "KEY SHARE"
CHANGE: LiteralString = "NO KEY UPDATE"
REMOVE: LiteralString = "UPDATE"


class NoRowError(Exception):
    """There is no row that the behaviour could act on; nothing was written."""


def utc_now() -> datetime:
    """The present in UTC without a time zone, in whole milliseconds, as the source writes it."""
    now = datetime.now(UTC).replace(tzinfo=None)
    return now.replace(microsecond=now.microsecond // 1000 * 1000)


@dataclass(frozen=True)
class Desk:
    """Reads and writes single rows. Whoever owns the connection begins and ends its transactions.

    `url` is where more connections can be had; `late` are those whose transactions are still open. `rule` says which
    payments are paid.
    """

    url: str
    connection: Connection
    rng: Random
    now: Clock = utc_now
    late: list[Connection] = field(default_factory=list)
    deleted_sales: list[int] = field(default_factory=list)
    rule: Rule = RULE

    def pick(self, name: str, lock: LiteralString = CHANGE) -> int:
        """The key of a row of this table, by chance, held with this lock.

        Raises: NoRowError when no row is free.
        """
        key, table = sql.Identifier(TABLE[name].key), sql.Identifier(name)
        bounds = sql.SQL("SELECT min({0}), max({0}) FROM {1}").format(key, table)
        (low, high), *_ = self.connection.execute(bounds)
        if low is None:
            raise NoRowError(f"table {name} is empty")
        return self.first(
            sql.SQL("SELECT {0} FROM {1} WHERE {0} >= %s ORDER BY {0} LIMIT 1 FOR {2} SKIP LOCKED").format(
                key, table, sql.SQL(lock)
            ),
            self.rng.randint(low, high),
        )

    def first(self, query: sql.Composed | sql.SQL, *parameters: object) -> int:
        """The first column of the first row of a query. Raises: NoRowError when there is no row."""
        row = self.connection.execute(query, parameters).fetchone()
        if row is None:
            raise NoRowError("no row is free")
        return int(row[0])

    def insert(self, name: str, values: Values, at: datetime) -> int:
        """Inserts a row created at that instant; gives its key, from the sequence unless among the values."""
        row = {**values, "created_at": at, "last_updated": at}
        statement = sql.SQL("INSERT INTO {} ({}) VALUES ({}) RETURNING {}").format(
            sql.Identifier(name),
            sql.SQL(", ").join(map(sql.Identifier, row)),
            sql.SQL(", ").join(sql.Placeholder() * len(row)),
            sql.Identifier(TABLE[name].key),
        )
        return self.first(statement, *row.values())

    def update(self, name: str, key: int, values: Values) -> None:
        """Sets columns of one row; last_updated only when it is among them."""
        assignments = [sql.SQL("{} = %s").format(sql.Identifier(column)) for column in values]
        statement = sql.SQL("UPDATE {} SET {} WHERE {} = %s").format(
            sql.Identifier(name), sql.SQL(", ").join(assignments), sql.Identifier(TABLE[name].key)
        )
        self.connection.execute(statement, [*values.values(), key])

    def delete(self, name: str, key: int) -> None:
        """Deletes one row."""
        statement = sql.SQL("DELETE FROM {} WHERE {} = %s").format(
            sql.Identifier(name), sql.Identifier(TABLE[name].key)
        )
        self.connection.execute(statement, [key])
