"""SQL for a shape: one statement that gives the answer as JSON, and from when it is, in one snapshot.

Parameters: the filters' values (`f0` …), `at_<table>` for the instants of pinned states, `k0` … for where
a page begins, `rows` for how many there are at most.
"""

from collections.abc import Mapping
from functools import lru_cache

from psycopg import sql

from include.tables.types import known_type
from serve.query import Place, Shape
from serve.relations import FROM, TO, Field, Relation
from serve.values import cast_of

COUNTED = 10_000
"""Up to how many rows are counted exactly."""

OPERATORS = {"eq": "=", "neq": "<>", "gt": ">", "gte": ">=", "lt": "<", "lte": "<=", "like": "LIKE"}
WORDS = {"null": "IS NULL", "not_null": "IS NOT NULL", "true": "IS TRUE", "false": "IS FALSE"}

SHOWN_AT = sql.SQL("(SELECT max(value) FROM jsonb_each_text(inputs))")
"""The reading that a table was last loaded from, as text."""

MARKS = sql.SQL("""
    (SELECT json_object_agg(table_name, json_build_array(changed_at, restated_at, {shown_at}))::text
       FROM pipeline.load WHERE table_name IN ({tables}))""")
"""What tells of which state the tables are."""

ALL_MARKS = sql.SQL("""
    SELECT json_object_agg(table_name, json_build_array(changed_at, restated_at, {shown_at}))::text, current_date::text
      FROM pipeline.load""").format(shown_at=SHOWN_AT)

PAGE = sql.SQL("""
    SELECT {marks}, current_date::text, d.* FROM (
        SELECT coalesce(json_agg(x), '[]')::text, count(*), ARRAY[{last}]::text[], {count}
          FROM ({rows}) p CROSS JOIN LATERAL (SELECT {shown}) x) d""")

ONE = sql.SQL("""
    SELECT {marks}, current_date::text,
           (SELECT row_to_json(x)::text FROM ({rows}) p CROSS JOIN LATERAL (SELECT {shown}) x), 1, NULL, NULL""")

Served = Mapping[str, Relation]


class Statements:
    """Makes the statements of what is served; those of the last shapes are kept."""

    def __init__(self, served: Served) -> None:
        self._served = served
        self.page = lru_cache(2_000)(self._page)
        self.one = lru_cache(500)(self._one)

    def _page(self, shape: Shape) -> str:
        """A page of rows as a JSON array, how many, where it ends, and how many there are in all."""
        made = _Made(self._served, shape)
        ends = made.ends()
        count = made.count() if shape.counted else sql.SQL("NULL::bigint")
        parts = {"marks": made.marks(), "rows": made.rows(), "shown": made.shown()}
        return PAGE.format(**parts, last=sql.SQL(", ").join(ends), count=count).as_string()

    def _one(self, shape: Shape) -> str:
        """One row as a JSON object."""
        made = _Made(self._served, shape)
        return ONE.format(marks=made.marks(), rows=made.rows(), shown=made.shown()).as_string()

    def table(self, shape: Shape, ordered: bool) -> tuple[sql.Composed, sql.Composed]:
        """The marks, and all rows as a table with a column for each place."""
        made = _Made(self._served, shape)
        marks = sql.SQL("SELECT {}, current_date::text").format(made.marks())
        return marks, made.table(ordered)


def at_of(relation: Relation) -> str:
    """The parameter that holds the instant which is shown of a relation."""
    return f"at_{relation.shows}"


def feeds(served: Served, shape: Shape) -> list[str]:
    """The warehouse tables that an answer of this shape depends on."""
    if not shape.expand:
        return sorted(shape.relation.feeds)
    beside = [served[shape.relation.references[at]] for at in shape.expand]
    return sorted({name for relation in (shape.relation, *beside) for name in relation.feeds})


