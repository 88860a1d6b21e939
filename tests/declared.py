"""Sets of declarations that differ from another in some tables."""

from dataclasses import replace

from include.tables.declarations import Declarations
from include.tables.source import SourceTable
from include.tables.star import Calendar, Dimension, Fact, StarTable


def replacing(declared: Declarations, *tables: SourceTable | StarTable) -> Declarations:
    """The set with these tables in place of those of the same names; what is built on those is built on these."""
    sources = dict(declared.sources)
    sources |= {table.name: table for table in tables if isinstance(table, SourceTable)}
    star = {name: _built_on(sources, table) for name, table in declared.star.items()}
    star |= {table.name: table for table in tables if not isinstance(table, SourceTable)}
    star = {name: _referring_to(star, table) for name, table in star.items()}
    metrics = [replace(metric, fact=star[metric.fact.name]) for metric in declared.metrics.values()]  # type: ignore[arg-type]
    return Declarations.of(sources.values(), star.values(), metrics)


def _built_on(sources: dict[str, SourceTable], table: StarTable) -> StarTable:
    if isinstance(table, Calendar):
        return table
    own = sources[table.source.name]
    joins = tuple(replace(join, table=sources[join.table.name]) for join in table.joins)
    return replace(table, source=own, joins=joins)


def _referring_to(star: dict[str, StarTable], table: StarTable) -> StarTable:
    if not isinstance(table, Fact):
        return table
    columns = []
    for column in table.columns:
        target = star[column.references.name] if column.references else None
        assert not isinstance(target, Fact)
        columns.append(replace(column, references=target))
    return replace(table, columns=tuple(columns))


def dimension(declared: Declarations, name: str) -> Dimension:
    """A dimension of the set."""
    table = declared.star[name]
    assert isinstance(table, Dimension)
    return table
