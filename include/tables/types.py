"""The types that a column may have: PostgreSQL's own words, and what can be said of the values of each."""

import re
from dataclasses import dataclass
from functools import cache

PLAIN = {"smallint", "integer", "bigint", "real", "double precision", "numeric", "text", "varchar", "citext", "boolean",
         "date", "time", "timestamp", "timestamptz", "interval", "uuid", "json", "jsonb", "bytea", "inet", "cidr",
         "macaddr"}  # fmt: skip
"""Types that are declared by a word alone."""

SIZED = {"varchar": 1, "char": 1, "time": 1, "timestamp": 1, "timestamptz": 1, "interval": 1, "numeric": 2}
"""Types that may be declared with numbers in brackets → how many."""

WRITTEN = re.compile(r'(?P<family>"[^"]+"|[a-z]+(?: precision)?)(?:\((?P<numbers>\d+(?:,-?\d+)?)\))?(?P<array>\[\])?')

NAMED = "named"
"""The family of a type that is declared by its own name, in quotes: its values are read as their text."""

INTEGERS = ("smallint", "integer", "bigint")
"""From the narrowest to the widest."""

TEXTS = {"text", "varchar", "char", "citext", NAMED}
STAMPS = {"timestamp", "timestamptz"}
MICROSECONDS = 6
"""The digits of a second that a time or a timestamp has without a number."""

EQUAL_IF_SAME = {*INTEGERS, "text", "varchar", "boolean", "date", "time", *STAMPS, "uuid", "bytea", "inet", "cidr",
                 "macaddr", NAMED}  # fmt: skip
"""Families of which values that PostgreSQL calls equal are the same: not so 1.0 and 1.00, 0 and -0, 'A' and 'a'."""


@dataclass(frozen=True)
class Type:
    """A type: the family, the numbers in its brackets, and whether values are arrays of it."""

    family: str
    numbers: tuple[int, ...] = ()
    array: bool = False

    @property
    def digits(self) -> int:
        """The digits of a second that a time or a timestamp has."""
        return self.numbers[0] if self.numbers else MICROSECONDS

    @property
    def is_text(self) -> bool:
        """Whether its values are texts."""
        return self.family in TEXTS and not self.array

    @property
    def comparable(self) -> bool:
        """Whether PostgreSQL tells whether two values are equal."""
        return self.family != "json"

    @property
    def equal_if_same(self) -> bool:
        """Whether two values that PostgreSQL calls equal are always the same, and it can compare them at all."""
        fixed = self.family == "numeric" and bool(self.numbers)
        return not self.array and (fixed or self.family in EQUAL_IF_SAME)


@cache
def parse(declared: str) -> Type | None:
    """A type as it is declared, as what is known of it; None where there is no such type."""
    written = WRITTEN.fullmatch(declared)
    if written is None:
        return None
    family, array = written["family"], written["array"] is not None
    numbers = tuple(map(int, written["numbers"].split(","))) if written["numbers"] else ()
    if family.startswith('"'):
        return None if numbers else Type(NAMED, (), array)
    known = family in PLAIN if not numbers else len(numbers) == SIZED.get(family)
    return Type(family, numbers, array) if known else None


def known_type(declared: str) -> Type:
    """A type that a declaration has: it was checked when that was made."""
    found = parse(declared)
    assert found is not None, declared
    return found


def holds(target: str, origin: str) -> bool:
    """Whether a column of one type can hold every value of the other as it is."""
    to, of = known_type(target), known_type(origin)
    if target == origin:
        return to.family != NAMED
    if to.array and of.array and NAMED not in (to.family, of.family):
        return holds(target.removesuffix("[]"), origin.removesuffix("[]"))
    if to.array or of.array:
        return target == "text" and of.family == NAMED
    if {to.family, of.family} <= set(INTEGERS):
        return INTEGERS.index(to.family) >= INTEGERS.index(of.family)
    if of.family == NAMED:
        return target in ("text", "varchar")
    return _holds_sized(to, of)


def _holds_sized(to: Type, of: Type) -> bool:
    """As `holds`, of types that differ in what stands in brackets, or are both texts."""
    if {to.family, of.family} <= {"text", "varchar"}:
        return not to.numbers or (bool(of.numbers) and of.numbers[0] <= to.numbers[0])
    if to.family != of.family:
        return (to.family, of.family) == ("text", "citext")
    if to.family in {"time", "interval", *STAMPS}:
        return to.digits >= of.digits
    return to.family == "numeric" and _holds_number(to, of)


def _holds_number(to: Type, of: Type) -> bool:
    """As `holds`, of numbers that are written with the same digits in both."""
    if not to.numbers or not of.numbers:
        return not to.numbers
    return to.numbers[1] == of.numbers[1] and to.numbers[0] >= of.numbers[0]
