"""Which tables are facts: those that tell what happened, whoever refers to them, and what belongs to these."""

from collections.abc import Iterator, Mapping

from include.declare.naming import fold, singular
from include.declare.sources import Source, is_direct, referring
from include.tables.types import STAMPS, known_type

DATED = {"date", *STAMPS}
"""Types of columns that tell when something was."""

NOUNS = {"appointment", "bill", "booking", "claim", "delivery", "flight", "invoice", "issue", "loan", "order",
         "payment", "purchase", "receipt", "refund", "rental", "reservation", "return", "sale", "shipment", "ticket",
         "transaction", "trip", "visit"}  # fmt: skip
"""What tables of events are called."""

DONE = {"arrival", "booked", "booking", "delivered", "departure", "happened", "invoice", "invoiced", "occurred",
        "order", "ordered", "paid", "rental", "returned", "ship", "shipment", "shipped", "sold",
        "transaction"}  # fmt: skip
"""Words in the names of dates that tell of an event: not `purchase` or `due`, as machines and projects have such."""

OTHERS = {"end", "first", "from", "last", "next", "previous", "start", "until", "valid"}
"""Words in the names of dates that tell of other rows, or how long something holds: of a customer's last order."""

WHEN = {"date", "datetime", "time", "timestamp", "when"}
"""Words in the names of dates that tell nothing."""

LEAST_LETTERS = 4
"""How long a word is that a word of the table's name may begin with: as `book` in `book_date` of `bookings`."""


def find_facts(sources: Mapping[int, Source]) -> set[str]:
    """The facts: what has no key, what refers to others and nobody refers to, events, and what belongs to a fact."""
    found = {source.table.name for source in sources.values() if _is_fact(source, sources)}
    while more := {
        source.table.name
        for source in sources.values()
        if source.table.name not in found and _belongs(source, found, sources)
    }:
        found |= more
    return found


def _is_fact(source: Source, sources: Mapping[int, Source]) -> bool:
    leaf = bool(source.targets & sources.keys()) and not referring(source, sources)
    return source.table.keyless or leaf or _is_event(source, sources)


def _belongs(source: Source, facts: set[str], sources: Mapping[int, Source]) -> bool:
    """Whether each row refers to one of a fact, as an order's line does."""
    return any(
        other.table.name in facts and not source.table.by_name[reference.columns[0]].nullable
        for reference in source.found.references
        if (other := sources.get(reference.relation)) and is_direct(reference, other)
    )


def _is_event(source: Source, sources: Mapping[int, Source]) -> bool:
    """Whether the rows of a table tell what happened, or what is where, whoever refers to them.

    It has a date that is called after an event or after the table, or any, and is called as events are; or it is
    nothing but references, and has more rows than each table that it refers to.
    """
    table, dates = fold(source.found.name), list(_dates(source))
    if any(_tells(words, table) for words in dates):
        return True
    if dates and singular(table.split("_")[-1]) in NOUNS:
        return True
    targets = [sources[relation].found.rows for relation in source.targets if relation in sources]
    return _only_refers(source) and source.found.rows > max(targets, default=source.found.rows)


def _dates(source: Source) -> Iterator[list[str]]:
    """The words in the name of each column that tells when something was, but for when the row was written."""
    for column in source.table.columns:
        kind = known_type(column.type)
        if kind.family in DATED and not kind.array and column.name != source.table.stamp:
            yield [word.removesuffix("date") for word in fold(column.name).split("_")]


def _tells(words: list[str], table: str) -> bool:
    """Whether a date of these words is called after an event, or after the table."""
    if not OTHERS.isdisjoint(words):
        return False
    if not DONE.isdisjoint(words):
        return True
    named = [word for word in words if len(word) >= LEAST_LETTERS and word not in WHEN]
    parts = (table, *table.split("_"))
    return bool(named) and all(any(part.startswith(word) for part in parts) for word in named)


def _only_refers(source: Source) -> bool:
    """Whether a table has several references, and no other columns than its key and its stamp."""
    referring = {name for reference in source.found.references for name in reference.columns}
    rest = set(source.table.by_name) - referring - set(source.table.key_columns) - {source.table.stamp}
    return len(source.targets) > 1 and not rest
