"""Databases as anybody may have made them: drawn tables, names, types, keys, references and rows."""

from dataclasses import dataclass, field

from hypothesis import strategies as st

from tests.machinery.values import EDGES

OTHER_TYPES = {"mood": ["sad", "glad", ""], "positive": ["1", "2147483647"], "tsvector": ["'a':1 'b c':2", ""]}
PREPARED = """
    CREATE TYPE mood AS ENUM ('sad', 'glad', '');
    CREATE DOMAIN positive AS integer CHECK (VALUE > 0);
    CREATE SCHEMA parts;"""
TYPES = {**EDGES, **OTHER_TYPES}

WORDS = [
    "order",
    "Order",
    "select",
    "user",
    "id",
    "a b",
    'say "no"',
    "100%",
    "ünï",
    "東京",
    "row_key",
    "valid_from",
    "key",
    "x" * 63,
]
NAMES = st.sampled_from(WORDS) | st.text(
    st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=12
).filter(lambda name: len(name.encode()) <= 63)

SIMPLE = st.characters(codec="utf-8", exclude_characters="\0", exclude_categories=["Cs"])
KEY_VALUES = {
    "smallint": st.integers(-32768, 32767).map(str),
    "integer": st.integers(-(2**31), 2**31 - 1).map(str),
    "bigint": st.integers(-(2**63), 2**63 - 1).map(str),
    "uuid": st.uuids().map(str),
    "text": st.text(SIMPLE, max_size=9),
    "varchar(20)": st.text(SIMPLE, max_size=9),
    "date": st.dates().map(str),
    "timestamptz": st.datetimes().map(lambda instant: f"{instant}+00"),
    "numeric": st.decimals(-1000, 1000, places=3).map(str),
    "mood": st.sampled_from(OTHER_TYPES["mood"]),
}
"""Type of a key's column → values of it, no two of which PostgreSQL calls equal."""

Row = dict[str, str | None]


@dataclass
class Table:
    """A table of a drawn database.

    kinds: column → type. key: its columns; none for a table without one. nullable: columns without NOT NULL.
    references: column → the place of the table whose key, of one column, it points to.
    parts: how many partitions have its rows, by the hash of the key; 0 for a plain table.
    """

    name: str
    kinds: dict[str, str]
    key: list[str]
    nullable: set[str]
    references: dict[str, int] = field(default_factory=dict)
    rows: list[Row] = field(default_factory=list)
    parts: int = 0


@st.composite
def databases(draw: st.DrawFn) -> list[Table]:
    """Up to eight tables with their rows."""
    names = draw(st.lists(NAMES, min_size=1, max_size=8, unique=True))
    tables: list[Table] = []
    for name in names:
        tables.append(_table(draw, name, tables))
    for table in tables:
        for key in draw(
            st.lists(keys(table), max_size=10, unique_by=lambda row: tuple(row.items()) if row else id(row))
        ):
            table.rows.append(draw(rows(tables, table, key)))
    return tables


def _table(draw: st.DrawFn, name: str, others: list[Table]) -> Table:
    keys = draw(st.lists(st.sampled_from(sorted(KEY_VALUES)), max_size=3))
    plain = draw(st.lists(st.sampled_from(sorted(TYPES)), max_size=5))
    single = [place for place, other in enumerate(others) if len(other.key) == 1]
    targets = draw(st.lists(st.sampled_from(single), max_size=3)) if single else []
    kinds = [*keys, *plain, *(others[place].kinds[others[place].key[0]] for place in targets)] or ["integer"]
    columns = draw(st.lists(NAMES, min_size=len(kinds), max_size=len(kinds), unique=True))
    key, rest = columns[: len(keys)], columns[len(keys) :]
    references = dict(zip(columns[len(keys) + len(plain) :], targets, strict=False))
    nullable = set(draw(st.lists(st.sampled_from(rest), unique=True))) if rest else set()
    parts = draw(st.sampled_from([0, 0, 1, 3])) if key else 0
    return Table(name, dict(zip(columns, kinds, strict=True)), key, nullable, references, parts=parts)


def keys(table: Table) -> st.SearchStrategy[Row]:
    return st.fixed_dictionaries({name: KEY_VALUES[table.kinds[name]] for name in table.key})


def rows(tables: list[Table], table: Table, key: Row) -> st.SearchStrategy[Row]:
    """Rows of a table with this key."""
    values: dict[str, st.SearchStrategy[str | None]] = {name: st.just(value) for name, value in key.items()}
    for name, kind in table.kinds.items():
        if name in table.references:
            target = tables[table.references[name]]
            there = [row[target.key[0]] for row in target.rows]
            values[name] = st.sampled_from([*there, None] if name in table.nullable or not there else there)
        elif name not in key:
            values[name] = st.sampled_from([*TYPES[kind], None] if name in table.nullable else TYPES[kind])
    return st.fixed_dictionaries(values)
