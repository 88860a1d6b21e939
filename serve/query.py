"""A request's parameters as what is asked of a relation; a parameter that is not known is refused with what is."""

import csv
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property, lru_cache
from typing import Literal
from urllib.parse import unquote_to_bytes

from include.tables.types import known_type
from serve.problems import Problem, invalid
from serve.relations import FROM, Field, Relation
from serve.values import checked, instant

State = Literal["latest", "current", "pinned", "history"]
"""Which rows: all that there are; the current versions; those of an instant; every version."""

FORMATS = ("json", "csv", "arrow", "parquet")
RESERVED = ("select", "order", "expand", "limit", "cursor", "as_of", "count", "format")
OPERATORS = ("eq", "neq", "gt", "gte", "lt", "lte", "in", "is", "like")
ARE = ("null", "not_null", "true", "false")

MOST_FILTERS = 50
MOST_VALUES = 1_000
MOST_ROWS = 10_000
ROWS = 100
MOST_BYTES = 65_536
"""The longest query of a request."""


@dataclass(frozen=True)
class Place:
    """A field: of the relation itself, or of the dimension that a field of it points to (`at`)."""

    name: str
    at: str = ""

    def __str__(self) -> str:
        return f"{self.at}.{self.name}" if self.at else self.name


@dataclass(frozen=True)
class Filter:
    """A condition. word: with `is`, what it is."""

    place: Place
    operator: str
    word: str = ""


@dataclass(frozen=True)
class Shape:
    """What is asked, without values: two requests of one shape are one statement. Its hash is found once."""

    relation: Relation
    state: State
    select: tuple[Place, ...]
    expand: tuple[str, ...] = ()
    filters: tuple[Filter, ...] = ()
    order: tuple[tuple[Place, bool], ...] = ()
    after: tuple[bool, ...] | None = None
    counted: bool = False

    def __hash__(self) -> int:
        return self._hash

    @cached_property
    def _hash(self) -> int:
        return hash((self.relation, self.state, self.select, self.expand, self.filters, self.order, self.after))


@dataclass(frozen=True)
class Asked:
    """A request: its shape, the values of its filters, and what else it says.

    as_of: None for the latest. ordered: it says in which order, or how many.
    """

    shape: Shape
    values: Mapping[str, str | list[str]]
    limit: int | None = None
    as_of: datetime | None = None
    cursor: str = ""
    format: str = ""
    ordered: bool = False


def pairs(query: bytes) -> list[tuple[str, str]]:
    """The parameters of a query. Raises: Problem for what is no UTF-8, or too long."""
    if len(query) > MOST_BYTES:
        raise invalid(f"the query is longer than {MOST_BYTES} bytes")
    try:
        parts = [part.partition(b"=") for part in query.split(b"&") if part]
        return [(_text(name), _text(value)) for name, _, value in parts]
    except UnicodeDecodeError:
        raise Problem(400, "the query is not UTF-8") from None


def _text(part: bytes) -> str:
    return unquote_to_bytes(part.replace(b"+", b" ")).decode()


