"""Declarations as Python: the files of a package that `collect` reads, none of which an editor's work is lost in."""

import json
from collections.abc import Iterable, Iterator
from hashlib import sha256
from pathlib import Path

from include.common.errors import DeclarationError
from include.declare.naming import variable
from include.tables.checking import Key
from include.tables.declarations import Declarations, referenced_by
from include.tables.source import SourceColumn, SourceTable
from include.tables.star import Calendar, Column, Dimension, Fact

MARK = "# Written by `python -m include declare`, digest "
"""What a file begins with whose rest has the digest behind it: an edited one has another."""

DIGITS = 16

WIDTH = 120
"""No line of the project is longer. What is written is formatted as its formatter would, so that `make lint` holds."""

Files = dict[str, str]
"""Path in the package → content."""


def render(declared: Declarations, package: str) -> Files:
    """The files that declare a set. package: its dotted name."""
    star = {
        f"star/{name}.py": _star_file(table, package)
        for name, table in declared.star.items()
        if not isinstance(table, Calendar)
    }
    files = {
        "__init__.py": _package_file(),
        "sources.py": "".join(_sources_file(declared)),
        "star/__init__.py": '"""The warehouse: a file per table, which declares the table under its own name."""\n',
        **star,
    }
    return {name: f"{MARK}{_digest(content)}\n{content}" for name, content in files.items()}


def _digest(content: str) -> str:
    return sha256(content.encode()).hexdigest()[:DIGITS]


def is_edited(content: str) -> bool:
    """Whether somebody wrote, or changed, a file."""
    first, _, rest = content.partition("\n")
    return first != MARK + _digest(rest)


def write(folder: Path, files: Files, overwrite: bool = False) -> list[str]:
    """Write a package's files, and delete those of tables that are no longer drawn; gives the paths of the latter.

    Raises: DeclarationError that names the files that somebody edited, unless they may be lost: none is touched then.
    """
    there = {str(path.relative_to(folder)) for path in folder.rglob("*.py")} if folder.exists() else set()
    edited = sorted(name for name in there if is_edited((folder / name).read_text()))
    if edited and not overwrite:
        told = ", ".join(str(folder / name) for name in edited)
        raise DeclarationError(f"{told}: edited by hand; nothing was written. --overwrite replaces or deletes them")
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    gone = sorted(there - files.keys())
    for name in gone:
        (folder / name).unlink()
    return [str(folder / name) for name in gone]


def _package_file() -> str:
    return (
        '"""The declarations of the source\'s tables, and of the star that is made of them."""\n\n'
        "from include.tables.declarations import collect\n\nDECLARED = collect(__name__)\n"
    )


def _sources_file(declared: Declarations) -> Iterator[str]:
    yield '"""The source\'s tables. They are read in this order."""\n\n'
    yield "from include.tables.source import SourceColumn, SourceTable\n"
    for table in declared.sources.values():
        yield f"\n{variable(table.name)} = SourceTable(\n"
        yield from (f"    {line},\n" for line in _source_lines(table))
        yield ")\n"


def _source_lines(table: SourceTable) -> Iterator[str]:
    yield f"name={_text(table.name)}"
    if table.relation:
        yield f"relation={_text(table.relation)}"
    if table.schema != "public":
        yield f"schema={_text(table.schema)}"
    yield f"key={_key(table.key)}"
    if table.follow != "xmin":
        yield f"follow={_text(table.follow)}"
    if table.stamp:
        yield f"stamp={_text(table.stamp)}"
    if table.created:
        yield f"created={_text(table.created)}"
    yield f"columns={_listed(_source_column(column) for column in table.columns)}"


def _source_column(column: SourceColumn) -> str:
    more = [_text(column.name), _text(column.type)]
    more += ["nullable=True"] if column.nullable else []
    more += [f"references={_text(column.references)}"] if column.references else []
    return _call("SourceColumn", more)


def _star_file(table: Dimension | Fact, package: str) -> str:
    kind = type(table).__name__
    used = ["Column", kind, *(["Join"] if table.joins else [])]
    sources = ", ".join(sorted({variable(own.name) for own in table.source_tables}))
    imports = sorted(
        [
            f"from include.tables.star import {', '.join(sorted(used))}",
            f"from {package}.sources import {sources}",
            *(f"from {package}.star.{other.name} import {other.name}" for other in referenced_by(table)),
        ]
    )
    lines = "".join(f"    {line},\n" for line in _star_lines(table))
    about = _told(table.description or f"What {table.source.place} holds.")
    return f"{about}\n\n{chr(10).join(imports)}\n\n{table.name} = {kind}(\n{lines})\n"


def _told(description: str) -> str:
    """A docstring, whatever it holds."""
    text = " ".join(description.split())
    plain = '"' not in text and "\\" not in text
    return f'"""{text}"""' if plain else json.dumps(text, ensure_ascii=False)


def _star_lines(table: Dimension | Fact) -> Iterator[str]:
    yield f"name={_text(table.name)}"
    if isinstance(table, Fact):
        yield f"record_id={_text(table.record_id)}"
    yield f"key={_key(table.key)}"
    yield f"source={variable(table.source.name)}"
    if table.joins:
        joins = [f"Join({variable(join.table.name)}, on={_text(join.on)})" for join in table.joins]
        yield f"joins={_listed(joins)}" if len(joins) > 1 else f"joins=({joins[0]},)"
    if isinstance(table, Dimension) and table.history:
        yield "history=True"
    if table.description:
        yield f"description={_text(table.description)}"
    yield f"columns={_listed(map(_column, table.columns))}"


def _column(column: Column) -> str:
    origin = _text(column.source) if isinstance(column.source, str) else f"({', '.join(map(_text, column.source))})"
    more = [_text(column.name), _text(column.type), origin]
    more += ["nullable=True"] if column.nullable else []
    more += [f"references={column.references.name}"] if column.references else []
    more += [f"description={_text(column.description)}"] if column.description else []
    return _call("Column", more)


def _listed(parts: Iterable[str]) -> str:
    return "(\n" + "".join(f"        {part},\n" for part in parts) + "    )"


def _call(name: str, arguments: list[str]) -> str:
    """A call that is listed: on a line, where it fits, or its arguments on one, or each on its own."""
    told, room = ", ".join(arguments), WIDTH - len("        ")
    if len(f"{name}({told}),") <= room:
        return f"{name}({told})"
    inner = [told] if len(f"    {told}") <= room else [f"{argument}," for argument in arguments]
    return "\n".join([f"{name}(", *(f"            {line}" for line in inner), "        )"])


def _key(key: Key) -> str:
    return _text(key) if isinstance(key, str) else repr(key) if not key else f"({', '.join(map(_text, key))})"


def _text(value: str) -> str:
    """A text as Python has it: in double quotes, unless it holds some and no single one."""
    parts = [json.dumps(part, ensure_ascii=False)[1:-1].replace("\x7f", "\\x7f") for part in value.split('"')]
    if '"' in value and "'" not in value:
        return "'" + '"'.join(parts) + "'"
    return '"' + '\\"'.join(parts) + '"'
