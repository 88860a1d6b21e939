"""Rows as the source has them into rows as the warehouse declares them, and the reasons why some cannot be."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date

import pyarrow as pa
import pyarrow.compute as pc

from include.lake.arrow import AS_TEXT, arrow_type, cast_each, printable, show, time_type
from include.lake.changelog import free, stamps
from include.tables.coherence import origin_of, origins_of
from include.tables.source import SourceTable
from include.tables.star import Calendar, Column, Dimension, Fact, Join, Origin, StarTable
from include.tables.types import STAMPS, known_type

KEY = "\0key"
"""The name under which rejected rows carry the number of their key: one that no column of PostgreSQL's has."""

SHOWN = "\0shown"
"""The name under which they carry their key for people, likewise; NULL where that is the number."""

REASON_CHARACTERS = 1000
"""The longest reason: a row may have much that is wrong with it, and a value may be long."""

PROBLEM_CHARACTERS = 300
"""The longest message of a function that derives a column."""

EPOCH = date(1970, 1, 1)

Problems = dict[int, list[str]]
"""Position of a row in its batch → what is wrong with it."""


Exact = dict[str, dict[int, str]]
"""Column → position of a row → the text of a value that Arrow has no form for: infinity, a year before Christ."""


@dataclass(frozen=True)
class Converted:
    """A batch after conversion.

    rows: the rows that are right, with the warehouse table's columns and the stamps beside. exact: those that are right
        too, with values that only their text tells; None for no row.
    rejected: the others as the text that was read, with a column `reason`; their keys as integers in the column
        KEY. None for no row.
    """

    rows: pa.RecordBatch
    exact: pa.RecordBatch | None = None
    rejected: pa.Table | None = None


def star_schema(table: StarTable) -> pa.Schema:
    """The Arrow schema in which a warehouse table's rows travel: its declared columns, types and NOT NULLs."""
    return pa.schema([pa.field(column.name, _carried(table, column), column.nullable) for column in table.columns])


def row_schema(table: StarTable) -> pa.Schema:
    """As `star_schema`, with the stamps of the source that stand beside."""
    beside = [pa.field(name, arrow_type(column.type)) for name, column in stamps(table).items()]
    return pa.schema([*star_schema(table), *beside])


def exact_schema(table: Dimension | Fact) -> pa.Schema:
    """The schema of rows with values that only their text tells: NULL, and the text in a column at the end."""
    beside = names_beside(table)
    native = [field.with_nullable(field.nullable or field.name in beside) for field in row_schema(table)]
    return pa.schema([*native, *((name, pa.string()) for name in beside.values())])


def key_schema(table: Dimension | Fact) -> pa.Schema:
    """The schema of keys alone, with the texts of those that have no other form."""
    exact, beside = exact_schema(table), names_beside(table)
    told = [beside[key] for key in table.key_columns if key in beside]
    return pa.schema([exact.field(name) for name in (*table.key_columns, *told)])


def convert_keys(table: Dimension | Fact, texts: pa.RecordBatch) -> pa.RecordBatch:
    """Keys in `key_schema`. texts: the key columns, none of them NULL, as PostgreSQL writes their values."""
    schema, beside, arrays = key_schema(table), names_beside(table), dict[str, pa.Array]()
    for name in table.key_columns:
        told = texts.column(name)
        arrays[name] = cast_each(told, schema.field(name).type)[0]
        if name in beside:
            arrays[beside[name]] = pc.if_else(pc.is_null(arrays[name]), told, pa.nulls(len(told), pa.string()))
    return pa.record_batch([arrays[name] for name in schema.names], schema=schema)


def name_beside(column: str, columns: Sequence[Column]) -> str:
    """What the column is called that tells the texts of a column's values: as none of the table's own is."""
    return free(columns, f"{column}{AS_TEXT}")


def names_beside(table: StarTable) -> dict[str, str]:
    """The columns that may have values without another form → those that tell their texts."""
    if isinstance(table, Calendar):
        return {}
    beyond = (column.name for column in table.columns if _may_be_beyond(table, column))
    return {name: name_beside(name, table.columns) for name in beyond}


def _carried(table: StarTable, column: Column) -> pa.DataType:
    """The Arrow type of a column. A time of day that a timestamp tells has as many digits as that."""
    if not isinstance(table, Calendar) and known_type(column.type).family == "time":
        origin = known_type(origin_of(table, column).column.type)
        if origin.family in STAMPS:
            return time_type(origin.digits)
    return arrow_type(column.type)


def _may_be_beyond(table: Dimension | Fact, column: Column) -> bool:
    """Whether the warehouse's column can hold values that Arrow's type cannot."""
    to, of = known_type(column.type), known_type(origin_of(table, column).column.type)
    plain = to.family == of.family and not (to.array or column.derive or isinstance(column.references, Calendar))
    return plain and (to.family in {"date", "time", *STAMPS} or pa.types.is_decimal(arrow_type(column.type)))


