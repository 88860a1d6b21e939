"""Types, CSV as PostgreSQL writes it, and casts that set aside only what is wrong."""

from datetime import date, datetime, time
from decimal import Decimal

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.lake.arrow import arrow_type, cast_each, parse_rows, show
from include.tables.source import SourceColumn, SourceTable
from tests.unit.conftest import PROPERTY

TABLE = SourceTable(
    "sample",
    "id",
    (
        SourceColumn("id", "integer"),
        SourceColumn("note", "text", nullable=True),
        SourceColumn("price", "numeric(10,2)", nullable=True),
        SourceColumn("paid", "boolean", nullable=True),
        SourceColumn("last_updated", "timestamp(3)", nullable=True),
    ),
)
NAMES = list(TABLE.by_name)


def rows(content: bytes) -> list[dict[str, object]]:
    types = {name: arrow_type(column.type) for name, column in TABLE.by_name.items()}
    return parse_rows(content, NAMES, types).to_pylist()


@pytest.mark.parametrize(
    ("declared", "arrow"),
    [
        ("integer", pa.int32()),
        ("text", pa.string()),
        ("varchar", pa.string()),
        ("varchar(3)", pa.string()),
        ('"PaymentTypeName"', pa.string()),
        ("boolean", pa.bool_()),
        ("date", pa.date32()),
        ("time", pa.time64("us")),
        ("time(3)", pa.time32("ms")),
        ("timestamp", pa.timestamp("us")),
        ("timestamp(3)", pa.timestamp("ms")),
        ("timestamptz(0)", pa.timestamp("ms", "UTC")),
        ("numeric(10,2)", pa.decimal128(10, 2)),
        ("numeric(39,2)", pa.string()),
        ("numeric(5,-2)", pa.string()),
        ("numeric", pa.string()),
        ("bytea", pa.binary()),
        ("uuid", pa.string()),
        ("integer[]", pa.string()),
    ],
)
def test_each_declared_type_has_its_arrow_type(declared: str, arrow: pa.DataType) -> None:
    assert arrow_type(declared) == arrow


def test_every_kind_of_value_is_parsed_as_declared() -> None:
    (row,) = rows(b"-7,O'Neill,0.10,t,2022-11-03 14:20:49.962\n")
    assert row == {
        "id": -7, "note": "O'Neill", "price": Decimal("0.10"), "paid": True,
        "last_updated": datetime(2022, 11, 3, 14, 20, 49, 962000),
    }  # fmt: skip


def test_an_empty_field_is_null_and_quotes_are_an_empty_text() -> None:
    assert [row["note"] for row in rows(b'1,,,,\n2,"",,,\n')] == [None, ""]


@pytest.mark.parametrize(
    ("written", "value"),
    [
        (b'"a,b"', "a,b"),
        (b'"say ""no"""', 'say "no"'),
        (b'"two\nlines"', "two\nlines"),
        (b'"two\r\nlines"', "two\r\nlines"),
        (b"08841", "08841"),
        (b'"NULL"', "NULL"),
        (b"NA", "NA"),
        (b"nan", "nan"),
        (b" padded ", " padded "),
        ("Zoë 東京".encode(), "Zoë 東京"),
        (b"\\N", "\\N"),
        (b'"\\."', "\\."),
    ],
)
def test_texts_arrive_as_they_are(written: bytes, value: str) -> None:
    assert rows(b"1," + written + b",,,\n")[0]["note"] == value


def test_a_wrong_value_is_an_error_when_typed_and_its_bytes_otherwise() -> None:
    line = b"1,\xff,NaN,t,infinity\n"
    with pytest.raises(pa.ArrowInvalid):
        rows(line)
    (row,) = parse_rows(line, NAMES, dict.fromkeys(NAMES, pa.binary())).to_pylist()
    assert list(row.values()) == [b"1", b"\xff", b"NaN", b"t", b"infinity"]


@pytest.mark.parametrize(
    ("values", "shown"),
    [
        (pa.array([None], pa.int32()), "NULL"),
        (pa.array([-719528], pa.int32()).cast(pa.date32()), "0000-01-01"),
        (pa.array([2**31 - 1], pa.int32()).cast(pa.date32()), "<value out of range: 2147483647>"),
        (pa.array([-(2**63) + 1]).cast(pa.timestamp("ms")), "<value out of range: -9223372036854775807>"),
        (pa.array([Decimal("1.50")]), "1.50"),
        (pa.array([b"\xff\x00'"]), "\\xff\\x00'"),
        (pa.array(["two\nlines\x1b[0m\u202e"]), "two\\nlines\\x1b[0m\\u202e"),
        (pa.array(["東" * 200_000]), "東" * 40 + "… (600,000 bytes)"),
        (pa.array(["x" + "東" * 200_000]), "x" + "東" * 39 + "… (600,001 bytes)"),
    ],
)
def test_any_value_is_shown_short_and_printable(values: pa.Array, shown: str) -> None:
    assert show(values, 0) == shown


TEXTS = {
    pa.int32(): st.sampled_from(["1", "-2147483648", "2147483648", "1.5", "", "x", None]),
    pa.decimal128(10, 2): st.sampled_from(["1.50", "-0.01", "1.505", "99999999.99", "100000000.00", "NaN", "", None]),
    pa.bool_(): st.sampled_from(["t", "f", "true", "", None]),
    pa.date32(): st.sampled_from(
        ["2024-02-29", "2023-02-29", "0001-01-01", "0000-01-01", "2024-1-1", "", "12024-01-01", None]
    ),
    pa.timestamp("ms"): st.sampled_from(
        ["2024-02-29 10:00:00.5", "2024-02-29", "infinity", "0044-03-15 10:00:00 BC", None]
    ),
}


@pytest.mark.parametrize("target", TEXTS, ids=str)
@PROPERTY
@given(st.data())
def test_casting_a_column_equals_casting_each_of_its_values(target: pa.DataType, data: st.DataObject) -> None:
    texts = data.draw(st.lists(TEXTS[target], max_size=20))
    whole, wrong = cast_each(pa.array(texts, pa.string()), target)
    alone = [cast_each(pa.array([text], pa.string()), target) for text in texts]
    assert whole.to_pylist() == [one[0].as_py() for one, _ in alone]
    assert wrong == [position for position, (_, failed) in enumerate(alone) if failed]
    assert whole.type == target


@pytest.mark.parametrize(
    ("instant", "day", "clock"),
    [
        (datetime(2022, 11, 3, 14, 20, 49, 962000), date(2022, 11, 3), time(14, 20, 49, 962000)),
        (datetime(1969, 12, 31, 23, 59, 59, 999000), date(1969, 12, 31), time(23, 59, 59, 999000)),
        (datetime(1900, 1, 1), date(1900, 1, 1), time(0)),
    ],
)
def test_a_stamp_becomes_its_day_and_its_time_also_before_1970(instant: datetime, day: date, clock: time) -> None:
    stamps = pa.array([instant], pa.timestamp("ms"))
    assert cast_each(stamps, pa.date32())[0].to_pylist() == [day]
    assert cast_each(stamps, pa.time32("ms"))[0].to_pylist() == [clock]
