"""Transform: CSV as the source has it into Parquet as the warehouse declares it; what cannot be right is set aside."""

from calendar import day_name, month_name
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import partial
from time import monotonic

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyarrow import csv

from include.common.errors import DataError
from include.common.keys import KeySet
from include.common.manifests import FileEntry, SourceRead, StarFiles, instant_text
from include.common.settings import INGESTION_BUCKET, PROCESSED_BUCKET, required_variable
from include.common.threads import side_by_side
from include.lake.arrow import BLOCK_BYTES, read_csv
from include.lake.files import STREAMS, WriteOnceFile, new_key, open_file
from include.lake.rows import KEY, convert, needed_columns, star_schema
from include.tables.schema import Calendar, Dimension, Fact
from include.tables.sources import SOURCES


def transform(table: Dimension | Fact, reads: dict[str, SourceRead]) -> StarFiles:
    """Build a warehouse table's rows from what was read of its sources, and write them to the processed bucket.

    reads: the reading of each of the table's sources. It may be repeated: each time it writes new files.

    Raises: DataError where a file is not CSV of the declared columns; others as `lake_errors`.
    """
    started = monotonic()
    own = reads[table.source]
    if isinstance(table, Dimension) and table.joins:
        from include.lake.join import join_sources  # pandas takes 40 MB and a second, which no fact needs

        parts = [_write_part(table, own.observed_at, [join_sources(table, reads)])]
    else:
        files = own.files if own.read_rows else []
        parts = side_by_side(STREAMS, partial(_convert_file, table, own), files)
    return StarFiles(
        table=table.name,
        inputs={read.table: instant_text(read.read_at) for read in reads.values()},
        source=own,
        files=[file for part in parts for file in part.files],
        rejected=_union(part.rejected for part in parts),
        rejected_files=[key for part in parts for key in part.rejected_files],
        seconds=monotonic() - started,
    )


def write_calendar(calendar: Calendar) -> StarFiles:
    """Write every day of the calendar to the processed bucket as one Parquet file."""
    started = monotonic()
    return StarFiles(
        table=calendar.name,
        inputs=calendar_inputs(calendar),
        source=None,
        files=[write_parquet(calendar.name, datetime.now(UTC), calendar_days(calendar))],
        rejected=KeySet(),
        rejected_files=[],
        seconds=monotonic() - started,
    )


def calendar_days(calendar: Calendar) -> pa.Table:
    """A row for each day of the calendar, in order."""
    first = (calendar.first - date(1970, 1, 1)).days
    days = pa.array(range(first, first + calendar.days), pa.int32()).cast(pa.date32())
    months, weekdays = pc.month(days), pc.day_of_week(days, count_from_zero=False)
    columns = {
        "date_id": days,
        "year": pc.year(days),
        "month": months,
        "day": pc.day(days),
        "day_of_week": weekdays,
        "day_name": pa.array(day_name).take(pc.subtract(weekdays, 1)),
        "month_name": pa.array(month_name).take(months),
        "quarter": pc.quarter(days),
    }
    schema = star_schema(calendar)
    return pa.table([pc.cast(columns[name], schema.field(name).type) for name in schema.names], schema=schema)


def calendar_inputs(calendar: Calendar) -> dict[str, str]:
    """What a loaded calendar is known by: its declared range."""
    return {calendar.name: f"{calendar.first} to {calendar.last}"}


def _union(sets: Iterable[KeySet]) -> KeySet:
    union = KeySet()
    for keys in sets:
        union.add(keys)
    return union


@dataclass(frozen=True)
class _Part:
    """What became of one batch of source rows: a Parquet file and a file of rejected rows, each where there are any."""

    files: list[FileEntry]
    rejected: KeySet
    rejected_files: list[str]


def _convert_file(table: Dimension | Fact, own: SourceRead, file: FileEntry) -> _Part:
    return _write_part(table, own.observed_at, _read_batches(table, own, file))


def _read_batches(table: Dimension | Fact, own: SourceRead, file: FileEntry) -> list[pa.RecordBatch]:
    """The rows of one CSV file, parsed as declared; as text where a value is not of its type, to find out which.

    A file with a row that is longer than a block is parsed in one.
    """
    source, bucket = SOURCES[own.table], required_variable(INGESTION_BUCKET)
    columns = needed_columns(table, own.table)
    for typed, block_bytes in ((True, BLOCK_BYTES), (False, BLOCK_BYTES), (False, file.size_bytes)):
        try:
            with open_file(bucket, file.key) as stream:
                return list(read_csv(stream, source, columns, typed, block_bytes))
        except pa.ArrowInvalid as error:
            reason = error
    raise DataError(f"{table.name}: s3://{bucket}/{file.key} is not CSV of {own.table}'s columns: {reason}") from reason


def _write_part(table: Dimension | Fact, observed_at: datetime, batches: list[pa.RecordBatch]) -> _Part:
    converted = [convert(table, batch) for batch in batches if batch.num_rows]
    rows = pa.Table.from_batches([part.rows for part in converted], star_schema(table))
    rejected = [part.rejected for part in converted if part.rejected is not None]
    files = [write_parquet(table.name, observed_at, rows)] if rows.num_rows else []
    if not rejected:
        return _Part(files, KeySet(), [])
    wrong = pa.concat_tables(rejected)
    keys = KeySet.of(wrong.column(KEY).to_numpy())
    return _Part(files, keys, [write_rejected(table.name, observed_at, wrong.drop_columns([KEY]))])


def write_parquet(table: str, observed_at: datetime, rows: pa.Table) -> FileEntry:
    """Write rows as a new Parquet file (zstd) of a warehouse table."""
    key = new_key(table, observed_at, "parquet")
    with WriteOnceFile(required_variable(PROCESSED_BUCKET), key) as file:
        pq.write_table(rows, pa.PythonFile(file, mode="w"), compression="zstd", use_dictionary=False)
    return FileEntry(key=key, rows=rows.num_rows, size_bytes=file.size)


def write_rejected(table: str, observed_at: datetime, rows: pa.Table) -> str:
    """Write rejected rows, with their column `reason`, as a new CSV file, and give its key."""
    key = new_key(table, observed_at, "csv", folder="rejected/")
    with WriteOnceFile(required_variable(PROCESSED_BUCKET), key) as file:
        csv.write_csv(rows, pa.PythonFile(file, mode="w"))
    return key