def needed_columns(table: Dimension | Fact) -> dict[str, str]:
    """The columns of its CSV files that a warehouse table is made from → their types. Nothing else is parsed."""
    own = table.source
    needed = {own.carried: "bigint"} | dict(zip(own.key_columns, own.key_types, strict=True))
    needed |= {join.on: own.by_name[join.on].type for join in table.joins}
    for join in table.joins:
        (key,), (kind,) = join.table.key_columns, join.table.key_types
        needed[join.carried(key)] = kind
    needed |= {column.name: column.type for column in stamps(table).values()}
    return needed | {label(origin): origin.column.type for origin in origins_of(table)}


def label(origin: Origin) -> str:
    """What a CSV file calls the source column that a warehouse column is filled from."""
    name = origin.column.name
    return Join(origin.table, origin.on).carried(name) if origin.on else name


def convert(table: Dimension | Fact, batch: pa.RecordBatch) -> Converted:
    """The rows of a batch as the warehouse table has them.

    batch: columns of the table's own source under their names, those of joined ones as `Join.carried` has it; each of
        its declared type, or still as the bytes of its text.
    """
    problems, exact = defaultdict[int, list[str]](list), Exact()
    noted = _Noted(problems, exact, _find_unjoined(table, batch, problems))
    arrays = [_convert_column(table, column, batch, noted) for column in table.columns]
    arrays += [_read_stamp(batch.column(column.name), arrow_type(column.type)) for column in stamps(table).values()]
    schema = row_schema(table)
    if not problems and not exact:
        return Converted(pa.record_batch(arrays, schema=schema))
    beyond = {position for texts in exact.values() for position in texts} - problems.keys()
    loose = pa.record_batch(arrays, names=schema.names)
    right = _mask(batch, lambda position: position not in problems and position not in beyond)
    return Converted(
        loose.filter(right).cast(schema),
        _exact_rows(table, loose, exact, beyond) if beyond else None,
        _rejected(table, batch, problems) if problems else None,
    )


def _mask(batch: pa.RecordBatch, chosen: Callable[[int], bool]) -> pa.Array:
    return pa.array(map(chosen, range(batch.num_rows)), pa.bool_())


def _exact_rows(table: Dimension | Fact, rows: pa.RecordBatch, exact: Exact, beyond: set[int]) -> pa.RecordBatch:
    """The rows at these positions, with the texts of what has no other form."""
    schema, chosen = exact_schema(table), _mask(rows, lambda position: position in beyond)
    arrays = list(rows.columns)
    for name in names_beside(table):
        texts = exact.get(name, {})
        arrays.append(pa.array([texts.get(position) for position in range(rows.num_rows)], pa.string()))
    return pa.record_batch(arrays, names=schema.names).filter(chosen).cast(schema)


def _rejected(table: Dimension | Fact, batch: pa.RecordBatch, problems: Problems) -> pa.Table:
    positions = sorted(problems)
    rows = batch.take(pa.array(positions, pa.int32()))
    texts = {name: _as_text(values) for name, values in zip(rows.schema.names, rows.columns, strict=True)}
    keys = texts[table.source.carried].cast(pa.int64())
    if table.source.carried not in table.source.by_name:
        texts.pop(table.source.carried)
    reasons = pa.array([_reason(problems[position]) for position in positions], pa.string())
    told = _shown_keys(table.source, texts, len(positions))
    return pa.table([*texts.values(), keys, told, reasons], names=[*texts, KEY, SHOWN, "reason"])


def _shown_keys(source: SourceTable, texts: dict[str, pa.Array], rows: int) -> pa.Array:
    if source.carried in source.by_name:
        return pa.nulls(rows, pa.string())
    parts = zip(*(texts[name].to_pylist() for name in source.key_columns), strict=True)
    return pa.array([", ".join(part or "" for part in key) for key in parts], pa.string())


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


def _find_unjoined(table: Dimension | Fact, batch: pa.RecordBatch, problems: Problems) -> dict[str, pa.Array]:
    """What a table is joined on → for each row whether what it refers to is not there. An empty reference is none."""
    found = {}
    for join in table.joins:
        there = batch.column(join.carried(*join.table.key_columns))
        found[join.on] = pc.and_(pc.is_valid(batch.column(join.on)), pc.is_null(there))
        _note(problems, batch.column(join.on), found[join.on], f"{join.on} {{}} is not in {join.table.name}")
    return found


@dataclass(frozen=True)
class _Noted:
    """What is found in a batch. unjoined: as `_find_unjoined` gives it."""

    problems: Problems
    exact: Exact
    unjoined: dict[str, pa.Array]


