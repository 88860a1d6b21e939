"""The warehouse of a ledger: versions of bills as a pipeline would have loaded them."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import psycopg

from tests.system import Rows, open_exactly

LAST = date(2024, 8, 22)
"""A Thursday: the ledger's last day, unless a test goes on."""

NOON = datetime(2024, 8, 22, 12, tzinfo=UTC)

# A bill is made on a weekday and falls due within six days. One that the rule pays is due on a day of the batch's
# week, and was made before. `turn`, from 0 to 1, follows from the seed and the bill's number alone.
WRITE = """
    INSERT INTO fact_bill (id, made_on, written_on, firm_id, money_id, amount, paid, code, due_on, valid_from)
    SELECT id, made_on, CASE WHEN paid THEN due_on ELSE made_on END, firm_id, money_id, amount, paid, 0, due_on, made_on
      FROM (
        SELECT *, due_on <= %(paid_until)s AND due_on <> ALL (%(missed)s)
                  AND (extract(isodow FROM due_on - (due_on >= %(changes)s)::integer) < 6 AND due_on > made_on)
                      <> (turn < %(unruly)s) AS paid
          FROM (
            SELECT *, made_on + (abs(hashint4extended(id, %(seed)s + 1)) %% 6)::integer AS due_on
              FROM (
                SELECT n AS id, %(first)s::date + week * 7 + day AS made_on,
                       1 + (abs(hashint4extended(n, 7)) %% 12)::integer AS firm_id, 1 + n %% 3 AS money_id,
                       round((10 ^ (1 + abs(hashint4extended(n, 8)) %% 5))::numeric, 2) AS amount,
                       abs(hashint4extended(n, %(seed)s + 3)) %% 100000 / 1e5 AS turn
                  FROM (SELECT n, (n::bigint * %(days)s / %(rows)s)::integer AS nth
                          FROM generate_series(0, %(rows)s - 1) n) AS numbered,
                       LATERAL (SELECT nth / 5 AS week, nth %% 5 AS day) AS placed
              ) AS made
          ) AS dated
      ) AS settled"""


@dataclass(frozen=True)
class Habits:
    """How bills are paid. unruly: the share that does the opposite of the rule.

    changes: from when on the batch runs from Tuesday to Saturday. missed: days on which it does not run.
    paid_until: after this day none is; None for the last day of the ledger.
    """

    unruly: float = 0.0
    changes: date = date(2100, 1, 1)
    missed: tuple[date, ...] = ()
    paid_until: date | None = None
    seed: int = 0


@dataclass(frozen=True)
class Ledger:
    """The warehouse of a ledger."""

    url: str

    def write(self, rows: int, first: date, last: date = LAST, habits: Habits | None = None) -> None:
        """Write so many bills, made on the weekdays from a Monday on to `last`, up to which they are paid."""
        own = habits or Habits()
        weeks, day = divmod((last - first).days, 7)
        self.execute(
            WRITE,
            rows=rows,
            days=weeks * 5 + min(day + 1, 5),
            first=first,
            paid_until=own.paid_until or last,
            unruly=own.unruly,
            changes=own.changes,
            missed=list(own.missed) or [date(1900, 1, 1)],
            seed=own.seed,
        )

    def execute(self, statement: str, **parameters: object) -> None:
        with psycopg.connect(self.url) as connection:
            connection.execute(statement.encode(), parameters or None)

    def ask(self, query: str) -> Rows:
        with open_exactly(self.url) as connection:
            return connection.execute(query.encode()).fetchall()

    def bill(self, number: int, made_on: str, due_on: str, **others: object) -> None:
        """Write the first version of a bill."""
        self._add(number, {"made_on": made_on, "written_on": made_on, "due_on": due_on, "valid_from": made_on} | others)

    def change(self, number: int, on: str, **changes: object) -> None:
        """Write the next version of a bill, seen on a day: `paid` stamps it, as everything else does not."""
        stamp = {"written_on": on} if "paid" in changes else {}
        self.execute(
            "UPDATE fact_bill SET valid_to = %(on)s::timestamptz WHERE id = %(id)s AND valid_to IS NULL",
            on=on,
            id=number,
        )
        columns = ["made_on", "written_on", "firm_id", "money_id", "amount", "paid", "code", "due_on"]
        query = f"SELECT {', '.join(columns)} FROM fact_bill WHERE id = {number} ORDER BY valid_from DESC LIMIT 1"  # noqa: S608
        (row,) = self.ask(query)
        self._add(number, dict(zip(columns, row, strict=True)) | {"valid_from": on} | stamp | changes)

    def delete(self, number: int, on: str) -> None:
        """Have the source lose a bill."""
        self.execute("UPDATE fact_bill SET valid_to = %(on)s::timestamptz WHERE id = %(id)s", on=on, id=number)

    def _add(self, number: int, told: dict[str, object]) -> None:
        row = {"id": number, "firm_id": 1, "money_id": 1, "amount": 100, "paid": False, "code": 0} | told
        places = ", ".join(f"%({name})s" for name in row)
        self.execute(f"INSERT INTO fact_bill ({', '.join(row)}) VALUES ({places})", **row)  # noqa: S608


def weekdays_ago(weeks: int, last: date = LAST) -> date:
    """The Monday that begins so many weeks which end with a day's own week."""
    return last - timedelta(days=last.weekday(), weeks=weeks - 1)
