"""Payments, every version of each. The source's account numbers are left out on purpose."""

from include.tables.star import Column, Fact
from include.totesys.sources import payment
from include.totesys.star.dim_counterparty import dim_counterparty
from include.totesys.star.dim_currency import dim_currency
from include.totesys.star.dim_date import dim_date
from include.totesys.star.dim_payment_type import dim_payment_type
from include.totesys.star.dim_transaction import dim_transaction

fact_payment = Fact(
    name="fact_payment",
    record_id="payment_record_id",
    key="payment_id",
    source=payment,
    description="A version of a payment. Account numbers never reach the warehouse.",
    columns=(
        Column("payment_id", "integer", "payment_id", description="The source's key."),
        Column("created_date", "date", "created_at", references=dim_date, description="UTC."),
        Column("created_time", "time", "created_at", description="UTC, in milliseconds."),
        Column("last_updated_date", "date", "last_updated", references=dim_date, description="UTC."),
        Column("last_updated_time", "time", "last_updated", description="UTC, in milliseconds."),
        Column("transaction_id", "integer", "transaction_id", references=dim_transaction),
        Column("counterparty_id", "integer", "counterparty_id", references=dim_counterparty),
        Column("payment_amount", "numeric(10,2)", "payment_amount", currency="currency_id"),
        Column("currency_id", "integer", "currency_id", references=dim_currency),
        Column("payment_type_id", "integer", "payment_type_id", references=dim_payment_type),
        Column("paid", "boolean", "paid"),
        Column("payment_date", "date", "payment_date", references=dim_date),
    ),
)
