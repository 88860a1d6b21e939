"""CSV cut between rows: blocks are what the file holds, and each begins and ends with a row."""

import csv
from io import BytesIO, StringIO
from typing import Any, LiteralString
from uuid import uuid4

import psycopg
import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from psycopg import sql

from include.common.errors import DataError
from include.lake.arrow import parse_rows
from include.lake.blocks import cut_between_rows, end_of_last_row, first_integers, read_blocks
from include.lake.files import write_file
from local.environment import Buckets
from tests.unit.conftest import PROPERTY

PIECES = (
    "\r\n", "\r", "\n", "\n\n", '"', '""', ",", "\\", "\\.", "\n\\.\n", "\\N", "NULL", "t", " ", "\t", "\x01", "\x1a",
    "\x7f", "\ufeff", "\u2028", "\u0085", "é", "€", "📦", "\U0010ffff", "x", "x" * 37, "x" * 300,
)  # fmt: skip
TEXTS = st.one_of(st.none(), st.lists(st.sampled_from(PIECES), max_size=6).map("".join))
ROWS = st.lists(st.tuples(TEXTS, TEXTS), min_size=1, max_size=12)
Row = tuple[str | None, str | None]


@pytest.fixture(scope="module")
def copied(postgres_servers: Any) -> Any:
    """A function that gives rows as PostgreSQL writes them as CSV, each with its number."""
    url = postgres_servers(18).create_database(f"blocks_{uuid4().hex[:12]}")
    with psycopg.connect(url) as connection:
        connection.execute("CREATE TABLE sample (n integer, a text, b text)")

        def copy(rows: list[Row], columns: LiteralString = "n, a, b") -> bytes:
            connection.execute("TRUNCATE sample")
            with connection.cursor() as cursor:
                cursor.executemany("INSERT INTO sample VALUES (%s, %s, %s)", [(n, *row) for n, row in enumerate(rows)])
            with connection.cursor().copy(
                sql.SQL("COPY (SELECT {} FROM sample ORDER BY n) TO STDOUT (FORMAT csv)").format(sql.SQL(columns))
            ) as out:
                return b"".join(bytes(block) for block in out)

        yield copy
    postgres_servers(18).drop_database(url.rpartition("/")[2])


def parsed(content: bytes, block_bytes: int, kind: pa.DataType) -> list[Row]:
    """The rows of a CSV file, by blocks of so many bytes."""
    types = {"n": pa.int32(), "a": kind, "b": kind}
    batches = [parse_rows(block, ["n", "a", "b"], types) for block in cut_between_rows(BytesIO(content), block_bytes)]
    rows = [tuple(row.values()) for batch in batches for row in batch.to_pylist()]
    assert [row[0] for row in rows] == list(range(len(rows)))
    return [row[1:] for row in rows]


@pytest.mark.parametrize("kind", [pa.string(), pa.binary()], ids=str)
@PROPERTY
@given(rows=ROWS, block_bytes=st.integers(1, 700))
@example(rows=[("", None), (None, ""), ("\\.", "\\."), ("\ufeff", "\r\n")], block_bytes=8)
def test_every_text_is_read_byte_for_byte_wherever_blocks_end(
    copied: Any, kind: pa.DataType, rows: list[Row], block_bytes: int
) -> None:
    as_read = [tuple(text if text is None else text.encode() for text in row) for row in rows]
    assert parsed(copied(rows), block_bytes, kind) == (rows if kind == pa.string() else as_read)


@pytest.mark.parametrize("ending", ["\r\n", "\r", "\n", '"', '"\r\n"', "📦", ","])
def test_a_text_with_a_line_end_is_whole_at_every_place_of_it_relative_to_a_block_s_end(
    copied: Any, ending: str
) -> None:
    for shift in range(64):
        rows: list[Row] = [("x" * shift + ending + "y", "z" + ending), (ending, None), ("", ending * 3)]
        content = copied(rows)
        for block_bytes in (16, 37, 64, len(content) // 2):
            assert parsed(content, block_bytes, pa.string()) == rows


KEYS = """CASE n WHEN 1 THEN NULL WHEN 2 THEN -9223372036854775808 WHEN 3 THEN 9223372036854775807 WHEN 4 THEN 0
    ELSE 10 ^ n::numeric - 99 END::bigint, a, b"""


@PROPERTY
@given(rows=ROWS, block_bytes=st.integers(1, 700))
def test_the_integers_that_rows_begin_with_are_read_whatever_follows(
    copied: Any, rows: list[Row], block_bytes: int
) -> None:
    extremes = {1: None, 2: -(1 << 63), 3: (1 << 63) - 1, 4: 0}
    found = [first_integers(block) for block in cut_between_rows(BytesIO(copied(rows, KEYS)), block_bytes)]
    assert sum(count for count, _ in found) == len(rows)
    keys = [extremes.get(n, 10**n - 99) for n in range(len(rows))]
    assert [key for _, some in found for key in some.tolist()] == [key for key in keys if key is not None]


@PROPERTY
@given(rows=ROWS, block_bytes=st.integers(1, 700))
def test_blocks_are_the_file_cut_between_rows_and_their_rows_are_counted(
    copied: Any, rows: list[Row], block_bytes: int
) -> None:
    content = copied(rows)
    blocks = list(cut_between_rows(BytesIO(content), block_bytes))
    assert b"".join(blocks) == content
    counts = [len(list(csv.reader(StringIO(block.decode(), newline="")))) for block in blocks]
    assert [first_integers(block)[0] for block in blocks] == counts
    assert sum(counts) == len(rows)
    assert all(end_of_last_row(block) == len(block) for block in blocks)


def test_a_column_alone_keeps_null_apart_from_an_empty_text(copied: Any) -> None:
    rows: list[Row] = [(None, None), ("", None), ("\\.", None), (" ", None), ("\n", None), (None, None)]
    block = copied(rows, "a")
    assert parse_rows(block, ["a"], {"a": pa.string()}).column(0).to_pylist() == [row[0] for row in rows]


def test_a_block_is_about_as_large_as_asked_for_whatever_is_in_it(copied: Any) -> None:
    content = copied([("line\n" * 20, '"' * 30)] * 200)
    sizes = [len(block) for block in cut_between_rows(BytesIO(content), 1000)]
    assert max(sizes) < 2000


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "is empty"),
        (b"n,b\n1,x\n", "columns a"),
        (b"n,a,b\n1,x\n", "is not CSV of n, a, b"),
        (b"\xff\n1\n", "columns"),
    ],
)
def test_a_file_that_is_not_csv_of_the_columns_is_named(
    pipeline_environment: dict[str, str], buckets: Buckets, content: bytes, told: str
) -> None:
    write_file(buckets.ingestion, "sample.csv", content)
    with pytest.raises(DataError, match=told) as caught:
        [block.as_bytes() for block in read_blocks("dim_sample", "sample.csv", ["n", "a"])]
    assert f"dim_sample: s3://{buckets.ingestion}/sample.csv" in str(caught.value)
