"""A first star, drawn from what refers to what: dimensions, facts, look-ups that are joined; and what could not be."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from include.common.errors import DeclarationError
from include.declare.catalogue import FoundTable, Reference
from include.declare.naming import distinct, fold
from include.tables.checking import SYSTEM_COLUMNS, Key
from include.tables.declarations import Declarations
from include.tables.source import SourceColumn, SourceTable
from include.tables.star import VERSION_COLUMNS, Column, Dimension, Fact, Join
from include.tables.types import INTEGERS, NAMED, STAMPS, holds, known_type

STAMP_NAMES = ("last_updated", "last_update", "updated_at", "modified_at", "changed_at", "last_modified", "modified",
               "modified_date", "updated", "updated_on", "modified_on", "last_changed", "date_modified")  # fmt: skip
"""What columns are called that tell when a row was last written, the likeliest first."""

CREATED_NAMES = ("created_at", "created", "created_on", "create_date", "created_date", "date_created", "creation_date",
                 "inserted_at")  # fmt: skip
"""Likewise, that tell when it was made."""

LOOKUP_ROWS, LOOKUP_COLUMNS = 1_000, 4
"""The largest table that is joined into the one dimension that refers to it."""

ROW_KEY_TOLD = "The hash of the row's values, and which of those that are all alike it is."

DATED = {"date", *STAMPS}
"""Types of columns that tell when something was."""

STORED = {"r", "p"}
"""What pg_class calls a table, and one that consists of partitions."""

WHOLE_ROWS = 1_000_000
"""The largest table without a key that is declared to be read whole in each run."""

LARGE_ROWS = 1_000
"""From how many rows on a table that others refer to can be a fact, if it refers to several tables itself."""


@dataclass
class Outline:
    """Declarations that were drawn up. decided: why so, a sentence each. left: what could not be declared, and why."""

    declared: Declarations
    decided: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class _Source:
    """A table of the source as it is declared. names: its columns → what the warehouse calls them."""

    found: FoundTable
    table: SourceTable
    names: Mapping[str, str]

    @property
    def key(self) -> Key:
        """The key as the warehouse calls its columns."""
        first, *more = (self.names[name] for name in self.table.key_columns)
        return (first, *more) if more else first


def outline(found: list[FoundTable], facts: Iterable[str] = (), excluded: Iterable[str] = ()) -> Outline:
    """A first star of these tables. facts: those that are to be facts. excluded: tables, or columns as "table.column".

    Raises: DeclarationError that names what is excluded, or to be a fact, and is not there.
    """
    left: list[str] = []
    kept = _without(found, set(excluded))
    sources = _declare_sources(kept, left)
    chosen = _chosen_facts(sources, set(facts))
    drawing = _Drawing(sources, chosen)
    star = [drawing.table(source) for source in sources.values() if source.table.name not in drawing.joined]
    left += [why for source in sources.values() if source.table.name in drawing.facts for why in drawing.plain(source)]
    declared = Declarations.of([source.table for source in sources.values()], star)
    return Outline(declared, drawing.decided, left)


def _without(found: list[FoundTable], excluded: set[str]) -> list[FoundTable]:
    """The tables, without those that are excluded and without columns that are."""
    known = {name for table in found for name in _called(table)}
    known |= {f"{name}.{column.name}" for table in found for name in _called(table) for column in table.columns}
    if excluded - known:
        raise DeclarationError(f"--exclude: the source has no {', '.join(sorted(excluded - known))}")
    kept = [table for table in found if not excluded & set(_called(table))]
    for table in kept:
        named = {f"{name}.{column.name}": column.name for name in _called(table) for column in table.columns}
        gone = {named[name] for name in excluded & named.keys()}
        table.columns = [column for column in table.columns if column.name not in gone]
        table.keys = [key for key in table.keys if not gone & set(key)]
        table.references = [reference for reference in table.references if not gone & set(reference.columns)]
    return kept


def _called(table: FoundTable) -> tuple[str, str]:
    return table.name, table.place


def _declare_sources(found: list[FoundTable], left: list[str]) -> dict[int, _Source]:
    """Relation → its declaration, of those that can be declared. left: takes a sentence for each other."""
    left += [f"{table.place}: {why}" for table in found if (why := _hindrance(table))]
    able = [table for table in found if not _hindrance(table)]
    names = _names(able)
    relations = {table.relation: name for table, name in zip(able, names, strict=True)}
    return {table.relation: _declare(table, relations) for table in able}


def _hindrance(table: FoundTable) -> str:
    """Why a table cannot be declared; empty where it can."""
    if not table.columns:
        return "it has no columns"
    if not table.keys and table.kind not in STORED:
        return "it is no table, and nothing tells its key: declare it by hand; key=() has it read whole each time"
    if not table.keys and table.rows > WHOLE_ROWS:
        return f"it has no key, and more than {WHOLE_ROWS:,} rows: give it one, or declare it by hand with key=()"
    return ""


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


def _declare(table: FoundTable, relations: Mapping[int, str]) -> _Source:
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
    return _Source(table, declared, dict(zip(declared.by_name, names, strict=True)))


def _stamp(table: FoundTable, likely: tuple[str, ...]) -> str:
    stamps = {fold(column.name): column.name for column in table.columns if _is_instant(column.type)}
    return next((stamps[name] for name in likely if name in stamps), "")


def _is_instant(declared: str) -> bool:
    kind = known_type(declared)
    return kind.family in STAMPS and not kind.array


def _chosen_facts(sources: dict[int, _Source], names: set[str]) -> set[str]:
    """The names that the pipeline gave to the tables that are to be facts."""
    called = {name: own.table.name for own in sources.values() for name in (*_called(own.found), own.table.name)}
    if names - called.keys():
        missing = ", ".join(sorted(names - called.keys()))
        raise DeclarationError(f"--facts: the source has no {missing} that can be declared")
    return {called[name] for name in names}


class _Drawing:
    """Which of the source's tables become what."""

    def __init__(self, sources: dict[int, _Source], facts: set[str]) -> None:
        self._sources = sources
        self.decided: list[str] = []
        self.facts = facts or {source.table.name for source in sources.values() if self._is_fact(source)}
        others = [source for source in sources.values() if source.table.name not in self.facts]
        self.joined = {source.table.name for source in others if self._joined_by(source)}
        self._dimensions: dict[str, Dimension] = {}

    def table(self, source: _Source) -> Dimension | Fact:
        """What a table becomes."""
        return self._fact(source) if source.table.name in self.facts else self._dimension(source)

    def _referring(self, source: _Source) -> list[tuple[_Source, Reference]]:
        """Who refers to a table, but for itself."""
        return [
            (other, reference)
            for other in self._sources.values()
            for reference in other.found.references
            if reference.relation == source.found.relation and other is not source
        ]

    def _targets(self, source: _Source) -> set[int]:
        found = {reference.relation for reference in source.found.references}
        return (found & self._sources.keys()) - {source.found.relation}

    def _is_fact(self, source: _Source) -> bool:
        """What refers to others and nobody refers to; and what is large and refers to several."""
        targets = self._targets(source)
        if source.table.keyless:
            return True
        if not self._referring(source):
            return bool(targets)
        return len(targets) > 1 and source.found.rows >= LARGE_ROWS

    def _joined_by(self, source: _Source) -> bool:
        """Whether a table is a small look-up of one dimension."""
        referring = self._referring(source)
        small = source.found.rows <= LOOKUP_ROWS and len(source.table.columns) <= LOOKUP_COLUMNS
        if len(referring) != 1 or not small or self._targets(source):
            return False
        other, reference = referring[0]
        alone = [another.columns for another in other.found.references].count(reference.columns) == 1
        return (
            _is_direct(reference, source)
            and alone
            and other.table.name not in self.facts
            and not other.table.by_name[reference.columns[0]].nullable
        )

    def _dimension(self, source: _Source) -> Dimension:
        table = source.table
        if table.name in self._dimensions:
            return self._dimensions[table.name]
        joins, columns = list[Join](), [self._column(source, name) for name in table.by_name]
        for reference in source.found.references:
            other = self._sources.get(reference.relation)
            if other and other.table.name in self.joined:
                joins.append(Join(other.table, reference.columns[0]))
                columns += _joined_columns(other, reference.columns[0], {column.name for column in columns})
        made = Dimension(f"dim_{table.name}", source.key, table, tuple(columns), tuple(joins), source.found.comment)
        self._dimensions[table.name] = made
        told = f", with {', '.join(join.table.name for join in joins)} joined" if joins else ""
        self.decided.append(f"{source.found.place}: the dimension {made.name}{told}")
        return made

    def _fact(self, source: _Source) -> Fact:
        table = source.table
        columns = [self._column(source, name, self._reference(source, name)) for name in table.by_name]
        headers = self._headers(source)
        for on, other in headers.items():
            columns += self._of_header(other, on, table.by_name[on].nullable, {column.name for column in columns})
        taken = {column.name for column in columns} | {"valid_from", "valid_to"}
        (record_id,) = distinct([f"{table.name}_record_id"], taken)
        told = ", read whole in each run, as it has no key" if table.keyless else ""
        told += f", with columns of {', '.join(other.table.name for other in headers.values())}" if headers else ""
        joins = tuple(Join(other.table, on) for on, other in headers.items())
        self.decided.append(f"{source.found.place}: the fact fact_{table.name}{told}")
        return Fact(f"fact_{table.name}", record_id, source.key, table, tuple(columns), joins, source.found.comment)

    def plain(self, source: _Source) -> Iterator[str]:
        """Which references of a fact are none in the star: a sentence for each."""
        for reference in source.found.references:
            other = self._sources.get(reference.relation)
            why = _hinders(source, reference, other) if other else ""
            if other and why:
                columns = ", ".join(reference.columns)
                yield f"{source.found.place}: its reference ({columns}) to {other.found.place}, as it is {why}"

    def _headers(self, source: _Source) -> dict[str, _Source]:
        """Column → the fact that it points to: what a line's order is."""
        found = {}
        for reference in source.found.references:
            other = self._sources.get(reference.relation)
            if other and _is_direct(reference, other) and other is not source and other.table.name in self.facts:
                found[reference.columns[0]] = other
        return found

    def _of_header(self, other: _Source, on: str, nullable: bool, taken: set[str]) -> list[Column]:
        """What a line takes of its header: what that refers to, and its dates."""
        references = {name: self._reference(other, name) for name in other.table.by_name}
        days = {name for name, column in other.table.by_name.items() if known_type(column.type).family in DATED}
        names = [
            name
            for name in other.table.by_name
            if name not in (*other.table.key_columns, other.table.stamp) and (references[name] or name in days)
        ]
        called = distinct([_free(other.names[name], other.table.name, taken) for name in names], taken)
        return [
            Column(
                column,
                _type_of(other.table.by_name[name], references[name]),
                (on, name),
                nullable or other.table.by_name[name].nullable,
                references[name],
            )
            for column, name in zip(called, names, strict=True)
        ]

    def _reference(self, source: _Source, name: str) -> Dimension | None:
        """The dimension that a fact's column refers to."""
        for reference in source.found.references:
            other = self._sources.get(reference.relation)
            if reference.columns == (name,) and other and _is_direct(reference, other):
                plain = other.table.name in self.facts or other.table.name in self.joined
                fits = _refers(source.table.by_name[name].type, other.table.key_types[0])
                return None if plain or not fits or other is source else self._dimension(other)
        return None

    def _column(self, source: _Source, name: str, references: Dimension | None = None) -> Column:
        column = source.table.by_name[name]
        comment = next((found.comment for found in source.found.columns if found.name == name), ROW_KEY_TOLD)
        kind = _type_of(column, references)
        return Column(source.names[name], kind, name, column.nullable, references, description=_line(comment))


