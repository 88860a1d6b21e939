"""Columns that their owner has widened since they were declared: tables as they have to be for what they hold now."""

from collections.abc import Mapping
from dataclasses import replace

from include.tables.coherence import converts, origin_of
from include.tables.source import SourceTable
from include.tables.star import Calendar, Column, Dimension, Fact, StarTable
from include.tables.types import holds

Wider = Mapping[str, str]
"""Column → its type, of those that are wider than declared."""


def fits(found: str, declared: str) -> bool:
    """Whether a column that is found to have this type can be read as declared, or as a wider one."""
    return found == declared or holds(declared, found) or holds(found, declared)


def wider_columns(table: SourceTable, found: Mapping[str, str]) -> dict[str, str]:
    """The declared columns that hold more than their declaration does. found: column → its type."""
    return {
        column.name: found[column.name]
        for column in table.columns
        if found[column.name] != column.type and not holds(column.type, found[column.name])
    }


def with_types(table: SourceTable, wider: Wider) -> SourceTable:
    """A source table with these columns as wide as they are found."""
    columns = (replace(column, type=wider.get(column.name, column.type)) for column in table.columns)
    return replace(table, columns=tuple(columns)) if wider else table


def fit(table: Dimension | Fact, wider: Mapping[str, Wider]) -> Dimension | Fact:
    """A warehouse table that takes what its sources hold. wider: source table → its columns that hold more."""
    if not any(wider.get(name) for name in table.source_names):
        return table
    sources = {own.name: with_types(own, wider.get(own.name, {})) for own in table.source_tables}
    joins = tuple(replace(join, table=sources[join.table.name]) for join in table.joins)
    found = replace(table, source=sources[table.source.name], joins=joins)
    return replace(found, columns=tuple(_fit(found, column) for column in found.columns))


def _fit(table: Dimension | Fact, column: Column) -> Column:
    origin = origin_of(table, column).column.type
    kept = column.derive or converts(column.type, origin) or holds(column.type, origin)
    return column if kept else replace(column, type=origin)


def widened(table: StarTable, than: StarTable) -> dict[str, str]:
    """The columns of a warehouse table that are wider than another declaration of it says."""
    declared = {column.name: column.type for column in than.columns}
    return {column.name: column.type for column in table.columns if column.type != declared[column.name]}


def with_columns(table: StarTable, wider: Wider) -> StarTable:
    """A warehouse table with these columns of these types."""
    if not wider or isinstance(table, Calendar):
        return table
    columns = (replace(column, type=wider.get(column.name, column.type)) for column in table.columns)
    return replace(table, columns=tuple(columns))
