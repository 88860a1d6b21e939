"""A set of declarations, and what hangs on what in it: which tables feed which, and in which order they are read."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, is_dataclass, replace
from functools import cached_property
from graphlib import CycleError, TopologicalSorter
from hashlib import sha256
from importlib import import_module
from importlib.util import find_spec
from pkgutil import iter_modules
from typing import Any, TypeGuard

from include.common.errors import DeclarationError
from include.tables.checking import fitting
from include.tables.coherence import by_name, check_metrics, check_questions, check_star, origins_of
from include.tables.metrics import Metric
from include.tables.question import Question
from include.tables.source import SourceTable
from include.tables.star import Calendar, Column, Dimension, Fact, Join, StarTable, is_versioned

UNTOLD = {"description", "personal", "currency", "believed_deletions", "slice_rows"}
"""What a declaration may say that no value depends on."""


@dataclass(frozen=True, repr=False)
class Declarations:
    """Source tables, the star that is built from them, its metrics, and what is asked of it: all that there is to tell.

    They check each other when the set is made. Raises: DeclarationError that names the table and the column.
    """

    sources: Mapping[str, SourceTable]
    star: Mapping[str, StarTable]
    metrics: Mapping[str, Metric] = field(default_factory=dict)
    questions: Mapping[str, Question] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_star(self.star, self.sources)
        check_metrics(self.metrics.values(), self.star)
        check_questions(self.questions, self.star)
        try:
            TopologicalSorter(self._before).prepare()
        except CycleError as error:
            circle = ", ".join(sorted(set(error.args[1])))
            raise DeclarationError(
                f"{circle}: facts and dimensions of these tables refer to each other in a circle, so none can be read "
                "first: a fact's table is, before those of its dimensions"
            ) from error

    def __repr__(self) -> str:
        return f"Declarations({len(self.sources)} source tables, {len(self.star)} warehouse tables)"

    @classmethod
    def of(
        cls,
        sources: Iterable[SourceTable],
        star: Iterable[StarTable],
        metrics: Iterable[Metric] = (),
        questions: Iterable[Question] = (),
    ) -> "Declarations":
        """The set of these; dimensions come first. Raises: DeclarationError for two of a kind that have one name."""
        tables = sorted(star, key=lambda table: (isinstance(table, Fact), table.name))
        return cls(by_name(sources), by_name(tables), by_name(metrics), by_name(questions))

    @cached_property
    def calendar(self) -> Calendar | None:
        """The dimension of days, where there is one."""
        return next((table for table in self.star.values() if isinstance(table, Calendar)), None)

    @cached_property
    def scored(self) -> list[Question]:
        """The questions whose answers are kept in a table of the warehouse."""
        return [question for question in self.questions.values() if question.scores]

    @cached_property
    def facts(self) -> list[Fact]:
        """The facts."""
        return [table for table in self.star.values() if isinstance(table, Fact)]

    @cached_property
    def versioned(self) -> list[Dimension | Fact]:
        """The tables that hold every version of each row."""
        return [table for table in self.star.values() if is_versioned(table)]

    @cached_property
    def sliced(self) -> list[str]:
        """The source tables that may be read in slices."""
        return [name for name, table in self.sources.items() if table.slice_rows]

    def fed_by(self, source: str) -> list[Dimension | Fact]:
        """The warehouse tables that a source table is needed for."""
        return [
            table for table in self.star.values() if not isinstance(table, Calendar) and source in table.source_names
        ]

    def built_on(self, source: str) -> list[Dimension | Fact]:
        """The warehouse tables whose rows are a source table's own."""
        return [table for table in self.fed_by(source) if table.source.name == source]

    def joined_to(self, source: str) -> tuple[Join, ...]:
        """What is read beside each row of a source table: each other table with the columns that are needed of it."""
        built = self.built_on(source)
        joined = {join.on: join.table for table in built for join in table.joins}
        origins = [origin for table in built for origin in origins_of(table)]
        needed = {
            name: {*other.key_columns, other.stamp}
            for name, other in ((other.name, other) for other in joined.values())
        }
        for origin in origins:
            if origin.on:
                needed[origin.table.name].add(origin.column.name)
        return tuple(Join(with_only(other, needed[other.name]), on) for on, other in joined.items())

    def referring_to(self, table: StarTable) -> list[tuple[StarTable, str]]:
        """The foreign keys that point to a warehouse table: the table that has it, and its name there."""
        return [
            (other, foreign_key(other, column.name))
            for other in self.star.values()
            for column in other.columns
            if column.references and column.references.name == table.name and has_foreign_key(column)
        ]

    def fingerprint(self, source: str) -> str:
        """A text that changes when the declarations of a source table or of what it feeds do: it is then read whole."""
        joined = [join.table for join in self.joined_to(source)]
        documents = [as_document(part) for part in (self.sources[source], *self.built_on(source), *joined)]
        return sha256(repr(documents).encode()).hexdigest()[:16]

    def read_before(self, source: str) -> set[str]:
        """The source tables that are read before this one, so that what their rows refer to is there when it is read.

        A fact's table comes before the tables of the dimensions that it refers to.
        """
        return self._before.get(source, set())

    @cached_property
    def _before(self) -> dict[str, set[str]]:
        found: dict[str, set[str]] = {}
        for fact in self.facts:
            for dimension in referenced_by(fact):
                if is_built(dimension) and dimension.source.name != fact.source.name:
                    found.setdefault(dimension.source.name, set()).add(fact.source.name)
        return found

    def select_sources(self, names: Iterable[str]) -> set[str]:
        """The source tables to read for these tables, source or warehouse ones.

        With them come those of the dimensions that they refer to, and of what else is built from the same sources, so
        that what is read can be loaded, and recorded, in full.

        Raises: DeclarationError that names a table that is not declared.
        """
        unknown = sorted(set(names) - self.sources.keys() - self.star.keys())
        if unknown:
            declared = ", ".join([*self.sources, *self.star])
            raise DeclarationError(f"no such table: {', '.join(unknown)}; declared are {declared}")
        named = {name for name in names if name in self.sources}
        wanted = {name for name in names if name in self.star}
        wanted |= {table.name for name in named for table in self.fed_by(name)}
        while True:
            dimensions = {other.name for name in wanted for other in referenced_by(self.star[name])}
            sources = {table.source.name for table in map(self.star.get, wanted | dimensions) if is_built(table)}
            complete = wanted | dimensions | {table.name for name in sources for table in self.built_on(name)}
            if complete == wanted:
                return sources | named
            wanted = complete

    def accepted_sources(self, names: Iterable[str], read: set[str]) -> set[str]:
        """The source tables whose deletions are accepted with these names, all of which a run reads (`read`).

        Raises: DeclarationError that names a table that is not declared, or that the run does not read.
        """
        accepted = self.named_sources(names) if self.select_sources(names) else set()
        if accepted - read:
            missed = ", ".join(sorted(accepted - read))
            raise DeclarationError(
                f"accept_deletions names {missed}, which this run does not read: name it in tables too"
            )
        return accepted

    def named_sources(self, names: Iterable[str]) -> set[str]:
        """The source tables that these names of source or warehouse tables mean themselves.

        The rows of a joined table are read with those that it completes.
        """
        found = set()
        for name in names:
            tables = [self.star[name]] if name in self.star else self.fed_by(name)
            found |= {table.source.name for table in tables if is_built(table)} | ({name} & self.sources.keys())
        return found