class Reader:
    """Reads the parameters of a request for a relation.

    personal: whether the key names personal data. history: whether every version is asked for.
    """

    def __init__(
        self, served: Mapping[str, Relation], relation: Relation, personal: bool, history: bool = False
    ) -> None:
        self._served, self._relation, self._personal, self._history = served, relation, personal, history
        self._own = tuple(relation.fields) if history else relation.shown
        self._expanded: tuple[str, ...] = ()

    def read(self, query: bytes) -> Asked:
        """What a query asks. Raises: Problem."""
        given = pairs(query)
        said = self._once(given)
        self._expanded = self._expand(said.get("expand"))
        filters, values = self._filters([pair for pair in given if pair[0] not in RESERVED])
        as_of = self._as_of(said)
        shape = Shape(
            self._relation,
            self._state(as_of),
            self._select(said.get("select")),
            self._expanded,
            filters,
            self._order(said.get("order")),
            counted=_one_of("count", said.get("count", "false"), ("true", "false")) == "true",
        )
        form = _one_of("format", said["format"], FORMATS) if "format" in said else ""
        ordered = "order" in said or "limit" in said
        return Asked(shape, values, read_limit(said.get("limit")), as_of, said.get("cursor", ""), form, ordered)

    def _once(self, given: list[tuple[str, str]]) -> dict[str, str]:
        said: dict[str, str] = {}
        for name, value in given:
            if name in RESERVED and name in said:
                raise invalid(f"{name} is given twice")
            said[name] = value
        return said

    def _state(self, as_of: datetime | None) -> State:
        if self._history:
            return "history"
        if as_of:
            return "pinned"
        return "current" if self._relation.versioned else "latest"

    def _as_of(self, said: Mapping[str, str]) -> datetime | None:
        if "as_of" not in said:
            return None
        if not self._relation.dated:
            raise invalid(f"as_of: {self._relation.route} shows its latest state alone, and keeps no versions")
        return instant("as_of", said["as_of"])

    def _expand(self, said: str | None) -> tuple[str, ...]:
        names = tuple(dict.fromkeys(_parts(said)))
        for name in names:
            if name not in self._relation.references:
                raise invalid(f"expand: {name[:63]!r} points to no dimension", self._relation.references)
        return names

    def _select(self, said: str | None) -> tuple[Place, ...]:
        if said is not None:
            places = [self._place("select", name) for name in dict.fromkeys(said.split(","))]
            if MOST_FILTERS * len(FORMATS) < len(places):
                raise invalid("select names too many columns")
            return tuple(places)
        own = [Place(name) for name in self._own]
        more = [Place(name, at) for at in self._expanded for name in self._target(at).shown]
        return tuple(place for place in (*own, *more) if self._personal or not self.field(place).personal)

    def _target(self, at: str) -> Relation:
        return self._served[self._relation.references[at]]

    def field(self, place: Place) -> Field:
        """The field at a place."""
        return (self._target(place.at) if place.at else self._relation).fields[place.name]

    def _place(self, where: str, name: str) -> Place:
        """The field that a request names. Raises: Problem where there is none, or the key does not name it."""
        at, _, last = name.rpartition(".")
        own = at in ("", self._relation.place)
        relation = self._relation if own else self._target(at) if at in self._expanded else None
        if relation is None or last not in (self._own if own else relation.shown):
            raise invalid(f"{where}: there is no column {name[:130]!r}", self._allowed())
        place = Place(last, "" if own else at)
        if relation.fields[last].personal and not self._personal:
            raise Problem(403, f"{where}: {name} tells of persons, and the key does not name such")
        return place

    def _allowed(self) -> list[str]:
        more = [f"{at}.{name}" for at in self._expanded for name in self._target(at).shown]
        return [*self._own, *more]

    def _filters(self, given: list[tuple[str, str]]) -> tuple[tuple[Filter, ...], dict[str, str | list[str]]]:
        if len(given) > MOST_FILTERS:
            raise invalid(f"more than {MOST_FILTERS} filters")
        filters, values, total = [], dict[str, str | list[str]](), 0
        for number, (name, said) in enumerate(given):
            found, value = self._filter(name, said)
            filters.append(found)
            if value is not None:
                values[f"f{number}"] = value
                total += len(value) if isinstance(value, list) else 1
        if total > MOST_VALUES:
            raise invalid(f"more than {MOST_VALUES} values")
        return tuple(filters), values

    def _filter(self, name: str, said: str) -> tuple[Filter, str | list[str] | None]:
        if name not in RESERVED and name.rpartition(".")[2] not in {*self._relation.fields, *self._names_beside()}:
            raise invalid(f"there is no parameter {name[:130]!r}", [*RESERVED, *self._allowed()])
        place = self._place("filter", name)
        operator, point, value = said.partition(".")
        if not point or operator not in OPERATORS:
            raise invalid(f"{name}: {said[:50]!r} is no condition", [f"{known}.value" for known in OPERATORS])
        field = self.field(place)
        if operator == "is":
            return Filter(place, "is", _is(field, value)), None
        _fits(field, operator)
        if operator == "in":
            return Filter(place, "in"), [checked(field, one) for one in _listed(name, value)]
        return Filter(place, operator), checked(field, value)

    def _names_beside(self) -> set[str]:
        return {name for at in self._expanded for name in self._target(at).fields}

    def _order(self, said: str | None) -> tuple[tuple[Place, bool], ...]:
        """The order with what makes it one of all rows: the key; of versions their number; of a metric all it has."""
        order: dict[Place, bool] = {}
        for part in _parts(said):
            name, _, way = part.partition(":")
            order.setdefault(self._place("order", name), _one_of("order", way or "asc", ("asc", "desc")) == "desc")
        for place in order:
            if not self.field(place).comparable:
                raise invalid(f"order: {place} is {self.field(place).type}, of which none is before another")
        last = (FROM, next(iter(self._relation.fields))) if self._history else self._relation.key
        for name in last or self._relation.fields:
            order.setdefault(Place(name), False)
        return tuple(order.items())


