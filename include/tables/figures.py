"""What figures are made of: columns to group by, conditions, and values that are counted, summed and shared."""

from dataclasses import dataclass

Path = str | tuple[str, str]
"""A column of a metric's fact; or of a dimension, as the fact's column that refers to it and the dimension's own."""


@dataclass(frozen=True)
class By:
    """A column that rows are grouped by. name: what the metric calls it; left out: as its table does."""

    path: Path
    name: str = ""

    @property
    def column(self) -> str:
        """What the metric calls it."""
        return self.name or (self.path if isinstance(self.path, str) else self.path[1])


@dataclass(frozen=True)
class Is:
    """A condition: the column holds this value."""

    path: Path
    value: bool | int | str

    def __str__(self) -> str:
        return f"{last_of(self.path)} is {str(self.value).lower() if isinstance(self.value, bool) else self.value}"


@dataclass(frozen=True)
class Past:
    """A condition: the day lies before today, in UTC; before the day of the instant that is asked for."""

    path: Path

    def __str__(self) -> str:
        return f"{last_of(self.path)} is past"


Condition = Is | Past


@dataclass(frozen=True)
class Count:
    """How many rows there are, or how many of them meet the conditions."""

    name: str
    where: tuple[Condition, ...] = ()

    def __str__(self) -> str:
        return f"Number of rows{_told(self.where)}."


@dataclass(frozen=True)
class Sum:
    """The sum of a column of the fact, or of the product of several, over the rows that meet the conditions."""

    name: str
    of: tuple[str, ...]
    where: tuple[Condition, ...] = ()

    def __str__(self) -> str:
        return f"Sum of {' * '.join(self.of)}{_told(self.where)}."


@dataclass(frozen=True)
class Share:
    """What part of one value another one is, from 0 to 1; NULL where the whole is 0."""

    name: str
    of: str
    among: str

    def __str__(self) -> str:
        return f"{self.of} / {self.among}."


Value = Count | Sum | Share


def last_of(path: Path) -> str:
    """The name of the column that a path leads to."""
    return path if isinstance(path, str) else path[1]


def _told(where: tuple[Condition, ...]) -> str:
    return f" of which {' and '.join(map(str, where))}" if where else ""
