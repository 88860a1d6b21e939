"""Rows as the source has them into rows as the warehouse declares them, and the reasons why some cannot be."""

from collections import defaultdict
from dataclasses import dataclass
from datetime import date

import pyarrow as pa
import pyarrow.compute as pc

from include.lake.arrow import arrow_type, cast_each, printable, show
from include.tables.coherence import most_characters, source_column
from include.tables.lineage import calendar
from include.tables.schema import Column, Dimension, Fact, StarTable
from include.tables.sources import SOURCES

KEY = "key"
"""The name under which rejected rows carry their key as an integer."""

REASON_CHARACTERS = 1000
"""The longest reason: a row may have much that is wrong with it, and a value may be long."""

PROBLEM_CHARACTERS = 300
"""The longest message of a function that derives a column."""

EPOCH = date(1970, 1, 1)

Problems = dict[int, list[str]]
"""Position of a row in its batch → what is wrong with it."""


@dataclass(frozen=True)
class Converted:
    """A batch after conversion.

    rows: the rows that are right, with the warehouse table's columns.
    rejected: the others as the text that was read, with a column `reason`; their keys as integers in the column
        KEY. None for no row.
    """

    rows: pa.RecordBatch
    rejected: pa.Table | None


def star_schema(table: StarTable) -> pa.Schema:
    """The Arrow schema of a warehouse table's Parquet files: its declared columns, types and NOT NULLs."""
    return pa.schema([pa.field(column.name, arrow_type(column.type), column.nullable) for column in table.columns])


def needed_columns(table: Dimension | Fact, source: str) -> list[str]:
    """The columns of a source table that a warehouse table is made from, its key first. Nothing else is parsed."""
    origins = [column.source.rpartition(".") for column in table.columns]
    own = [name for owner, _, name in origins if (owner or table.source) == source]
    joins = [join.on for join in table.joins] if isinstance(table, Dimension) and source == table.source else []
    return list(dict.fromkeys([SOURCES[source].key, *joins, *own]))


def convert(table: Dimension | Fact, batch: pa.RecordBatch) -> Converted:
    """The rows of a batch as the warehouse table has them.

    batch: columns of the table's own source under their names, those of joined sources as "table.column"; each of
        its declared type, or still as the bytes of its text.
    """
    problems: Problems = defaultdict(list)
    if isinstance(table, Dimension):
        _find_unjoined(table, batch, problems)
    arrays = [_convert_column(table, column, batch, problems) for column in table.columns]
    schema = star_schema(table)
    if not problems:
        return Converted(pa.record_batch(arrays, schema=schema), None)
    loose = pa.record_batch(arrays, names=schema.names)
    right = pa.array([position not in problems for position in range(batch.num_rows)])
    return Converted(loose.filter(right).cast(schema), _rejected(table, batch, problems))


def _rejected(table: Dimension | Fact, batch: pa.RecordBatch, problems: Problems) -> pa.Table:
    positions = sorted(problems)
    rows = batch.take(pa.array(positions, pa.int32()))
    arrays = [_as_text(values) for values in rows.columns]
    keys = arrays[batch.schema.get_field_index(SOURCES[table.source].key)].cast(pa.int64())
    reasons = pa.array([_reason(problems[position]) for position in positions], pa.string())
    return pa.table([*arrays, keys, reasons], names=[*batch.schema.names, KEY, "reason"])


def _as_text(values: pa.Array) -> pa.Array:
    """Any values as text; bytes that are no UTF-8 as their numbers, escaped."""
    texts, wrong = cast_each(values, pa.string())
    if not wrong:
        return texts
    told = iter([values[position].as_py().decode(errors="backslashreplace") for position in wrong])
    broken = set(wrong)
    return pa.array([next(told) if at in broken else text.as_py() for at, text in enumerate(texts)], pa.string())


def _reason(found: list[str]) -> str:
    """All that is wrong with a row, told once each."""
    reason = "; ".join(dict.fromkeys(found))
    return reason if len(reason) <= REASON_CHARACTERS else f"{reason[:REASON_CHARACTERS]}…"


