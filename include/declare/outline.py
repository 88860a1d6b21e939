"""A first star, drawn from what refers to what: dimensions, facts, look-ups that are joined; and what could not be."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from include.common.errors import DeclarationError
from include.declare.catalogue import FoundTable, Reference
from include.declare.events import DATED, find_facts
from include.declare.naming import distinct, fold, singular
from include.declare.sources import Source, called, declare_sources, is_direct, referring, without
from include.tables.coherence import joinable
from include.tables.declarations import Declarations
from include.tables.source import SourceColumn
from include.tables.star import Column, Dimension, Fact, Join
from include.tables.types import INTEGERS, NAMED, holds, known_type

LOOKUP_ROWS, LOOKUP_COLUMNS = 1_000, 4
"""The largest table that is joined into the one dimension that refers to it."""

ROW_KEY_TOLD = "The hash of the row's values, and which of those that are all alike it is."

UNRELATED = (
    "No foreign key tells what refers to what, so facts are those without a key or with an event's name or date: name "
    "others with --facts, and declare what their columns refer to by hand"
)


@dataclass
class Outline:
    """Declarations that were drawn up. decided: why so, a sentence each. left: what could not be declared, and why."""

    declared: Declarations
    decided: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)


def outline(found: list[FoundTable], facts: Iterable[str] = (), excluded: Iterable[str] = ()) -> Outline:
    """A first star of these tables. facts: those that are to be facts. excluded: tables, or columns as "table.column".

    Raises: DeclarationError that names what is excluded, or to be a fact, and is not there.
    """
    sources, left = declare_sources(without(found, set(excluded)))
    chosen = _chosen_facts(sources, set(facts))
    drawing = _Drawing(sources, chosen)
    star = [drawing.table(source) for source in sources.values() if source.table.name not in drawing.joined]
    left += [why for source in sources.values() if source.table.name in drawing.facts for why in drawing.plain(source)]
    if len(sources) > 1 and not any(source.targets for source in sources.values()):
        drawing.decided.append(UNRELATED)
    declared = Declarations.of([source.table for source in sources.values()], star)
    return Outline(declared, drawing.decided, left)


def _chosen_facts(sources: dict[int, Source], names: set[str]) -> set[str]:
    """The names that the pipeline gave to the tables that are to be facts."""
    given = {name: own.table.name for own in sources.values() for name in (*called(own.found), own.table.name)}
    if names - given.keys():
        missing = ", ".join(sorted(names - given.keys()))
        raise DeclarationError(f"--facts: the source has no {missing} that can be declared")
    return {given[name] for name in names}


class _Drawing:
    """Which of the source's tables become what."""

    def __init__(self, sources: dict[int, Source], facts: set[str]) -> None:
        self._sources = sources
        self.decided: list[str] = []
        self.facts = facts or find_facts(sources)
        others = [source for source in sources.values() if source.table.name not in self.facts]
        self.joined = {source.table.name for source in others if self._joined_by(source)}
        self._dimensions: dict[str, Dimension] = {}

    def table(self, source: Source) -> Dimension | Fact:
        """What a table becomes."""
        return self._fact(source) if source.table.name in self.facts else self._dimension(source)

    def _joined_by(self, source: Source) -> bool:
        """Whether a table is a small look-up of one dimension."""
        those = referring(source, self._sources)
        small = source.found.rows <= LOOKUP_ROWS and len(source.table.columns) <= LOOKUP_COLUMNS
        if len(those) != 1 or not small or source.targets & self._sources.keys():
            return False
        other, reference = those[0]
        alone = [another.columns for another in other.found.references].count(reference.columns) == 1
        return _joins(other, reference, source) and alone and other.table.name not in self.facts

    def _dimension(self, source: Source) -> Dimension:
        table = source.table
        if table.name in self._dimensions:
            return self._dimensions[table.name]
        joins, columns = list[Join](), [self._column(source, name) for name in table.by_name]
        for reference in source.found.references:
            other = self._sources.get(reference.relation)
            if other and other.table.name in self.joined:
                on = table.by_name[reference.columns[0]]
                joins.append(Join(other.table, on.name))
                columns += _joined_columns(other, on, {column.name for column in columns})
        made = Dimension(f"dim_{table.name}", source.key, table, tuple(columns), tuple(joins), source.found.comment)
        self._dimensions[table.name] = made
        told = f", with {', '.join(join.table.name for join in joins)} joined" if joins else ""
        self.decided.append(f"{source.found.place}: the dimension {made.name}{told}")
        return made

    def _fact(self, source: Source) -> Fact:
        table = source.table
        columns = [self._column(source, name, self._reference(source, name)) for name in table.by_name]
        headers = self._headers(source)
        for on, other in headers.items():
            columns += self._of_header(other, on, table.by_name[on].nullable, {column.name for column in columns})
        taken = {column.name for column in columns} | {"valid_from", "valid_to"}
        (record_id,) = distinct([f"{table.name}_record_id"], taken)
        why = "it has no key that holds for the rows of its heirs too" if source.found.heirs else "it has no key"
        told = f", read whole in each run, as {why}" if table.keyless else ""
        told += f", with columns of {', '.join(other.table.name for other in headers.values())}" if headers else ""
        joins = tuple(Join(other.table, on) for on, other in headers.items())
        self.decided.append(f"{source.found.place}: the fact fact_{table.name}{told}")
        return Fact(f"fact_{table.name}", record_id, source.key, table, tuple(columns), joins, source.found.comment)

    def plain(self, source: Source) -> Iterator[str]:
        """Which references of a fact are none in the star: a sentence for each."""
        for reference in source.found.references:
            other = self._sources.get(reference.relation)
            header = other and other.table.name in self.facts and _joins(source, reference, other)
            why = _hinders(source, reference, other) if other and not header else ""
            if other and why and not _told_by_one(source, reference):
                columns = ", ".join(reference.columns)
                yield f"{source.found.place}: its reference ({columns}) to {other.found.place}, as it is {why}"

    def _headers(self, source: Source) -> dict[str, Source]:
        """Column → the fact that it points to: what a line's order is."""
        found = {}
        for reference in source.found.references:
            other = self._sources.get(reference.relation)
            if other and _joins(source, reference, other) and other is not source and other.table.name in self.facts:
                found[reference.columns[0]] = other
        return found

    def _of_header(self, other: Source, on: str, nullable: bool, taken: set[str]) -> list[Column]:
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

    def _reference(self, source: Source, name: str) -> Dimension | None:
        """The dimension that a fact's column refers to."""
        for reference in source.found.references:
            other = self._sources.get(reference.relation)
            if reference.columns == (name,) and other and is_direct(reference, other):
                plain = other.table.name in self.facts or other.table.name in self.joined
                fits = _refers(source.table.by_name[name].type, other.table.key_types[0])
                return None if plain or not fits or other is source else self._dimension(other)
        return None

    def _column(self, source: Source, name: str, references: Dimension | None = None) -> Column:
        column = source.table.by_name[name]
        comment = next((found.comment for found in source.found.columns if found.name == name), ROW_KEY_TOLD)
        kind = _type_of(column, references)
        return Column(
            source.names[name], kind, name, column.nullable, references, description=" ".join(comment.split())
        )


