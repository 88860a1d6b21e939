"""Rejected rows: set aside in files, with the reason, and the first of them told to people."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from itertools import islice

import pyarrow as pa
from pyarrow import csv
from pydantic import AwareDatetime

from include.common.keys import KeySet
from include.common.manifests import LoadResult, Manifest, RejectedExample
from include.common.settings import PROCESSED_BUCKET, required_variable
from include.lake.files import WriteOnceFile, new_key
from include.lake.rows import KEY, SHOWN

EXAMPLES = 25
"""The most rows of one warehouse table that are told of."""
REASON_CHARACTERS = 300


class RejectedRow(Manifest):
    """A row that a warehouse table could not take: its key, why, and the file in the processed bucket that holds it."""

    table: str
    key: int | str
    reason: str
    file: str
    at: AwareDatetime


def rejected_rows(loads: Iterable[LoadResult]) -> list[RejectedRow]:
    """The first EXAMPLES of the rows that each of these loads set aside."""
    return [
        RejectedRow(table=result.table, at=result.loaded_at, **example.model_dump())
        for result in loads
        if not result.superseded
        for example in result.examples[:EXAMPLES]
    ]


def first_examples(examples: Iterable[RejectedExample]) -> list[RejectedExample]:
    """As many of them as are told of a table."""
    return list(islice(examples, EXAMPLES))


def example(key: int | str, reason: str, file: str) -> RejectedExample:
    """A rejected row to tell of, its reason cut to what a page has room for."""
    return RejectedExample(key=key, reason=reason[:REASON_CHARACTERS], file=file)


class RejectedFile:
    """A file of rejected rows that is being written, and what is to be told of them."""

    def __init__(self, key: str, writer: csv.CSVWriter) -> None:
        self.key, self.keys, self.examples = key, KeySet(), list[RejectedExample]()
        self._writer = writer

    def write(self, rows: pa.Table) -> None:
        """Take rows with their columns KEY, SHOWN and `reason`."""
        self.keys.add(KeySet.of(rows.column(KEY).to_numpy()))
        first = rows.slice(0, EXAMPLES - len(self.examples)).to_pylist()
        self.examples += [example(row[SHOWN] or row[KEY], row["reason"], self.key) for row in first]
        self._writer.write_table(rows.drop_columns([KEY, SHOWN]))


@contextmanager
def rejected_file(table: str, observed_at: datetime, schema: pa.Schema) -> Iterator[RejectedFile]:
    """A new CSV file of rejected rows of a warehouse table, which is whole at the end. Raises: as `lake_errors`."""
    key = new_key(table, observed_at, "csv", folder="rejected/")
    with WriteOnceFile(required_variable(PROCESSED_BUCKET), key) as file:
        told = pa.schema([field for field in schema if field.name not in (KEY, SHOWN)])
        with csv.CSVWriter(pa.PythonFile(file, mode="w"), told) as writer:
            yield RejectedFile(key, writer)