def read_limit(said: str | None) -> int | None:
    """How many rows are asked for, if that is said. Raises: Problem where it is no number."""
    if said is None:
        return None
    if not said.isascii() or not said.isdigit() or not int(said[:20]) > 0:
        raise invalid(f"limit: {said[:20]!r} is no number of rows", [f"1 to {MOST_ROWS} of JSON"])
    return int(said[:19])


def _parts(said: str | None) -> list[str]:
    """What commas separate, if it is said: an empty part is one that nothing is called."""
    return [] if said is None else said.split(",")


def _one_of(name: str, value: str, words: tuple[str, ...]) -> str:
    if value not in words:
        raise invalid(f"{name}: there is no {value[:50]!r}", words)
    return value


def _is(field: Field, value: str) -> str:
    words = ARE if field.type == "boolean" else ARE[:2]
    return _one_of(f"{field.name}: is", value, words)


def _fits(field: Field, operator: str) -> None:
    if operator == "like" and not known_type(field.type).is_text:
        raise invalid(f"{field.name}: only text is like a pattern, and it is {field.type}")
    if operator == "in" and known_type(field.type).array:
        raise invalid(f"{field.name}: arrays are asked for one at a time", ["eq.{1,2}"])
    if not field.comparable:
        raise invalid(f"{field.name}: it is {field.type}, of which no two are compared", ["is.null", "is.not_null"])


def _listed(name: str, value: str) -> list[str]:
    """The values of a list: separated by commas, one that holds a comma in double quotes, as in CSV."""
    try:
        (row,) = list(csv.reader([value], strict=True)) if value else [[""]]
    except (csv.Error, ValueError):
        raise invalid(f"{name}: the list is not as CSV has it", ['in.1,2,3 or in."a, b",c']) from None
    return row


def of_key(relation: Relation, asked: Asked, parts: list[str]) -> Asked:
    """As asked, of the one row with this key. Raises: Problem where it cannot be one."""
    if len(parts) != len(relation.key):
        raise invalid(f"a key of {relation.route} has the parts {', '.join(relation.key)}, with commas between")
    values = {f"f{number + len(asked.shape.filters)}": checked(relation.fields[name], part)
              for number, (name, part) in enumerate(zip(relation.key, parts, strict=True))}  # fmt: skip
    return replace(asked, shape=_of_one(asked.shape), values={**asked.values, **values})


@lru_cache(1_000)
def _of_one(shape: Shape) -> Shape:
    """The shape with conditions for the parts of a key."""
    return replace(shape, filters=(*shape.filters, *(Filter(Place(name), "eq") for name in shape.relation.key)))