def _find_unjoined(table: Dimension, batch: pa.RecordBatch, problems: Problems) -> None:
    for join in table.joins:
        missing = pc.is_null(batch.column(f"{join.table}.{SOURCES[join.table].key}"))
        _note(problems, batch.column(join.on), missing, f"{join.on} {{}} is not in {join.table}")


def _convert_column(table: Dimension | Fact, column: Column, batch: pa.RecordBatch, problems: Problems) -> pa.Array:
    origin = source_column(table, column, SOURCES)
    values = _decode(column, batch.column(column.source), problems)
    for declared in (origin.type, column.type):
        values = _convert_values(column, values, declared, problems)
    if column.derive:
        values = _derive(column, values, problems)
    if not column.nullable and values.null_count:
        _note(problems, values, pc.is_null(batch.column(column.source)), f"{column.source} is NULL")
    if column.references == calendar().name:
        _check_calendar(column, values, problems)
    limit = most_characters(column.type)
    if limit is not None:
        _check_length(column, values, limit, problems)
    return values


def _decode(column: Column, values: pa.Array, problems: Problems) -> pa.Array:
    if not pa.types.is_binary(values.type):
        return values
    decoded, wrong = cast_each(values, pa.string())
    for position in wrong:
        problems[position].append(f"{column.source} '{show(values, position)}' is not UTF-8")
    return decoded


def _convert_values(column: Column, values: pa.Array, declared: str, problems: Problems) -> pa.Array:
    target = arrow_type(declared)
    if values.type == target:
        return values
    converted, wrong = cast_each(values, target)
    for position in wrong:
        problems[position].append(f"{column.source} '{show(values, position)}' is not a {declared}")
    return converted


def _derive(column: Column, values: pa.Array, problems: Problems) -> pa.Array:
    """Each distinct value is derived once; one from which nothing can be derived is that row's problem alone."""
    derived: dict[str | None, str | None] = {None: None}
    for value in pc.unique(values).to_pylist():
        if value is not None:
            derived[value], problem = _derive_one(column, value)
            if problem:
                _note(problems, values, pc.equal(values, value), f"{column.source}: {problem}")
    return pa.array([derived[value] for value in values.to_pylist()], pa.string())


def _derive_one(column: Column, value: str) -> tuple[str | None, str]:
    """What is derived of a value, or else why nothing is."""
    assert column.derive is not None
    try:
        derived = column.derive(value)
        derived.encode()
    except LookupError as error:
        return None, _short(str(error.args[0]) if error.args else "it is not known")
    except Exception as error:  # noqa: BLE001 - whatever a declaration's function makes of a value, it is one row's
        return None, _short(f"{column.derive.__name__} failed for it: {type(error).__name__}: {error}")
    return derived, ""


def _short(message: str) -> str:
    return printable(message[:PROBLEM_CHARACTERS])


def _check_calendar(column: Column, values: pa.Array, problems: Problems) -> None:
    first, last = ((day - EPOCH).days for day in (calendar().first, calendar().last))
    days = values.cast(pa.int32())  # Arrow has days that Python's date cannot hold
    if all(day is None or first <= day <= last for day in pc.min_max(days).as_py().values()):
        return  # without a pa.scalar or a pa.array, either of which imports pandas: 40 MB and a second
    outside = pc.or_(pc.less(days, first), pc.greater(days, last))
    message = f"{column.source} {{}} is outside the calendar, {calendar().first} to {calendar().last}"
    _note(problems, values, outside, message)


def _check_length(column: Column, values: pa.Array, limit: int, problems: Problems) -> None:
    lengths = pc.utf8_length(values)
    if (pc.max(lengths).as_py() or 0) > limit:
        _note(problems, values, pc.greater(lengths, limit), f"{column.source} '{{}}' is longer than {column.type}")


def _note(problems: Problems, values: pa.Array, mask: pa.Array, message: str) -> None:
    """Add a message, with the value in place of {}, to each row that the mask selects."""
    for position in pc.indices_nonzero(mask).to_pylist():
        shown = show(values, position) if "{}" in message else ""
        problems[position].append(message.replace("{}", shown))
