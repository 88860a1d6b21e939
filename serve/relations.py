"""What is served: the declared tables and metrics as relations with fields, whatever they are."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from hashlib import blake2b
from typing import Any

from include.tables.declarations import Declarations
from include.tables.metrics import Metric
from include.tables.star import VERSION_COLUMNS, Calendar, Column, Fact, StarTable, is_versioned
from include.tables.types import known_type

FROM, TO = VERSION_COLUMNS
METRICS = "metrics"
"""The part of a path below which metrics are."""


@dataclass(frozen=True, eq=False)
class Field:
    """A column that is served. references: the name of the dimension that it points to, or nothing."""

    name: str
    type: str
    nullable: bool = False
    description: str = ""
    personal: bool = False
    references: str = ""

    @property
    def comparable(self) -> bool:
        """Whether rows can be sought and put in order by it."""
        return known_type(self.type).comparable


@dataclass(frozen=True, eq=False)
class Relation:
    """A table or a view that is served.

    route: its path below /v1. place: its name in the warehouse. key: the fields that a row is known by; none of a
    metric. feeds: the warehouse tables that it shows, the first of which tells up to which reading that is.
    versioned: it holds every version of each row. as_of: the function that shows a metric as of an instant.
    by_day: it changes at midnight, though nothing was loaded. tile: what whoever draws a metric has to know.
    """

    route: str
    place: str
    kind: str
    description: str
    fields: Mapping[str, Field]
    key: tuple[str, ...]
    feeds: tuple[str, ...]
    versioned: bool = False
    as_of: str = ""
    by_day: bool = False
    tile: Mapping[str, Any] | None = None

    @property
    def dated(self) -> bool:
        """Whether it can be asked for as of an instant."""
        return self.versioned or bool(self.as_of)

    @property
    def pinned(self) -> bool:
        """Whether all pages of a walk show one state of it."""
        return self.dated and not self.by_day

    @property
    def shows(self) -> str:
        """The table whose reading it shows."""
        return self.feeds[0]

    @cached_property
    def references(self) -> dict[str, str]:
        """Field → the route of the dimension that it points to."""
        return {name: field.references for name, field in self.fields.items() if field.references}

    @cached_property
    def shown(self) -> tuple[str, ...]:
        """The fields that are shown unless a request says otherwise: the end of a version is part of its history."""
        return tuple(name for name in self.fields if not (self.versioned and name == TO))

    @cached_property
    def personal(self) -> bool:
        """Whether any of its fields tells of a person."""
        return any(field.personal for field in self.fields.values())


def relations(declared: Declarations) -> dict[str, Relation]:
    """Route → what is served there: every warehouse table, and every metric."""
    tables = {table.name: _of_table(table) for table in declared.star.values()}
    metrics = map(_of_metric, declared.metrics.values())
    return tables | {metric.route: metric for metric in metrics}


def fingerprint(served: Mapping[str, Relation]) -> str:
    """A text that changes when what is served is declared otherwise."""
    told = [(route, [(field.name, field.type, field.personal) for field in relation.fields.values()])
            for route, relation in sorted(served.items())]  # fmt: skip
    return blake2b(repr(told).encode(), digest_size=8).hexdigest()


def _of_table(table: StarTable) -> Relation:
    own = [_field(column) for column in table.columns]
    kind = "fact" if isinstance(table, Fact) else "calendar" if isinstance(table, Calendar) else "dimension"
    return Relation(
        route=table.name,
        place=table.name,
        kind=kind,
        description=table.description,
        fields=_by_name(_with_versions(table, own)),
        key=table.key_columns,
        feeds=(table.name,),
        versioned=is_versioned(table),
    )


def _field(column: Column) -> Field:
    target = column.references
    known = target.name if target and len(target.key_columns) == 1 else ""
    return Field(column.name, column.type, column.nullable, column.description, column.personal, known)


def _with_versions(table: StarTable, own: list[Field]) -> list[Field]:
    if not is_versioned(table):
        return own
    first = Field(table.record_id, "integer", description="The number of this version.")
    since = Field(FROM, "timestamptz", description="The instant at which the source was seen to have this version.")
    until = Field(TO, "timestamptz", True, "The instant at which it was seen to have it no more; NULL: it has it.")
    return [first, *own, since, until]


def _of_metric(metric: Metric) -> Relation:
    return Relation(
        route=f"{METRICS}/{metric.name}",
        place=metric.view,
        kind="metric",
        description=" ".join(filter(None, (f"{metric.title}.", metric.description))),
        fields=_by_name(Field(name, kind, nullable=True) for name, kind in metric.columns.items()),
        key=(),
        feeds=metric.tables,
        as_of=metric.view_as_of,
        by_day=metric.by_day,
        tile=metric.tile,
    )


def _by_name(fields: Iterable[Field]) -> dict[str, Field]:
    return {field.name: field for field in fields}
