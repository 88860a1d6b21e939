"""The source's tables as they are declared: under which name, with which key, followed how; and which cannot be."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from include.common.errors import DeclarationError
from include.declare.catalogue import FoundTable, Reference
from include.declare.naming import distinct, fold
from include.tables.checking import SYSTEM_COLUMNS, Key
from include.tables.source import SourceColumn, SourceTable
from include.tables.star import VERSION_COLUMNS
from include.tables.types import INTEGERS, STAMPS, known_type

STAMP_NAMES = ("last_updated", "last_update", "updated_at", "modified_at", "changed_at", "last_modified", "modified",
               "modified_date", "updated", "updated_on", "modified_on", "last_changed", "date_modified")  # fmt: skip
"""What columns are called that tell when a row was last written, the likeliest first."""

CREATED_NAMES = ("created_at", "created", "created_on", "create_date", "created_date", "date_created", "creation_date",
                 "inserted_at")  # fmt: skip
"""Likewise, that tell when it was made."""

STORED = {"r", "p"}
"""What pg_class calls a table, and one that consists of partitions."""

WHOLE_ROWS = 1_000_000
"""The largest table without a key that is declared to be read whole in each run."""


@dataclass(frozen=True)
class Source:
    """A table of the source as it is declared. names: its columns → what the warehouse calls them."""

    found: FoundTable
    table: SourceTable
    names: Mapping[str, str]

    @property
    def key(self) -> Key:
        """The key as the warehouse calls its columns."""
        first, *more = (self.names[name] for name in self.table.key_columns)
        return (first, *more) if more else first

    @property
    def targets(self) -> set[int]:
        """What it refers to, but for itself."""
        return {reference.relation for reference in self.found.references} - {self.found.relation}


def is_direct(reference: Reference, other: Source) -> bool:
    """Whether a reference is one column that points, in every row, to the key of the other table."""
    return len(reference.columns) == 1 and reference.target == other.table.key_columns and reference.kept


def referring(source: Source, sources: Mapping[int, Source]) -> list[tuple[Source, Reference]]:
    """Who refers to a table by one column, but for itself."""
    return [
        (other, reference)
        for other in sources.values()
        for reference in other.found.references
        if reference.relation == source.found.relation and other is not source and len(reference.columns) == 1
    ]


def without(found: list[FoundTable], excluded: set[str]) -> list[FoundTable]:
    """The tables, without those that are excluded and without columns that are ("table.column").

    Raises: DeclarationError that names what is excluded and is not there.
    """
    known = {name for table in found for name in called(table)}
    known |= {f"{name}.{column.name}" for table in found for name in called(table) for column in table.columns}
    if excluded - known:
        raise DeclarationError(f"--exclude: the source has no {', '.join(sorted(excluded - known))}")
    kept = [table for table in found if not excluded & set(called(table))]
    for table in kept:
        named = {f"{name}.{column.name}": column.name for name in called(table) for column in table.columns}
        gone = {named[name] for name in excluded & named.keys()}
        table.columns = [column for column in table.columns if column.name not in gone]
        table.keys = [key for key in table.keys if not gone & set(key)]
        table.references = [reference for reference in table.references if not gone & set(reference.columns)]
    return kept


def called(table: FoundTable) -> tuple[str, str]:
    """What people may call a table."""
    return table.name, table.place


def declare_sources(found: list[FoundTable]) -> tuple[dict[int, Source], list[str]]:
    """Relation → its declaration, of those that can be declared; and a sentence for what cannot."""
    hindered: dict[str, list[str]] = {}
    able = list[FoundTable]()
    for table in found:
        why = _hindrance(table)
        if why:
            hindered.setdefault(why, []).append(table.place)
        else:
            able.append(table)
    left = [f"{', '.join(places)}: {why}" for why, places in hindered.items()]
    left += [why for table in able for why in _of_heirs(table)]
    for table in able:
        table.references += _implied(table, {other.relation: other for other in able})
    names = _names(able)
    relations = {table.relation: name for table, name in zip(able, names, strict=True)}
    return {table.relation: _declare(table, relations) for table in able}, left


def _implied(table: FoundTable, found: Mapping[int, FoundTable]) -> list[Reference]:
    """What single columns refer to since together they refer to a row: a line's product to that of its offer.

    One of them may be that row's key by itself. It holds for every row where none of the columns can be NULL.
    """
    known = [*table.references]
    required = {column.name for column in table.columns if not column.nullable}
    for several in known:  # those that are added are of several columns too, or lead no further
        if len(several.columns) == 1 or several.relation not in found or not required.issuperset(several.columns):
            continue
        own = dict(zip(several.target, several.columns, strict=True))
        key = _key(found[several.relation])
        itself = [Reference((key,), several.relation, (key,))] if isinstance(key, str) else []
        for further in [*found[several.relation].references, *itself]:
            if own.keys() >= set(further.columns):
                columns = tuple(own[name] for name in further.columns)
                reference = Reference(columns, further.relation, further.target, several.kept and further.kept)
                if columns not in [other.columns for other in known]:
                    known.append(reference)
    return [reference for reference in known[len(table.references) :] if len(reference.columns) == 1]


def _hindrance(table: FoundTable) -> str:
    """Why a table cannot be declared; empty where it can."""
    if not table.columns:
        return "without columns"
    if table.lacking:
        return f"not to be seen whole by this role; grant it: {'; '.join(table.lacking)}"
    if not table.keys and table.kind not in STORED:
        return "no table, so nothing tells a key: to be declared by hand; key=() has it read whole each time"
    if not table.keys and table.rows > WHOLE_ROWS:
        return f"without a key, and of more than {WHOLE_ROWS:,} rows: give it one, or declare it by hand with key=()"
    return ""


def _of_heirs(table: FoundTable) -> Iterable[str]:
    """What the rows of heirs have that is not read with those of the table: a sentence for each."""
    for heir, more in table.heirs.items():
        if more:
            yield f"{heir}: its rows are read with those of {table.place}, without its own columns, {', '.join(more)}"


def _key(table: FoundTable) -> Key:
    """The primary key, or an integer that is unique where that is several columns; () where there is none."""
    types = {column.name: column.type for column in table.columns}
    integers = [key for key in table.keys if len(key) == 1 and types[key[0]] in INTEGERS]
    best = table.keys[:1] if table.keys and len(table.keys[0]) == 1 else [*integers, *table.keys]
    return () if not best else best[0] if len(best[0]) > 1 else best[0][0]


def _names(tables: list[FoundTable]) -> list[str]:
    """What the pipeline calls them: with the schema before it, where two have one name.

    None is called as what is made for another: an index, or the table of the star.
    """
    folded = [fold(table.name) for table in tables]
    full = [
        fold(f"{table.schema}_{table.name}") if folded.count(name) > 1 else name
        for table, name in zip(tables, folded, strict=True)
    ]
    made = ("{}_current", "{}_pkey", "dim_{}", "fact_{}")
    return distinct(full, {form.format(name) for name in full for form in made})


def _declare(table: FoundTable, relations: Mapping[int, str]) -> Source:
    targets = {
        reference.columns[0]: relations[reference.relation]
        for reference in table.references
        if len(reference.columns) == 1 and reference.relation in relations
    }
    columns = tuple(
        SourceColumn(column.name, column.type, column.nullable, targets.get(column.name)) for column in table.columns
    )
    name = relations[table.relation]
    declared = SourceTable(
        name,
        _key(table),
        columns,
        schema=table.schema,
        relation="" if table.name == name else table.name,
        stamp=_stamp(table, STAMP_NAMES),
        created=_stamp(table, CREATED_NAMES),
        follow="xmin" if table.keys else "whole",
    )
    names = distinct(map(fold, declared.by_name), (*VERSION_COLUMNS, *SYSTEM_COLUMNS))
    return Source(table, declared, dict(zip(declared.by_name, names, strict=True)))


def _stamp(table: FoundTable, likely: tuple[str, ...]) -> str:
    stamps = {_joined(fold(column.name)): column.name for column in table.columns if _is_instant(column.type)}
    return next((stamps[name] for name in map(_joined, likely) if name in stamps), "")


def _joined(name: str) -> str:
    return name.replace("_", "")


def _is_instant(declared: str) -> bool:
    kind = known_type(declared)
    return kind.family in STAMPS and not kind.array
