"""Clerks, each with the branch that they work in."""

from include.tables.star import Column, Dimension, Join

from ..sources import branch, clerk

dim_clerk = Dimension(
    name="dim_clerk",
    key="clerk_id",
    source=clerk,
    joins=(Join(branch, on="branch_id"),),
    description="A clerk, with the branch that they work in now.",
    columns=(
        Column("clerk_id", "integer", "clerk_id"),
        Column("first_name", "text", "first_name", personal=True),
        Column("last_name", "text", "last_name", personal=True),
        Column("branch_name", "text", ("branch_id", "branch_name")),
        Column("town", "text", ("branch_id", "town"), nullable=True, description="NULL where the branch has none."),
        Column("email_address", "text", "email_address", personal=True),
    ),
)
