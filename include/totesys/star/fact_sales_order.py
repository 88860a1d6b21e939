"""Sales orders, every version of each."""

from include.tables.star import Column, Fact
from include.totesys.sources import sales_order
from include.totesys.star.dim_counterparty import dim_counterparty
from include.totesys.star.dim_currency import dim_currency
from include.totesys.star.dim_date import dim_date
from include.totesys.star.dim_design import dim_design
from include.totesys.star.dim_location import dim_location
from include.totesys.star.dim_staff import dim_staff

fact_sales_order = Fact(
    name="fact_sales_order",
    record_id="sales_record_id",
    key="sales_order_id",
    source=sales_order,
    description="A version of a sales order.",
    columns=(
        Column("sales_order_id", "integer", "sales_order_id", description="The source's key."),
        Column("created_date", "date", "created_at", references=dim_date, description="UTC."),
        Column("created_time", "time", "created_at", description="UTC, in milliseconds."),
        Column("last_updated_date", "date", "last_updated", references=dim_date, description="UTC."),
        Column("last_updated_time", "time", "last_updated", description="UTC, in milliseconds."),
        Column("sales_staff_id", "integer", "staff_id", references=dim_staff),
        Column("counterparty_id", "integer", "counterparty_id", references=dim_counterparty),
        Column("units_sold", "integer", "units_sold"),
        Column("unit_price", "numeric(10,2)", "unit_price", currency="currency_id"),
        Column("currency_id", "integer", "currency_id", references=dim_currency),
        Column("design_id", "integer", "design_id", references=dim_design),
        Column("agreed_payment_date", "date", "agreed_payment_date", references=dim_date),
        Column("agreed_delivery_date", "date", "agreed_delivery_date", references=dim_date),
        Column("agreed_delivery_location_id", "integer", "agreed_delivery_location_id", references=dim_location),
    ),
)
