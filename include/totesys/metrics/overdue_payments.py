"""What should have been paid by now, to us and by us."""

from include.tables.figures import By, Count, Is, Past, Sum
from include.tables.metrics import Metric
from include.totesys.star.fact_payment import fact_payment

overdue_payments_by_counterparty = Metric(
    name="overdue_payments_by_counterparty",
    title="Overdue payments by counterparty",
    fact=fact_payment,
    by=(
        By("counterparty_id"),
        By(("counterparty_id", "counterparty_legal_name")),
        By(("payment_type_id", "payment_type_name")),
        By("currency_id"),
        By(("currency_id", "currency_code")),
    ),
    values=(Count("payments"), Sum("amount", ("payment_amount",))),
    where=(Is("paid", False), Past("payment_date")),
    description="Payments that were due before today and are not paid.",
    as_of=True,
)