def collect(package: str) -> Declarations:
    """The declarations of a package: the source tables of its module `sources`, and those of its modules `star.…`.

    Each file of `star` declares one table, under the file's own name. Where there is a package `metrics`, each of its
    files declares metrics whose names begin with the file's. A module `questions` is no must.

    Raises: DeclarationError that names a file without its table; others as `Declarations`.
    """
    sources, star = import_module(f"{package}.sources"), import_module(f"{package}.star")
    names = [module.name for module in iter_modules(star.__path__)]
    tables = [getattr(import_module(f"{star.__name__}.{name}"), name, None) for name in names]
    for name, table in zip(names, tables, strict=True):
        if not isinstance(table, Dimension | Fact | Calendar):
            raise DeclarationError(f"{package.replace('.', '/')}/star/{name}.py declares no table named {name}")
    read = [value for value in vars(sources).values() if isinstance(value, SourceTable)]
    asked = vars(import_module(f"{package}.questions")).values() if find_spec(f"{package}.questions") else ()
    questions = [value for value in asked if isinstance(value, Question)]
    return Declarations.of(read, [table for table in tables if table], _metrics(f"{package}.metrics"), questions)


def _metrics(package: str) -> list[Metric]:
    if find_spec(package) is None:
        return []
    found = []
    for name in [module.name for module in iter_modules(import_module(package).__path__)]:
        declared = [value for value in vars(import_module(f"{package}.{name}")).values() if isinstance(value, Metric)]
        strange = [metric.name for metric in declared if not f"{metric.name}_".startswith(f"{name}_")]
        if strange or not declared:
            told = f"{', '.join(strange)}, whose names do not begin with the file's" if strange else "no metric"
            raise DeclarationError(f"{package.replace('.', '/')}/{name}.py declares {told}")
        found += declared
    return found


def load(package: str) -> Declarations:
    """The declarations that a package holds as DECLARED.

    Raises: DeclarationError that names the package, whatever is wrong with it: it is somebody's own code.
    """
    try:
        found = import_module(package).DECLARED
    except DeclarationError:
        raise
    except Exception as error:
        told = f"{type(error).__name__}: {' '.join(str(error).split())}"
        raise DeclarationError(f"the declarations in {package} cannot be read: {told}") from error
    if not isinstance(found, Declarations):
        raise DeclarationError(f"the declarations in {package} cannot be read: DECLARED is no set of them")
    return found


def is_built(table: StarTable | None) -> TypeGuard[Dimension | Fact]:
    """Whether a warehouse table is built from source tables."""
    return isinstance(table, Dimension | Fact)


def with_only(table: SourceTable, columns: Iterable[str]) -> SourceTable:
    """A source table of these columns alone."""
    kept = set(columns)
    created = table.created if table.created in kept else ""
    return replace(table, columns=tuple(column for column in table.columns if column.name in kept), created=created)


def referenced_by(table: StarTable) -> list[Dimension | Calendar]:
    """The dimensions that a warehouse table's columns refer to."""
    found = {column.references.name: column.references for column in table.columns if column.references}
    return list(found.values())


def has_foreign_key(column: Column) -> bool:
    """Whether a foreign key keeps a column's reference. None can where the dimension has several versions of a row."""
    return column.references is not None and not is_versioned(column.references)


def foreign_key(table: StarTable, column: str) -> str:
    """The name of the foreign key of a column that refers to a dimension. Another table may have one so called."""
    return fitting(f"{table.name}_{column}_fkey")


def as_document(declared: Any) -> Any:
    """A declaration as plain values, without what no value depends on: the same for what is built the same way.

    Tables that it refers to are named.
    """
    if isinstance(declared, tuple):
        return [as_document(part) for part in declared]
    if not is_dataclass(declared):
        return declared.__qualname__ if callable(declared) else declared
    told = [part.name for part in fields(declared) if part.name not in UNTOLD]
    return {name: _named(getattr(declared, name)) for name in told}


def _named(value: Any) -> Any:
    return value.name if isinstance(value, SourceTable | Dimension | Calendar) else as_document(value)
