"""The data dictionary: every table and column of the warehouse, where it comes from, and what hangs together."""

from collections.abc import Iterator

from include.tables.coherence import origin_of
from include.tables.declarations import Declarations
from include.tables.question import Question, history_of, score_columns
from include.tables.star import Calendar, Column, StarTable, is_versioned

INTRODUCTION = """\
# Data dictionary

Made from the declarations in `include/` by `python -m include describe`.

Facts hold every version of a source row: the current one has `valid_to` NULL, and the views `current_…` show those
alone. Dimensions hold the latest state, also of rows that the source has deleted. Times are UTC."""


def data_dictionary(declared: Declarations) -> str:
    """The whole dictionary as Markdown, with an entity-relationship diagram in Mermaid."""
    tables = [*map(_table, declared.star.values()), *map(_scores, declared.scored)]
    parts = [INTRODUCTION, _diagram(declared), *tables, _source_tables(declared)]
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
        cells = [name, column.type, null, origin(table, column), _refers_to(column), column.description]
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


def _table(table: StarTable) -> str:
    view = f"\n\nCurrent versions: `{table.view}`." if is_versioned(table) else ""
    return f"## {table.name}\n\n{table_document(table)}{view}"


def _scores(question: Question) -> str:
    """The table of a question's answers, which is made from the warehouse's own rows."""
    fact = question.fact.name
    lines = [
        f"## {question.scores}",
        "",
        f"{question.description} The answer for each row of `{fact}` that is not done, as the champion gives it: "
        "[classifying.md](classifying.md).",
        "",
        "| column | type | NULL | |",
        "|---|---|---|---|",
    ]
    for column in score_columns(question):
        name = f"**{column.name}**" if column.name in question.fact.key_columns else column.name
        null = "yes" if column.nullable else ""
        lines.append(f"| {name} | {column.type} | {null} | {column.description} |")
    return "\n".join([*lines, "", f"Answers that hold no more: `{history_of(question)}`, with `ended_at`."])


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
