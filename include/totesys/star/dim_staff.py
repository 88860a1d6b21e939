"""Staff, each with the department that they work in."""

from include.tables.star import Column, Dimension, Join
from include.totesys.sources import department, staff

dim_staff = Dimension(
    name="dim_staff",
    key="staff_id",
    source=staff,
    joins=(Join(department, on="department_id"),),
    description="A member of staff, with the department that they work in now.",
    columns=(
        Column("staff_id", "integer", "staff_id", description="The source's key."),
        Column("first_name", "text", "first_name", personal=True),
        Column("last_name", "text", "last_name", personal=True),
        Column("department_name", "text", ("department_id", "department_name")),
        Column(
            "location",
            "text",
            ("department_id", "location"),
            nullable=True,
            description="NULL where the department has none.",
        ),
        Column("email_address", "text", "email_address", personal=True),
    ),
)
