"""What a declaration may say of the warehouse: the dimensions and facts that are built from the source's tables.

As those of the source they are frozen, check themselves when they are made, and import the standard library alone.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import TypeGuard

from include.tables.checking import Key, as_tuple, fitting, require, require_key, require_names, require_type
from include.tables.source import SourceColumn, SourceTable
from include.tables.types import NAMED

VERSION_COLUMNS = ("valid_from", "valid_to")
"""Between which readings a version was current; the second is NULL as long as it is."""

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


@dataclass(frozen=True)
class Column:
    """A column of a warehouse table.

    source: where its value comes from: a column of the table's own source; or of one that it joins, as the column that
        it is joined on and the joined table's: ("department_id", "department_name").
    derive: a function of one source value (a str, of a char(n) without the blanks at its end) that gives this
        column's value; a LookupError rejects the row with its message.
    references: the dimension that it points to.
    personal: it tells of a person: whoever serves the warehouse gives it only to those who may have that.
    currency: the table's column that tells which currency it is in; for amounts of money, prices included.
    """

    name: str
    type: str
    source: str | tuple[str, str] = ""
    nullable: bool = False
    references: "Dimension | Calendar | None" = None
    derive: Callable[[str], str] | None = None
    description: str = ""
    personal: bool = False
    currency: str = ""

    def __post_init__(self) -> None:
        known = require_type(self.type, self.name)
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


class _Built:
    """What dimensions and facts have in common: a key, and the source tables that they are built from."""

    key: Key
    source: SourceTable
    columns: tuple[Column, ...]
    joins: tuple[Join, ...]

    @cached_property
    def by_name(self) -> Mapping[str, Column]:
        """Column name → column, in the declared order."""
        return {column.name: column for column in self.columns}

    @property
    def key_columns(self) -> tuple[str, ...]:
        """The columns that the key consists of."""
        return as_tuple(self.key)

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
    def view(self) -> str:
        """The view of the current versions, where it keeps them."""
        return fitting(f"current_{self.source.name}")


@dataclass(frozen=True)
class Dimension(_Built):
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
        require_names(self.name, (*(column.name for column in self.columns), *versions))
        require_key(self.name, self.key_columns, {name: column.type for name, column in self.by_name.items()})

    @property
    def identity(self) -> tuple[str, ...]:
        """The columns that are the primary key."""
        return (self.record_id,) if self.history else self.key_columns

    @property
    def record_id(self) -> str:
        """The column that numbers versions, where it keeps them."""
        return fitting(f"{self.source.name}_record_id")


@dataclass(frozen=True)
class Fact(_Built):
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
        require_names(self.name, (self.record_id, *(column.name for column in self.columns), *VERSION_COLUMNS))
        require_key(self.name, self.key_columns, {name: column.type for name, column in self.by_name.items()})

    @property
    def identity(self) -> tuple[str, ...]:
        """The columns that are the primary key."""
        return (self.record_id,)


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
        require_names(self.name, (column.name for column in self.columns))
        for column in self.columns:
            told = CALENDAR_COLUMNS.get(column.name)
            require(told == column.type, f"{self.name}.{column.name}: a calendar tells {CALENDAR_COLUMNS}")
            require(not column.personal, f"{self.name}.{column.name}: a day is not personal")
        require(self.key == "date_id", f"{self.name}: the key of a calendar is date_id")
        require_key(self.name, self.key_columns, {column.name: column.type for column in self.columns})
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


def primary_key(table: StarTable) -> str:
    """The name of the index of a warehouse table's primary key."""
    return fitting(f"{table.name}_pkey")


def current_index(table: StarTable) -> str:
    """The name of the index that keeps one current version for each key."""
    return fitting(f"{table.name}_current")


def closed_index(table: StarTable) -> str:
    """The name of the index in which versions that have ended stand in the order of their keys."""
    return fitting(f"{table.name}_closed")


def relations(table: StarTable) -> list[str]:
    """What stands in the warehouse's schema for a table under a name that nothing else there may have."""
    versions = [current_index(table), closed_index(table), table.view] if is_versioned(table) else []
    return [table.name, primary_key(table), *versions]


def is_versioned(table: StarTable) -> TypeGuard[Dimension | Fact]:
    """Whether a warehouse table holds every version of each row: a fact, or a dimension that keeps history."""
    return isinstance(table, Fact) or (isinstance(table, Dimension) and table.history)
