"""Rejected rows for people to look at: some of each file that loads have set aside, with key and reason."""

import csv
import io
from collections.abc import Iterable, Iterator
from itertools import chain, islice

from pydantic import AwareDatetime

from include.common.manifests import LoadResult, Manifest
from include.common.settings import PROCESSED_BUCKET, required_variable
from include.lake.files import open_file
from include.tables.schema import Calendar, StarTable
from include.tables.sources import SOURCES
from include.tables.star import STAR

TABLE_ROWS = 25
"""The most rows of one warehouse table that are looked at."""
REASON_CHARACTERS = 300
READ_BYTES = 1 << 18
"""How much of a file is read at most; it may be large, and a few rows are enough."""


class RejectedRow(Manifest):
    """A row that a warehouse table could not take: its key, why, and the file in the processed bucket that holds it."""

    table: str
    key: int
    reason: str
    file: str
    at: AwareDatetime


def rejected_rows(loads: Iterable[LoadResult]) -> list[RejectedRow]:
    """The first TABLE_ROWS of the rows that each of these loads set aside. Raises: as `open_file`."""
    return [row for result in loads if not result.superseded for row in islice(_rows_of(result), TABLE_ROWS)]


def _rows_of(result: LoadResult) -> Iterator[RejectedRow]:
    return chain.from_iterable(_rows_in(file, result) for file in result.rejected_files)


def _rows_in(file: str, result: LoadResult) -> Iterator[RejectedRow]:
    """Rows of the beginning of a file. A row that was cut off has no reason yet, or a part of it."""
    with open_file(required_variable(PROCESSED_BUCKET), file) as stream:
        start = stream.read(READ_BYTES).decode(errors="replace")
    for row in csv.DictReader(io.StringIO(start, newline="")):
        if row.get("reason"):
            reason = row["reason"][:REASON_CHARACTERS]
            yield RejectedRow(
                table=result.table, key=_key(STAR[result.table], row), reason=reason, file=file, at=result.loaded_at
            )


def _key(table: StarTable, row: dict[str, str]) -> int:
    """A row's key: it has its source's columns where the transform set it aside, the table's where the load did."""
    assert not isinstance(table, Calendar)
    source_key = SOURCES[table.source].key
    return int(row[source_key if source_key in row else table.key])
