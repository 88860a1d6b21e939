"""What is still to be paid."""

from include.tables.figures import By, Count, Is, Past, Share, Sum
from include.tables.metrics import Metric

from ..star.fact_payment import fact_payment

owed = Metric(
    name="owed",
    title="Owed",
    fact=fact_payment,
    by=(By("currency_id"), By(("method_id", "method_name"), "method")),
    values=(
        Count("payments"),
        Count("overdue", (Is("paid", False), Past("payment_date"))),
        Share("overdue_share", "overdue", "payments"),
        Sum("owed", ("payment_amount",), (Is("paid", False),)),
    ),
    description="Payments, and those of them that are not paid.",
    as_of=True,
)
