"""What is still to be paid, to us and by us."""

from include.tables.figures import By, Count, Is, Sum
from include.tables.metrics import Metric
from include.totesys.star.fact_payment import fact_payment

CURRENCY = (By("currency_id"), By(("currency_id", "currency_code")))
KIND = By(("payment_type_id", "payment_type_name"))


def _open(what: str, title: str, *by: By) -> Metric:
    return Metric(
        name=f"open_payments_by_{what}",
        title=f"Open payments by {title}",
        fact=fact_payment,
        by=(*by, KIND, *CURRENCY),
        values=(Count("payments"), Sum("amount", ("payment_amount",))),
        where=(Is("paid", False),),
        description="Payments that are not paid, due or not, by what kind of payment they are.",
        as_of=True,
    )


by_type = _open("type", "type")
by_due_day = _open("due_day", "the day that they are due", By("payment_date", "due"))
