"""Sales, every version of each."""

from include.tables.star import Column, Fact

from ..sources import sale
from .dim_clerk import dim_clerk
from .dim_currency import dim_currency
from .dim_date import dim_date
from .dim_product import dim_product

fact_sale = Fact(
    name="fact_sale",
    record_id="sale_record_id",
    key="sale_id",
    source=sale,
    description="A version of a sale.",
    columns=(
        Column("sale_id", "integer", "sale_id"),
        Column("created_date", "date", "created_at", references=dim_date),
        Column("created_time", "time", "created_at"),
        Column("clerk_id", "integer", "clerk_id", references=dim_clerk),
        Column("units_sold", "integer", "units_sold"),
        Column("unit_price", "numeric(10,2)", "unit_price", currency="currency_id"),
        Column("currency_id", "integer", "currency_id", references=dim_currency),
        Column("product_id", "integer", "product_id", references=dim_product),
        Column("delivery_date", "date", "delivery_date", references=dim_date),
    ),
)
