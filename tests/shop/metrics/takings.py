"""What was sold."""

from include.tables.figures import By, Count, Sum
from include.tables.metrics import Metric

from ..star.fact_sale import fact_sale

TAKINGS = (Count("sales"), Sum("units", ("units_sold",)), Sum("takings", ("units_sold", "unit_price")))

by_day = Metric(
    name="takings_by_day",
    title="Takings by day",
    fact=fact_sale,
    by=(By("created_date", "day"), By("currency_id"), By(("currency_id", "currency_code"))),
    values=TAKINGS,
    description="Sales, by the day that they were made.",
    as_of=True,
)

by_shelf = Metric(
    name="takings_by_shelf",
    title="Takings by shelf",
    fact=fact_sale,
    by=(By(("product_id", "shelf")), By("currency_id")),
    values=TAKINGS,
)
