"""Products."""

from include.tables.star import Column, Dimension

from ..sources import product

dim_product = Dimension(
    name="dim_product",
    key="product_id",
    source=product,
    description="What the shop sells.",
    columns=(
        Column("product_id", "integer", "product_id"),
        Column("product_name", "text", "product_name"),
        Column("shelf", "text", "shelf"),
        Column("label", "text", "label"),
    ),
)
