"""One canonical text for each value, whichever side has it.

A row is compared as PostgreSQL writes a record of its values, which tells NULL from an empty text, and where a column
ends. Both sides write with the same settings (`common/session`), and hash the text's bytes in UTF-8.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from psycopg import sql

from include.source.beside import OWN
from include.tables.coherence import converts, origin_of
from include.tables.star import Column, Dimension, Fact
from include.tables.types import STAMPS, known_type

STORED = "t"
"""The alias of a warehouse table; its own source has `OWN`, those that are joined j0, j1 …"""

SAME_BYTES = {"UTF8", "SQL_ASCII"}
"""Server encodings in which a text's bytes are hashed as they are. SQL_ASCII holds what its clients sent: UTF-8."""

MANY_BYTES = {"EUC_JP", "EUC_CN", "EUC_KR", "EUC_TW", "EUC_JIS_2004", "MULE_INTERNAL"}
"""Server encodings in which UTF-8's bytes are no valid text. Source: "Character Set Support" in PostgreSQL's manual."""

Derived = Mapping[str, dict[str, str]]
"""Column → what each source value becomes: for columns that a function of Python derives."""


@dataclass(frozen=True)
class Texts:
    """A warehouse table's columns on one side: column → the expression of its canonical value."""

    columns: Mapping[str, sql.Composable] = field(default_factory=dict)

    def row(self) -> sql.Composed:
        """The canonical text of a whole row."""
        return sql.SQL("ROW({})::text").format(sql.SQL(", ").join(self.columns.values()))

    def digest(self, encoding: str) -> sql.Composed:
        """64 bits that tell a row's text from another's, the same on every server. encoding: the server's own.

        Source: hash partitioning rests on hashtextextended, so PostgreSQL keeps it stable across releases.
        """
        text = sql.SQL("{}").format(self.row())
        if encoding not in SAME_BYTES:  # the text whose bytes in this encoding are those of the row's text in UTF-8
            text = sql.SQL("convert_from(convert_to({}, 'UTF8'), {})").format(text, sql.Literal(encoding))
        return sql.SQL('hashtextextended({} COLLATE "C", 0)').format(text)


def stored_texts(table: Dimension | Fact) -> Texts:
    """The columns of a warehouse table as the warehouse has them."""
    return Texts({column.name: _stored(table, column) for column in table.columns})


def source_texts(table: Dimension | Fact, derived: Derived) -> Texts:
    """The columns of a warehouse table as its sources have them. derived: the values of those that are derived."""
    return Texts({column.name: _original(table, column, derived) for column in table.columns})


def alias_of(table: Dimension | Fact, on: str) -> str:
    """The alias under which a query knows the source that is joined on this column; empty: the table's own."""
    return f"j{[join.on for join in table.joins].index(on)}" if on else OWN


def original(table: Dimension | Fact, column: Column) -> sql.Identifier:
    """The source column of a warehouse column, in a query that knows the sources by their aliases."""
    origin = origin_of(table, column)
    return sql.Identifier(alias_of(table, origin.on), origin.column.name)


def _stored(table: Dimension | Fact, column: Column) -> sql.Composable:
    written = known_type(origin_of(table, column).column.type)
    value = sql.Identifier(STORED, column.name)
    told = written.family == "text" and known_type(column.type).family == "date"
    return sql.SQL("{}::text").format(value) if told else value


def _original(table: Dimension | Fact, column: Column, derived: Derived) -> sql.Composable:
    """A text that is to be a day is compared as it stands: only `YYYY-MM-DD` is accepted, as PostgreSQL writes days."""
    value, written = original(table, column), origin_of(table, column).column.type
    if column.derive:
        mapping = sql.Literal(json.dumps(derived[column.name]))
        return sql.SQL("({}::jsonb ->> {}::text)::{}").format(mapping, value, sql.SQL(column.type))
    if known_type(written).family in STAMPS and converts(column.type, written):
        return sql.SQL("{}::{}").format(value, sql.SQL(column.type))
    return value
