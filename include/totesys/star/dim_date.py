"""The calendar that every date of a fact refers to."""

from datetime import date

from include.tables.star import Calendar, Column

dim_date = Calendar(
    name="dim_date",
    key="date_id",
    first=date(2000, 1, 1),
    last=date(2100, 12, 31),
    description="A day. A source row with a date outside the calendar is rejected.",
    columns=(
        Column("date_id", "date"),
        Column("year", "integer"),
        Column("month", "integer", description="1 to 12."),
        Column("day", "integer", description="1 to 31."),
        Column("day_of_week", "integer", description="ISO 8601: Monday is 1, Sunday 7."),
        Column("day_name", "text", description="In English."),
        Column("month_name", "text", description="In English."),
        Column("quarter", "integer", description="1 to 4."),
    ),
)
