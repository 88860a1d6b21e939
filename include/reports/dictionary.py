"""The data dictionary: every table and column of the warehouse, where it comes from, and what hangs together."""

from collections.abc import Iterator

from include.tables.coherence import origin_of
from include.tables.declarations import Declarations
from include.tables.figures import By, Value
from include.tables.metrics import Metric
from include.tables.question import Question, history_of, score_columns
from include.tables.star import Calendar, Column, StarTable, is_versioned

INTRODUCTION = """\
# Data dictionary

Made from the declarations in `include/` by `python -m include describe`.

Facts hold every version of a source row: the current one has `valid_to` NULL, and the views `current_…` show those
alone. Dimensions hold the latest state, also of rows that the source has deleted. Times are UTC. What tells of a
person is marked as personal."""


METRICS = """\
## Metrics

Each is a view, a row for each group of the current versions, and where that is said a function that gives the same as
of an instant: of the versions that held then; dimensions that keep no history show their latest state. What is past is
so before today, or before the day of that instant, in UTC. No sum adds several currencies."""


def data_dictionary(declared: Declarations) -> str:
    """The whole dictionary as Markdown, with an entity-relationship diagram in Mermaid."""
    tables = [*map(_table, declared.star.values()), *map(_scores, declared.scored)]
    parts = [INTRODUCTION, _diagram(declared), *tables, *_metrics(declared), _source_tables(declared)]
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
    money = f"Money, in the currency of {column.currency}." if column.currency else ""
    return " ".join(filter(None, [column.description, money, "Personal." if column.personal else ""]))


def _table(table: StarTable) -> str:
    view = f"\n\nCurrent versions: `{table.view}`." if is_versioned(table) else ""
    return f"## {table.name}\n\n{table_document(table)}{view}"


def _metrics(declared: Declarations) -> Iterator[str]:
    if declared.metrics:
        yield METRICS
    for metric in declared.metrics.values():
        yield f"### {metric.view}\n\n{_metric_document(metric)}"


def _metric_document(metric: Metric) -> str:
    lines = [f"**{metric.title}.** {metric.description}".rstrip(), "", "| column | type | |", "|---|---|---|"]
    told = [(by.column, _grouped(metric, by)) for by in metric.by]
    told += [(value.name, _counted(metric, value)) for value in metric.values]
    lines += [f"| {name} | {metric.columns[name]} | {about} |" for name, about in told]
    only = f" Of rows of which {' and '.join(map(str, metric.where))}." if metric.where else ""
    asked = f" As of an instant: `{metric.view_as_of}(timestamptz)`." if metric.as_of else ""
    return "\n".join([*lines, "", f"From {', '.join(metric.tables)}.{only}{asked}"])


def _grouped(metric: Metric, by: By) -> str:
    if isinstance(by.path, str):
        return f"{metric.fact.name}.{by.path}"
    on, name = by.path
    return f"{metric.dimensions[on].name}.{name}, by {on}"


def _counted(metric: Metric, value: Value) -> str:
    money = f" Money, in the currency of {metric.currencies[value.name]}." if value.name in metric.currencies else ""
    return f"{value}{money}"


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
