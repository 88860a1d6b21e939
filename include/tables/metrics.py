"""What a declaration may say of figures: what is counted and summed of a fact's rows, and by which columns."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from include.tables.checking import fitting, require, require_names
from include.tables.figures import By, Condition, Count, Past, Path, Share, Sum, Value, last_of
from include.tables.star import Calendar, Column, Dimension, Fact
from include.tables.types import INTEGERS, holds, known_type

MOST_DIGITS = 38
"""How many a sum may have: what Parquet and Arrow can hold."""

SHARE_DIGITS = 4
"""How many decimals a share has."""


@dataclass(frozen=True)
class Metric:
    """Figures of a fact's current versions: the view `metric_<name>` of the warehouse, a row for each group.

    where: which rows count at all. as_of: it can be asked for as of any instant that the fact's versions tell of;
    dimensions that keep no history show their latest state then, too.

    It refuses to add what is in several currencies, and to show or look at what is personal.
    """

    name: str
    title: str
    fact: Fact
    by: tuple[By, ...]
    values: tuple[Value, ...]
    where: tuple[Condition, ...] = ()
    description: str = ""
    as_of: bool = False

    def __post_init__(self) -> None:
        require_names(self.name, [*(by.column for by in self.by), *(value.name for value in self.values)])
        require(bool(self.values and self.title), f"{self.name}: it has no values, or no title")
        for path in self._paths():
            require(
                not self.origin(path).personal, f"{self.name}: {last_of(path)} is personal, and a metric shows nobody"
            )
        for value in self.values:
            self._check_value(value)
        for condition in self.conditions:
            self._check_condition(condition)

    @property
    def view(self) -> str:
        """The view of the warehouse that shows it as it is now."""
        return fitting(f"metric_{self.name}")

    @property
    def view_as_of(self) -> str:
        """The function of the warehouse that shows it as of an instant, its only argument; empty where none does."""
        return fitting(f"metric_{self.name}_as_of") if self.as_of else ""

    @cached_property
    def columns(self) -> Mapping[str, str]:
        """Column → type, in the view's order: what rows are grouped by, then the values."""
        grouped = {by.column: self.origin(by.path).type for by in self.by}
        return grouped | {value.name: self._type(value) for value in self.values}

    @cached_property
    def currencies(self) -> Mapping[str, str]:
        """Value that is money → the column that tells its currency."""
        named = {by.path: by.column for by in self.by}
        sums = [value for value in self.values if isinstance(value, Sum)]
        return {value.name: named[currency] for value in sums for currency in self._currencies(value)}

    @cached_property
    def dimensions(self) -> Mapping[str, Dimension | Calendar]:
        """The fact's columns that lead to what else is looked at → the dimension that each refers to."""
        leading = dict.fromkeys(path[0] for path in self._paths() if isinstance(path, tuple))
        return {name: self._referred(name) for name in leading}

    @property
    def tables(self) -> tuple[str, ...]:
        """The warehouse tables that it is drawn from, the fact's first."""
        return tuple(dict.fromkeys([self.fact.name, *(table.name for table in self.dimensions.values())]))

    @property
    def conditions(self) -> tuple[Condition, ...]:
        """All that it asks of rows: of every one, and for single values."""
        return (*self.where, *(condition for value in self._counted() for condition in value.where))

    @property
    def by_day(self) -> bool:
        """Whether it changes at midnight (UTC), though nothing was loaded."""
        return any(isinstance(condition, Past) for condition in self.conditions)

    @property
    def tile(self) -> dict[str, Any]:
        """What whoever draws it has to know, as JSON has it.

        by: what rows are grouped by; `of` is the fact's column that it is, or is found by. values: what each is, and
        of money the column of `by` that tells its currency.
        """
        by = [
            {
                "name": by.column,
                "type": self.columns[by.column],
                "of": by.path if isinstance(by.path, str) else by.path[0],
            }
            for by in self.by
        ]
        values = [
            {"name": value.name, "kind": type(value).__name__.lower(), "currency": self.currencies.get(value.name)}
            for value in self.values
        ]
        return {"title": self.title, "description": self.description, "by": by, "values": values}

    def origin(self, path: Path) -> Column:
        """The column of the fact, or of a dimension, that a path leads to.

        Raises: DeclarationError that names what is not there.
        """
        if isinstance(path, str):
            require(path in self.fact.by_name, f"{self.name}: {self.fact.name} has no column {path}")
            return self.fact.by_name[path]
        found = {column.name: column for column in self._referred(path[0]).columns}
        require(path[1] in found, f"{self.name}: {path[0]} refers to no column {path[1]}")
        return found[path[1]]

    def _referred(self, name: str) -> Dimension | Calendar:
        target = self.origin(name).references
        require(target is not None, f"{self.name}: {self.fact.name}.{name} refers to no dimension")
        require(name != self.fact.name, f"{self.name}: a column that leads to a dimension is called as the fact")
        assert target is not None
        return target

    def _counted(self) -> Iterator[Count | Sum]:
        return (value for value in self.values if not isinstance(value, Share))

    def _paths(self) -> list[Path]:
        """Every column that it looks at."""
        summed = [name for value in self.values if isinstance(value, Sum) for name in value.of]
        return [*(by.path for by in self.by), *(condition.path for condition in self.conditions), *summed]

    def _currencies(self, value: Sum) -> list[str]:
        return [currency for name in value.of if (currency := self.fact.by_name[name].currency)]

    def _check_value(self, value: Value) -> None:
        where = f"{self.name}.{value.name}"
        if isinstance(value, Share):
            known = {other.name for other in self._counted()}
            require({value.of, value.among} <= known, f"{where}: a share is of two of {', '.join(sorted(known))}")
            same = self.currencies.get(value.of) == self.currencies.get(value.among)
            require(same, f"{where}: {value.of} and {value.among} are not in one currency")
        if isinstance(value, Sum):
            require(bool(value.of), f"{where}: it sums nothing")
            for name in value.of:
                kind = known_type(self.fact.by_name[name].type)
                exact = kind.family in (*INTEGERS, "numeric") and not kind.array
                require(exact, f"{where}: {name} is {self.fact.by_name[name].type}, and sums are of exact numbers")
            currencies = self._currencies(value)
            require(len(currencies) <= 1, f"{where}: it multiplies money by money")
            grouped = {by.path for by in self.by}
            told = f"{where}: it would add what is in several currencies; have the metric by {', '.join(currencies)}"
            require(set(currencies) <= grouped, told)

    def _check_condition(self, condition: Condition) -> None:
        kind, where = self.origin(condition.path).type, f"{self.name}: {condition}"
        if isinstance(condition, Past):
            require(kind == "date", f"{where}: it is {kind}, and only a day is past")
            return
        known = known_type(kind)
        if isinstance(condition.value, bool):
            fits = kind == "boolean"
        elif isinstance(condition.value, int):
            fits = holds("bigint", kind)
        else:
            fits = known.is_text
        require(fits, f"{where}: it is {kind}")

    def _type(self, value: Value) -> str:
        if isinstance(value, Count):
            return "bigint"
        if isinstance(value, Share):
            return f"numeric({MOST_DIGITS},{SHARE_DIGITS})"
        kinds = [known_type(self.fact.by_name[name].type) for name in value.of]
        if len(kinds) == 1 and kinds[0].family in INTEGERS:
            return "bigint"
        if any(kind.family == "numeric" and not kind.numbers for kind in kinds):
            return "numeric"
        return f"numeric({MOST_DIGITS},{sum(kind.numbers[1] for kind in kinds if kind.numbers)})"
