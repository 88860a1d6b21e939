"""Rows that the warehouse refuses for a reason that only it knows: found by halving, and set aside.

An encoding that lacks a character, a column made shorter, a constraint, an index or a trigger that somebody added.
"""

from collections.abc import Callable

import psycopg
import pyarrow as pa
from psycopg import errors, sql

from include.common.errors import DataError
from include.common.keys import KeySet
from include.common.manifests import FileEntry
from include.common.postgres import copy_in, identifiers, key_set
from include.lake.arrow import printable, show
from include.lake.changelog import Said
from include.lake.rejected import rejected_file
from include.lake.rows import KEY, SHOWN
from include.tables.numbering import BYTES, hash_of, is_integer, number, number_of
from include.tables.star import Column, Dimension, Fact
from include.tables.types import known_type
from include.warehouse import ddl, wire
from include.warehouse.merge import STAGED
from include.warehouse.references import Refused
from include.warehouse.told import tell_keys

REFUSALS = (
    psycopg.DataError,
    psycopg.IntegrityError,
    errors.RaiseException,
    errors.ProgramLimitExceeded,
    errors.WithCheckOptionViolation,
)
"""How PostgreSQL refuses a row for what is in it."""

MOST_REFUSED = 1_000
"""Rows that are refused one by one; where there are more, it is the table that is wrong."""

REASON_CHARACTERS = 300
RAW = "raw"
ENCODED = "every_staged"

Counts = tuple[int, int]
Reasons = dict[int, str]
"""Key of a refused row → why."""


def bring_raw(connection: psycopg.Connection, table: Dimension | Fact, files: list[FileEntry]) -> None:
    """Copy the rows of Parquet files as the bytes of their texts into the table `raw`, made where it is not there."""
    if connection.execute("SELECT to_regclass(%s)", [f"pg_temp.{RAW}"]).fetchone() == (None,):
        connection.execute(ddl.create_raw(table, RAW))
    columns = identifiers(column.name for column in table.columns)
    copy = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT binary)").format(sql.Identifier(RAW), columns)
    copy_in(connection, copy, wire.encoded_texts(table.columns, files))


def stage_each(connection: psycopg.Connection, table: Dimension | Fact) -> Reasons:
    """Decode the rows of `raw` in parts into the staging table, but for those that it cannot hold."""
    columns = identifiers(column.name for column in table.columns)
    connection.execute(ddl.create_staging(table, STAGED))
    values = sql.SQL(", ").join(map(decoded, table.columns))
    insert = sql.SQL("INSERT INTO {} ({}) SELECT {} FROM {} WHERE {} BETWEEN %s AND %s").format(
        sql.Identifier(STAGED), columns, values, sql.Identifier(RAW), raw_key(table)
    )

    def decode(part: KeySet) -> Counts:
        connection.execute(insert, [part.first(), part.last()])
        return 0, 0

    _, refused = in_parts(connection, table, _keys(connection, raw_key(table), RAW), decode)
    connection.execute(sql.SQL("ANALYZE {}").format(sql.Identifier(STAGED)))
    return {key: _undecodable(connection, table, key) + reason for key, reason in refused.items()}


def _undecodable(connection: psycopg.Connection, table: Dimension | Fact, key: int) -> str:
    """The first column whose text the warehouse cannot hold, with the text; empty where it is none."""
    row = dict(zip((column.name for column in table.columns), _raw_row(connection, table, key), strict=True))
    for column in table.columns:
        statement = sql.SQL("SELECT {} FROM {} WHERE {} = %s").format(
            decoded(column), sql.Identifier(RAW), raw_key(table)
        )
        try:
            with connection.transaction():
                connection.execute(statement, [key])
        except psycopg.DataError:
            return f"{column.name} '{show(pa.array([row[column.name]], pa.string()), 0)}': "
    return ""


def decoded(column: Column) -> sql.Composed:
    """The value of a column of `raw`."""
    form = sql.SQL("convert_from({}, 'UTF8')::{}")
    return form.format(sql.Identifier(column.name), sql.SQL(column.type))


def merge_each(
    connection: psycopg.Connection, table: Dimension | Fact, merge: Callable[[], Counts]
) -> tuple[Counts, Reasons]:
    """Merge the staged rows in parts, but for those that are refused; gives the numbers of new and changed keys."""
    rename = sql.SQL("ALTER TABLE {} RENAME TO {}")
    staged, every = sql.Identifier(STAGED), sql.Identifier(ENCODED)
    connection.execute(rename.format(staged, every))
    connection.execute(ddl.create_staging(table, STAGED))
    insert = sql.SQL("INSERT INTO {} SELECT * FROM {} WHERE {} BETWEEN %s AND %s")
    insert = insert.format(staged, every, number_of(table))  # type: ignore[assignment]

    def merge_part(part: KeySet) -> Counts:
        connection.execute(sql.SQL("TRUNCATE {}").format(staged))
        connection.execute(insert, [part.first(), part.last()])
        return merge()

    done = in_parts(connection, table, _keys(connection, number_of(table), ENCODED), merge_part)
    connection.execute(sql.SQL("DROP TABLE {}").format(staged))
    connection.execute(rename.format(every, staged))
    return done


