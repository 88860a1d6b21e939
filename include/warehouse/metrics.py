"""Metrics in the warehouse: a view for each as it is now, and a function for what can be asked as of an instant."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import psycopg
from psycopg import errors, sql

from include.common.errors import DataError
from include.tables.declarations import Declarations
from include.tables.figures import Condition, Count, Past, Path, Share, Sum, Value
from include.tables.metrics import Metric
from include.tables.star import is_versioned
from include.tables.types import INTEGERS, known_type
from include.warehouse.ddl import READER
from include.warehouse.views import Granted, View, drop_view, make_view

NOW = sql.SQL("now()")
ASKED = sql.SQL("$1")
"""The instant that a metric shows: of its view, and of its function."""

KEPT = "SELECT view, view_as_of, reads, definition, definition_as_of FROM pipeline.metric"

THERE = """
    SELECT viewname FROM pg_views WHERE schemaname = 'public' AND viewname = ANY(%(names)s)
    UNION ALL SELECT proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace AND proname = ANY(%(names)s)"""

FORGET = "DELETE FROM pipeline.metric WHERE view = %s"

REMEMBER = """
    INSERT INTO pipeline.metric (view, view_as_of, reads, definition, definition_as_of) VALUES (%s, %s, %s, %s, %s)"""

READ = sql.SQL("GRANT SELECT ON {} TO " + READER)
CALL = sql.SQL("GRANT EXECUTE ON FUNCTION {}(timestamptz) TO " + READER)
"""What the read-only role may do with a view, and with its function."""


class Made(NamedTuple):
    """A metric as it is made, and noted in `pipeline.metric`: by which statements, and on which tables."""

    view: str
    view_as_of: str
    reads: list[str]
    definition: str
    definition_as_of: str

    def as_view(self) -> View:
        """Itself, as what is taken away and made anew."""
        statements: list[sql.Composed | bytes] = [
            self.definition.encode(),
            READ.format(sql.Identifier("public", self.view)),
        ]
        if self.view_as_of:
            asked = CALL.format(sql.Identifier("public", self.view_as_of))
            statements += [self.definition_as_of.encode(), asked]
        return View(self.view, tuple(statements), self.view_as_of)


def keep_metrics(connection: psycopg.Connection, declared: Declarations) -> None:
    """Make the views and functions what is declared, in the caller's transaction; those of no metric any more go.

    Whoever could read a view that is made anew still can.

    Raises: DataError that names what others have made of one that is to change or go.
    """
    kept = {made.view: made for made in noted(connection)}
    wanted = {made.view: made for made in map(definition_of, declared.metrics.values())}
    there = _find_there(connection, wanted.values())
    stale = {name: made for name, made in wanted.items() if kept.get(name) != made or name not in there}
    granted = {name: _drop(connection, made) for name, made in kept.items() if name in stale or name not in wanted}
    for name, made in stale.items():
        make_view(connection, made.as_view(), granted.get(name, []))
        connection.execute(REMEMBER, made)


def noted(connection: psycopg.Connection) -> list[Made]:
    """The metrics that the warehouse has."""
    return list(map(Made._make, connection.execute(KEPT)))


def _find_there(connection: psycopg.Connection, wanted: Iterable[Made]) -> set[str]:
    """The views that are there with their functions: somebody may have dropped one, or its table."""
    names = {made.view: [made.view, *filter(None, [made.view_as_of])] for made in wanted}
    listed = [name for parts in names.values() for name in parts]
    found = {name for (name,) in connection.execute(THERE, {"names": listed})}
    return {view for view, parts in names.items() if found.issuperset(parts)}


def _drop(connection: psycopg.Connection, made: Made) -> Granted:
    try:
        granted = drop_view(connection, made.as_view())
    except errors.DependentObjectsStillExist as error:
        hangs = " ".join((error.diag.message_detail or "").split())
        raise DataError(
            f"{made.view}: the metric is declared otherwise now, or not any more, and others' objects hang on it: "
            f"{hangs}; drop those, run again, and make them anew"
        ) from error
    connection.execute(FORGET, [made.view])
    return granted


def definition_of(metric: Metric) -> Made:
    """The statements that make a metric."""
    view = sql.Identifier("public", metric.view)
    make = sql.SQL("CREATE VIEW {} AS\n{}").format(view, select(metric, NOW)).as_string()
    if not metric.as_of:
        return Made(metric.view, "", list(metric.tables), make, "")
    function = sql.SQL(
        "CREATE FUNCTION {}(instant timestamptz) RETURNS SETOF {} LANGUAGE sql STABLE PARALLEL SAFE AS {}"
    ).format(sql.Identifier("public", metric.view_as_of), view, sql.Literal(select(metric, ASKED).as_string()))
    return Made(metric.view, metric.view_as_of, list(metric.tables), make, function.as_string())


def select(metric: Metric, instant: sql.SQL) -> sql.Composed:
    """The query of a metric, as it is now or as of what `instant` stands for."""
    grouped = [sql.SQL("{} AS {}").format(_column(metric, by.path), sql.Identifier(by.column)) for by in metric.by]
    values = [
        sql.SQL("{} AS {}").format(_value(metric, value, instant), sql.Identifier(value.name))
        for value in metric.values
    ]
    where = [_holds(metric.fact.name, instant), *(_condition(metric, condition, instant) for condition in metric.where)]
    query = sql.SQL("SELECT {shown}\n  FROM {fact} AS {alias}{joined}\n WHERE {where}").format(
        shown=sql.SQL(",\n       ").join([*grouped, *values]),
        fact=sql.Identifier("public", metric.fact.name),
        alias=sql.Identifier(metric.fact.name),
        joined=sql.SQL("").join(_joins(metric, instant)),
        where=sql.SQL("\n   AND ").join(where),
    )
    if not grouped:
        return query
    places = sql.SQL(", ").join(_column(metric, by.path) for by in metric.by)
    return sql.SQL("{}\n GROUP BY {}").format(query, places)


def _joins(metric: Metric, instant: sql.SQL) -> Iterator[sql.Composed]:
    for name, dimension in metric.dimensions.items():
        current = sql.SQL(" AND {}").format(_holds(name, instant)) if is_versioned(dimension) else sql.SQL("")
        yield sql.SQL("\n  LEFT JOIN {} AS {} ON {} = {}{}").format(
            sql.Identifier("public", dimension.name),
            sql.Identifier(name),
            sql.Identifier(name, dimension.key_columns[0]),
            sql.Identifier(metric.fact.name, name),
            current,
        )


def _holds(alias: str, instant: sql.SQL) -> sql.Composed:
    """Whether a version is the current one, or was at the instant that is asked for."""
    if instant is NOW:
        return sql.SQL("{} IS NULL").format(sql.Identifier(alias, "valid_to"))
    names = {"begun": sql.Identifier(alias, "valid_from"), "ended": sql.Identifier(alias, "valid_to")}
    return sql.SQL("{begun} <= {at} AND ({ended} IS NULL OR {ended} > {at})").format(at=instant, **names)


def _column(metric: Metric, path: Path) -> sql.Identifier:
    return sql.Identifier(metric.fact.name, path) if isinstance(path, str) else sql.Identifier(*path)


def _condition(metric: Metric, condition: Condition, instant: sql.SQL) -> sql.Composed:
    column = _column(metric, condition.path)
    if isinstance(condition, Past):
        return sql.SQL("{} < ({} AT TIME ZONE 'UTC')::date").format(column, instant)
    return sql.SQL("{} = {}").format(column, sql.Literal(condition.value))


def _value(metric: Metric, value: Value, instant: sql.SQL) -> sql.Composed:
    if isinstance(value, Share):
        parts = {other.name: _value(metric, other, instant) for other in metric.values if not isinstance(other, Share)}
        share = sql.SQL("({}::numeric / nullif({}, 0))::{}")
        return share.format(parts[value.of], parts[value.among], sql.SQL(metric.columns[value.name]))
    counted = [_condition(metric, condition, instant) for condition in value.where]
    only = sql.SQL(" FILTER (WHERE {})").format(sql.SQL(" AND ").join(counted)) if counted else sql.SQL("")
    if isinstance(value, Count):
        return sql.SQL("count(*){}").format(only)
    summed = sql.SQL("coalesce(sum({}){}, 0)::{}")
    return summed.format(_product(metric, value), only, sql.SQL(metric.columns[value.name]))


def _product(metric: Metric, value: Sum) -> sql.Composable:
    """What is summed; integers are multiplied as numbers that have no greatest one."""
    if len(value.of) == 1:
        return _column(metric, value.of[0])
    whole = [known_type(metric.fact.by_name[name].type).family in INTEGERS for name in value.of]
    forms = [sql.SQL("{}::numeric" if integer else "{}") for integer in whole]
    return sql.SQL(" * ").join(form.format(_column(metric, name)) for form, name in zip(forms, value.of, strict=True))
