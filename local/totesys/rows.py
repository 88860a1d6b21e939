"""Deals as rows of the four tables that they fill, in binary COPY format."""

from collections.abc import Callable

import numpy as np

from local.totesys import wire
from local.totesys.deals import Deals
from local.totesys.hours import DAY_MS
from local.totesys.wire import Array, Ints

FIRST_DATE = np.datetime64("2022-10-01")
DATES = np.datetime_as_string(np.arange(FIRST_DATE, np.datetime64("2024-12-31"))).astype("S10")


def dates(unix_ms: Ints) -> Array:
    """The days of these moments as text `YYYY-MM-DD`."""
    found: Array = DATES[unix_ms // DAY_MS - int(FIRST_DATE.astype(np.int64))]
    return found


def sales_order_rows(deals: Deals) -> bytes:
    """The sales among the deals."""
    sales = deals.only(purchases=False)
    created_at = wire.timestamps(sales.created_ms)
    return wire.block(
        [
            wire.integers(sales.order_id),
            wire.integers(sales.design_id),
            wire.integers(sales.staff_id),
            wire.integers(sales.counterparty_id),
            wire.integers(sales.quantity),
            wire.decimals(sales.price_hundredths),
            wire.integers(sales.currency_id),
            dates(sales.delivery_ms),
            dates(sales.payment_ms),
            wire.integers(sales.location_id),
            created_at,
            created_at,
        ]
    )


def purchase_order_rows(deals: Deals) -> bytes:
    """The purchases among the deals."""
    purchases = deals.only(purchases=True)
    created_at = wire.timestamps(purchases.created_ms)
    return wire.block(
        [
            wire.integers(purchases.order_id),
            wire.integers(purchases.staff_id),
            wire.integers(purchases.counterparty_id),
            purchases.item_code,
            wire.integers(purchases.quantity),
            wire.decimals(purchases.price_hundredths),
            wire.integers(purchases.currency_id),
            dates(purchases.delivery_ms),
            dates(purchases.payment_ms),
            wire.integers(purchases.location_id),
            created_at,
            created_at,
        ]
    )


def transaction_rows(deals: Deals) -> bytes:
    """A transaction for each deal, those of sales first."""
    sales, purchases = deals.only(purchases=False), deals.only(purchases=True)
    return transactions("SALE", sales, [wire.integers(sales.order_id), None]) + transactions(
        "PURCHASE", purchases, [None, wire.integers(purchases.order_id)]
    )


def transactions(label: str, deals: Deals, orders: list[Array | None]) -> bytes:
    """Transactions of one type; `orders` are the columns sales_order_id and purchase_order_id."""
    created_at = wire.timestamps(deals.created_ms)
    type_column = wire.labels(label, len(deals.deal_id))
    return wire.block([wire.integers(deals.deal_id), type_column, *orders, created_at, created_at])


def payment_rows(deals: Deals) -> bytes:
    """A payment for each deal; due on the day that was agreed; a paid one was last updated then."""
    updated_ms = np.where(deals.is_paid, deals.paid_ms, deals.created_ms)
    return wire.block(
        [
            wire.integers(deals.deal_id),
            wire.integers(deals.deal_id),
            wire.integers(deals.counterparty_id),
            wire.decimals(deals.quantity * deals.price_hundredths),
            wire.integers(deals.currency_id),
            wire.integers(1 + 2 * deals.is_purchase + deals.is_refund),
            wire.booleans(deals.is_paid),
            dates(deals.payment_ms),
            wire.integers(deals.company_account),
            wire.integers(deals.counterparty_account),
            wire.timestamps(deals.created_ms),
            wire.timestamps(updated_ms),
        ]
    )


ROWS: dict[str, Callable[[Deals], bytes]] = {
    "sales_order": sales_order_rows,
    "purchase_order": purchase_order_rows,
    "transaction": transaction_rows,
    "payment": payment_rows,
}
