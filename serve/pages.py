"""A page of rows: which state it is of, and the link to what comes after it."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from functools import cached_property, lru_cache
from typing import Any
from urllib.parse import quote

from serve.cursors import Cursor, Pins, Signer, require_pins
from serve.marks import Marks, dated
from serve.query import ROWS, Asked, Shape
from serve.statements import Served, at_of, feeds


class Page:
    """A page that is asked for. name: gives what is the same of a request on all of its pages.

    Raises: Problem where its cursor does not fit.
    """

    def __init__(self, served: Served, signer: Signer, asked: Asked, name: Callable[[], str]) -> None:
        self._served, self._signer, self._asked, self._name = served, signer, asked, name
        self._dated = dated(served, asked.shape)
        self._cursor = signer.read(asked.cursor, name()) if asked.cursor else None
        self.limit = asked.limit or ROWS

    @cached_property
    def shape(self) -> Shape:
        """What is asked of the warehouse: the page after the first is of the state that the first was of."""
        shape = self._asked.shape
        if self._cursor is None:
            return shape
        state = "pinned" if shape.state == "current" or shape.relation.shows in self._cursor.pins else shape.state
        state = shape.state if shape.state == "history" else state
        return replace(shape, state=state, after=tuple(end is None for end in self._cursor.ends))

    def values(self) -> dict[str, Any]:
        """The statement's parameters."""
        values: dict[str, Any] = {**self._asked.values, "rows": self.limit}
        pins, ends = (self._cursor.pins, self._cursor.ends) if self._cursor else ({}, [])
        for relation in self._dated:
            name = relation.shows
            values[at_of(relation)] = pins[name][0] if name in pins else self._asked.as_of
        return values | {f"k{number}": end for number, end in enumerate(ends)}

    def is_whole(self, rows: int) -> bool:
        """Whether that many rows are all that there are."""
        return self._cursor is None and rows < self.limit

    def require(self, marks: Marks) -> None:
        """Refuse to go on with a state that is gone. Raises: Problem 410."""
        if self._cursor:
            require_pins(self._cursor.pins, self._pins(marks))

    def _pins(self, marks: Marks) -> Pins:
        found = {relation.shows: marks.of_table(relation.shows) for relation in self._dated if relation.pinned}
        return {name: (mark.shown_at, mark.restated_at) for name, mark in found.items()}

    def headers(self, marks: Marks) -> dict[str, str]:
        """Which instant is shown, and of which tables the latest state is: they keep no other."""
        shape, headers = self._asked.shape, dict[str, str]()
        if shape.relation.dated:
            shown = self._shown(marks)
            headers = {"As-Of": _written(shown)} if shown else {}
            if self._asked.as_of and shown and self._asked.as_of > shown:
                headers["As-Of-Set-Back-From"] = _written(self._asked.as_of)
        names = feeds(self._served, shape)
        latest = [name for name in names if not (shape.relation.dated and self._served[name].versioned)]
        return headers | ({"Latest-State-Of": ", ".join(latest)} if latest else {})

    def _shown(self, marks: Marks) -> datetime | None:
        name = self._asked.shape.relation.shows
        loaded = marks.of_table(name).shown_at
        pin = self._cursor.pins[name][0] if self._cursor and name in self._cursor.pins else None
        instants = [_read(text) for text in (loaded, pin) if text]
        return min([*instants, *([self._asked.as_of] if self._asked.as_of else [])]) if instants else None

    def links(self, path: str, query: bytes, marks: Marks, row: tuple[Any, ...]) -> dict[str, str]:
        """The link to the next page, where this one is full. row: as the statement gave it."""
        rows, ends = row[3], row[4]
        if ends is None or rows < self.limit:
            return {}
        pins = self._cursor.pins if self._cursor else self._first(marks)
        texts = [None if end is None else end.decode() for end in ends]
        cursor = self._signer.write(Cursor(self._name(), pins, texts))
        return {"Link": f'<{path}?{_but_cursor(query)}cursor={cursor}>; rel="next"'}

    def _first(self, marks: Marks) -> Pins:
        """What the first page pins: each table's own reading, and none after the instant that is asked for."""
        as_of = self._asked.as_of
        pins = self._pins(marks)
        if as_of is None:
            return pins
        return {name: (min(shown or "", _text(as_of)), restated) for name, (shown, restated) in pins.items()}


@lru_cache(1_000)
def _but_cursor(query: bytes) -> str:
    """The parameters of a query without its cursor, as a header can hold them."""
    kept = [part for part in query.decode("latin-1").split("&") if part and not part.startswith("cursor=")]
    return quote("".join(f"{part}&" for part in kept), safe="%&=+,.:;*'()!$@/?-_~")


_read = lru_cache(1_000)(datetime.fromisoformat)


@lru_cache(1_000)
def _text(instant: datetime) -> str:
    return instant.isoformat(timespec="microseconds")


def _written(instant: datetime) -> str:
    return _text(instant).replace("+00:00", "Z")
