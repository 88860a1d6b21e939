"""The data dictionary: every table and column of the warehouse, where it comes from, and what hangs together."""

from collections.abc import Iterator

from include.tables.schema import Calendar, Column, Fact, StarTable
from include.tables.sources import SOURCES
from include.tables.star import STAR

INTRODUCTION = """\
# Data dictionary

Made from the declarations in `include/` by `python -m include describe`.

Facts hold every version of a source row: the current one has `valid_to` NULL, and the views `current_…` show those
alone. Dimensions hold the latest state, also of rows that the source has deleted. Times are UTC."""


def data_dictionary() -> str:
    """The whole dictionary as Markdown, with an entity-relationship diagram in Mermaid."""
    parts = [INTRODUCTION, _diagram(), *map(_table, STAR.values()), _source_tables()]
    return "\n\n".join(parts) + "\n"


def table_document(table: StarTable) -> str:
    """A table's columns as Markdown, without its heading."""
    lines = [table.description, "", "| column | type | NULL | from | refers to | |", "|---|---|---|---|---|---|"]
    return "\n".join([*lines, *_rows(table)])


def _rows(table: StarTable) -> Iterator[str]:
    if isinstance(table, Fact):
        yield f"| **{table.record_id}** | serial | | | | Numbers the versions. |"
    for column in table.columns:
        name = f"**{column.name}**" if column.name == table.identity else column.name
        null = "yes" if column.nullable else ""
        cells = [name, column.type, null, origin(table, column), column.references or "", column.description]
        yield f"| {' | '.join(cells)} |"
    if isinstance(table, Fact):
        yield "| valid_from | timestamptz | | | | The source's instant at which the pipeline saw this version. |"
        yield "| valid_to | timestamptz | yes | | | When it saw the next one, or the deletion; NULL for the current. |"


def origin(table: StarTable, column: Column) -> str:
    """Where a column's value comes from: "staff.first_name", "currency.currency_code (iso_4217_name)"; none: empty."""
    if isinstance(table, Calendar):
        return ""
    owner, _, name = column.source.rpartition(".")
    derived = f" ({column.derive.__name__})" if column.derive else ""
    return f"{owner or table.source}.{name}{derived}"


def _table(table: StarTable) -> str:
    view = f"\n\nCurrent versions: `{table.view}`." if isinstance(table, Fact) else ""
    return f"## {table.name}\n\n{table_document(table)}{view}"


def _diagram() -> str:
    lines = ["```mermaid", "erDiagram"]
    for table in STAR.values():
        lines += [f"    {table.name} {{", *(f"        {line}" for line in _attributes(table)), "    }"]
        lines += [
            f"    {column.references} ||--o{{ {table.name} : {column.name}"
            for column in table.columns
            if column.references
        ]
    return "\n".join([*lines, "```"])


def _attributes(table: StarTable) -> Iterator[str]:
    if isinstance(table, Fact):
        yield f"serial {table.record_id} PK"
    for column in table.columns:
        key = " PK" if column.name == table.identity else " FK" if column.references else ""
        yield f"{column.type.partition('(')[0]} {column.name}{key}"


def _source_tables() -> str:
    lines = ["## Source tables", "", "| source table | changes found by | feeds |", "|---|---|---|"]
    for source in SOURCES.values():
        feeds = ", ".join(table.name for table in STAR.values() if source.name in table.sources)
        lines.append(f"| {source.name} | {source.follow} | {feeds} |")
    return "\n".join(lines)
