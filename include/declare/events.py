"""Which tables tell what happened, and so are facts though others refer to them: orders, whose lines do."""

from collections.abc import Iterator, Mapping

from include.declare.naming import fold, singular
from include.declare.sources import Source
from include.tables.types import STAMPS, known_type

DATED = {"date", *STAMPS}
"""Types of columns that tell when something was."""

NOUNS = {"appointment", "bill", "booking", "claim", "delivery", "flight", "invoice", "loan", "order", "payment",
         "purchase", "receipt", "refund", "rental", "reservation", "return", "sale", "shipment", "ticket",
         "transaction", "trip", "visit"}  # fmt: skip
"""What tables of events are called."""

VERBS = {"arrival", "booked", "closed", "completed", "delivered", "departure", "due", "happened", "invoiced",
         "occurred", "ordered", "paid", "returned", "ship", "shipped", "sold"}  # fmt: skip
"""Words in the names of dates that tell when something was done, beside the nouns."""

OTHERS = {"first", "last", "next", "previous"}
"""Words in the names of dates that tell of other rows: of a customer's last order."""

LEAST_LETTERS = 4
"""How long a word is that a table's name may begin with: as `book` in `book_date` of `bookings`."""


def is_event(source: Source, sources: Mapping[int, Source]) -> bool:
    """Whether the rows of a table that others refer to tell what happened, or what is where, of those it refers to.

    It has a date that is called after an event or after the table, or any, and is called as events are; or it is
    nothing but references, and has more rows than each table that it refers to.
    """
    targets = [sources[relation] for relation in source.targets if relation in sources]
    if not targets:
        return False
    dates = list(_dates(source))
    if any(_tells(words, fold(source.found.name)) for words in dates):
        return True
    if dates and singular(fold(source.found.name).split("_")[-1]) in NOUNS:
        return True
    return _only_refers(source) and source.found.rows > max(target.found.rows for target in targets)


def _dates(source: Source) -> Iterator[list[str]]:
    """The words in the name of each column that tells when something was, but for when the row was written."""
    for column in source.table.columns:
        kind = known_type(column.type)
        if kind.family in DATED and not kind.array and column.name != source.table.stamp:
            yield [part for word in fold(column.name).split("_") for part in (word, word.removesuffix("date")) if part]


def _tells(words: list[str], table: str) -> bool:
    """Whether a date of these words is called after an event, or after the table."""
    if not OTHERS.isdisjoint(words):
        return False
    named = [word for word in words if len(word) >= LEAST_LETTERS and word != "date"]
    return not NOUNS.isdisjoint(words) or not VERBS.isdisjoint(words) or any(map(table.startswith, named))


def _only_refers(source: Source) -> bool:
    """Whether a table has several references, and no other columns than its key and its stamp."""
    referring = {name for reference in source.found.references for name in reference.columns}
    rest = set(source.table.by_name) - referring - set(source.table.key_columns) - {source.table.stamp}
    return len(source.targets) > 1 and not rest
