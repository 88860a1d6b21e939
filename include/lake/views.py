"""The warehouse's tables drawn from the lake's changelog: every version, the current ones, the state at an instant."""

from collections.abc import Iterable, Sequence

from psycopg import sql

from include.lake.changelog import KIND, LOAD, OBSERVED, constants
from include.lake.rows import names_beside, star_schema
from include.tables.star import StarTable

CHANGELOG = "changelog"
"""The schema that has the lake's tables as they are."""

COUNTED = sql.SQL("""
    counted AS (
        SELECT {held}, {kind}, {observed} FROM {changelog} AS c
         WHERE {kind} IN ('row', 'gone') AND NOT EXISTS (
             SELECT 1 FROM {changelog} AS r WHERE r.{kind} = 'refused' AND r.{load} = c.{load} AND {same})
        UNION ALL
        SELECT {held_of_c}, 'row', e.{observed} FROM {changelog} AS c
          JOIN {changelog} AS e ON e.{kind} = 'end' AND e.{load} = c.{load}
         WHERE c.{kind} = 'slice' AND NOT EXISTS (
             SELECT 1 FROM {changelog} AS r
              WHERE r.{kind} IN ('row', 'gone', 'refused') AND r.{load} = c.{load} AND {same}))""")
"""What counts of a changelog: not the rows that the warehouse refused, nor those of slices that were read again."""

HISTORY = sql.SQL("""
    WITH {counted}, lined AS (
        SELECT *, lag({kind}) OVER keyed AS kind_before, lag(ROW({values})) OVER keyed AS values_before FROM counted
        WINDOW keyed AS (PARTITION BY {keys} ORDER BY {observed})
    ), changed AS (
        SELECT *, lead({observed}) OVER (PARTITION BY {keys} ORDER BY {observed}) AS next_observed FROM lined
         WHERE kind_before IS DISTINCT FROM {kind} OR values_before IS DISTINCT FROM ROW({values})
    )
    SELECT {columns}, {observed} AS valid_from, next_observed AS valid_to FROM changed WHERE {kind} = 'row'""")
"""Every version: equal successive rows are one; it ends with the next one, or where the key is gone."""

LATEST = sql.SQL("""
    WITH {counted}, placed AS (
        SELECT *, row_number() OVER (PARTITION BY {keys} ORDER BY {observed} DESC) AS place FROM counted
         WHERE {kind} = 'row' AND {until}
    )
    SELECT {columns} FROM placed WHERE place = 1""")
"""The latest row of each key, also of those that are gone."""


def history(table: StarTable, shown: Iterable[sql.Composable]) -> sql.Composed:
    """Every version of a table that keeps them: what is shown of it, `valid_from`, `valid_to`."""
    return HISTORY.format(**_names(table, shown))


def latest(table: StarTable, shown: Iterable[sql.Composable], until: sql.Composable) -> sql.Composed:
    """The latest state of a table that keeps no versions. until: a condition on the instants that count."""
    return LATEST.format(**_names(table, shown), until=until)


def observed(table: StarTable) -> sql.Identifier:
    """The column that tells the instant of a reading."""
    return sql.Identifier(constants(table)[OBSERVED])


def held(table: StarTable) -> list[str]:
    """The columns of the changelog that hold a table's values: its own, and the texts of what has no other form."""
    return [*star_schema(table).names, *names_beside(table).values()]


def _names(table: StarTable, shown: Iterable[sql.Composable]) -> dict[str, sql.Composable]:
    said, values, beside = constants(table), held(table), names_beside(table)
    keys = [*table.key_columns, *(beside[key] for key in table.key_columns if key in beside)]
    names: dict[str, sql.Composable] = {
        "changelog": sql.Identifier(CHANGELOG, table.name),
        "kind": sql.Identifier(said[KIND]),
        "load": sql.Identifier(said[LOAD]),
        "observed": sql.Identifier(said[OBSERVED]),
        "keys": _listed(keys),
        "values": _listed(values),
        "columns": sql.SQL(", ").join(shown),
        "held": _listed(held(table)),
        "held_of_c": sql.SQL(", ").join(sql.Identifier("c", name) for name in held(table)),
        "same": sql.SQL(" AND ").join(_same(name) for name in keys),
    }
    return names | {"counted": COUNTED.format(**names)}


def _same(name: str) -> sql.Composed:
    return sql.SQL("r.{name} IS NOT DISTINCT FROM c.{name}").format(name=sql.Identifier(name))


def _listed(names: Sequence[str]) -> sql.Composed:
    return sql.SQL(", ").join(map(sql.Identifier, names))
