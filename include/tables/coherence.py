"""Whether the declarations fit each other: every warehouse table its sources, and the tables that it refers to."""

from collections.abc import Iterable, Mapping
from typing import TypeVar

from include.tables.checking import require
from include.tables.metrics import Metric
from include.tables.question import Question, history_of
from include.tables.source import SourceTable
from include.tables.star import Calendar, Column, Dimension, Fact, Join, Origin, StarTable, is_versioned, relations
from include.tables.types import INTEGERS, STAMPS, holds, known_type

Sources = Mapping[str, SourceTable]
Star = Mapping[str, StarTable]
Table = TypeVar("Table", SourceTable, StarTable, Metric, Question)


def by_name(tables: Iterable[Table]) -> dict[str, Table]:
    """Tables under their names. Raises: DeclarationError for a name that is declared twice."""
    found: dict[str, Table] = {}
    for table in tables:
        require(table.name not in found, f"{table.name}: declared twice")
        found[table.name] = table
    return found


def origin_of(table: Dimension | Fact, column: Column) -> Origin:
    """The source column that a warehouse column is filled from.

    Raises: DeclarationError that names both columns, where there is none.
    """
    on, name = ("", column.source) if isinstance(column.source, str) else column.source
    joined = {join.on: join.table for join in table.joins}
    where = f"{table.name}.{column.name}: its source"
    require(not on or on in joined, f"{where} {name} is found by {on}, on which {table.name} joins nothing")
    owner = joined[on] if on else table.source
    require(name in owner.by_name, f"{where} {owner.name}.{name} is not declared")
    return Origin(owner, owner.by_name[name], on)


def origins_of(table: Dimension | Fact) -> list[Origin]:
    """Where its columns come from, in their order."""
    return [origin_of(table, column) for column in table.columns]


def check_star(star: Star, sources: Sources) -> None:
    """Refuse warehouse tables that do not fit the source tables or each other.

    Raises: DeclarationError that names the table and the column.
    """
    calendars = [table.name for table in star.values() if isinstance(table, Calendar)]
    require(len(calendars) <= 1, f"one calendar can be declared, and there are {len(calendars)}: {calendars}")
    made: dict[str, str] = {}
    for table in star.values():
        for name in relations(table):
            other = made.setdefault(name, table.name)
            what = "the view" if is_versioned(table) and name == table.view else "the name"
            require(other == table.name, f"{other} and {table.name} would share {what} {name}")
    joined: dict[tuple[str, str], SourceTable] = {}
    for table in star.values():
        if not isinstance(table, Calendar):
            _check_sources(table, sources)
            for join in table.joins:
                other_table = joined.setdefault((table.source.name, join.on), join.table)
                told = f"{table.name}: joins {join.table.name} on {join.on}, another {other_table.name}"
                require(other_table == join.table, told)
            for column in table.columns:
                _check_column(table, column)
                _check_reference(table, column, star)
    _check_personal(star)


def check_metrics(metrics: Iterable[Metric], star: Star) -> None:
    """Refuse metrics of facts that are not these, or that would be called as something else in the warehouse.

    Raises: DeclarationError that names the metric.
    """
    made = {name: table.name for table in star.values() for name in relations(table)}
    for metric in metrics:
        known = star.get(metric.fact.name) == metric.fact
        require(known, f"{metric.name}: its fact {metric.fact.name!r} is not among the star's tables")
        for name in filter(None, (metric.view, metric.view_as_of)):
            other = made.setdefault(name, metric.name)
            require(other == metric.name, f"{other} and {metric.name} would share the name {name}")


def check_questions(questions: Mapping[str, Question], star: Star) -> None:
    """Refuse questions that do not fit the star. Raises: DeclarationError that names the question."""
    made = {name for table in star.values() for name in relations(table)}
    for question in questions.values():
        fact = question.fact.name
        require(
            star.get(fact) == question.fact, f"{question.name}: asks of {fact!r}, which is not among the star's tables"
        )
        for name in (question.scores, history_of(question)) if question.scores else ():
            require(name not in made, f"{question.name}: its scores would share the name {name}")
            made.add(name)


