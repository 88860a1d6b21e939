"""The calendar that every date of a fact refers to."""

from datetime import date

from include.tables.star import Calendar, Column

dim_date = Calendar(
    name="dim_date",
    key="date_id",
    first=date(2020, 1, 1),
    last=date(2049, 12, 31),
    description="A day.",
    columns=(
        Column("date_id", "date"),
        Column("year", "integer"),
        Column("month", "integer"),
        Column("day", "integer"),
        Column("day_of_week", "integer"),
        Column("day_name", "text"),
        Column("month_name", "text"),
        Column("quarter", "integer"),
    ),
)