def _is_direct(reference: Reference, other: _Source) -> bool:
    """Whether a reference is one column that points to the key of the other table."""
    return len(reference.columns) == 1 and reference.target == other.table.key_columns


def _hinders(source: _Source, reference: Reference, other: _Source) -> str:
    """Why a reference is none in the star; empty where it can be one."""
    if len(reference.columns) > 1:
        return "of several columns"
    if not _is_direct(reference, other):
        return "not to its key"
    declared, key = source.table.by_name[reference.columns[0]].type, other.table.key_types[0]
    return "" if _refers(declared, key) else f"{declared}, and the key {key}"


def _free(name: str, table: str, taken: set[str]) -> str:
    """What a joined column is called: as it is, or after its table, where that is taken."""
    return name if name not in taken else fold(f"{table}_{name}")


def _joined_columns(other: _Source, on: str, taken: set[str]) -> list[Column]:
    """The columns of a look-up but for its key, called after it."""
    columns = [column for column in other.table.columns if column.name not in other.table.key_columns]
    ends = [other.names[column.name].removeprefix(other.table.name).strip("_") for column in columns]
    called = [fold(f"{other.table.name}_{end}") for end in ends]
    return [
        Column(name, _kept_type(column.type), (on, column.name), column.nullable)
        for column, name in zip(columns, distinct(called, taken), strict=True)
    ]


def _refers(declared: str, key: str) -> bool:
    """Whether a column of one type can refer to a key of another: to the same, or as an integer to a wider one."""
    return declared == key or ({declared, key} <= set(INTEGERS) and holds(key, declared))


def _type_of(column: SourceColumn, references: Dimension | None) -> str:
    """The warehouse's type of a source column: that of the key that it refers to."""
    return references.key_types[0] if references else _kept_type(column.type)


def _kept_type(declared: str) -> str:
    """The warehouse's type of a source column."""
    return "text" if known_type(declared).family == NAMED else declared


def _line(comment: str) -> str:
    return " ".join(comment.split())
