"""Business days, one after another, at any speed."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from itertools import islice
from threading import Event

from local.totesys import trade
from local.totesys.errors import SimulatorError
from local.totesys.player import Player, Tally

OPENING = time(8)
TICKS_PER_DAY = 11 * 60
TICK_SECONDS = 60
BATCH_TIME = time(7, 55, 11)
SATURDAY = 6


@dataclass(frozen=True)
class Pace:
    """How long to play, and how fast.

    `days` and `ticks` end the play, whichever comes first; None is no limit. `speed` is simulated seconds per
    real second, of business time alone: nights and weekends take no time; 0 is as fast as possible.
    """

    first_day: date
    days: int | None = None
    ticks: int | None = None
    speed: float = 0.0

    def __post_init__(self) -> None:
        for name, value in (("days", self.days), ("ticks", self.ticks), ("speed", self.speed)):
            if value is not None and not value >= 0:
                raise SimulatorError(f"{name} must not be negative: {value:g}")


class Stage:
    """The simulated moment; its `now` is a clock that a player can write from."""

    def __init__(self, first_day: date) -> None:
        self.moment = datetime.combine(first_day, OPENING)

    def now(self) -> datetime:
        """The simulated moment, UTC without a time zone."""
        return self.moment


@dataclass(frozen=True)
class Play:
    """Business days as one player has them. Setting `stop` ends the play after the current behaviour."""

    player: Player
    pace: Pace
    stage: Stage
    stop: Event = field(default_factory=Event)

    def run(self, report: Callable[[str], None]) -> Tally:
        """Plays until a limit is reached or `stop` is set; gives the tally of all.

        `report` is given one line at the end of each day, whole or not, and one at the end of all.
        """
        total = Tally()
        ticks_left = self.pace.ticks
        for number, day in enumerate(islice(business_days(self.pace.first_day), self.pace.days), 1):
            if self.stop.is_set() or ticks_left == 0:
                break
            ticks = TICKS_PER_DAY if ticks_left is None else min(ticks_left, TICKS_PER_DAY)
            self.play_day(day, ticks)
            ticks_left = None if ticks_left is None else ticks_left - ticks
            tally = self.player.take_tally()
            report(f"day {number} ({day}): {tally.line()}")
            total.add(tally)
        report(f"total: {total.line()}")
        return total

    def play_day(self, day: date, ticks: int = TICKS_PER_DAY) -> None:
        """Plays the payments since the last business day, then a behaviour of the player's choice at each tick."""
        rule = self.player.desk.rule
        self.stage.moment = datetime.combine(day, BATCH_TIME)
        if rule.unruly:
            self.player.perform(trade.pay_by_hand.__name__)
        for morning in mornings(day):
            if morning == day or rule.runs_on(morning):
                self.stage.moment = datetime.combine(morning, BATCH_TIME)
                self.player.perform(trade.pay_batch.__name__)
        for tick in range(ticks):
            if self.stop.is_set():
                return
            self.stage.moment = datetime.combine(day, OPENING) + timedelta(seconds=tick * TICK_SECONDS)
            self.player.perform(self.player.choose())
            if self.pace.speed:
                self.stop.wait(TICK_SECONDS / self.pace.speed)


def mornings(day: date) -> list[date]:
    """The days since the last business day, this one included: on a Monday, the weekend's too."""
    return [day - timedelta(days=2), day - timedelta(days=1), day] if day.isoweekday() == 1 else [day]


def business_days(first: date) -> Iterator[date]:
    """Monday to Friday, from the first such day on or after this date, without end."""
    day = first
    while True:
        if day.isoweekday() < SATURDAY:
            yield day
        day += timedelta(days=1)
