"""Transactions: what ties a payment to its order."""

from include.tables.star import Column, Dimension
from include.totesys.sources import transaction

dim_transaction = Dimension(
    name="dim_transaction",
    key="transaction_id",
    source=transaction,
    description="A sale or a purchase that a payment settles.",
    columns=(
        Column("transaction_id", "integer", "transaction_id", description="The source's key."),
        Column("transaction_type", "text", "transaction_type", description="SALE or PURCHASE."),
        Column(
            "sales_order_id",
            "integer",
            "sales_order_id",
            nullable=True,
            description="NULL for a purchase, or when the order was deleted.",
        ),
        Column(
            "purchase_order_id",
            "integer",
            "purchase_order_id",
            nullable=True,
            description="NULL for a sale, or when the order was deleted.",
        ),
    ),
)
