"""Rows as the source has them into rows as the warehouse declares them, and the reasons why some cannot be."""

from collections import defaultdict
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from include.lake.arrow import arrow_type, cast_each
from include.tables.coherence import source_column
from include.tables.lineage import calendar
from include.tables.schema import Column, Dimension, Fact, StarTable
from include.tables.sources import SOURCES

KEY = "key"
"""The name under which rejected rows carry their key as an integer."""

Problems = dict[int, list[str]]
"""Position of a row in its batch → what is wrong with it."""


@dataclass(frozen=True)
class Converted:
    """A batch after conversion.

    rows: the rows that are right, with the warehouse table's columns.
    rejected: the others as they were read, with a column `reason`; their keys as integers in the column
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
        its declared type, or still as text.
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
    rows = pa.Table.from_batches([batch.take(pa.array(positions, pa.int32()))])
    keys = rows.column(SOURCES[table.source].key).cast(pa.int64())
    reasons = pa.array(["; ".join(problems[position]) for position in positions], pa.string())
    return rows.append_column(KEY, keys).append_column("reason", reasons)


def _find_unjoined(table: Dimension, batch: pa.RecordBatch, problems: Problems) -> None:
    for join in table.joins:
        missing = pc.is_null(batch.column(f"{join.table}.{SOURCES[join.table].key}"))
        _note(problems, batch.column(join.on), missing, f"{join.on} {{}} is not in {join.table}")


def _convert_column(table: Dimension | Fact, column: Column, batch: pa.RecordBatch, problems: Problems) -> pa.Array:
    origin = source_column(table, column, SOURCES)
    values = batch.column(column.source)
    for declared in (origin.type, column.type):
        values = _convert_values(column, values, declared, problems)
    if column.derive:
        values = _derive(column, values, problems)
    if not column.nullable and values.null_count:
        _note(problems, values, pc.is_null(batch.column(column.source)), f"{column.source} is NULL")
    if column.references == calendar().name:
        _check_calendar(column, values, problems)
    return values


def _convert_values(column: Column, values: pa.Array, declared: str, problems: Problems) -> pa.Array:
    target = arrow_type(declared)
    if values.type == target:
        return values
    converted, wrong = cast_each(values, target)
    for position in wrong:
        problems[position].append(f"{column.source} {values[position].as_py()!r} is not a {declared}")
    return converted


def _derive(column: Column, values: pa.Array, problems: Problems) -> pa.Array:
    """Each distinct value is derived once."""
    assert column.derive is not None
    derived: dict[str | None, str | None] = {None: None}
    for value in pc.unique(values).to_pylist():
        try:
            derived[value] = column.derive(value) if value is not None else None
        except LookupError as error:
            _note(problems, values, pc.equal(values, value), f"{column.source}: {error.args[0]}")
            derived[value] = None
    return pa.array([derived[value] for value in values.to_pylist()], pa.string())


def _check_calendar(column: Column, values: pa.Array, problems: Problems) -> None:
    first, last = calendar().first, calendar().last
    if all(value is None or first <= value <= last for value in pc.min_max(values).as_py().values()):
        return  # without a pa.scalar or a pa.array, either of which imports pandas: 40 MB and a second
    outside = pc.or_(pc.less(values, pa.scalar(first)), pc.greater(values, pa.scalar(last)))
    _note(problems, values, outside, f"{column.source} {{}} is outside the calendar, {first} to {last}")


def _note(problems: Problems, values: pa.Array, mask: pa.Array, message: str) -> None:
    """Add a message, with the value in place of {}, to each row that the mask selects."""
    for position in pc.indices_nonzero(mask).to_pylist():
        problems[position].append(message.replace("{}", str(values[position].as_py())))
