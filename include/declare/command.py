"""The command `declare`: from a live source to a package of declarations."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from include.common.errors import DeclarationError
from include.common.postgres import connect, postgres_errors
from include.common.settings import SOURCE_CONNECTION
from include.declare.catalogue import FoundTable, read_catalogue
from include.declare.compare import disagreements
from include.declare.outline import Outline, outline
from include.declare.write import render, write
from include.tables.declarations import Declarations
from include.tables.star import Fact


@dataclass(frozen=True)
class Wanted:
    """Which of the source's tables are declared, and as what. exclude: tables, or columns as "table.column"."""

    tables: tuple[str, ...] = ()
    schemas: tuple[str, ...] = ()
    facts: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()


def draw_up(wanted: Wanted) -> Outline:
    """A star of the live source's tables.

    Raises: DeclarationError where nothing can be declared; others as `read_catalogue`, `outline` and `postgres_errors`.
    """
    drawn = outline(_read(wanted.schemas, wanted.tables), wanted.facts, wanted.exclude)
    if not drawn.declared.sources:
        raise DeclarationError(f"nothing can be declared: {'; '.join(drawn.left) or 'the source has no table'}")
    return drawn


def show(drawn: Outline, folder: Path) -> Iterator[str]:
    """What would be written, and why, line by line."""
    files = render(drawn.declared, ".".join(folder.parts))
    yield from (f"# {folder / name}\n{content}" for name, content in files.items())
    yield from summary(drawn)


def keep(drawn: Outline, folder: Path, package: str, overwrite: bool = False) -> Iterator[str]:
    """Write the declarations, and tell what was decided, line by line. package: the folder's dotted name.

    Raises: DeclarationError that names files that were edited.
    """
    gone = write(folder, render(drawn.declared, package), overwrite)
    yield from (f"{name}: deleted, as its table is no longer drawn" for name in gone)
    yield from summary(drawn)
    yield f"written to {folder}"


def find_disagreements(declared: Declarations, wanted: Wanted) -> list[str]:
    """What the live source and the declarations disagree on; of some schemas or tables, where such are given.

    What is excluded may be there undeclared.

    Raises: as `read_catalogue`.
    """
    tables = [
        table
        for table in declared.sources.values()
        if (not wanted.schemas or table.schema in wanted.schemas)
        and (not wanted.tables or {table.name, table.found_name, table.place} & set(wanted.tables))
    ]
    return list(disagreements(tables, _read(wanted.schemas, wanted.tables), wanted.exclude))


def _read(schemas: tuple[str, ...], names: tuple[str, ...]) -> list[FoundTable]:
    with connect(SOURCE_CONNECTION) as connection, postgres_errors("source"):
        return read_catalogue(connection, schemas, names)


def summary(drawn: Outline) -> Iterator[str]:
    """What was decided, and what could not be declared, a sentence each."""
    star = drawn.declared.star.values()
    facts = sum(isinstance(table, Fact) for table in star)
    yield from drawn.decided
    yield from (f"not declared: {why}" for why in drawn.left)
    yield f"{len(drawn.declared.sources)} source tables, {len(star) - facts} dimensions and {facts} facts"