def in_parts(
    connection: psycopg.Connection, table: Dimension | Fact, keys: KeySet, work: Callable[[KeySet], Counts]
) -> tuple[Counts, Reasons]:
    """Do work for all of these keys, in order and in as few parts as pass; gives the sums, and the keys refused.

    Raises: DataError where more than MOST_REFUSED rows are refused.
    """
    new, changed, refused, waiting = 0, 0, Reasons(), [keys] if keys else []
    while waiting:
        part = waiting.pop()
        try:
            with connection.transaction():
                counts = work(part)
        except REFUSALS as error:
            if len(part) > 1:
                waiting += reversed(list(part.slices((len(part) + 1) // 2)))
                continue
            refused[part.first()] = _reason(error)
            _require_few(table, refused)
        else:
            new, changed = new + counts[0], changed + counts[1]
    return (new, changed), refused


def _reason(error: psycopg.Error) -> str:
    told = error.diag.message_primary or str(error)
    column = f"{error.diag.column_name}: " if error.diag.column_name else ""
    return f"{column}the warehouse refuses it: {printable(told[:REASON_CHARACTERS])}"


def _require_few(table: Dimension | Fact, refused: Reasons) -> None:
    if len(refused) > MOST_REFUSED:
        raise DataError(
            f"{table.name}: more than {MOST_REFUSED:,} rows are refused, key {min(refused)} for one: "
            f"{refused[min(refused)]}; compare the table in the warehouse with the declarations"
        )


def _keys(connection: psycopg.Connection, key: sql.Composable, relation: str) -> KeySet:
    return key_set(connection, sql.SQL("SELECT {}::bigint FROM {}").format(key, sql.Identifier(relation)))


def set_aside_raw(connection: psycopg.Connection, table: Dimension | Fact, said: Said, refused: Reasons) -> Refused:
    """Write the refused rows, which `stage_each` left in `raw`, to a file of rejected rows, and tell the lake."""
    if not refused:
        return Refused()
    names = [column.name for column in table.columns]
    schema = pa.schema(
        [*((name, pa.string()) for name in names), (KEY, pa.int64()), (SHOWN, pa.string()), ("reason", pa.string())]
    )
    rows = {key: dict(zip(names, _raw_row(connection, table, key), strict=True)) for key in sorted(refused)}
    with rejected_file(table.name, said.observed_at, schema) as file:
        for key, row in rows.items():
            parts = [row[name] or "" for name in table.key_columns]
            told = {KEY: key, SHOWN: None if is_integer(table) else ", ".join(parts), "reason": refused[key]}
            file.write(pa.Table.from_pylist([row | told], schema))
    texts = pa.schema([(name, pa.string()) for name in table.key_columns])
    lake = tell_keys(table, said, [pa.RecordBatch.from_pylist(list(rows.values()), texts)])
    return Refused(file.keys, [file.key], file.examples, lake)


def _raw_row(connection: psycopg.Connection, table: Dimension | Fact, key: int) -> list[str | None]:
    """The texts of a row, some of which the server itself may be unable to show."""
    columns = identifiers(column.name for column in table.columns)
    statement = sql.SQL("SELECT {} FROM {} WHERE {} = %s").format(columns, sql.Identifier(RAW), raw_key(table))
    row = connection.execute(statement, [key]).fetchone() or ()
    return [None if value is None else value.decode() for value in row]


def raw_key(table: Dimension | Fact) -> sql.Composable:
    """The number of the key of a row of `raw`: also of a text that the warehouse cannot hold."""
    columns = [table.by_name[name] for name in table.key_columns]
    if not any(map(_is_bytes, columns)):
        return number([decoded(column) for column in columns], table.key_types)
    parts = [sql.Identifier(column.name) for column in columns]
    pairs = zip(parts, columns, strict=True)
    return hash_of([part if _is_bytes(column) else BYTES.format(decoded(column)) for part, column in pairs], parts)


def _is_bytes(column: Column) -> bool:
    """Whether the bytes of a value of `raw` are those of the text itself: not so the blanks at the end of a char(n)."""
    kind = known_type(column.type)
    return kind.is_text and kind.family != "char"