def _joins(source: Source, reference: Reference, other: Source) -> bool:
    """Whether the other table's row can be joined by a reference."""
    if not is_direct(reference, other):
        return False
    declared, key = source.table.by_name[reference.columns[0]].type, other.table.key_types[0]
    return joinable(declared, key)


def _hinders(source: Source, reference: Reference, other: Source) -> str:
    """Why a reference is none in the star; empty where it can be one."""
    if len(reference.columns) > 1:
        return "of several columns"
    if not reference.kept:
        return "not kept for every row (NOT VALID, NOT ENFORCED, or of a table with heirs)"
    if not is_direct(reference, other):
        return "not to its key"
    declared, key = source.table.by_name[reference.columns[0]].type, other.table.key_types[0]
    return "" if _refers(declared, key) else f"{declared}, and the key {key}"


def _told_by_one(source: Source, reference: Reference) -> bool:
    """Whether one of a reference's several columns refers to the same table by itself."""
    ones = [
        one.columns[0]
        for one in source.found.references
        if one.relation == reference.relation and len(one.columns) == 1
    ]
    return len(reference.columns) > 1 and not set(ones).isdisjoint(reference.columns)


def _free(name: str, table: str, taken: set[str]) -> str:
    """What a joined column is called: as it is, or after its table, where that is taken."""
    return name if name not in taken else fold(f"{table}_{name}")


def _joined_columns(other: Source, on: SourceColumn, taken: set[str]) -> list[Column]:
    """The columns of a look-up but for its key, called after it; NULL where the reference is."""
    columns = [column for column in other.table.columns if column.name not in other.table.key_columns]
    row = singular(other.table.name)
    ends = [other.names[column.name].removeprefix(other.table.name).removeprefix(row).strip("_") for column in columns]
    called = [fold(f"{row}_{end}" if end else row) for end in ends]
    return [
        Column(name, _kept_type(column.type), (on.name, column.name), on.nullable or column.nullable)
        for column, name in zip(columns, distinct(called, taken), strict=True)
    ]


def _refers(declared: str, key: str) -> bool:
    """Whether a column of one type can refer to a key of another: to the same, or to a wider integer or text."""
    plain = known_type(key).family in {*INTEGERS, "text", "varchar"}
    return declared == key or (plain and holds(key, declared))


def _type_of(column: SourceColumn, references: Dimension | None) -> str:
    """The warehouse's type of a source column: that of the key that it refers to."""
    return references.key_types[0] if references else _kept_type(column.type)


def _kept_type(declared: str) -> str:
    """The warehouse's type of a source column."""
    return "text" if known_type(declared).family == NAMED else declared
