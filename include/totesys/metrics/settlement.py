"""Which part of what fell due has been paid."""

from include.tables.figures import By, Count, Is, Past, Share, Sum
from include.tables.metrics import Metric
from include.totesys.star.fact_payment import fact_payment

PAID = (Is("paid", True),)


def _settlement(what: str, *by: By) -> Metric:
    return Metric(
        name=f"settlement_by_{what.replace(' ', '_')}",
        title=f"Settlement by {what}",
        fact=fact_payment,
        by=(*by, By("currency_id"), By(("currency_id", "currency_code"))),
        values=(
            Count("due_payments"),
            Count("settled_payments", PAID),
            Share("settled_share", "settled_payments", "due_payments"),
            Sum("due_amount", ("payment_amount",)),
            Sum("settled_amount", ("payment_amount",), PAID),
        ),
        where=(Past("payment_date"),),
        description="Payments that were due before today, and which of them are paid.",
        as_of=True,
    )


by_due_day = _settlement("due day", By("payment_date", "due"))
by_type = _settlement("type", By(("payment_type_id", "payment_type_name")))
