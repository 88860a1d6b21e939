"""A source table with a key of any kind and the fact that it becomes: DECLARED is of the kind that BENCH_KEY names."""

import os
from dataclasses import dataclass

from include.tables.declarations import Declarations
from include.tables.source import SourceColumn, SourceTable
from include.tables.star import Column, Fact, Join


@dataclass(frozen=True)
class Kind:
    """A kind of key: its columns with their types, and what makes that of the n-th row.

    joined: each row has, beside, the name in a row of its own of another table, as long as this one.
    """

    columns: dict[str, str]
    made: str
    joined: bool = False


KINDS = {
    "integer": Kind({"id": "integer"}, "n"),
    "bigint": Kind({"id": "bigint"}, "n"),
    "scattered bigint": Kind({"id": "bigint"}, "hashint8extended(n, 0)"),
    "uuid": Kind({"id": "uuid"}, "md5(n::text)::uuid"),
    "two columns": Kind({"order_id": "integer", "line": "smallint"}, "n / 4, n % 4"),
    "integer, joined": Kind({"id": "integer"}, "n", joined=True),
}

VALUES = {
    "amount": "numeric(10,2)",
    "quantity": "integer",
    "note": "text",
    "made_on": "date",
    "changed": "timestamp(3)",
}
PLACE = SourceTable("place", "place_id", (SourceColumn("place_id", "integer"), SourceColumn("name", "text")))
FILL = "(n % 10000) / 100.0, n % 100, 'note ' || n % 1000, date '2020-01-01' + n % 1500, timestamp '2024-01-01'"


def declare(kind: str) -> Declarations:
    """The set of one table, `thing`, with a key of this kind, and of what it joins."""
    keys = tuple(KINDS[kind].columns)
    key = keys if len(keys) > 1 else keys[0]
    columns = KINDS[kind].columns | VALUES
    thing = SourceTable("thing", key, tuple(SourceColumn(*column) for column in columns.items()))
    taken = tuple(Column(name, declared, name) for name, declared in columns.items())
    if not KINDS[kind].joined:
        return Declarations.of([thing], [Fact("fact_thing", "record_id", key, thing, taken)])
    name = Column("place_name", "text", ("quantity", "name"))
    fact = Fact("fact_thing", "record_id", key, thing, (*taken, name), joins=(Join(PLACE, on="quantity"),))
    return Declarations.of([thing, PLACE], [fact])


def statements(kind: str, rows: int) -> list[str]:
    """What makes and fills the table."""
    columns = KINDS[kind].columns | VALUES
    told = ", ".join(f"{name} {declared} NOT NULL" for name, declared in columns.items())
    keys = ", ".join(KINDS[kind].columns)
    series = f"generate_series(1, {rows}) AS n"
    others = [
        "CREATE TABLE place (place_id integer NOT NULL, name text NOT NULL)",
        f"INSERT INTO place SELECT n, 'place ' || n FROM {series}",  # noqa: S608
        "ALTER TABLE place ADD PRIMARY KEY (place_id)",
        "UPDATE thing SET quantity = id",
    ]
    return [
        f"CREATE TABLE thing ({told})",
        f"INSERT INTO thing SELECT {KINDS[kind].made}, {FILL} FROM {series}",  # noqa: S608
        f"ALTER TABLE thing ADD PRIMARY KEY ({keys})",
        *(others if KINDS[kind].joined else []),
        "VACUUM (ANALYZE)",
        "CHECKPOINT",
    ]


DECLARED = declare(os.environ.get("BENCH_KEY", "integer"))
