"""Addresses, as places that goods are delivered to."""

from include.tables.star import Column, Dimension
from include.totesys.sources import address

dim_location = Dimension(
    name="dim_location",
    key="location_id",
    source=address,
    description="A place that orders are delivered to.",
    columns=(
        Column("location_id", "integer", "address_id", description="The source's address_id."),
        Column("address_line_1", "text", "address_line_1", personal=True),
        Column("address_line_2", "text", "address_line_2", nullable=True, personal=True),
        Column("district", "text", "district", nullable=True),
        Column("city", "text", "city"),
        Column("postal_code", "text", "postal_code", description="Text: leading zeros count."),
        Column("country", "text", "country"),
        Column("phone", "text", "phone", personal=True),
    ),
)
