"""Deals by the million: an order, its transaction and its payment, as columns of numbers."""

from collections.abc import Iterator
from dataclasses import dataclass, field, fields

import numpy as np
from numpy.typing import NDArray

from local.totesys import hours, settling
from local.totesys.parties import ADDRESSES, COUNTERPARTIES, CURRENCIES, STAFF
from local.totesys.settling import RULE, TERM_DAYS, Rule
from local.totesys.wire import Ints

CHUNK_DEALS = 65_536
GROUP_DEALS = 37
DISORDERED_DEALS = 10 * GROUP_DEALS  # the oldest ids, which do not follow created_at: each group of them runs backwards
CODE_ALPHABET = np.frombuffer(b"0123456789ABCDEFGHJKLMNPQRSTUVWXYZ", "u1")


@dataclass(frozen=True)
class Deals:
    """Equally long columns, one element per deal. Ids count from 1; times are Unix milliseconds, UTC."""

    deal_id: Ints
    order_id: Ints
    is_purchase: NDArray[np.bool_]
    created_ms: Ints
    design_id: Ints
    staff_id: Ints
    counterparty_id: Ints
    quantity: Ints
    price_hundredths: Ints
    currency_id: Ints
    delivery_ms: Ints
    payment_ms: Ints
    location_id: Ints
    item_code: NDArray[np.bytes_]
    is_refund: NDArray[np.bool_]
    is_paid: NDArray[np.bool_]
    paid_ms: Ints
    company_account: Ints
    counterparty_account: Ints

    def only(self, purchases: bool) -> "Deals":
        """The purchases, or the sales, among them."""
        chosen = self.is_purchase == purchases
        return Deals(*(getattr(self, field.name)[chosen] for field in fields(self)))


@dataclass(frozen=True)
class Book:
    """Which deals there are. Two equal books hold equal deals."""

    seed: int
    sales: int
    purchases: int
    designs: int
    rule: Rule = field(default=RULE)

    @property
    def deals(self) -> int:
        """How many deals the book holds."""
        return self.sales + self.purchases

    def chunks(self) -> Iterator[Deals]:
        """All deals by deal_id, at most CHUNK_DEALS at a time."""
        for start in range(0, self.deals, CHUNK_DEALS):
            yield self.chunk(np.arange(start, min(start + CHUNK_DEALS, self.deals)))

    def chunk(self, index: Ints) -> Deals:
        """The deals at these consecutive positions, the first of which is a multiple of CHUNK_DEALS."""
        rng = np.random.default_rng([self.seed, int(index[0])])
        rows = len(index)
        bought = (index + 1) * self.purchases // self.deals
        is_purchase = bought > index * self.purchases // self.deals
        created_ms = self.created_ms(index, rng)
        payment_ms = created_ms + rng.integers(0, TERM_DAYS * hours.DAY_MS, rows)
        is_paid, paid_ms = self.settle(created_ms, payment_ms, rng, int(index[0]) // CHUNK_DEALS)
        return Deals(
            deal_id=index + 1,
            order_id=np.where(is_purchase, bought, index + 1 - bought),
            is_purchase=is_purchase,
            created_ms=created_ms,
            design_id=rng.integers(1, self.designs + 1, rows),
            staff_id=rng.integers(1, STAFF + 1, rows),
            counterparty_id=rng.integers(1, COUNTERPARTIES + 1, rows),
            quantity=np.where(is_purchase, rng.integers(1, 1_000, rows), rng.integers(1_001, 99_974, rows)),
            price_hundredths=np.where(is_purchase, rng.integers(332, 99_908, rows), rng.integers(200, 401, rows)),
            currency_id=rng.integers(1, len(CURRENCIES) + 1, rows),
            delivery_ms=created_ms + rng.integers(1, 7, rows) * hours.DAY_MS,
            payment_ms=payment_ms,
            location_id=rng.integers(1, ADDRESSES + 1, rows),
            item_code=CODE_ALPHABET[rng.integers(0, len(CODE_ALPHABET), (rows, 7))].view("S7").ravel(),
            is_refund=rng.random(rows) < 0.03,
            is_paid=is_paid,
            paid_ms=paid_ms,
            company_account=rng.integers(10_000_000, 100_000_000, rows),
            counterparty_account=rng.integers(10_000_000, 100_000_000, rows),
        )

    def created_ms(self, index: Ints, rng: np.random.Generator) -> Ints:
        """When each deal was struck: in order of position, but the oldest run backwards group by group."""
        first = index - index % GROUP_DEALS
        last = np.minimum(first + GROUP_DEALS, self.deals) - 1
        slot = np.where(index < DISORDERED_DEALS, first + last - index, index)
        width = self.slot_start(slot + 1) - self.slot_start(slot)
        return hours.unix_ms(self.slot_start(slot) + (rng.random(len(index)) * width).astype(np.int64))

    def slot_start(self, slot: Ints) -> Ints:
        """When each of the equal slots begins into which deals divide all business time."""
        return hours.FIRST_MS + slot * (hours.END_MS - hours.FIRST_MS) // self.deals

    def settle(
        self, created_ms: Ints, due_ms: Ints, rng: np.random.Generator, chunk: int
    ) -> tuple[NDArray[np.bool_], Ints]:
        """Whether each payment of a chunk is paid by the end of the book, and when it is, where it is."""
        by_batch = self.rule.batch_pays(created_ms, due_ms)
        paid_ms = np.where(by_batch, settling.batch_ms(due_ms, chunk), settling.by_hand_ms(due_ms))
        unruly = rng.random(len(due_ms)) < self.rule.unruly
        return (by_batch ^ unruly) & (paid_ms < hours.unix_ms(np.array(hours.END_MS - 1))), paid_ms
