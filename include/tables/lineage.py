"""What hangs on what, as the declarations say: which tables feed which, and in which order they are read."""

from collections.abc import Iterable
from dataclasses import fields, is_dataclass
from functools import cache
from hashlib import sha256
from typing import Any

from include.common.errors import DeclarationError
from include.tables.schema import Calendar, Dimension, Fact, StarTable
from include.tables.sources import SOURCES
from include.tables.star import STAR


def fed_by(source: str) -> list[StarTable]:
    """The warehouse tables that a source table is needed for."""
    return [table for table in STAR.values() if source in table.sources]


def is_joined(source: str) -> bool:
    """Whether a dimension joins this source table with another, so that it is read whole when it changed."""
    return any(isinstance(table, Dimension) and table.joins for table in fed_by(source))


def referenced_by(table: StarTable) -> list[StarTable]:
    """The dimensions that a warehouse table's columns refer to."""
    names = dict.fromkeys(column.references for column in table.columns if column.references)
    return [STAR[name] for name in names]


@cache
def fingerprint(source: str) -> str:
    """A text that changes when the declarations of a source table or of what it feeds do: it is then read whole."""
    documents = [as_document(SOURCES[source]), *map(as_document, fed_by(source))]
    return sha256(repr(documents).encode()).hexdigest()[:16]


def as_document(declared: Any) -> Any:
    """A declaration as plain values, without what no value depends on: the same for what is built the same way."""
    if isinstance(declared, tuple):
        return [as_document(part) for part in declared]
    if not is_dataclass(declared):
        return declared.__qualname__ if callable(declared) else declared
    names = [field.name for field in fields(declared) if field.name not in {"description", "believed_deletions"}]
    return {name: as_document(getattr(declared, name)) for name in names}


def read_before(source: str) -> set[str]:
    """The source tables that are read before this one, so that what their rows refer to is there when it is read.

    A fact's table comes before the tables of the dimensions that it refers to; a dimension's own table before those
    that it joins.
    """
    before = set()
    for table in STAR.values():
        if isinstance(table, Fact) and any(source in dimension.sources for dimension in referenced_by(table)):
            before.add(table.source)
        if isinstance(table, Dimension) and source in table.sources[1:]:
            before.add(table.source)
    return before - {source}


def select_sources(names: Iterable[str]) -> set[str]:
    """The source tables to read for these tables, source or warehouse ones.

    With them come those of the dimensions that they refer to, and of what else is built from the same sources, so that
    what is read can be loaded, and recorded, in full.

    Raises: DeclarationError that names a table that is not declared.
    """
    unknown = sorted(set(names) - SOURCES.keys() - STAR.keys())
    if unknown:
        raise DeclarationError(f"no such table: {', '.join(unknown)}; declared are {', '.join([*SOURCES, *STAR])}")
    wanted = {name for name in names if name in STAR} | {fed.name for name in names for fed in fed_by(name)}
    while True:
        dimensions = {dimension.name for name in wanted for dimension in referenced_by(STAR[name])}
        sources = {source for name in wanted | dimensions for source in STAR[name].sources}
        complete = wanted | dimensions | {fed.name for source in sources for fed in fed_by(source)}
        if complete == wanted:
            return sources
        wanted = complete


def accepted_sources(names: Iterable[str], read: set[str]) -> set[str]:
    """The source tables whose deletions are accepted with these names, all of which a run reads (`read`).

    Raises: DeclarationError that names a table that is not declared, or that the run does not read.
    """
    accepted = named_sources(names) if select_sources(names) else set()
    if accepted - read:
        missed = ", ".join(sorted(accepted - read))
        raise DeclarationError(f"accept_deletions names {missed}, which this run does not read: name it in tables too")
    return accepted


def named_sources(names: Iterable[str]) -> set[str]:
    """The source tables that these names of source or warehouse tables mean themselves: what a full refresh reads."""
    return {source for name in names for source in (STAR[name].sources if name in STAR else (name,))}


def calendar() -> Calendar:
    """The one dimension of days."""
    return next(table for table in STAR.values() if isinstance(table, Calendar))
