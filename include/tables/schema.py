"""What a declaration may say: source tables, and the dimensions and facts that are built from them.

A declaration is frozen and checks itself when it is made, so a wrong one fails at import, with its name.
Types are PostgreSQL's own words; only the standard library is imported, so that a DAG file stays cheap to parse.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import Literal, TypeGuard

from include.common.errors import DeclarationError
from include.tables.types import INTEGERS, NAMED, PLAIN, STAMPS, Type, known_type, parse

IDENTIFIER = re.compile(r"[a-z_][a-z0-9_]{0,62}")

FOLLOWED = ("xmin", "stamp", "whole")
"""What tells that a row changed: the transaction that wrote it, or its stamp; or nothing does."""

Key = str | tuple[str, ...]
"""The column that rows are known by, or several that tell them apart together."""

ROW_KEY = "row_key"
"""The column that numbers rows without a key: by their values, and which of those that are all alike they are. It ends
with `_` where a column is called so already."""

KEY_NUMBER = "key_number"
"""What CSV files call the number of a key that is no integer, likewise. See `tables/numbering`."""

VERSION_COLUMNS = ("valid_from", "valid_to")
"""Between which readings a version was current; the second is NULL as long as it is."""

IDENTIFIER_BYTES = 63
"""The longest name in PostgreSQL. Source: NAMEDATALEN in its pg_config_manual.h."""


CALENDAR_COLUMNS = {
    "date_id": "date",
    "year": "integer",
    "month": "integer",
    "day": "integer",
    "day_of_week": "integer",
    "day_name": "text",
    "month_name": "text",
    "quarter": "integer",
}
"""What can be told of a day, and as what."""


def require(condition: bool, message: str) -> None:
    """Refuse a declaration. Raises: DeclarationError with the message, where the condition does not hold."""
    if not condition:
        raise DeclarationError(message)


TYPES = (
    f"{', '.join(sorted(PLAIN))}, varchar(n), char(n), numeric(p,s), with digits of a second time(n), timestamp(n), "
    'timestamptz(n), interval(n), arrays of these as integer[], or any other by its name in quotes, as "mood": it is '
    "read as its text"
)
"""What a declaration may say, for people."""


def _require_type(declared: str, where: str) -> Type:
    known = parse(declared)
    if known is None:
        raise DeclarationError(f"{where}: unknown type {declared!r}; use {TYPES}")
    return known


def _require_names(table: str, columns: Iterable[str]) -> None:
    """Refuse names that the pipeline cannot give to what it makes: tables, columns, tasks and files."""
    names = [table, *columns]
    for name in names:
        require(bool(IDENTIFIER.fullmatch(name)), f"{table}: {name!r} is not a lower-case SQL identifier")
    _require_once(table, names[1:])


def _require_found_names(table: str, names: Iterable[str]) -> None:
    """Refuse names that nothing in a PostgreSQL database can have."""
    for name in names:
        size = len(name.encode(errors="surrogateescape"))
        fits = 0 < size <= IDENTIFIER_BYTES and "\0" not in name
        require(fits, f"{table}: {name!r} is no name in PostgreSQL, which has 1 to {IDENTIFIER_BYTES} bytes")


def _require_key(table: str, key: tuple[str, ...], columns: Mapping[str, "SourceColumn | Column"]) -> None:
    require(bool(key), f"{table}: it has no key")
    _require_once(table, list(key))
    for name in key:
        require(name in columns, f"{table}: the key {name!r} is not among its columns")
        kind = columns[name].type
        require(known_type(kind).comparable, f"{table}: the key {name!r} is {kind}, and no two of those are compared")


def _as_tuple(key: Key) -> tuple[str, ...]:
    return (key,) if isinstance(key, str) else key


def _require_once(table: str, columns: list[str]) -> None:
    twice = {name for name in columns if columns.count(name) > 1}
    require(not twice, f"{table}: declared twice: {sorted(twice)}")


@dataclass(frozen=True)
class SourceColumn:
    """A column as the source has it, by its own name. references: the source table that a foreign key points to."""

    name: str
    type: str
    nullable: bool = False
    references: str | None = None

    def __post_init__(self) -> None:
        _require_type(self.type, self.name)


@dataclass(frozen=True)
class SourceTable:
    """A table, or a view, of the source.

    key: the column, or the columns together, that its rows are known by. (): rows have none, and all are read in each
        run; they are known by what they hold, as the column ROW_KEY, which a warehouse table takes as its key.
    name: what the pipeline calls it. relation: what the source does, where that is another name.
    schema: where the source has it; no search path is asked.
    stamp: the column that tells when a row was last written, as far as applications keep it; empty for none. Lag counts
        from it; without one from the reading before.
    follow: how changes are found. "xmin" sees every insert and update at the cost of one scan; "stamp" reads an index
        where there is one, and sees only what bumps that column: for views, foreign tables and tables too large to
        scan. "whole" reads all rows in each run.
    overlap_seconds: with "stamp", how far before the newest one the next run begins to read again; longer than the
        source's longest transaction. Each run reads at least the newest rows again.
    believed_deletions: the share of its keys that may be gone at once; more is not believed. See `tables/belief`.
    """

    name: str
    key: Key
    columns: tuple[SourceColumn, ...]
    follow: Literal["xmin", "stamp", "whole"] = "xmin"
    overlap_seconds: int = 3600
    schema: str = "public"
    believed_deletions: float = 0.5
    relation: str = ""
    stamp: str = ""

    def __post_init__(self) -> None:
        _require_names(self.name, ())
        columns = [column.name for column in self.columns]
        _require_found_names(self.name, [self.schema, self.found_name, *columns])
        _require_once(self.name, columns)
        require(self.follow == "whole" or not self.keyless, f"{self.name}: has no key, so it must be followed whole")
        _require_key(self.name, self.key_columns, self.by_name)
        for name in self.key_columns:
            require(not self.by_name[name].nullable, f"{self.name}: the key {name!r} must not be NULL")
        if self.stamp:
            require(self.stamp in self.by_name, f"{self.name}: the stamp {self.stamp!r} is not among its columns")
            kind = known_type(self.by_name[self.stamp].type)
            fits = kind.family in STAMPS and not kind.array
            require(fits, f"{self.name}: the stamp {self.stamp!r} must be a timestamp or a timestamptz")
        require(self.follow in FOLLOWED, f"{self.name}: follow={self.follow!r} is none of {', '.join(FOLLOWED)}")
        require(self.follow != "stamp" or bool(self.stamp), f"{self.name}: follows its stamp, and declares none")
        require(self.overlap_seconds >= 0, f"{self.name}: overlap_seconds must not be negative")
        require(0 <= self.believed_deletions <= 1, f"{self.name}: believed_deletions must lie between 0 and 1")

    @property
    def found_name(self) -> str:
        """What the source calls it."""
        return self.relation or self.name

    @property
    def carried(self) -> str:
        """The column of its CSV files that holds the number of a row's key: beside the table's own, if none is it."""
        (name, *more), kinds = self.key_columns, self.key_types
        return name if not more and kinds[0] in INTEGERS else self._free(KEY_NUMBER)

    def _free(self, name: str) -> str:
        """A name that none of its columns has."""
        taken = {column.name for column in self.columns}
        while name in taken:
            name += "_"
        return name

    @property
    def keyless(self) -> bool:
        """Whether nothing tells two equal rows apart."""
        return self.key == ()

    @property
    def key_columns(self) -> tuple[str, ...]:
        """The columns that the key consists of."""
        return _as_tuple(self.key) or (self._free(ROW_KEY),)

    @property
    def key_types(self) -> tuple[str, ...]:
        """Their types."""
        return tuple(self.by_name[name].type for name in self.key_columns)

    @property
    def place(self) -> str:
        """Where the source has it, for people: "public.design"."""
        return f"{self.schema}.{self.found_name}"

    @cached_property
    def by_name(self) -> Mapping[str, SourceColumn]:
        """Column name → column, in the declared order; of rows without a key with the one that they are given."""
        given = (SourceColumn(self._free(ROW_KEY), "bigint"),) if self.keyless else ()
        return {column.name: column for column in (*self.columns, *given)}


@dataclass(frozen=True)
class Column:
    """A column of a warehouse table.

    source: where its value comes from: a column of the table's own source; or of one that it joins, as the column that
        it is joined on and the joined table's: ("department_id", "department_name").
    derive: a function of one source value (a str) that gives this column's value; a LookupError rejects the row
        with its message.
    references: the dimension that it points to.
    """

    name: str
    type: str
    source: str | tuple[str, str] = ""
    nullable: bool = False
    references: "Dimension | Calendar | None" = None
    derive: Callable[[str], str] | None = None
    description: str = ""

    def __post_init__(self) -> None:
        known = _require_type(self.type, self.name)
        require(known.family != NAMED, f"{self.name}: {self.type} arrives as text: declare that")


@dataclass(frozen=True)
class Join:
    """A source table whose row completes another: the one whose key is in `on`, a column of a warehouse table's source.

    It is read in the snapshot of that source, and a row is read again when the one that it joins has changed.
    """

    table: SourceTable
    on: str

    def carried(self, column: str) -> str:
        """What CSV files of the table that it completes call a column of it: "department_id.location"."""
        return f"{self.on}.{column}"


@dataclass(frozen=True)
class Origin:
    """The source column that a warehouse column is filled from. on: of a joined table, what it is joined on."""

    table: SourceTable
    column: SourceColumn
    on: str = ""

    def __str__(self) -> str:
        return f"{self.table.name}.{self.column.name}"


@dataclass(frozen=True)
class Dimension:
    """A table that holds the latest state of each row of `source`; rows deleted at the source stay.

    history: it holds every version of each row, as facts do; rows deleted at the source are closed.
    """

    name: str
    key: Key
    source: SourceTable
    columns: tuple[Column, ...]
    joins: tuple[Join, ...] = ()
    description: str = ""
    history: bool = False

    def __post_init__(self) -> None:
        versions = (self.record_id, *VERSION_COLUMNS) if self.history else ()
        _require_names(self.name, (*(column.name for column in self.columns), *versions))
        _require_key(self.name, self.key_columns, self.by_name)

    @cached_property
    def by_name(self) -> Mapping[str, Column]:
        """Column name → column, in the declared order."""
        return {column.name: column for column in self.columns}

    @property
    def key_columns(self) -> tuple[str, ...]:
        """The columns that the key consists of."""
        return _as_tuple(self.key)

    @property
    def key_types(self) -> tuple[str, ...]:
        """Their types."""
        return tuple(self.by_name[name].type for name in self.key_columns)

    @property
    def source_tables(self) -> tuple[SourceTable, ...]:
        """The source tables that it is built from, its own first."""
        return (self.source, *(join.table for join in self.joins))

    @property
    def source_names(self) -> tuple[str, ...]:
        """Their names."""
        return tuple(table.name for table in self.source_tables)

    @property
    def identity(self) -> tuple[str, ...]:
        """The columns that are the primary key."""
        return (self.record_id,) if self.history else self.key_columns

    @property
    def record_id(self) -> str:
        """The column that numbers versions, where it keeps them."""
        return f"{self.source.name}_record_id"

    @property
    def view(self) -> str:
        """The view of the current versions, where it keeps them."""
        return f"current_{self.source.name}"


@dataclass(frozen=True)
class Fact:
    """A table that holds every version of each row of `source`; `record_id` numbers the versions.

    The current version of a key is the one whose valid_to is NULL; the view `current_<source>` shows those.
    """

    name: str
    record_id: str
    key: Key
    source: SourceTable
    columns: tuple[Column, ...]
    joins: tuple[Join, ...] = ()
    description: str = ""

    def __post_init__(self) -> None:
        _require_names(self.name, (self.record_id, *(column.name for column in self.columns), *VERSION_COLUMNS))
        _require_key(self.name, self.key_columns, self.by_name)

    @cached_property
    def by_name(self) -> Mapping[str, Column]:
        """Column name → column, in the declared order."""
        return {column.name: column for column in self.columns}

    @property
    def key_columns(self) -> tuple[str, ...]:
        """The columns that the key consists of."""
        return _as_tuple(self.key)

    @property
    def key_types(self) -> tuple[str, ...]:
        """Their types."""
        return tuple(self.by_name[name].type for name in self.key_columns)

    @property
    def source_tables(self) -> tuple[SourceTable, ...]:
        """The source tables that it is built from, its own first."""
        return (self.source, *(join.table for join in self.joins))

    @property
    def source_names(self) -> tuple[str, ...]:
        """Their names."""
        return tuple(table.name for table in self.source_tables)

    @property
    def identity(self) -> tuple[str, ...]:
        """The columns that are the primary key."""
        return (self.record_id,)

    @property
    def view(self) -> str:
        """The view of the current versions."""
        return f"current_{self.source.name}"


@dataclass(frozen=True)
class Calendar:
    """A dimension of days, made from no source: every day from `first` to `last`, both included."""

    name: str
    key: str
    columns: tuple[Column, ...]
    first: date
    last: date
    description: str = ""

    def __post_init__(self) -> None:
        _require_names(self.name, (column.name for column in self.columns))
        for column in self.columns:
            told = CALENDAR_COLUMNS.get(column.name)
            require(told == column.type, f"{self.name}.{column.name}: a calendar tells {CALENDAR_COLUMNS}")
        require(self.key == "date_id", f"{self.name}: the key of a calendar is date_id")
        _require_key(self.name, self.key_columns, {column.name: column for column in self.columns})
        require(self.first <= self.last, f"{self.name}: its last day {self.last} is before its first, {self.first}")

    @property
    def source_tables(self) -> tuple[SourceTable, ...]:
        """The source tables that it is built from: none."""
        return ()

    @property
    def source_names(self) -> tuple[str, ...]:
        """Their names: none."""
        return ()

    @property
    def identity(self) -> tuple[str, ...]:
        """The columns that are the primary key."""
        return self.key_columns

    @property
    def key_columns(self) -> tuple[str, ...]:
        """The column that is the key."""
        return (self.key,)

    @property
    def key_types(self) -> tuple[str, ...]:
        """Its type."""
        return (CALENDAR_COLUMNS[self.key],)

    @property
    def days(self) -> int:
        """How many days it has."""
        return (self.last - self.first).days + 1


StarTable = Dimension | Fact | Calendar


def is_versioned(table: StarTable) -> TypeGuard[Dimension | Fact]:
    """Whether a warehouse table holds every version of each row: a fact, or a dimension that keeps history."""
    return isinstance(table, Fact) or (isinstance(table, Dimension) and table.history)
