"""Parquet files as binary COPY: PostgreSQL holds what they held."""

from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any
from uuid import UUID

import psycopg
import pyarrow as pa
import pytest
from psycopg import sql

from include.common.manifests import FileEntry
from include.lake.arrow import arrow_type
from include.lake.changelog import Said
from include.lake.parquet import parquet_file
from include.tables.source import SourceColumn, SourceTable
from include.tables.star import Column, Dimension
from include.warehouse import wire
from include.warehouse.binary import NIL, jsonb_bytes, uuid_bytes

SAID = Said("1f0c9a3e", datetime(2024, 8, 22, tzinfo=UTC))

VALUES: dict[str, list[Any]] = {
    "integer": [0, 1, -1, 2**31 - 1, -(2**31), None],
    "text": ["", "08841", "O'Neill", 'say "no"', "two\nlines", "tab\t", "Zoë 東京 🎒", "\\N", "x" * 100_000, None],
    "varchar": ["", "a b", None],
    "varchar(3)": ["GBP", "", None],
    "smallint": [0, 1, -1, 2**15 - 1, -(2**15), None],
    "boolean": [True, False, None],
    "date": [date(1970, 1, 1), date(1969, 12, 31), date(1900, 2, 28), date(2100, 12, 31), date(1, 1, 1), None],
    "time": [time(0), time(23, 59, 59, 999000), time(7, 55, 11), None],
    "time(3)": [time(0), time(23, 59, 59, 999000), None],
    "timestamp(3)": [datetime(1969, 12, 31, 23, 59, 59, 999000), datetime(9999, 12, 31, 1, 2, 3), None],
    "numeric(10,2)": [
        Decimal("0.00"), Decimal("0.01"), Decimal("-0.01"), Decimal("2.10"), Decimal("-12345678.90"),
        Decimal("99999999.99"), Decimal("10000.00"), Decimal("100000000.00") - Decimal("0.01"), Decimal("-1.00"), None,
    ],
    "uuid": [
        "00000000-0000-0000-0000-000000000000", None, "ffffffff-ffff-ffff-ffff-ffffffffffff",
        "01234567-89ab-cdef-fedc-ba9876543210",
    ],
    "json": ['{"b": 1,  "a": "Zoë", "a": null}', "1.0", '"say \\"no\\""', None],
    "jsonb": ['{"a": "Zoë 🎒", "b": [1.00, null]}', '""', "1.10", None],
    "numeric(38,10)": [Decimal("1234567890123456789012345678.0123456789"), Decimal("-0.0000000001"), None],
}  # fmt: skip


@pytest.fixture
def warehouse(pipeline_environment: dict[str, str], warehouse_url: str) -> Any:
    """A connection to the empty warehouse."""
    with psycopg.connect(warehouse_url, autocommit=True) as connection:
        yield connection


def written(declared: str, *batches: list[Any]) -> FileEntry:
    rows = [pa.record_batch({"value": pa.array(values, arrow_type(declared))}) for values in batches]
    with parquet_file(sample(declared), SAID, rows[0].schema) as parquet:
        for batch in rows:
            parquet.write(batch)
    return parquet.entry


def sample(declared: str) -> Dimension:
    source = SourceTable("sample", "id", (SourceColumn("id", "integer"), SourceColumn("value", declared)))
    return Dimension("sample", "id", source, (Column("id", "integer", "id"), Column("value", declared, "value")))


def copy(
    warehouse: psycopg.Connection[Any], files: list[FileEntry], first_id: int | None = None, declared: str = "integer"
) -> None:
    columns = [sample(declared).by_name["value"]]
    with warehouse.cursor() as cursor, cursor.copy("COPY sample FROM STDIN (FORMAT binary)") as sent:
        for block in wire.encoded(columns, files, first_id):
            sent.write(block)


