"""When a payment is paid: by the batch of 07:55 on the weekday that it is due, if it was created before that day.

Source: totesys.md, measured on a dump: what falls due at a weekend, or on the day of its creation, is never paid.
"""

from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
from numpy.typing import NDArray

from local.totesys import hours
from local.totesys.errors import SimulatorError
from local.totesys.wire import Ints

TERM_DAYS = 6
"""Within how many days of its creation a payment falls due: then 7 of 100 do on that very day, and 32 at a weekend."""

PAYMENTS_PER_MILLISECOND = 37
"""The most payments of a batch that share one millisecond."""

FRIDAY = 5
UNIX_EPOCH = date(1970, 1, 1)


@dataclass(frozen=True)
class Rule:
    """Which payments are paid on the day that they are due.

    unruly: the share of payments, 0 to 1, that do the opposite of what the rule says of them.
    changes_on: from this day on the batch runs from Tuesday to Saturday; None for never.
    missed: days on which the batch does not run, though it should.
    """

    unruly: float = 0.0
    changes_on: date | None = None
    missed: frozenset[date] = frozenset()

    def __post_init__(self) -> None:
        if not 0 <= self.unruly <= 1:
            raise SimulatorError(f"the unruly share must be from 0 to 1: {self.unruly:g}")

    def runs_on(self, day: date) -> bool:
        """Whether the batch runs on this day."""
        changed = self.changes_on is not None and day >= self.changes_on
        return (day - timedelta(days=changed)).isoweekday() <= FRIDAY and day not in self.missed

    def batch_pays(self, created_ms: Ints, due_ms: Ints) -> NDArray[np.bool_]:
        """Of payments created and due at these Unix milliseconds: which ones the batch pays, if they are not unruly."""
        days, place = np.unique(due_ms // hours.DAY_MS, return_inverse=True)
        runs = np.array([self.runs_on(UNIX_EPOCH + timedelta(days=int(day))) for day in days], dtype=bool)
        paid: NDArray[np.bool_] = runs[place] & (due_ms // hours.DAY_MS > created_ms // hours.DAY_MS)
        return paid


RULE = Rule()
"""The rule without an exception."""


def batch_ms(due_ms: Ints, chunk: int) -> Ints:
    """The Unix millisecond at which the batch of the day would pay each of the payments of a chunk.

    Those of one day share a millisecond, at most PAYMENTS_PER_MILLISECOND of them; other chunks have other ones.
    """
    days = due_ms // hours.DAY_MS
    order = np.argsort(days, kind="stable")
    place = np.empty_like(days)
    place[order] = np.arange(len(days)) - np.searchsorted(days[order], days[order])
    turn = chunk % 8 * 1_800 + place // PAYMENTS_PER_MILLISECOND  # 65,536 deals take fewer milliseconds than that
    return days * hours.DAY_MS + hours.BATCH_MS + turn


def by_hand_ms(due_ms: Ints) -> Ints:
    """The Unix millisecond at which an unruly payment is paid that no batch pays: in the evening of its day."""
    return due_ms // hours.DAY_MS * hours.DAY_MS + hours.CLOSING_MS
