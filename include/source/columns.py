"""Which columns a relation has, and their types in the words of the declarations."""

import logging
import re
from collections.abc import Iterable, Mapping

import psycopg
from psycopg import sql

from include.state.latest import TableState
from include.tables.types import parse

log = logging.getLogger(__name__)

FOUND = sql.SQL("""
    WITH RECURSIVE resolved (relation, number, name, type, modifier, arrays) AS (
        SELECT attrelid, attnum, attname, atttypid, atttypmod, 0 FROM pg_attribute
         WHERE attrelid = ANY (%s::oid[]) AND attnum > 0 AND NOT attisdropped
      UNION ALL
        SELECT relation, number, name, CASE WHEN typtype = 'd' THEN typbasetype ELSE typelem END,
               CASE WHEN typtype = 'd' THEN typtypmod ELSE modifier END, arrays + (typtype <> 'd')::integer
          FROM resolved JOIN pg_type ON pg_type.oid = type WHERE typtype = 'd' OR (typcategory = 'A' AND typlen = -1))
    SELECT relation, name, typname, nspname = 'pg_catalog' OR typname = 'citext', format_type(type, modifier), arrays
      FROM resolved JOIN pg_type ON pg_type.oid = type JOIN pg_namespace ON pg_namespace.oid = typnamespace
     WHERE typtype <> 'd' AND NOT (typcategory = 'A' AND typlen = -1)
     ORDER BY relation, number""")
"""Every column with its type: of a domain that which it restricts, of an array its elements'.

An array of a domain over an array is two: it is written otherwise than an array of both dimensions.
"""

WORDS = {
    "int2": "smallint",
    "int4": "integer",
    "int8": "bigint",
    "float4": "real",
    "float8": "double precision",
    "bool": "boolean",
    "bpchar": "char",
}
"""Types whose names in the catalogue are not those of the declarations. Source: pg_type in PostgreSQL's manual."""

UNSIZED = {"bpchar": "bpchar"}
"""Those that are called otherwise where no number stands behind them."""

NUMBERS = re.compile(r"^[a-z ]+(\(\d+(?:,-?\d+)?\))(?: with(?:out)? time zone)?$")


def find_columns(connection: psycopg.Connection, *relations: int) -> dict[int, dict[str, str]]:
    """Relation's oid → column → its type as a declaration writes it, in the table's own order.

    A type that no word stands for is named in quotes, as enums are.
    """
    found: dict[int, dict[str, str]] = {relation: {} for relation in relations}
    rows = connection.execute(FOUND, [list(relations)])
    for relation, column, name, builtin, shown, arrays in rows:
        found[relation][column] = _declared(name, builtin and arrays < 2, shown) + ("[]" if arrays else "")
    return found


def _declared(name: str, builtin: bool, shown: str) -> str:
    numbers = NUMBERS.match(shown)
    declared = f"{WORDS.get(name, name)}{numbers[1]}" if numbers else UNSIZED.get(name, WORDS.get(name, name))
    return declared if builtin and parse(declared) else f'"{name}"'


def tell_columns(table: str, ignored: Iterable[str], wider: Mapping[str, str], state: TableState | None) -> None:
    """Say once in the log which columns are not declared, and which have become wider."""
    new = sorted(set(ignored) - set(state.ignored_columns if state else ()))
    if new:
        log.warning("%s: columns that are not declared are ignored: %s", table, ", ".join(new))
    found = wider.items() - (state.wider if state else {}).items()
    if found:
        told = ", ".join(f"{name} is {kind}" for name, kind in sorted(found))
        log.warning("%s: columns are wider than declared, and so is what they feed: %s", table, told)
