"""The command `declare`: from a live source to a package of declarations."""

import argparse
from collections.abc import Iterator
from pathlib import Path

from include.common.errors import DeclarationError
from include.common.postgres import connect, postgres_errors
from include.common.settings import SOURCE_CONNECTION
from include.declare.catalogue import FoundTable, read_catalogue
from include.declare.compare import disagreements
from include.declare.outline import Outline, outline
from include.declare.write import render, write
from include.tables.declarations import Declarations
from include.tables.schema import Fact


def draw_up(options: argparse.Namespace) -> Iterator[str]:
    """Declare a star of the source's tables, write it (but with `dry_run`), and tell what was decided, line by line.

    Raises: DeclarationError where nothing can be declared, or a file was edited; others as `read_catalogue`, `outline`.
    """
    drawn = outline(_read(options.schema, options.tables), options.facts, options.exclude)
    if not drawn.declared.sources:
        raise DeclarationError(f"nothing can be declared: {'; '.join(drawn.left) or 'the source has no table'}")
    folder = Path(options.into)
    files = render(drawn.declared, ".".join(folder.parts))
    if options.dry_run:
        yield from (f"# {folder / name}\n{content}" for name, content in files.items())
    else:
        for name in write(folder, files, options.overwrite):
            yield f"{name}: deleted, as its table is no longer drawn"
    yield from _summary(drawn, folder, options.dry_run)


def find_disagreements(declared: Declarations, schemas: tuple[str, ...], names: tuple[str, ...]) -> list[str]:
    """What the live source and the declarations disagree on. Raises: as `read_catalogue`."""
    return list(disagreements(declared, _read(schemas, names)))


def _read(schemas: tuple[str, ...], names: tuple[str, ...]) -> list[FoundTable]:
    with connect(SOURCE_CONNECTION) as connection, postgres_errors("source"):
        return read_catalogue(connection, schemas, names)


def _summary(drawn: Outline, folder: Path, dry_run: bool) -> Iterator[str]:
    star = drawn.declared.star.values()
    facts = sum(isinstance(table, Fact) for table in star)
    yield from drawn.decided
    yield from (f"not declared: {why}" for why in drawn.left)
    counts = f"{len(drawn.declared.sources)} source tables, {len(star) - facts} dimensions and {facts} facts"
    yield f"{counts} {'would be written' if dry_run else 'written'} to {folder}"