class _Made:
    """The parts of one statement."""

    def __init__(self, served: Served, shape: Shape) -> None:
        self._served, self._shape, self._relation = served, shape, shape.relation

    def marks(self) -> sql.Composed:
        tables = sql.SQL(", ").join(map(sql.Literal, feeds(self._served, self._shape)))
        return MARKS.format(shown_at=SHOWN_AT, tables=tables)

    def rows(self) -> sql.Composed:
        """The rows of a page: what is shown as c0 …, and what they are in order by as o0 ….

        Those of an instant are sought each by its own index: they are still current, or closed since.
        """
        columns = [*self._selected(), *self._ordered()]
        found = [self._ordered_rows(columns, state) for state in self._states()]
        if len(found) == 1:
            return found[0]
        ways = enumerate(descending for _, descending in self._shape.order)
        order = sql.SQL(", ").join(_way(sql.Identifier(f"o{number}"), descending) for number, descending in ways)
        both = sql.SQL("SELECT * FROM (({}) UNION ALL ({})) u ORDER BY {} LIMIT %(rows)s")
        return both.format(*found, order)

    def ends(self) -> list[sql.Composed]:
        """What the last row of a page is in order by, as texts. Arrays are gathered as such: no array holds them."""
        last, of_arrays = (
            sql.SQL("(array_agg(p.{}))[count(*)::int]::text"),
            sql.SQL("(array_agg(p.{}::text))[count(*)::int]"),
        )
        arrays = [known_type(self._field(place).type).array for place, _ in self._shape.order]
        return [
            (of_arrays if array else last).format(sql.Identifier(f"o{number}")) for number, array in enumerate(arrays)
        ]

    def _ordered_rows(self, columns: list[sql.Composed], state: list[sql.Composable]) -> sql.Composed:
        after = [self._after(0)] if self._shape.after is not None else []
        ways = [_way(self._value(place), descending) for place, descending in self._shape.order]
        return sql.SQL("SELECT {} {} ORDER BY {} LIMIT %(rows)s").format(
            sql.SQL(", ").join(columns), self._body([*state, *after]), sql.SQL(", ").join(ways)
        )

    def table(self, ordered: bool) -> sql.Composed:
        """All rows with their fields, in order where that is asked for: it costs a sort."""
        columns = sql.SQL(", ").join(self._column(place, str(place)) for place in self._shape.select)
        rows = sql.SQL("SELECT {} {}").format(columns, self._body(self._state()))
        if not ordered:
            return rows
        ways = [_way(self._value(place), descending) for place, descending in self._shape.order]
        return rows + sql.SQL(" ORDER BY {} LIMIT %(rows)s").format(sql.SQL(", ").join(ways))

    def count(self) -> sql.Composed:
        """How many rows there are in all, of which no more than these are counted."""
        form = sql.SQL("(SELECT count(*) FROM (SELECT 1 {} LIMIT {}) m)")
        return form.format(self._body(self._state()), sql.Literal(COUNTED + 1))

    def shown(self) -> sql.Composed:
        """What one row is as JSON: its own fields, and beside them in `expanded` those of dimensions."""
        own = [_as(f"c{n}", place.name) for n, place in enumerate(self._shape.select) if not place.at]
        beside = [at for at in self._shape.expand if any(place.at == at for place in self._shape.select)]
        if beside:
            objects = [part for at in beside for part in (sql.Literal(at), self._nested(at))]
            own.append(sql.SQL("json_build_object({}) AS expanded").format(sql.SQL(", ").join(objects)))
        return sql.SQL(", ").join(own)

    def _nested(self, at: str) -> sql.Composed:
        fields = [_as(f"c{n}", place.name) for n, place in enumerate(self._shape.select) if place.at == at]
        form = sql.SQL("CASE WHEN p.{} THEN (SELECT row_to_json(y) FROM (SELECT {}) y) END")
        return form.format(sql.Identifier(self._there(at)), sql.SQL(", ").join(fields))

    def _selected(self) -> list[sql.Composed]:
        columns = [self._column(place, f"c{number}") for number, place in enumerate(self._shape.select)]
        for at in self._shape.expand:
            (key,) = self._target(at).key
            there = sql.SQL("{} IS NOT NULL AS {}")
            columns.append(there.format(sql.Identifier(self._alias(at), key), sql.Identifier(self._there(at))))
        return columns

    def _column(self, place: Place, alias: str) -> sql.Composed:
        return sql.SQL("{} AS {}").format(self._value(place), sql.Identifier(alias))

    def _value(self, place: Place) -> sql.Composable:
        """A field's value. The end of a version is as was known at the instant that is shown."""
        name = sql.Identifier(self._alias(place.at), place.name)
        if self._shape.state == "history" and place == Place(TO):
            return sql.SQL("CASE WHEN {} <= {} THEN {} END").format(name, self._at(self._relation), name)
        return name

    def _ordered(self) -> list[sql.Composed]:
        return [self._column(place, f"o{number}") for number, (place, _) in enumerate(self._shape.order)]

    def _body(self, state: list[sql.Composable]) -> sql.Composed:
        conditions = [*state, *self._conditions()]
        where = sql.SQL(" WHERE {}").format(sql.SQL(" AND ").join(conditions)) if conditions else sql.SQL("")
        return self._from() + sql.SQL("").join(map(self._join, self._shape.expand)) + where

    def _from(self) -> sql.Composed:
        relation = self._relation
        if relation.as_of and self._shape.state == "pinned":
            return sql.SQL("FROM {}({}) AS t").format(sql.Identifier("public", relation.as_of), self._at(relation))
        return sql.SQL("FROM {} AS t").format(sql.Identifier("public", relation.place))

    def _states(self) -> list[list[sql.Composable]]:
        """The conditions on versions, for each of the indexes that answer them."""
        if self._shape.state != "pinned" or not self._relation.versioned:
            return [self._state()]
        since, until, at = sql.Identifier("t", FROM), sql.Identifier("t", TO), self._at(self._relation)
        begun = sql.SQL("{} <= {}").format(since, at)
        current = sql.SQL("{} IS NULL").format(until)
        closed = [sql.SQL("{} IS NOT NULL").format(until), sql.SQL("{} > {}").format(until, at)]
        return [[current, begun], [*closed, begun]]

    def _state(self) -> list[sql.Composable]:
        """The conditions on versions."""
        if self._shape.state == "history":
            return [sql.SQL("{} <= {}").format(sql.Identifier("t", FROM), self._at(self._relation))]
        return self._version(self._relation, "t") if self._relation.versioned else []

    def _at(self, relation: Relation) -> sql.Composed:
        """The instant that is shown of a table: the one that is asked for, and none that it was not loaded from."""
        form = sql.SQL("least({}::timestamptz, (SELECT {}::timestamptz FROM pipeline.load WHERE table_name = {}))")
        return form.format(sql.Placeholder(at_of(relation)), SHOWN_AT, sql.Literal(relation.shows))

    def _join(self, at: str) -> sql.Composed:
        target, alias = self._target(at), self._alias(at)
        (key,) = target.key
        on: list[sql.Composable] = [sql.SQL("{} = {}").format(sql.Identifier(alias, key), sql.Identifier("t", at))]
        if target.versioned:
            on += self._version(target, alias)
        table, name = sql.Identifier("public", target.place), sql.Identifier(alias)
        return sql.SQL(" LEFT JOIN {} AS {} ON {}").format(table, name, sql.SQL(" AND ").join(on))

    def _version(self, relation: Relation, alias: str) -> list[sql.Composable]:
        since, until = sql.Identifier(alias, FROM), sql.Identifier(alias, TO)
        if self._shape.state == "current":
            return [sql.SQL("{} IS NULL").format(until)]
        at = self._at(relation)
        return [sql.SQL("{} <= {}").format(since, at), sql.SQL("({0} IS NULL OR {0} > {1})").format(until, at)]

    def _alias(self, at: str) -> str:
        """What a relation is called here: a dimension may be pointed to by several fields."""
        return f"e{self._shape.expand.index(at)}" if at else "t"

    def _there(self, at: str) -> str:
        """The column that tells whether a dimension has the row."""
        return f"there_{self._alias(at)}"

    def _target(self, at: str) -> Relation:
        return self._served[self._relation.references[at]]

    def _field(self, place: Place) -> Field:
        return (self._target(place.at) if place.at else self._relation).fields[place.name]

    def _conditions(self) -> list[sql.Composed]:
        return [self._condition(number) for number in range(len(self._shape.filters))]

    def _condition(self, number: int) -> sql.Composed:
        found = self._shape.filters[number]
        name = self._value(found.place)
        if found.operator == "is":
            return sql.SQL("{} {}").format(name, sql.SQL(WORDS[found.word]))
        value = self._parameter(f"f{number}", found.place, found.operator == "in")
        if found.operator == "in":
            return sql.SQL("{} = ANY({})").format(name, value)
        return sql.SQL("{} {} {}").format(name, sql.SQL(OPERATORS[found.operator]), value)

    def _parameter(self, name: str, place: Place, listed: bool = False) -> sql.Composed:
        cast = cast_of(self._field(place).type) + ("[]" if listed else "")
        return sql.SQL("{}::{}").format(sql.Placeholder(name), sql.SQL(cast))

    def _after(self, number: int) -> sql.Composed:
        """The rows after the one that a page before ended with, of which some values may have been NULL.

        Without a NULL and in one direction it is one comparison of rows, which an index answers.
        """
        order, nulls = self._shape.order, self._shape.after or ()
        if not number and self._is_plain():
            names = sql.SQL(", ").join(self._value(place) for place, _ in order)
            ends = sql.SQL(", ").join(self._parameter(f"k{n}", place) for n, (place, _) in enumerate(order))
            return sql.SQL("({}) {} ({})").format(names, sql.SQL("<" if order[0][1] else ">"), ends)
        (place, descending), null = order[number], nulls[number]
        name, end = self._value(place), self._parameter(f"k{number}", place)
        beyond = _beyond(name, end, descending, null)
        if number == len(order) - 1:
            return beyond
        same = sql.SQL("{} IS NULL").format(name) if null else sql.SQL("{} = {}").format(name, end)
        return sql.SQL("({} OR ({} AND {}))").format(beyond, same, self._after(number + 1))

    def _is_plain(self) -> bool:
        order = self._shape.order
        fixed = not any(self._field(place).nullable or place.at for place, _ in order)
        return fixed and len({descending for _, descending in order}) == 1


def _beyond(name: sql.Composable, end: sql.Composable, descending: bool, null: bool) -> sql.Composed:
    """What comes after a value: NULL comes last, and in descending order first, as PostgreSQL has it."""
    if null:
        return sql.SQL("{} IS NOT NULL").format(name) if descending else sql.SQL("false").format()
    if descending:
        return sql.SQL("{} < {}").format(name, end)
    return sql.SQL("({0} > {1} OR {0} IS NULL)").format(name, end)


def _way(name: sql.Composable, descending: bool) -> sql.Composed:
    return sql.SQL("{} DESC").format(name) if descending else sql.SQL("{}").format(name)


def _as(alias: str, name: str) -> sql.Composed:
    return sql.SQL("p.{} AS {}").format(sql.Identifier(alias), sql.Identifier(name))
