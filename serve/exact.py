"""Values that Arrow has no form for, such as infinite days: NULL there, and their text in a column beside."""

from collections.abc import Mapping

import pyarrow as pa
import pyarrow.compute as pc
from psycopg import sql

from include.lake.arrow import AS_TEXT, DECIMAL_DIGITS, cast_each, parsed_type
from serve.relations import Field

YEARS = "NOT ({0} >= {1}::{2} AND {0} < {3}::{2})"
FIRST, AFTER_LAST = "0001-01-01", "10000-01-01"
"""The days of which Arrow and its readers have a form lie between these."""


def served_type(declared: str) -> pa.DataType:
    """The type in Arrow of a declared one, in the widest form of its kind: a column may have been widened since."""
    found = parsed_type(declared)
    if pa.types.is_integer(found):
        return pa.int64()
    if pa.types.is_decimal(found):
        return pa.decimal128(DECIMAL_DIGITS, found.scale)
    if pa.types.is_time(found):
        return pa.time64("us")
    return pa.timestamp("us", found.tz) if pa.types.is_timestamp(found) else found


def beyond(fields: Mapping[str, Field]) -> dict[str, sql.Composed]:
    """Column → the condition under which Arrow has no form for its value, of the columns that can have such values."""
    found = {name: _condition(sql.Identifier(name), served_type(field.type)) for name, field in fields.items()}
    return {name: condition for name, condition in found.items() if condition is not None}


def _condition(name: sql.Identifier, served: pa.DataType) -> sql.Composed | None:
    if pa.types.is_decimal(served):
        most = sql.Literal(f"1e{DECIMAL_DIGITS - served.scale}")
        return sql.SQL("NOT abs({}) < {}::numeric").format(name, most)  # NaN is greater than any number
    if pa.types.is_time(served):
        return sql.SQL("{} = time '24:00'").format(name)
    if not pa.types.is_temporal(served):
        return None
    kind = "date" if pa.types.is_date(served) else "timestamptz" if served.tz else "timestamp"
    return sql.SQL(YEARS).format(name, sql.Literal(FIRST), sql.SQL(kind), sql.Literal(AFTER_LAST))


def look(table: sql.Composed, conditions: Mapping[str, sql.Composed]) -> sql.Composed:
    """One row that tells of each condition whether any row of a table meets it."""
    asked = sql.SQL(", ").join(sql.SQL("coalesce(bool_or({}), false)").format(one) for one in conditions.values())
    return sql.SQL("SELECT ARRAY[{}] FROM ({}) t").format(asked, table)


def names_beside(names: list[str], told: set[str]) -> dict[str, str]:
    """Column that has such values → what the column is called that tells their texts: as none of the others is."""
    beside, taken = dict[str, str](), {*names}
    for name in names:
        if name in told:
            free = f"{name}{AS_TEXT}"
            while free in taken:
                free += "_"
            taken.add(free)
            beside[name] = free
    return beside


def split(texts: pa.Array, served: pa.DataType) -> tuple[pa.Array, pa.Array]:
    """Texts as values, NULL where there is no form for one, and the texts of those."""
    told = texts
    if pa.types.is_decimal(served):  # Arrow makes another number of one with many more digits than it has room for
        fits = pc.match_substring_regex(texts, rf"^-?[0-9]{{1,{max(DECIMAL_DIGITS - served.scale, 1)}}}(\.[0-9]+)?$")
        told = pc.if_else(fits, texts, pa.scalar(None, pa.string()))
    values, _ = cast_each(told, served)
    return values, pc.if_else(pc.is_null(values), texts, pa.scalar(None, pa.string()))
