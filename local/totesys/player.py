"""Plays the people and programs that change ToteSys, one behaviour after another."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from types import TracebackType
from typing import Self

from local.totesys import ddl, deletions, edits, late, trade
from local.totesys.connection import connect
from local.totesys.desk import Clock, Desk, NoRowError, Touched, utc_now
from local.totesys.errors import SimulatorError
from local.totesys.settling import RULE, Rule

Behaviour = Callable[[Desk], Touched]

# How often each behaviour is chosen, out of about a thousand ticks. The batch pays every morning besides.
WEIGHTS: dict[Behaviour, int] = {
    trade.insert_sale: 400,
    trade.insert_purchase: 170,
    edits.rewrite_sale_silently: 60,
    edits.rewrite_purchase_silently: 50,
    edits.rewrite_design_silently: 25,
    edits.rewrite_payment_silently: 10,
    edits.amend_sale: 30,
    edits.amend_purchase: 20,
    edits.touch_sale: 10,
    edits.rewrite_sale_unchanged: 10,
    edits.renumber_sale: 5,
    edits.edit_department: 8,
    edits.edit_address: 12,
    edits.edit_staff: 8,
    edits.edit_counterparty: 8,
    trade.insert_design: 15,
    trade.insert_counterparty: 4,
    trade.insert_department: 1,
    trade.insert_staff: 4,
    trade.insert_currency: 1,
    edits.spoil_sale_date: 4,
    edits.spoil_purchase_date: 2,
    edits.spoil_payment_date: 2,
    edits.repair_sale_date: 4,
    edits.repair_purchase_date: 2,
    edits.repair_payment_date: 2,
    deletions.delete_payment: 8,
    deletions.delete_transaction: 8,
    deletions.delete_sale: 12,
    deletions.delete_purchase: 8,
    deletions.delete_design: 6,
    trade.reinsert_sale: 8,
    late.nest_savepoints: 25,
    late.open_late_transaction: 20,
    late.commit_late_transaction: 30,
    late.roll_back_late_transaction: 10,
}
BEHAVIOURS = {behaviour.__name__: behaviour for behaviour in (*WEIGHTS, trade.pay_batch, trade.pay_by_hand)}


@dataclass
class Tally:
    """How often each behaviour was done, found nothing to do, or was rolled back because of a race."""

    done: Counter[str] = field(default_factory=Counter)
    idle: Counter[str] = field(default_factory=Counter)
    raced: Counter[str] = field(default_factory=Counter)

    def add(self, other: "Tally") -> None:
        """Adds another tally to this one."""
        self.done += other.done
        self.idle += other.idle
        self.raced += other.raced

    def line(self) -> str:
        """The tally as one line of text."""
        counts = ", ".join(f"{name} {count}" for name, count in sorted(self.done.items()))
        totals = f"{self.done.total()} done, {self.idle.total()} idle, {self.raced.total()} raced"
        return f"{totals}: {counts}" if counts else totals


class Player:
    """Changes a filled ToteSys at a URL. Close it, or use it in a `with`.

    Two seeds that are equal choose the same behaviours in the same order, and write the same values when
    nobody else writes. `now` gives the instants to write: UTC, no time zone, whole milliseconds. `rule` says which
    payments are paid.
    Raises: SimulatorError when the URL does not answer or the schema is missing.
    """

    def __init__(self, url: str, seed: int = 0, now: Clock = utc_now, rule: Rule = RULE) -> None:
        self.connection = late.impatient(connect(url))
        try:
            ddl.require_schema(self.connection)
        except SimulatorError:
            self.connection.close()
            raise
        self.desk = Desk(url, self.connection, Random(f"values {seed}"), now, rule=rule)
        self.tally = Tally()
        self.choices = Random(f"choices {seed}")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Rolls back what is open and closes every connection; may be repeated."""
        late.close_late(self.desk)
        self.connection.close()

    def choose(self) -> str:
        """The name of the next behaviour, by the weights."""
        return self.choices.choices([one.__name__ for one in WEIGHTS], list(WEIGHTS.values()))[0]

    def perform(self, name: str) -> Touched:
        """Does one behaviour in one transaction; gives the ids it touched: none if idle or after a race.

        Raises: SimulatorError for a name that is not in BEHAVIOURS.
        """
        if name not in BEHAVIOURS:
            raise SimulatorError(f"no such behaviour: {name}")
        try:
            with self.connection.transaction():
                touched = BEHAVIOURS[name](self.desk)
        except NoRowError:
            self.tally.idle[name] += 1
            return []
        except late.RACES:
            self.tally.raced[name] += 1
            return []
        self.tally.done[name] += 1
        return touched

    def take_tally(self) -> Tally:
        """The tally since this was last called."""
        taken, self.tally = self.tally, Tally()
        return taken
