"""A row's key as one 64-bit number, whatever the key is: what sets of keys hold, and what proofs cut into blocks.

An integer is its own number. Any other key is hashed, by the servers themselves and on each of them alike; two keys of
a table that had one number would be told as a key that is not unique, and never be taken for each other in silence.
"""

from collections.abc import Iterable, Sequence
from typing import Protocol

from psycopg import sql

from include.tables.types import INTEGERS, known_type

INTEGER_BITS = {"smallint": 15, "integer": 31, "bigint": 63}
"""The bits of a number beside its sign."""


BYTES = sql.SQL("convert_to({}::text, 'UTF8')")
"""A part of a key as it is hashed, unless all are integers."""


class Keyed(Protocol):
    """A source or warehouse table: the columns that its rows are known by, and their types."""

    @property
    def key_columns(self) -> tuple[str, ...]:
        """Their names."""

    @property
    def key_types(self) -> tuple[str, ...]:
        """Their types."""


def is_integer(table: Keyed) -> bool:
    """Whether a table's key is one integer, and so its own number."""
    return len(table.key_types) == 1 and table.key_types[0] in INTEGERS


def number_of(table: Keyed, alias: str = "") -> sql.Composable:
    """The number of a row's key, in a statement that knows the table by this alias; NULL where a part of it is."""
    return number(_columns(table, alias), table.key_types)


def _columns(table: Keyed, alias: str) -> list[sql.Identifier]:
    return [sql.Identifier(*filter(None, (alias, name))) for name in table.key_columns]


def number(parts: Sequence[sql.Composable], types: Sequence[str]) -> sql.Composable:
    """As `number_of`, of any values of these types.

    A text is hashed as its bytes in UTF-8, whatever a server's encoding is. Source: hash partitioning rests on these
    functions, so PostgreSQL keeps them stable across releases.
    """
    families = {kind if known_type(kind).array else known_type(kind).family for kind in types}
    if len(parts) == 1 and families <= set(INTEGERS):
        return parts[0]
    if len(parts) == 1 and families == {"uuid"}:
        return sql.SQL("uuid_hash_extended({}, 0)").format(parts[0])
    form = sql.SQL("{}::bigint") if families <= set(INTEGERS) else BYTES
    return hash_of([form.format(part) for part in parts], parts)


def hash_of(values: Sequence[sql.Composable], parts: Sequence[sql.Composable]) -> sql.Composed:
    """The number of a key of these parts, each with its value as it is hashed; NULL where a part is."""
    hashed = sql.SQL(", ").join(values)
    there = sql.SQL(" AND ").join(sql.SQL("{} IS NOT NULL").format(part) for part in parts)
    return sql.SQL("CASE WHEN {} THEN hash_array_extended(ARRAY[{}], 0) END").format(there, hashed)


def among(table: Keyed, keys: Iterable[int], alias: str = "") -> sql.Composed:
    """The condition that holds for the rows whose keys have these numbers.

    Integers are sent as the column's own type, else the server compares one by one; where the column has been widened
    since it was declared, and keys need that, as what they need.
    """
    listed = list(keys)
    if not is_integer(table):  # before version 14 a long list is looked up by hash in this form alone
        form = sql.SQL("{} IN (SELECT unnest({}::bigint[]))")
        return form.format(number_of(table, alias), sql.Literal(listed))
    most = max((max(key, -key - 1) for key in listed), default=0)
    wide = next(name for name in INTEGERS if most < 1 << INTEGER_BITS[name])
    sent = max(table.key_types[0], wide, key=INTEGERS.index)
    return sql.SQL("{} = ANY({}::{}[])").format(number_of(table, alias), sql.Literal(listed), sql.SQL(sent))


def shown(table: Keyed, alias: str = "") -> sql.Composable:
    """A row's key for people: an integer as it is, any other as the texts of its parts."""
    if is_integer(table):
        return number_of(table, alias)
    texts = sql.SQL(", ").join(sql.SQL("{}::text").format(column) for column in _columns(table, alias))
    return sql.SQL("concat_ws(', ', {})").format(texts)


def same_key(table: Keyed, one: str, other: str) -> sql.Composed:
    """The condition that two rows, known by these aliases, have the same key."""
    pairs = zip(_columns(table, one), _columns(table, other), strict=True)
    return sql.SQL(" AND ").join(sql.SQL("{} = {}").format(*pair) for pair in pairs)
