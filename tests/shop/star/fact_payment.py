"""Payments, every version of each."""

from include.tables.star import Column, Fact

from ..sources import payment
from .dim_currency import dim_currency
from .dim_date import dim_date
from .dim_method import dim_method

fact_payment = Fact(
    name="fact_payment",
    record_id="payment_record_id",
    key="payment_id",
    source=payment,
    description="A version of a payment.",
    columns=(
        Column("payment_id", "integer", "payment_id"),
        Column("created_date", "date", "created_at", references=dim_date),
        Column("created_time", "time", "created_at"),
        Column("payment_amount", "numeric(10,2)", "payment_amount", currency="currency_id"),
        Column("currency_id", "integer", "currency_id", references=dim_currency),
        Column("method_id", "integer", "method_id", references=dim_method),
        Column("paid", "boolean", "paid"),
        Column("payment_date", "date", "payment_date", references=dim_date),
    ),
)