def _convert_column(table: Dimension | Fact, column: Column, batch: pa.RecordBatch, noted: _Noted) -> pa.Array:
    problems, exact = noted.problems, noted.exact
    origin = origin_of(table, column)
    name = label(origin)
    values = _decode(name, batch.column(name), problems)
    if _may_be_beyond(table, column):
        values = _set_beside(column, values, exact)
    else:
        values = _convert_values(name, values, origin.column.type, arrow_type(origin.column.type), problems)
    values = _convert_values(name, values, column.type, _carried(table, column), problems)
    if column.derive:
        padded = known_type(origin.column.type).family == "char"
        values = _derive(name, column, pc.utf8_rtrim(values, " ") if padded else values, problems)
    if not column.nullable and values.null_count:
        empty = pc.is_null(batch.column(name))
        told = pc.and_not(empty, noted.unjoined[origin.on]) if origin.on else empty
        _note(problems, values, told, f"{name} is NULL")
    if isinstance(column.references, Calendar):
        _check_calendar(name, column.references, values, problems)
    return values


def _read_stamp(values: pa.Array, target: pa.DataType) -> pa.Array:
    """A stamp that stands beside the columns; NULL where it is none, or one that Arrow has no form for."""
    texts = cast_each(values, pa.string())[0] if pa.types.is_binary(values.type) else values
    return cast_each(texts, target)[0]


def _decode(name: str, values: pa.Array, problems: Problems) -> pa.Array:
    if not pa.types.is_binary(values.type):
        return values
    decoded, wrong = cast_each(values, pa.string())
    for position in wrong:
        problems[position].append(f"{name} '{show(values, position)}' is not UTF-8")
    return decoded


def _set_beside(column: Column, values: pa.Array, exact: Exact) -> pa.Array:
    """The values in the column's Arrow type; those that it has no form for become NULL, and their texts `exact`."""
    target = arrow_type(column.type)
    if values.type == target or not pa.types.is_string(values.type):
        return values
    converted, wrong = cast_each(values, target)
    if wrong:
        exact[column.name] = {position: values[position].as_py() for position in wrong}
    return converted


def _convert_values(name: str, values: pa.Array, declared: str, target: pa.DataType, problems: Problems) -> pa.Array:
    if values.type == target:
        return values
    converted, wrong = cast_each(values, target)
    for position in wrong:
        problems[position].append(f"{name} '{show(values, position)}' is not a {declared}")
    return converted


def _derive(name: str, column: Column, values: pa.Array, problems: Problems) -> pa.Array:
    """Each distinct value is derived once; one from which nothing can be derived is that row's problem alone."""
    assert column.derive is not None
    most = known_type(column.type).numbers
    derived: dict[str | None, str | None] = {None: None}
    for value in pc.unique(values).to_pylist():
        if value is not None:
            made, problem = _derive_one(column.derive, value)
            if made is not None and most and len(made) > most[0]:
                made, problem = None, _short(f"'{made}', which is derived of it, is longer than a {column.type}")
            derived[value] = made
            if problem:
                _note(problems, values, pc.equal(values, value), f"{name}: {problem}")
    return pa.array([derived[value] for value in values.to_pylist()], pa.string())


def _derive_one(derive: Callable[[str], str], value: str) -> tuple[str | None, str]:
    """What is derived of a value, or else why nothing is."""
    try:
        derived = derive(value)
        derived.encode()
    except LookupError as error:
        return None, _short(str(error.args[0]) if error.args else "it is not known")
    except Exception as error:  # noqa: BLE001 - whatever a declaration's function makes of a value, it is one row's
        return None, _short(f"{derive.__name__} failed for it: {type(error).__name__}: {error}")
    return derived, ""


def _short(message: str) -> str:
    return printable(message[:PROBLEM_CHARACTERS])


def _check_calendar(name: str, calendar: Calendar, values: pa.Array, problems: Problems) -> None:
    first, last = ((day - EPOCH).days for day in (calendar.first, calendar.last))
    days = values.cast(pa.int32())  # Arrow has days that Python's date cannot hold
    if all(day is None or first <= day <= last for day in pc.min_max(days).as_py().values()):
        return  # without a pa.scalar or a pa.array, either of which imports pandas: 40 MB and a second
    outside = pc.or_(pc.less(days, first), pc.greater(days, last))
    message = f"{name} {{}} is outside the calendar, {calendar.first} to {calendar.last}"
    _note(problems, values, outside, message)


def _note(problems: Problems, values: pa.Array, mask: pa.Array, message: str) -> None:
    """Add a message, with the value in place of {}, to each row that the mask selects."""
    for position in pc.indices_nonzero(mask).to_pylist():
        shown = show(values, position) if "{}" in message else ""
        problems[position].append(message.replace("{}", shown))
