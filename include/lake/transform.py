"""Transform: CSV as the source has it into Parquet as the warehouse declares it; what cannot be right is set aside."""

from calendar import day_name, month_name
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import partial
from itertools import chain
from time import monotonic

import pyarrow as pa
import pyarrow.compute as pc

from include.common.keys import KeySet
from include.common.manifests import FileEntry, SourceRead, StarFiles, instant_text
from include.common.slices import SlicePart, SlicePlan
from include.common.threads import side_by_side
from include.lake.arrow import parsed_type
from include.lake.blocks import read_blocks
from include.lake.changelog import Said, new_load
from include.lake.files import STREAMS
from include.lake.parquet import ParquetFile, parquet_file
from include.lake.rejected import RejectedFile, first_examples, rejected_file
from include.lake.rows import Converted, convert, needed_columns, star_schema
from include.lake.sliced import sliced_part
from include.tables.drift import fit, widened
from include.tables.star import Calendar, Dimension, Fact

TOGETHER_BYTES = 7 << 20
"""Up to how many bytes of CSV become one Parquet file, which is then sent at once: files that ended as they were large
stay alone."""


def transform(table: Dimension | Fact, own: SourceRead, replaced: KeySet | None = None) -> StarFiles:
    """Build a warehouse table's rows from what was read of its source, and write them to the processed bucket.

    own: the reading of the table's own source, with what it joins. It may be repeated: each time it writes new files.
    replaced: keys whose rows in slices, where there are any, do not count.

    Raises: DataError where a file is not CSV of the declared columns; others as `lake_errors`.
    """
    started = monotonic()
    declared, table = table, fit(table, own.all_wider)
    said = Said(own.slices.load_id if own.slices else new_load(), own.observed_at)
    made = _convert_files(table, said, own.files)
    before = sliced_part(table.name, own.slices) if own.slices else SlicePart()
    return StarFiles(
        table=table.name,
        load_id=said.load_id,
        inputs={own.table: instant_text(own.read_at)},
        source=own,
        files=made.files,
        rejected=(before.rejected - (replaced or KeySet())) | made.rejected,
        rejected_files=[*before.rejected_files, *made.rejected_files],
        examples=first_examples([*before.examples, *made.examples]),
        seconds=monotonic() - started,
        wider=widened(table, declared),
        slices=own.slices,
        sliced=before.files,
    )


def transform_slice(
    table: Dimension | Fact, plan: SlicePlan, observed_at: datetime, files: list[FileEntry]
) -> SlicePart:
    """Build a warehouse table's rows from those of a slice of its source, as `transform` does."""
    return _convert_files(fit(table, plan.all_wider), Said(plan.load_id, observed_at, "slice"), files)


def _convert_files(table: Dimension | Fact, said: Said, files: list[FileEntry]) -> SlicePart:
    parts = side_by_side(STREAMS, partial(_convert_together, table, said), _together(files))
    rejected = [part.rejected for part in parts if part.rejected]
    return SlicePart(
        files=[file for part in parts for file in part.files],
        rejected=KeySet.union(file.keys for file in rejected),
        rejected_files=[file.key for file in rejected],
        examples=first_examples(example for file in rejected for example in file.examples),
    )


def _together(files: list[FileEntry]) -> list[list[FileEntry]]:
    """Files that follow each other, in groups that become one file each: large ones, and enough for all threads.

    Whoever reads the lake opens each file, and its catalogue knows each.
    """
    most = -(-len(files) // STREAMS)
    groups, size = list[list[FileEntry]](), 0
    for file in files:
        size += file.size_bytes
        if not groups or size > TOGETHER_BYTES or len(groups[-1]) == most:
            groups.append([])
            size = file.size_bytes
        groups[-1].append(file)
    return groups


def write_calendar(calendar: Calendar, differing: str = "") -> StarFiles:
    """Write every day of the calendar to the processed bucket as one Parquet file.

    differing: what is wrong with the one that is loaded.
    """
    started, said = monotonic(), Said(new_load(), datetime.now(UTC))
    with parquet_file(calendar, said, star_schema(calendar)) as parquet:
        for batch in calendar_days(calendar).to_batches():
            parquet.write(batch)
    return StarFiles(
        table=calendar.name,
        load_id=said.load_id,
        inputs=calendar_inputs(calendar),
        source=None,
        files=[parquet.entry],
        rejected=KeySet(),
        rejected_files=[],
        seconds=monotonic() - started,
        differing=differing,
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


@dataclass(frozen=True)
class _Part:
    """What became of some files of source rows: a Parquet file and one of rejected rows, each where there are any."""

    files: list[FileEntry]
    rejected: RejectedFile | None


def _convert_together(table: Dimension | Fact, said: Said, files: list[FileEntry]) -> _Part:
    return _write_part(table, said, chain.from_iterable(_convert_blocks(table, file) for file in files))


def _convert_blocks(table: Dimension | Fact, file: FileEntry) -> Iterator[Converted]:
    """The rows of one CSV file, parsed as declared, a block at a time.

    A block with a row that cannot be right is parsed as bytes, so that all of that row is set aside as it was read.
    """
    kinds = needed_columns(table)
    columns, types = list(kinds), {name: parsed_type(kind) for name, kind in kinds.items()}
    for block in read_blocks(table.name, file.key, columns):
        yield _convert_typed(table, block.as_declared(types)) or convert(table, block.as_bytes())


def _convert_typed(table: Dimension | Fact, batch: pa.RecordBatch | None) -> Converted | None:
    """A batch all of whose rows are right; None for any other."""
    converted = convert(table, batch) if batch is not None else None
    return converted if converted and converted.rejected is None else None


def _write_part(table: Dimension | Fact, said: Said, converted: Iterable[Converted]) -> _Part:
    parquet: dict[bool, ParquetFile] = {}
    rejected: RejectedFile | None = None
    with ExitStack() as written:
        for part in converted:
            for as_text, rows in ((False, part.rows), (True, part.exact)):
                if rows is not None and rows.num_rows:
                    if as_text not in parquet:
                        file = parquet_file(table, said, rows.schema, as_text)
                        parquet[as_text] = written.enter_context(file)
                    parquet[as_text].write(rows)
            if part.rejected is not None:
                opened = rejected_file(table.name, said.observed_at, part.rejected.schema)
                rejected = rejected or written.enter_context(opened)
                rejected.write(part.rejected)
    return _Part([file.entry for file in parquet.values()], rejected)