def _check_sources(table: Dimension | Fact, sources: Sources) -> None:
    for source in table.source_tables:
        known = sources.get(source.name) == source
        require(known, f"{table.name}: its source table {source.name!r} is not among those that are declared")
    _check_key(table)
    for join in table.joins:
        _check_join(table, join)
    taken = [name for join in table.joins for name in map(join.carried, join.table.by_name)]
    taken = sorted(table.source.by_name.keys() & set(taken))
    require(not taken, f"{table.name}: {table.source.name} has columns that are called as joined ones: {taken}")
    twice = {join.on for join in table.joins if [other.on for other in table.joins].count(join.on) > 1}
    require(not twice, f"{table.name}: joins twice on {sorted(twice)}")


def _check_key(table: Dimension | Fact) -> None:
    """The key has to be the source's, column by column, for both sides know a row by the same number."""
    own, told = table.source, f"{table.name}: its key {', '.join(table.key_columns)}"
    columns = [table.by_name[name] for name in table.key_columns]
    same = tuple(column.source for column in columns) == own.key_columns
    plain = not any(column.derive or column.nullable for column in columns)
    require(same and plain, f"{told} must be that of {own.name} itself, {', '.join(own.key_columns)}")
    require(not any(column.personal for column in columns), f"{told} cannot be personal, as rows are named by it")
    for column, kind in zip(columns, own.key_types, strict=True):
        require(holds(column.type, kind), f"{table.name}.{column.name}: {kind} cannot become {column.type}")


def _check_join(table: Dimension | Fact, join: Join) -> None:
    told, on = f"{table.name}: {join.table.name} is joined on {join.on}", table.source.by_name.get(join.on)
    require(on is not None, f"{told}, no column of {table.source.name}")
    require(len(join.table.key_columns) == 1, f"{told}, and has a key of several columns")
    assert on is not None
    (key,) = join.table.key_types
    require(joinable(on.type, key), f"{told}, which is {on.type}, and its key is {key}")
    seen = not table.source.slice_rows or join.table.follow == "xmin"
    require(seen, f"{told}, which must be followed by xmin too, as {table.source.name} is read in slices")


def joinable(on: str, key: str) -> bool:
    """Whether a row can be joined on a column of one type to a key of another."""
    kinds = {known_type(on).family, known_type(key).family}
    return len(kinds) == 1 or kinds <= set(INTEGERS)


def _check_personal(star: Star) -> None:
    """What is personal is so wherever it is shown, but where a function has made something else of it."""
    marked: dict[str, tuple[str, bool]] = {}
    for table in star.values():
        if not isinstance(table, Calendar):
            for column in [column for column in table.columns if not column.derive]:
                origin, place = str(origin_of(table, column)), f"{table.name}.{column.name}"
                other, personal = marked.setdefault(origin, (place, column.personal))
                require(column.personal == personal, f"{origin} is personal in one of {other} and {place}: mark both")


def _check_column(table: Dimension | Fact, column: Column) -> None:
    origin, where = origin_of(table, column).column, f"{table.name}.{column.name}"
    require(
        not column.currency or column.currency in table.by_name,
        f"{where}: no column {column.currency} tells its currency",
    )
    if column.derive:
        texts = known_type(origin.type).is_text and known_type(column.type).is_text
        require(texts, f"{where}: only text is derived from text")
    elif not converts(column.type, origin.type):
        require(holds(column.type, origin.type), f"{where}: {origin.type} cannot become {column.type}")


def converts(target: str, origin: str) -> bool:
    """Whether values change their type on the way: a timestamp becomes a day or a time of day, a text a day."""
    to, of = known_type(target), known_type(origin)
    if to.array or of.array or of.family not in {*STAMPS, "text"}:
        return False
    if to.family == "time":
        return of.family in STAMPS and to.digits >= of.digits
    return to.family == "date"


def _check_reference(table: Dimension | Fact, column: Column, star: Star) -> None:
    target = column.references
    if target is None:
        return
    where = f"{table.name}.{column.name}"
    require(isinstance(table, Fact), f"{where}: only facts refer to dimensions")
    require(not isinstance(target, Fact), f"{where}: refers to {target.name!r}, which is no dimension")
    known = star.get(target.name) == target
    require(known, f"{where}: refers to {target.name!r}, which is not among the star's tables")
    require(len(target.key_columns) == 1, f"{where}: refers to {target.name!r}, which has a key of several columns")
    kind = target.key_types[0]
    require(column.type == kind, f"{where}: is {column.type}, and {target.name}.{target.key_columns[0]} is {kind}")