@pytest.mark.parametrize("declared", VALUES)
def test_every_value_of_a_type_arrives(warehouse: psycopg.Connection[Any], declared: str) -> None:
    values = VALUES[declared]
    warehouse.execute(sql.SQL("CREATE TABLE sample (value {})").format(sql.SQL(declared)))  # type: ignore[arg-type]
    copy(warehouse, [written(declared, values)], declared=declared)
    value = "value::text" if declared in {"uuid", "json", "jsonb"} else "value"
    found = warehouse.execute(sql.SQL("SELECT {} FROM sample ORDER BY ctid").format(sql.SQL(value)))  # type: ignore[arg-type]
    assert [value for (value,) in found] == values


def test_uuids_become_their_bytes_wherever_a_batch_begins() -> None:
    made = [None if number % 3 == 0 else UUID(int=number * (1 << 100) + 7) for number in range(50)]
    texts = pa.array([made_of and str(made_of) for made_of in made])
    for start, stop in ((0, 50), (1, 2), (3, 4), (7, 49), (50, 50)):
        found = uuid_bytes(texts[start:stop])
        assert found.to_pylist() == [made_of and made_of.bytes for made_of in made[start:stop]]


def test_jsonb_becomes_its_version_and_its_text_wherever_a_batch_begins() -> None:
    made = [None if number % 3 == 0 else f'{{"Zoë {number}": 1}}' for number in range(50)]
    texts = pa.array(made)
    for start, stop in ((0, 50), (1, 2), (3, 4), (7, 49), (50, 50)):
        found = jsonb_bytes(texts[start:stop])
        assert found.to_pylist() == [text and b"\1" + text.encode() for text in made[start:stop]]


@pytest.mark.parametrize("text", ["0" * 36, "g" + NIL[1:], NIL[1:], NIL + "0", NIL.replace("-", "0"), ""])
def test_what_is_no_uuid_is_never_sent_as_one(text: str) -> None:
    with pytest.raises(ValueError, match=r"uuid|length|size"):
        uuid_bytes(pa.array([NIL, text]))


def test_a_scale_is_kept(warehouse: psycopg.Connection[Any]) -> None:
    warehouse.execute("CREATE TABLE sample (value numeric(10,2))")
    copy(warehouse, [written("numeric(10,2)", [Decimal("2.10"), Decimal("0.00")])], declared="numeric(10,2)")
    assert warehouse.execute("SELECT value::text FROM sample").fetchall() == [("2.10",), ("0.00",)]


def test_many_files_arrive_in_order_as_one(warehouse: psycopg.Connection[Any]) -> None:
    warehouse.execute("CREATE TABLE sample (value integer)")
    copy(warehouse, [written("integer", [number]) for number in range(7)])
    assert [value for (value,) in warehouse.execute("SELECT value FROM sample ORDER BY ctid")] == list(range(7))


def test_no_file_is_no_row(warehouse: psycopg.Connection[Any]) -> None:
    warehouse.execute("CREATE TABLE sample (value integer)")
    copy(warehouse, [])
    assert warehouse.execute("SELECT count(*) FROM sample").fetchone() == (0,)


def test_rows_are_numbered_through_all_groups_of_all_files(warehouse: psycopg.Connection[Any]) -> None:
    warehouse.execute("CREATE TABLE sample (record_id integer, value integer)")
    values = [list(range(start, start + 300)) for start in (0, 300)]
    copy(warehouse, [written("integer", *[values[0]] * 3), written("integer", values[1])], first_id=7)
    found = warehouse.execute("SELECT * FROM sample ORDER BY ctid").fetchall()
    assert found == [*enumerate([*values[0] * 3, *values[1]], start=7)]


@pytest.mark.parametrize("first_id", [0, 1, 5_000])
def test_rows_are_numbered_through_all_files(warehouse: psycopg.Connection[Any], first_id: int) -> None:
    warehouse.execute("CREATE TABLE sample (record_id integer, value integer)")
    copy(warehouse, [written("integer", [10, 20]), written("integer", [30])], first_id)
    expected = [(first_id, 10), (first_id + 1, 20), (first_id + 2, 30)]
    assert warehouse.execute("SELECT * FROM sample ORDER BY ctid").fetchall() == expected
