"""The data dictionary: every table and column of the warehouse, where it comes from, and what hangs together."""

from collections.abc import Iterator

from include.tables.coherence import origin_of
from include.tables.declarations import Declarations
from include.tables.star import Calendar, Column, StarTable, is_versioned

INTRODUCTION = """\
# Data dictionary

Made from the declarations in `include/` by `python -m include describe`.

Facts hold every version of a source row: the current one has `valid_to` NULL, and the views `current_…` show those
alone. Dimensions hold the latest state, also of rows that the source has deleted. Times are UTC. What tells of a
person is marked as personal."""


def data_dictionary(declared: Declarations) -> str:
    """The whole dictionary as Markdown, with an entity-relationship diagram in Mermaid."""
    parts = [INTRODUCTION, _diagram(declared), *map(_table, declared.star.values()), _source_tables(declared)]
    return "\n\n".join(parts) + "\n"


def table_document(table: StarTable) -> str:
    """A table's columns as Markdown, without its heading."""
    lines = [table.description, "", "| column | type | NULL | from | refers to | |", "|---|---|---|---|---|---|"]
    return "\n".join([*lines, *_rows(table)])


def _rows(table: StarTable) -> Iterator[str]:
    if is_versioned(table):
        yield f"| **{table.record_id}** | serial | | | | Numbers the versions. |"
    for column in table.columns:
        name = f"**{column.name}**" if column.name in table.identity else column.name
        null = "yes" if column.nullable else ""
        cells = [name, column.type, null, origin(table, column), _refers_to(column), _about(column)]
        yield f"| {' | '.join(cells)} |"
    if is_versioned(table):
        yield "| valid_from | timestamptz | | | | The source's instant at which the pipeline saw this version. |"
        yield "| valid_to | timestamptz | yes | | | When it saw the next one, or the deletion; NULL for the current. |"


def origin(table: StarTable, column: Column) -> str:
    """Where a column's value comes from: "staff.first_name", "currency.currency_code (iso_4217_name)"; none: empty."""
    if isinstance(table, Calendar):
        return ""
    derived = f" ({column.derive.__name__})" if column.derive else ""
    return f"{origin_of(table, column)}{derived}"


def _refers_to(column: Column) -> str:
    return column.references.name if column.references else ""


def _about(column: Column) -> str:
    return f"{column.description} Personal.".lstrip() if column.personal else column.description


def _table(table: StarTable) -> str:
    view = f"\n\nCurrent versions: `{table.view}`." if is_versioned(table) else ""
    return f"## {table.name}\n\n{table_document(table)}{view}"


def _diagram(declared: Declarations) -> str:
    lines = ["```mermaid", "erDiagram"]
    for table in declared.star.values():
        lines += [f"    {table.name} {{", *(f"        {line}" for line in _attributes(table)), "    }"]
        lines += [
            f"    {column.references.name} ||--o{{ {table.name} : {column.name}"
            for column in table.columns
            if column.references
        ]
    return "\n".join([*lines, "```"])


def _attributes(table: StarTable) -> Iterator[str]:
    if is_versioned(table):
        yield f"serial {table.record_id} PK"
    for column in table.columns:
        key = " PK" if column.name in table.identity else " FK" if column.references else ""
        yield f"{column.type.partition('(')[0]} {column.name}{key}"


def _source_tables(declared: Declarations) -> str:
    lines = ["## Source tables", "", "| source table | changes found by | feeds |", "|---|---|---|"]
    for source in declared.sources.values():
        feeds = ", ".join(table.name for table in declared.fed_by(source.name))
        lines.append(f"| {source.name} | {source.follow} | {feeds} |")
    return "\n".join(lines)
