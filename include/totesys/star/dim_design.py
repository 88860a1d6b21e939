"""Designs of what is sold."""

from include.tables.star import Column, Dimension
from include.totesys.sources import design

dim_design = Dimension(
    name="dim_design",
    key="design_id",
    source=design,
    description="A design that is made and sold.",
    columns=(
        Column("design_id", "integer", "design_id", description="The source's key."),
        Column("design_name", "text", "design_name"),
        Column("file_location", "text", "file_location"),
        Column("file_name", "text", "file_name"),
    ),
)
