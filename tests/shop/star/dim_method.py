"""Methods of payment."""

from include.tables.star import Column, Dimension

from ..sources import method

dim_method = Dimension(
    name="dim_method",
    key="method_id",
    source=method,
    description="A way to pay.",
    columns=(Column("method_id", "integer", "method_id"), Column("method_name", "text", "method_name")),
)
