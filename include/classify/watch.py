"""Whether reality still follows the champion: day by day, what it said of rows and what came of them; and drift."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import psycopg
from psycopg import sql

from include.classify import registry
from include.classify.drift import find_drift
from include.classify.model import LEAST, Model
from include.classify.rows import features_sql
from include.classify.scoring import require_fitting
from include.classify.statement import probability_sql
from include.common.manifests import Manifest
from include.common.postgres import connect, postgres_errors
from include.common.settings import WAREHOUSE_CONNECTION
from include.reports.outbox import Alert
from include.tables.question import Question, refers_to, settled

SIGMAS = 4.0
"""By how many standard errors what came of a day's rows is beyond what was said of them."""

FEWEST = 3
"""So many rows at least have to have come otherwise: one or two are somebody's own matter."""

DAYS = 28
"""So many days are looked at."""

LATE_DAYS = 3
"""A batch that did not run is told for so many days: what was missed before a first load is history."""

BY_DAY = sql.SQL("""
    WITH described AS (
        SELECT {due} AS due_on, {done} AND {stamped} = {due} AS came, {features}
          FROM {fact} r WHERE valid_to IS NULL AND {due} BETWEEN {first} AND {last} AND {created} <= {due}
    ), said AS (SELECT due_on, came, {probability} AS p FROM described)
    SELECT due_on, count(*), count(*) FILTER (WHERE came), sum(p), sum(p * (1 - p)),
           count(*) FILTER (WHERE NOT came AND p >= 0.5), count(*) FILTER (WHERE came AND p < 0.5)
      FROM said GROUP BY due_on ORDER BY due_on""")

MISSING = sql.SQL("""
    WITH described AS (
        SELECT {amount} AS amount, {currency} AS currency, {done} AND {stamped} = {due} AS came, {features}
          FROM {fact} r WHERE valid_to IS NULL AND {due} = {day} AND {created} <= {due}
    )
    SELECT coalesce(named.{shown}::text, currency::text), count(*), sum(amount)
      FROM described LEFT JOIN {dimension} named ON named.{dimension_key} = currency
     WHERE NOT came AND {probability} >= 0.5 GROUP BY 1 ORDER BY 1""")


class Day(Manifest):
    """What came of the rows that were due on a day: how many there were, and were done; how many were expected to be.

    unexpected: how many came otherwise than was said. variance: of the number that is done, as was said. judged: by
    what share of the expected the day was beyond noise, in standard errors: below zero where fewer were done.
    """

    day: date
    rows: int
    came: int
    expected: float
    variance: float
    missing: int
    unexpected: int

    @property
    def beyond(self) -> bool:
        """Whether more came otherwise than noise explains."""
        otherwise = self.missing + self.unexpected
        return otherwise >= FEWEST and abs(self.came - self.expected) > SIGMAS * max(self.variance, LEAST) ** 0.5 + 1


class Watched(Manifest):
    """What a look at a question's rows found.

    days: of the last four weeks. missed: days on which less was done than was said, beyond noise. since: the first day
    from which on the champion is wrong in two weeks or more; None while it is not. drifted: feature → its index.
    """

    version: str
    at: datetime
    days: list[Day]
    missed: list[date]
    since: date | None
    drifted: dict[str, float]


def watch(question: Question, now: datetime) -> tuple[Watched | None, list[Alert]]:
    """Look at what came of the rows that were due lately; gives what was found, and what people are to be told.

    now: the instant of the source's clock up to which the warehouse shows all.

    None where there is no champion. Raises: as `read_model` and `postgres_errors`.
    """
    standing = registry.read_standing(question.name)
    version = standing.champion
    if not version:
        return None, []
    model = registry.read_model(question.name, version)
    require_fitting(question, model)
    card = registry.read_card(question.name, version)
    here = now.astimezone(UTC)
    last = here.date() if here.time() >= settled(question).expected_by else here.date() - timedelta(days=1)
    with connect(WAREHOUSE_CONNECTION) as connection, postgres_errors(question.fact.name):
        days = _days(connection, question, model, last, standing.since)
        fresh = [day for day in days if day.beyond and day.came < day.expected and (last - day.day).days < LATE_DAYS]
        alerts = [_of_missed(question, day, _missing(connection, question, model, day.day)) for day in fresh]
        drifted = find_drift(connection, question, card.shares, last - timedelta(days=DAYS), last)
    watched = Watched(
        version=version, at=now, days=days, missed=[day.day for day in fresh], since=wrong_since(days), drifted=drifted
    )
    return watched, [*alerts, *_of_drift(question, watched)]


