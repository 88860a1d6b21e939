"""How much of a warehouse table was proven equal to the source of late, and how old the oldest proof is."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from include.common.manifests import Manifest, Mark

LATE = timedelta(hours=24)
"""Within what time every value is to be proven again."""


class Proven(Manifest):
    """share: of the rows that were proven within LATE, from 0 to 1. oldest_at: None where some never were."""

    share: float = 0.0
    oldest_at: datetime | None = None


def proven(marks: Iterable[Mark]) -> Proven:
    """What a table's marks come to; a table without a row is proven when it was looked at."""
    marks, since = list(marks), datetime.now(UTC) - LATE
    instants = [mark.at for mark in marks if mark.rows or len(marks) == 1]
    rows = sum(mark.rows for mark in marks)
    fresh = sum(mark.rows for mark in marks if mark.at and mark.at >= since)
    known = [instant for instant in instants if instant]
    return Proven(
        share=fresh / rows if rows else float(bool(known)),
        oldest_at=min(known) if known and len(known) == len(instants) else None,
    )
