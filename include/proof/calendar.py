"""The calendar held against the server's own, as no source has it."""

from datetime import date

from psycopg import sql

from include.common.postgres import connect, postgres_errors
from include.common.settings import WAREHOUSE_CONNECTION
from include.tables.star import Calendar

NAMED_DAYS = 10
"""The most days that are named."""

TOLD = {
    "date_id": "d::date",
    "year": "date_part('year', d)::integer",
    "month": "date_part('month', d)::integer",
    "day": "date_part('day', d)::integer",
    "day_of_week": "date_part('isodow', d)::integer",
    "day_name": "to_char(d, 'FMDay')",
    "month_name": "to_char(d, 'FMMonth')",
    "quarter": "date_part('quarter', d)::integer",
}
"""What PostgreSQL tells of a day, for each column that a calendar may have. It names days and months in English.

`date_part` gives what `extract` does, at a fifth less for all days: it makes no numeric of it.
"""


def differing_days(calendar: Calendar) -> list[date]:
    """The declared days that the warehouse does not have, or has otherwise. Days beyond those are not looked at.

    Raises: as `postgres_errors`.
    """
    with connect(WAREHOUSE_CONNECTION) as connection, postgres_errors(calendar.name):
        return [day for (day,) in connection.execute(_statement(calendar))]


def _statement(calendar: Calendar) -> sql.Composed:
    names = [column.name for column in calendar.columns]
    told = sql.SQL(", ").join(sql.SQL("{} AS {}").format(sql.SQL(TOLD[name]), sql.Identifier(name)) for name in names)
    stored, right = (sql.SQL(", ").join(sql.Identifier(alias, name) for name in names) for alias in ("t", "r"))
    return sql.SQL("""
        SELECT r.date_id
          FROM (SELECT {told} FROM generate_series({first}::timestamp, {last}::timestamp, '1 day') AS d) AS r
          LEFT JOIN {table} t USING (date_id)
         WHERE ROW({stored}) IS DISTINCT FROM ROW({right}) ORDER BY 1""").format(
        told=told,
        first=sql.Literal(str(calendar.first)),
        last=sql.Literal(str(calendar.last)),
        table=sql.Identifier(calendar.name),
        stored=stored,
        right=right,
    )


def in_words(days: list[date]) -> str:
    """What is told of days that differ; empty for none."""
    if not days:
        return ""
    named = ", ".join(map(str, days[:NAMED_DAYS])) + (", …" if len(days) > NAMED_DAYS else "")
    return f"{len(days):,} days were missing or other than they are ({named}); they were written anew"