def wrong_since(days: Sequence[Day]) -> date | None:
    """From which day on the champion is wrong: the first of the days beyond noise, where they are of two weeks."""
    beyond = [day.day for day in days if day.beyond]
    weeks = {day.isocalendar()[:2] for day in beyond}
    return beyond[0] if len(weeks) >= 2 else None


def over(question: Question, now: datetime) -> list[str]:
    """What was told of days long past, so that it need not be remembered any more."""
    today = now.astimezone(UTC).date()
    days = [today - timedelta(days=days) for days in range(LATE_DAYS + 1, DAYS)]
    weeks = [_week(today - timedelta(weeks=weeks)) for weeks in range(2, 6)]
    return [
        *(missed_identity(question, day) for day in days),
        *(f"{kind} {question.name} {week}" for week in weeks for kind in ("wrong", "drift")),
    ]


def missed_identity(question: Question, day: date) -> str:
    """What the alert about a day on which less was done than should have been tells of."""
    return f"missed {question.name} {day}"


def _days(
    connection: psycopg.Connection, question: Question, model: Model, last: date, since: date | None
) -> list[Day]:
    first = max(last - timedelta(days=DAYS), since or date.min)
    query = BY_DAY.format(**_parts(question, model), first=sql.Literal(first), last=sql.Literal(last))
    return [
        Day(
            day=day,
            rows=rows,
            came=came,
            expected=round(expected, 3),
            variance=round(variance, 3),
            missing=missing,
            unexpected=unexpected,
        )
        for day, rows, came, expected, variance, missing, unexpected in connection.execute(query).fetchall()
    ]


def _missing(
    connection: psycopg.Connection, question: Question, model: Model, day: date
) -> list[tuple[str, int, Decimal]]:
    """Currency → number and sum of the rows that should have been done on a day and were not."""
    assert question.currency is not None
    table, key = refers_to(question, question.currency)
    query = MISSING.format(
        **_parts(question, model),
        day=sql.Literal(day),
        shown=sql.Identifier(question.currency.shown),
        dimension=sql.Identifier(table),
        dimension_key=sql.Identifier(key),
    )
    return connection.execute(query).fetchall()


def _parts(question: Question, model: Model) -> dict[str, sql.Composable]:
    label = settled(question)
    assert question.currency is not None
    names = {"due": label.due, "done": label.done, "stamped": label.stamped, "created": question.created}
    names |= {"amount": question.amount, "currency": question.currency.column, "fact": question.fact.name}
    return {
        **{name: sql.Identifier(value) for name, value in names.items()},
        "features": features_sql(question, "r"),
        "probability": probability_sql(model),
    }


def _of_missed(question: Question, day: Day, missing: list[tuple[Any, ...]]) -> Alert:
    sums = ", ".join(f"{count:,} for {total:,.2f} {currency}" for currency, count, total in missing)
    message = (
        f"Of {day.rows:,} rows of {question.fact.name} that were due on {day.day}, {day.came:,} were done; the model "
        f"expected {day.expected:,.0f}. Not done, though they should have been: {sums}. Has what does them run? "
        "docs/runbook.md tells what to look at."
    )
    subject = f"{day.missing:,} rows that were due on {day.day} were not done"
    return Alert(subject=subject, message=message, once=missed_identity(question, day.day))


def _week(day: date) -> str:
    """A week's name, such as 2024-W34."""
    return "{}-W{:02}".format(*day.isocalendar()[:2])


def _of_drift(question: Question, watched: Watched) -> list[Alert]:
    """Alerts that the champion is wrong, or that what it is asked about has changed; each once a week."""
    week = _week(watched.at)
    found = []
    if watched.since:
        message = (
            f"The model {watched.version} has been wrong since {watched.since}, in more than one week. A new one is "
            "trained on what came since; docs/runbook.md tells what to look at."
        )
        found.append(
            Alert(
                subject=f"Reality leaves the model {question.name}",
                message=message,
                once=f"wrong {question.name} {week}",
            )
        )
    if watched.drifted:
        told = ", ".join(f"{name} ({index})" for name, index in watched.drifted.items())
        message = f"Rows of the last four weeks are spread otherwise than those that the model learned from: {told}."
        found.append(
            Alert(
                subject=f"Drift of features of {question.name}", message=message, once=f"drift {question.name} {week}"
            )
        )
    return found
