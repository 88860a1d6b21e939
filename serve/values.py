"""Values in a request: whether they are of a column's type, and what PostgreSQL compares them as."""

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, time
from uuid import UUID

from include.tables.types import INTEGERS, known_type
from serve.problems import invalid
from serve.relations import Field

NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,4})?|NaN|-?Infinity")
INTEGER = re.compile(r"[+-]?\d{1,19}")
BIGGEST = 1 << 63
DAY = re.compile(r"\d{4}-\d\d-\d\d")
FAR_DAY = re.compile(r"\d{4,7}-\d\d-\d\d( BC)?")
FAR_STAMP = re.compile(r"\d{4,6}-\d\d-\d\d([T ]\d\d:\d\d:\d\d(\.\d{1,6})?(Z|[+-]\d\d(:\d\d)?)?)?( BC)?")
"""Days and instants of years that Python has no form for: the warehouse looks at them itself."""

YEARS = re.compile(r"\d{5}|.* BC$")
INFINITE = ("infinity", "-infinity")
END_OF_DAY = ("24:00", "24:00:00")

CASTS = {**dict.fromkeys(INTEGERS, "bigint"), "varchar": "text", "char": "bpchar"}
"""Families that are compared as another type: what no declaration says is how wide a column has become."""


def cast_of(declared: str) -> str:
    """The type that a value is compared as with a column of a declared type: without a size, which would round it."""
    known = known_type(declared)
    if known.array:  # arrays of two types are never compared
        return f"{CASTS[known.family] if known.family == 'char' else known.family}[]"
    return CASTS.get(known.family, known.family)


def checked(field: Field, value: str) -> str:
    """A value of a request, if it may be one of the field's. Raises: Problem that says what is."""
    known = known_type(field.type)
    check, told = CHECKS.get(known.family, (_is_any, "")) if not known.array else (_is_any, "")
    try:
        fits = "\0" not in value and check(value)
    except ValueError:
        fits = False
    if not fits:
        raise invalid(f"{field.name}: {value[:50]!r} is no {field.type}", [told] if told else [])
    return value


def instant(name: str, value: str) -> datetime:
    """An instant of a request. A `+` that arrived as a blank is one. Raises: Problem."""
    written = re.sub(r" (\d\d(:?\d\d)?)$", r"+\1", value) if value.count(":") > 2 or "T" in value else value
    try:
        read = datetime.fromisoformat(written)
        return (read if read.tzinfo else read.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise invalid(
            f"{name}: {value[:50]!r} is no instant", ["2024-08-22T14:20:49.962Z, in UTC without a zone"]
        ) from None


def _is_any(_: str) -> bool:
    return True


def _is_integer(value: str) -> bool:
    return bool(INTEGER.fullmatch(value)) and -BIGGEST <= int(value) < BIGGEST


def _is_number(value: str) -> bool:
    return bool(NUMBER.fullmatch(value))


def _is_boolean(value: str) -> bool:
    return value in ("true", "false")


def _is_day(value: str) -> bool:
    if value in INFINITE or YEARS.match(value):
        return value in INFINITE or bool(FAR_DAY.fullmatch(value))
    return bool(DAY.fullmatch(value)) and bool(date.fromisoformat(value))


def _is_time(value: str) -> bool:
    return value in END_OF_DAY or (time.fromisoformat(value).tzinfo is None and ":" in value)


def _is_stamp(value: str) -> bool:
    if value in INFINITE or YEARS.match(value):
        return value in INFINITE or bool(FAR_STAMP.fullmatch(value))
    return bool(DAY.match(value)) and bool(datetime.fromisoformat(value))


def _is_uuid(value: str) -> bool:
    return bool(UUID(value))


Check = tuple[Callable[[str], bool], str]

CHECKS: dict[str, Check] = {
    **dict.fromkeys(INTEGERS, (_is_integer, "an integer of 64 bits")),
    **dict.fromkeys(("numeric", "real", "double precision"), (_is_number, "a number: 12.50")),
    "boolean": (_is_boolean, "true or false"),
    "date": (_is_day, "a day: 2024-08-22"),
    "time": (_is_time, "a time of day: 14:20:49.962"),
    "timestamp": (_is_stamp, "2024-08-22T14:20:49.962"),
    "timestamptz": (_is_stamp, "2024-08-22T14:20:49.962Z"),
    "uuid": (_is_uuid, "a uuid"),
}
"""Families whose values are checked before the warehouse is asked; it looks at the others itself."""
