"""CSV as PostgreSQL writes it, cut between rows: no parser sees a part of one, so none can be wrong about its edges."""

import csv
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from io import StringIO
from typing import IO

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from include.common.errors import DataError
from include.common.settings import INGESTION_BUCKET, required_variable
from include.lake.arrow import parse_rows
from include.lake.files import open_file

LINE_FEED, QUOTE, MINUS, ZERO = b'\n"-0'
DIGITS = 10

BLOCK_BYTES = 2 << 20
"""How much of a file is read, and parsed, at a time, if no row is longer."""


@dataclass(frozen=True)
class Block:
    """Whole rows of a CSV file.

    header: the columns of the file. columns: those of them that are wanted. where: what it is, for messages.
    """

    header: list[str]
    columns: list[str]
    content: bytes
    where: str

    def as_declared(self, types: Mapping[str, pa.DataType]) -> pa.RecordBatch | None:
        """The wanted columns, parsed as these types; None where a value is not of its type."""
        try:
            return parse_rows(self.content, self.header, {name: types[name] for name in self.columns})
        except pa.ArrowInvalid:
            return None

    def as_bytes(self) -> pa.RecordBatch:
        """The wanted columns, each value the bytes of its text. Raises: DataError where the rows are no CSV."""
        try:
            return parse_rows(self.content, self.header, dict.fromkeys(self.columns, pa.binary()))
        except pa.ArrowInvalid as error:
            raise DataError(f"{self.where} is not CSV of {', '.join(self.header)}: {error}; {ANEW}") from error


ANEW = "a full refresh of its table (--tables … --full-refresh) writes it anew"


def read_blocks(subject: str, key: str, columns: list[str]) -> Iterator[Block]:
    """The rows of a CSV file of the ingestion bucket, block by block.

    subject: the table that the rows are for. columns: those that are wanted of them.

    Raises: DataError where the file has not these columns; others as `lake_errors`.
    """
    bucket, found = required_variable(INGESTION_BUCKET), list[str]()
    where = f"{subject}: s3://{bucket}/{key}"
    with open_file(bucket, key) as stream:
        for block in cut_between_rows(stream, BLOCK_BYTES):
            rows = block
            if not found:
                end = end_of_first_row(block)
                found, rows = _parse_header(block[:end], where, columns), block[end:]
            if rows:
                yield Block(found, columns, rows, where)
    if not found:
        raise DataError(f"{where} is empty; {ANEW}")


def header(columns: Iterable[str]) -> bytes:
    """The first row of a CSV file: the names of its columns, whatever they hold."""
    line = StringIO(newline="")
    names = list(columns)
    bare = any("\r" in name for name in names)  # which the writer quotes only where it quotes all
    csv.writer(line, lineterminator="\n", quoting=csv.QUOTE_ALL if bare else csv.QUOTE_MINIMAL).writerow(names)
    return line.getvalue().encode()


def _parse_header(line: bytes, where: str, columns: list[str]) -> list[str]:
    text = StringIO(line.decode(errors="backslashreplace"), newline="")
    found = next(csv.reader(text), [])
    missing = [name for name in columns if name not in found]
    if missing:
        raise DataError(f"{where} is not CSV with the columns {', '.join(missing)}; {ANEW}")
    return found


def cut_between_rows(stream: IO[bytes], block_bytes: int) -> Iterator[bytes]:
    """The bytes of a CSV file in blocks that begin and end with a row: of about block_bytes, or one longer row.

    A row ends with a line feed before which the number of quotes is even: a quote inside a value is written twice.
    Only the last row may lack its line feed.
    """
    rest = b""
    while True:
        read = stream.read(max(block_bytes, len(rest)))
        block = rest + read
        end = end_of_last_row(block) if read else len(block)
        if end:
            yield block[:end]
        if not read:
            return
        rest = block[end:]


def first_integers(block: bytes) -> tuple[int, npt.NDArray[np.int64]]:
    """How many rows a block has, and the `bigint` that each begins with, but for those that begin with NULL."""
    text = np.frombuffer(block, np.uint8)
    line_feeds, quotes = (np.flatnonzero(text == sign) for sign in (LINE_FEED, QUOTE))
    ends = line_feeds[np.searchsorted(quotes, line_feeds) % 2 == 0]
    starts = np.concatenate([[0], ends[:-1] + 1])
    negative = text[starts] == MINUS
    first = at = starts + negative
    found = np.zeros(len(starts), np.int64)
    while (going := (digits := text[at] - ZERO) < DIGITS).any():
        found = np.where(going, found * DIGITS + digits, found)
        at = at + going
    return len(starts), np.where(negative, -found, found)[at > first]


def end_of_last_row(block: bytes) -> int:
    """Where the last whole row in a block that begins with a row ends; 0 where none does."""
    end, inside = len(block), block.count(b'"') % 2 == 1
    while end > 0:
        line_feed = block.rfind(b"\n", 0, end)
        if line_feed < 0:
            return 0
        inside ^= block.count(b'"', line_feed, end) % 2 == 1
        if not inside:
            return line_feed + 1
        end = block.rfind(b'"', 0, line_feed) + 1
    return 0


def end_of_first_row(block: bytes) -> int:
    """Where the first row in a block that begins with a row ends; its length, where none does."""
    end = block.find(b"\n") + 1
    while end and block.count(b'"', 0, end) % 2:
        end = block.find(b"\n", end) + 1
    return end or len(block)
