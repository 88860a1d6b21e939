"""What a declaration may say of the source: its tables and their columns.

A declaration is frozen and checks itself when it is made, so a wrong one fails at import, with its name.
Types are PostgreSQL's own words; only the standard library is imported, so that a DAG file stays cheap to parse.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from include.tables.checking import (
    Key,
    as_tuple,
    require,
    require_found_names,
    require_key,
    require_names,
    require_once,
    require_type,
)
from include.tables.types import INTEGERS, STAMPS, known_type

FOLLOWED = ("xmin", "stamp", "whole")
"""What tells that a row changed: the transaction that wrote it, or its stamp; or nothing does."""

ROW_KEY = "row_key"
"""The column that numbers rows without a key: by their values, and which of those that are all alike they are. It ends
with `_` where a column is called so already."""

KEY_NUMBER = "key_number"
"""What CSV files call the number of a key that is no integer, likewise. See `tables/numbering`."""


@dataclass(frozen=True)
class SourceColumn:
    """A column as the source has it, by its own name. references: the source table that a foreign key points to."""

    name: str
    type: str
    nullable: bool = False
    references: str | None = None

    def __post_init__(self) -> None:
        require_type(self.type, self.name)


@dataclass(frozen=True)
class SourceTable:
    """A table, or a view, of the source.

    key: the column, or the columns together, that its rows are known by. (): rows have none, and all are read in each
        run; they are known by what they hold, as the column ROW_KEY, which a warehouse table takes as its key.
    name: what the pipeline calls it. relation: what the source does, where that is another name.
    schema: where the source has it; no search path is asked.
    stamp: the column that tells when a row was last written, as far as applications keep it; empty for none. Lag counts
        from it; without one from the reading before.
    created: the column that tells when a row was made, likewise; empty for none.
    follow: how changes are found. "xmin" sees every insert and update at the cost of one scan; "stamp" reads an index
        where there is one, and sees only what bumps that column: for views, foreign tables and tables too large to
        scan. "whole" reads all rows in each run.
    overlap_seconds: with "stamp", how far before the newest one the next run begins to read again; longer than the
        source's longest transaction. Each run reads at least the newest rows again.
    believed_deletions: the share of its keys that may be gone at once; more is not believed. See `tables/belief`.
    slice_rows: where it has more rows than that, it is read whole in slices of about so many, each in a transaction of
        its own; 0 for never. See `source/slices`.
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
    created: str = ""
    slice_rows: int = 0

    def __post_init__(self) -> None:
        require_names(self.name, ())
        columns = [column.name for column in self.columns]
        require_found_names(self.name, [self.schema, self.found_name, *columns])
        require_once(self.name, columns)
        require(self.follow == "whole" or not self.keyless, f"{self.name}: has no key, so it must be followed whole")
        require_key(self.name, self.key_columns, {name: column.type for name, column in self.by_name.items()})
        for name in self.key_columns:
            require(not self.by_name[name].nullable, f"{self.name}: the key {name!r} must not be NULL")
        for name in filter(None, (self.stamp, self.created)):
            require(name in self.by_name, f"{self.name}: the stamp {name!r} is not among its columns")
            kind = known_type(self.by_name[name].type)
            fits = kind.family in STAMPS and not kind.array
            require(fits, f"{self.name}: the stamp {name!r} must be a timestamp or a timestamptz")
        require(self.follow in FOLLOWED, f"{self.name}: follow={self.follow!r} is none of {', '.join(FOLLOWED)}")
        require(self.follow != "stamp" or bool(self.stamp), f"{self.name}: follows its stamp, and declares none")
        require(self.overlap_seconds >= 0, f"{self.name}: overlap_seconds must not be negative")
        require(0 <= self.believed_deletions <= 1, f"{self.name}: believed_deletions must lie between 0 and 1")
        require(self.slice_rows >= 0, f"{self.name}: slice_rows must not be negative")
        told = f'{self.name}: is read in slices, so it must be followed by "xmin", which tells what changed meanwhile'
        require(not self.slice_rows or self.follow == "xmin", told)

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
        return as_tuple(self.key) or (self._free(ROW_KEY),)

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
