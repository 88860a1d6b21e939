"""The warehouse's tables as views for Amazon Athena: Trino's SQL over the lake's tables, and the types of columns."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import LiteralString

import pyarrow as pa
from psycopg import sql

from include.lake.changelog import INSTANT, file_form
from include.lake.rows import names_beside, star_schema
from include.lake.views import history, latest
from include.tables.declarations import Declarations
from include.tables.question import Question, history_of, score_table
from include.tables.star import StarTable, is_versioned

NANOSECONDS = 1000
"""How many are a microsecond."""

TIME_OF_DAY = "substr(CAST(from_unixtime_nanos({nanoseconds} * {name}) AS varchar), 12, 15)"
"""A time of day, from its microseconds, as 14:20:49.962000: views have no column of the type `time`."""

UTC = "CAST(replace(CAST({name} AT TIME ZONE 'UTC' AS varchar), ' UTC', '') AS timestamp(6))"
"""An instant as UTC has it, without saying so: views have no column that does, and Athena casts none of them itself."""

AS_IT_IS = "CAST({name} AS {athena})"


@dataclass(frozen=True)
class Shown:
    """A column of a view: how it is computed from the lake's, and its type in the words of Athena and of Glue.

    called: its name in the view, where that is another than the lake's.
    """

    name: str
    form: str
    athena: str
    glue: str
    called: str = ""

    def computed(self) -> sql.Composed:
        """The item of the SELECT."""
        name = sql.Identifier(self.name)
        form = sql.SQL(self.form).format(name=name, athena=sql.SQL(self.athena), nanoseconds=sql.Literal(NANOSECONDS))
        return sql.SQL("{} AS {}").format(form, sql.Identifier(self.called or self.name))


PLAIN: Mapping[pa.DataType, tuple[str, str]] = {
    pa.int32(): ("bigint", "bigint"),
    pa.int64(): ("bigint", "bigint"),
    pa.float32(): ("double", "double"),
    pa.float64(): ("double", "double"),
    pa.bool_(): ("boolean", "boolean"),
    pa.date32(): ("date", "date"),
    pa.string(): ("varchar", "string"),
    pa.binary(): ("varbinary", "binary"),
    pa.timestamp("us"): ("timestamp(6)", "timestamp"),
}
"""Type in the files → in a view: numbers as wide as they go, as a column of the lake may become wider than declared."""


def athena_views(declared: Declarations) -> dict[str, dict[str, object]]:
    """The views for all tables of a warehouse: name → the lake's table, the SQL, and the columns with their types.

    The lake's tables are called "changelog"."<table>" in it, and other views by their names alone.
    """
    found: dict[str, dict[str, object]] = {}
    for table in declared.star.values():
        columns = list(_columns(table))
        found[table.name] = _view(table, _state(table, columns), columns)
        if is_versioned(table):
            current = [column for column in columns if column.name != "valid_to"]
            found[table.view] = _view(table, _current(table, current), current)
    for question in declared.scored:
        found |= _scores(question)
    return found


def _scores(question: Question) -> dict[str, dict[str, object]]:
    """The views of a table of scores: those that hold, and those that hold no more."""
    table = score_table(question)
    own, ended = list(_own_columns(table)), replace(_shown("valid_to", INSTANT), called="ended_at")
    versions = history(table, [sql.Identifier(column.name) for column in own])
    return {
        table.name: _view(table, _computed(own, versions, "valid_to IS NULL"), own),
        history_of(question): _view(table, _computed([*own, ended], versions, "valid_to IS NOT NULL"), [*own, ended]),
    }


def _view(table: StarTable, query: sql.Composed, columns: Iterable[Shown]) -> dict[str, object]:
    told = [{"name": column.called or column.name, "athena": column.athena, "glue": column.glue} for column in columns]
    return {"table": table.name, "sql": query.as_string(), "columns": told}


def _state(table: StarTable, columns: list[Shown]) -> sql.Composed:
    """Every version of a table that keeps them, else its latest state."""
    versions = ("valid_from", "valid_to") if is_versioned(table) else ()
    raw = [sql.Identifier(column.name) for column in columns if column.name not in versions]
    query = history(table, raw) if versions else latest(table, raw, sql.SQL("true"))
    return _computed(columns, query)


def _computed(columns: Iterable[Shown], versions: sql.Composed, condition: LiteralString = "true") -> sql.Composed:
    computed = sql.SQL(", ").join(column.computed() for column in columns)
    return sql.SQL("SELECT {} FROM ({}) AS versions WHERE {}").format(computed, versions, sql.SQL(condition))


def _current(table: StarTable, columns: Iterable[Shown]) -> sql.Composed:
    names = sql.SQL(", ").join(sql.Identifier(column.name) for column in columns)
    return sql.SQL("SELECT {} FROM {} WHERE valid_to IS NULL").format(names, sql.Identifier(table.name))


def _columns(table: StarTable) -> Iterable[Shown]:
    """The columns of a table, and from when to when a version holds."""
    yield from _own_columns(table)
    for name in ("valid_from", "valid_to") if is_versioned(table) else ():
        yield _shown(name, INSTANT)


def _own_columns(table: StarTable) -> Iterable[Shown]:
    """Those that hold its values, and the texts of what has no other form."""
    for field in star_schema(table):
        yield _shown(field.name, field.type)
    for name in names_beside(table).values():
        yield _shown(name, pa.string())


def _shown(name: str, carried: pa.DataType) -> Shown:
    kind = file_form(carried)
    if pa.types.is_time(carried):
        return Shown(name, TIME_OF_DAY, *PLAIN[pa.string()])
    if kind == INSTANT:
        return Shown(name, UTC, *PLAIN[pa.timestamp("us")])
    if pa.types.is_decimal(kind):
        widest = f"decimal(38,{kind.scale})"
        return Shown(name, AS_IT_IS, widest, widest)
    return Shown(name, AS_IT_IS, *PLAIN[kind])
