"""What was sold: the value of sales orders and the units in them, at the day that they were made."""

from include.tables.figures import By, Count, Sum
from include.tables.metrics import Metric
from include.totesys.star.fact_sales_order import fact_sales_order

CURRENCY = (By("currency_id"), By(("currency_id", "currency_code")))


def _revenue(what: str, *by: By, description: str = "") -> Metric:
    return Metric(
        name=f"revenue_by_{what}",
        title=f"Revenue by {what}",
        fact=fact_sales_order,
        by=(*by, *CURRENCY),
        values=(
            Count("orders"),
            Sum("units", ("units_sold",)),
            Sum("revenue", ("units_sold", "unit_price")),
        ),
        description=f"Sales orders, units and their value{description}.",
        as_of=True,
    )


by_currency = _revenue("currency")
by_day = _revenue("day", By("created_date", "day"), description=", by the day that the order was made")
by_design = _revenue("design", By("design_id"), By(("design_id", "design_name")))
by_counterparty = _revenue("counterparty", By("counterparty_id"), By(("counterparty_id", "counterparty_legal_name")))
by_staff = _revenue(
    "staff",
    By("sales_staff_id"),
    By(("sales_staff_id", "department_name")),
    description=", by who sold them; names are personal, and left out",
)
by_country = _revenue(
    "country",
    By(("counterparty_id", "counterparty_legal_country"), "country"),
    description=", by the country of the buyer's legal address",
)
