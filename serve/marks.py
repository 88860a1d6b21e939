"""Of which state an answer is: when its tables last changed, and so its ETag; which instant is pinned."""

import json
from asyncio import Task, create_task, shield, wait
from collections.abc import Callable, Coroutine, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime
from functools import lru_cache
from hashlib import blake2b
from typing import Any

from serve.query import Shape
from serve.relations import Relation
from serve.statements import Served, feeds


@dataclass(frozen=True)
class Mark:
    """What `pipeline.load` says of a table: when it changed, when it was made anew, up to which reading it is."""

    changed_at: str | None = None
    restated_at: str | None = None
    shown_at: str | None = None


@dataclass(frozen=True, eq=False)
class Marks:
    """The tables' marks in one snapshot, and its day: some metrics say what is overdue today."""

    tables: Mapping[str, Mark]
    today: str

    @classmethod
    @lru_cache(1_000)
    def of(cls, document: bytes | None, today: bytes) -> "Marks":
        """As a statement gave them; the same object until a load changes them."""
        said = json.loads(document or b"{}")
        return cls({name: Mark(*told) for name, told in said.items()}, today.decode())

    def of_table(self, name: str) -> Mark:
        """A table's; empty where it was never loaded."""
        return self.tables.get(name, Mark())

    def etag(self, served: Served, shape: Shape, about: Iterable[object]) -> str:
        """The ETag of an answer of this shape. about: what else makes it what it is."""
        digest = self._digest(tuple(feeds(served, shape)), shape.relation.by_day).copy()
        digest.update(repr(about).encode())
        return f'"{digest.hexdigest()}"'

    @lru_cache(1_000)  # noqa: B019 - there are few of these, and they are small
    def _digest(self, names: tuple[str, ...], by_day: bool) -> Any:
        """What the marks of these tables come to."""
        marks = [(name, mark.changed_at, mark.restated_at) for name, mark in self._sorted(names)]
        return blake2b(repr((marks, self.today if by_day else "")).encode(), digest_size=16)

    def last_modified(self, served: Served, shape: Shape) -> str | None:
        """When a table that the answer shows last changed, as HTTP has it."""
        return self._last_modified(tuple(feeds(served, shape)))

    @lru_cache(1_000)  # noqa: B019
    def _last_modified(self, names: tuple[str, ...]) -> str | None:
        stamps = [datetime.fromisoformat(mark.changed_at) for _, mark in self._sorted(names) if mark.changed_at]
        return format_datetime(max(stamps).astimezone(UTC), usegmt=True) if stamps else None

    def _sorted(self, names: Iterable[str]) -> list[tuple[str, Mark]]:
        return [(name, self.of_table(name)) for name in names]


def matches(header: bytes, etag: str) -> bool:
    """Whether an If-None-Match names this ETag. Source: RFC 9110, 13.1.2, weak comparison."""
    named = [one.strip().removeprefix("W/") for one in header.decode("latin-1").split(",")]
    return etag in named or named == ["*"]


def dated(served: Served, shape: Shape) -> list[Relation]:
    """The relations of an answer that show an instant."""
    found = {shape.relation.route: shape.relation}
    found |= {name: served[name] for name in map(shape.relation.references.__getitem__, shape.expand)}
    return [relation for relation in found.values() if relation.dated]


class SharedRead:
    """One read for all who ask while another is under way: it begins after each of them asked, so it is never stale."""

    def __init__(self, read: Callable[[], Coroutine[Any, Any, Marks]]) -> None:
        self._read = read
        self._running: Task[Marks] | None = None
        self._waiting: Task[Marks] | None = None

    async def get(self) -> Marks:
        """The marks, as they are now or later. Raises: Problem."""
        if self._waiting is None:
            self._waiting = create_task(self._after(self._running))
        return await shield(self._waiting)

    async def _after(self, running: Task[Marks] | None) -> Marks:
        if running is not None:
            await wait([running])
        self._running, self._waiting = self._waiting, None
        return await self._read()
