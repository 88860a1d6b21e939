"""What may be asked of a fact's rows: a question with its label and its features. A model learns the answer."""

from dataclasses import dataclass, replace
from datetime import time
from typing import Literal

from include.tables.checking import require, require_names
from include.tables.source import SourceColumn, SourceTable
from include.tables.star import Calendar, Column, Dimension, Fact
from include.tables.types import INTEGERS, known_type

MOST_DAYS = 31
"""Days between two dates count up to so many: what is further off is alike."""

TAKEN = ("at", "label", "rows")
"""What is told of rows beside their features."""

Kind = Literal["weekday", "days", "hour", "value", "magnitude"]
FAMILIES: dict[Kind, tuple[tuple[str, ...], ...]] = {
    "weekday": (("date",),),
    "days": (("date",), ("date",)),
    "hour": (("time",),),
    "value": (tuple(INTEGERS),),
    "magnitude": (("numeric", *INTEGERS),),
}
"""Kind of a feature → of which types its columns are."""


@dataclass(frozen=True)
class Feature:
    """A whole number that a row tells when it is made.

    kind: the weekday of a date (Monday is 1), the days from one date to another, the hour of a time, a number as it is
        (a reference, say), or the number of digits of an amount.
    told: what it means, with a place for its value: "it falls due on {}".
    """

    name: str
    kind: Kind
    columns: tuple[str, ...]
    told: str


@dataclass(frozen=True)
class Settled:
    """The label "it was done on the day that was agreed".

    done: a boolean column. due: the day that is agreed, as the row first told it. stamped: the day on which the row was
    last written; of the version that is done, the day on which it was. matures_days: so long after `due` the label
    counts. expected_by: the time of day, UTC, by which what is due that day is done.
    """

    done: str
    due: str
    stamped: str
    matures_days: int = 2
    expected_by: time = time(8, 30)

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that it looks at."""
        return (self.done, self.due, self.stamped)

    @property
    def known_later(self) -> tuple[str, ...]:
        """Those of them that no feature may use, as they change when the answer is known."""
        return (self.done, self.stamped)


@dataclass(frozen=True)
class Exceeds:
    """The label "the product of these columns is greater than that"."""

    columns: tuple[str, ...]
    threshold: int

    @property
    def known_later(self) -> tuple[str, ...]:
        """The columns that no feature may use: they are the answer."""
        return self.columns


@dataclass(frozen=True)
class Named:
    """A column of the fact that refers to a dimension, and the dimension's column that people know its rows by."""

    column: str
    shown: str


@dataclass(frozen=True)
class Question:
    """What a model is to tell of each row of a fact.

    created: the day on which a row was made. scores: the table of the answers for rows that are not done, where those
    are wanted: it takes a label of the kind `Settled`, and `amount`, `currency` and `party` to tell sums by.
    by_hand: the rule as people know it, for a yardstick: ranges of features, all of which a row has to be in.
    not_for: what the answer must not be used for.
    """

    name: str
    fact: Fact
    label: Settled | Exceeds
    created: str
    features: tuple[Feature, ...]
    description: str
    scores: str = ""
    amount: str = ""
    currency: Named | None = None
    party: Named | None = None
    by_hand: tuple[tuple[str, int, int], ...] = ()
    not_for: str = ""

    def __post_init__(self) -> None:
        require_names(self.name, (feature.name for feature in self.features))
        require(bool(self.features), f"{self.name}: it has no features")
        taken = sorted(set(TAKEN) & {feature.name for feature in self.features})
        require(not taken, f"{self.name}: a feature cannot be called {', '.join(taken)}")
        for name in (self.created, *self.label.columns):
            require(name in self.fact.by_name, f"{self.name}: {self.fact.name} has no column {name!r}")
        for feature in self.features:
            self._check_feature(feature)
        unknown = {name for name, _, _ in self.by_hand} - {feature.name for feature in self.features}
        require(not unknown, f"{self.name}: the rule by hand tells of {sorted(unknown)}, which are no features")
        self._check_scores()

    def _check_feature(self, feature: Feature) -> None:
        where, families = f"{self.name}: the feature {feature.name}", FAMILIES[feature.kind]
        require(len(feature.columns) == len(families), f"{where} takes {len(families)} columns")
        for name, allowed in zip(feature.columns, families, strict=True):
            column = self.fact.by_name.get(name)
            require(column is not None, f"{where}: {self.fact.name} has no column {name!r}")
            assert column is not None
            later = name in self.label.known_later or column.source == self.fact.source.stamp
            require(not later, f"{where} knows the future: {name} changes when the answer is known")
            require(known_type(column.type).family in allowed, f"{where}: {name} is {column.type}")

    def _check_scores(self) -> None:
        if not self.scores:
            return
        told = f"{self.name}: scores take"
        require(isinstance(self.label, Settled), f"{told} a label that is settled on a day")
        require(len(self.fact.key_columns) == 1, f"{told} a key of one column")
        require(self.amount in self.fact.by_name, f"{told} an amount")
        for named in (self.currency, self.party):
            require(named is not None and named.column in self.fact.by_name, f"{told} a currency and a party")
            assert named is not None
            target = self.fact.by_name[named.column].references
            known = target is not None and any(column.name == named.shown for column in target.columns)
            require(known, f"{self.name}: no dimension shows {named.column} as {named.shown}")
        require_names(self.scores, (column.name for column in score_columns(self)))


def settled(question: Question) -> Settled:
    """The label of a question that has scores."""
    assert isinstance(question.label, Settled)
    return question.label


def score_columns(question: Question) -> tuple[Column, ...]:
    """The columns of its table of scores, which is made from the warehouse's own rows."""
    own = question.fact.by_name
    label = settled(question)
    assert question.currency is not None
    assert question.party is not None
    copied = (
        *question.fact.key_columns,
        label.due,
        question.party.column,
        question.currency.column,
        question.amount,
    )
    return (
        *(
            Column(name, own[name].type, references=own[name].references, description=f"As in {question.fact.name}.")
            for name in copied
        ),
        Column(
            "probability",
            "double precision",
            nullable=True,
            description="That it is done on its day; NULL when missed.",
        ),
        Column("class", "text", description="will settle, will not settle, or missed: its day has passed."),
        Column("reasons", "text", description="Why, in words."),
        Column("would_settle_on", "date", nullable=True, description="The next day on which it would be done."),
        Column("model_version", "text", description="Of the model that said so."),
        Column("scored_at", "timestamptz", description="Since when it says so."),
    )


def score_table(question: Question) -> Dimension:
    """Its table of scores as one that is made from itself: as the lake has it."""
    columns = score_columns(question)
    source = tuple(SourceColumn(column.name, column.type, column.nullable) for column in columns)
    own = tuple(replace(column, source=column.name) for column in columns)
    read = SourceTable(question.scores, question.fact.key, source)
    return Dimension(question.scores, question.fact.key, read, own, description=question.description)


def history_of(question: Question) -> str:
    """The table of the scores that hold no more."""
    return f"{question.scores}_history"


def refers_to(question: Question, named: Named) -> tuple[str, str]:
    """The dimension that a column of the fact refers to, and its key."""
    target = question.fact.by_name[named.column].references
    assert target is not None
    key = target.key if isinstance(target, Calendar) else target.key_columns[0]
    return target.name, key
