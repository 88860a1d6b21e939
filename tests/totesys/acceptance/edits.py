"""What people do to the warehouse by hand: values changed, rows deleted and added, versions closed, notes made.

Of facts only current versions are touched, which the source can be asked about.
"""

from dataclasses import dataclass

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy
from psycopg import Connection, errors, sql

from include.tables.star import Fact, StarTable
from include.totesys import DECLARED
from tests.totesys.acceptance.history import RECORD_IDS
from tests.totesys.acceptance.oracle import DIMENSIONS
from tests.totesys.acceptance.writes import KEYS

VALUES: dict[str, SearchStrategy[object]] = {
    "text": st.sampled_from(["", "edited"]),
    "varchar": st.sampled_from(["", "CHF"]),
    "integer": st.integers(1, 5),
    "numeric": st.sampled_from(["2.51", "7.00"]),
    "date": st.sampled_from(["2024-01-07", "2024-01-08"]),
    "time": st.sampled_from(["00:00:00", "10:00:00.999"]),
    "boolean": st.booleans(),
}
"""Type → values that a person may write; those of foreign keys may point nowhere, and are refused then."""


@dataclass(frozen=True)
class ByHand:
    """A change of a warehouse table by hand. keys: those whose rows it touches."""

    table: str
    statement: sql.Composed
    keys: tuple[int, ...]

    def apply(self, connection: Connection) -> bool:
        """Whether it did anything: what the warehouse's constraints refuse changes nothing."""
        try:
            with connection.transaction():
                return connection.execute(self.statement).rowcount > 0
        except errors.IntegrityError:
            return False


def _current(table: StarTable, key: int) -> sql.Composed:
    """The condition of a key's row: its current version."""
    condition = sql.SQL("{} = {}").format(sql.Identifier(table.key), sql.Literal(key))
    return sql.SQL("{} AND valid_to IS NULL").format(condition) if isinstance(table, Fact) else condition


@st.composite
def changes(draw: st.DrawFn) -> ByHand:
    """One value; of a dimension it may be the key."""
    table, key = draw(TABLES), draw(KEYS)
    kept = table.key if isinstance(table, Fact) else ""  # a version of another key would not come last among its own
    column = draw(st.sampled_from([column for column in table.columns if column.name != kept]))
    value = draw(VALUES[column.type.partition("(")[0]])
    statement = sql.SQL("UPDATE {} SET {} = {} WHERE {} AND {} IS DISTINCT FROM {}::{}")
    name, literal = sql.Identifier(column.name), sql.Literal(value)
    changed = statement.format(
        sql.Identifier(table.name), name, literal, _current(table, key), name, literal, sql.SQL(column.type)
    )
    return ByHand(table.name, changed, (key, int(str(value))) if column.name == table.key else (key,))


@st.composite
def deletions(draw: st.DrawFn) -> ByHand:
    """One row; of a dimension only one that nothing refers to goes."""
    table, key = draw(TABLES), draw(KEYS)
    statement = sql.SQL("DELETE FROM {} WHERE {}").format(sql.Identifier(table.name), _current(table, key))
    return ByHand(table.name, statement, (key,))


@st.composite
def additions(draw: st.DrawFn) -> ByHand:
    """A row like another, with a key that the source may know or not."""
    table, key, like = draw(TABLES), draw(st.integers(1, 6)), draw(KEYS)
    others = [column.name for column in table.columns if column.name != table.key]
    names = [*others, "valid_from"] if isinstance(table, Fact) else others
    columns = sql.SQL(", ").join(map(sql.Identifier, names))
    statement = sql.SQL("INSERT INTO {0} ({1}, {2}) SELECT {3}, {2} FROM {0} WHERE {4} ON CONFLICT DO NOTHING")
    named = sql.Identifier(table.name), sql.Identifier(table.key), columns, sql.Literal(key), _current(table, like)
    return ByHand(table.name, statement.format(*named), (key,))


@st.composite
def closings(draw: st.DrawFn) -> ByHand:
    """A current version is closed, or the last one opened again."""
    table, key = DECLARED.star[draw(st.sampled_from(sorted(RECORD_IDS)))], draw(KEYS)
    names = map(sql.Identifier, (table.name, RECORD_IDS[table.name], table.key))
    last = sql.SQL("""
        UPDATE {0} SET valid_to = CASE WHEN valid_to IS NULL THEN now() END
         WHERE {1} = (SELECT max({1}) FROM {0} WHERE {2} = {3})""")
    return ByHand(table.name, last.format(*names, sql.Literal(key)), (key,))


@st.composite
def notes(draw: st.DrawFn) -> ByHand:
    """A dimension's row is noted as gone from the source, or no longer."""
    table, key = draw(st.sampled_from(sorted(DIMENSIONS))), draw(KEYS)
    if draw(st.booleans()):
        statement = sql.SQL("INSERT INTO pipeline.deleted VALUES ({}, {}) ON CONFLICT DO NOTHING")
    else:
        statement = sql.SQL("DELETE FROM pipeline.deleted WHERE table_name = {} AND key = {}")
    return ByHand(table, statement.format(sql.Literal(table), sql.Literal(key)), (key,))


TABLES = st.sampled_from([table for table in DECLARED.star.values() if table.name != "dim_date"])
EDITS: SearchStrategy[ByHand] = st.one_of(changes(), changes(), deletions(), additions(), closings(), notes())
