"""Kinds of payment."""

from include.tables.star import Column, Dimension
from include.totesys.sources import payment_type

dim_payment_type = Dimension(
    name="dim_payment_type",
    key="payment_type_id",
    source=payment_type,
    description="A kind of payment.",
    columns=(
        Column("payment_type_id", "integer", "payment_type_id", description="The source's key."),
        Column(
            "payment_type_name",
            "text",
            "payment_type_name",
            description="SALES_RECEIPT, SALES_REFUND, PURCHASE_PAYMENT or PURCHASE_REFUND.",
        ),
    ),
)
