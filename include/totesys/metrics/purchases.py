"""What was bought: the value of purchase orders and the items in them, at the day that they were made."""

from include.tables.figures import By, Count, Sum
from include.tables.metrics import Metric
from include.totesys.star.fact_purchase_order import fact_purchase_order

CURRENCY = (By("currency_id"), By(("currency_id", "currency_code")))


def _purchases(what: str, *by: By, description: str = "") -> Metric:
    return Metric(
        name=f"purchases_by_{what}",
        title=f"Purchases by {what}",
        fact=fact_purchase_order,
        by=(*by, *CURRENCY),
        values=(
            Count("orders"),
            Sum("items", ("item_quantity",)),
            Sum("cost", ("item_quantity", "item_unit_price")),
        ),
        description=f"Purchase orders, items and their value{description}.",
        as_of=True,
    )


by_day = _purchases("day", By("created_date", "day"), description=", by the day that the order was made")
by_counterparty = _purchases("counterparty", By("counterparty_id"), By(("counterparty_id", "counterparty_legal_name")))
