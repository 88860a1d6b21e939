"""classification.json: what the page shows of each question, in one small file in the state bucket.

It holds nothing that cannot be made anew: where it is missing or cannot be read, it is begun again.
"""

import logging
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, Literal

import psycopg
from psycopg import sql
from pydantic import AwareDatetime, Field, ValidationError

from include.classify.card import Card
from include.classify.registry import Promotion, Training, read_card, read_standing
from include.classify.watch import Watched
from include.common.errors import DataError, ServiceError
from include.common.manifests import Manifest
from include.common.postgres import connect, postgres_errors
from include.common.settings import STATE_BUCKET, WAREHOUSE_CONNECTION, required_variable
from include.lake.files import read_current, replace_file
from include.tables.question import Named, Question, refers_to, settled

log = logging.getLogger(__name__)

KEY = "classification.json"
ATTEMPTS = 5
AHEAD = timedelta(days=7)
MOST = 100
"""The most rows that are listed, the soonest."""

KEPT = 20
"""So many promotions and trainings are shown."""

SUMS = sql.SQL("""
    SELECT s.class, coalesce(c.{currency_shown}::text, s.{currency}::text), count(*), sum(s.{amount})
      FROM {scores} s LEFT JOIN {currencies} c ON c.{currency_key} = s.{currency}
     WHERE s.{due} BETWEEN {first} AND {last} GROUP BY 1, 2 ORDER BY 1, 2""")

PARTIES = sql.SQL("""
    SELECT coalesce(p.{party_shown}::text, s.{party}::text), coalesce(c.{currency_shown}::text, s.{currency}::text),
           count(*), sum(s.{amount})
      FROM {scores} s LEFT JOIN {currencies} c ON c.{currency_key} = s.{currency}
      LEFT JOIN {parties} p ON p.{party_key} = s.{party}
     WHERE s.class = 'will not settle' AND s.{due} BETWEEN {first} AND {last}
     GROUP BY 1, 2 ORDER BY 1, 2""")

SOON = sql.SQL("""
    SELECT s.{key}::text, s.{due}, coalesce(p.{party_shown}::text, s.{party}::text),
           coalesce(c.{currency_shown}::text, s.{currency}::text), s.{amount},
           s.probability, s.reasons, s.would_settle_on
      FROM {scores} s LEFT JOIN {currencies} c ON c.{currency_key} = s.{currency}
      LEFT JOIN {parties} p ON p.{party_key} = s.{party}
     WHERE s.class = 'will not settle' AND s.{due} BETWEEN {first} AND {last}
     ORDER BY s.{due}, s.{amount} DESC, s.{key} LIMIT {most}""")


class Total(Manifest):
    """Number and sum of rows in one currency. of: which rows: their class, or their counterparty."""

    of: str
    currency: str
    rows: int
    amount: Decimal


class Expected(Manifest):
    """A row that will not be done on its day: why, and on which day it would be; None where on none."""

    key: str
    due: date
    party: str
    currency: str
    amount: Decimal
    probability: float
    reasons: str
    would_settle_on: date | None


class Told(Manifest):
    """What is told of a question. sums, parties and soon are of the next seven days, this one included."""

    description: str
    table: str
    scored_at: AwareDatetime | None = None
    sums: list[Total] = Field(default_factory=list)
    parties: list[Total] = Field(default_factory=list)
    soon: list[Expected] = Field(default_factory=list)
    watched: Watched | None = None
    card: Card | None = None
    contest: Card | None = None
    promotions: list[Promotion] = Field(default_factory=list)
    trainings: list[Training] = Field(default_factory=list)


class Classification(Manifest):
    """The whole of classification.json."""

    format: Literal["totesys-classification/1"] = "totesys-classification/1"
    updated_at: AwareDatetime | None = None
    questions: dict[str, Told] = Field(default_factory=dict)


def tell_scores(question: Question, now: datetime) -> None:
    """Show what is expected of the next seven days. Raises: as `update` and `postgres_errors`."""
    with connect(WAREHOUSE_CONNECTION) as connection, postgres_errors(question.scores):
        found = _expected(connection, question, now.astimezone(UTC).date())
    update(question, {"scored_at": now, **found})


def tell_watched(question: Question, watched: Watched) -> None:
    """Show what a look at reality found. Raises: as `update`."""
    update(question, {"watched": watched})


def tell_models(question: Question) -> None:
    """Show who is champion, with its card, and what came of trainings. Raises: as `update` and `read_standing`."""
    standing = read_standing(question.name)
    shown = {
        "card": read_card(question.name, standing.champion) if standing.champion else None,
        "contest": read_card(question.name) if standing.trainings else None,
        "promotions": standing.promotions[-KEPT:],
        "trainings": standing.trainings[-KEPT:],
    }
    update(question, shown)


def update(question: Question, shown: dict[str, Any]) -> None:
    """Replace a part of what is told of a question, and leave the rest as it is.

    Raises: ServiceError where other writers were faster every time; others as `lake_errors`.
    """
    bucket = required_variable(STATE_BUCKET)
    for _ in range(ATTEMPTS):
        content, etag = read_current(bucket, KEY)
        known = _parse(content)
        empty = Told(description=question.description, table=question.scores)
        told = known.questions.get(question.name, empty).model_copy(update=shown)
        questions = known.questions | {question.name: told}
        after = Classification(updated_at=datetime.now(UTC), questions=questions)
        if replace_file(bucket, KEY, after.model_dump_json().encode(), etag):
            return
    raise ServiceError(f"{KEY}: others wrote it {ATTEMPTS} times meanwhile; the next run writes it")


def _parse(content: bytes | None) -> Classification:
    try:
        return Classification() if content is None else Classification.model_validate_json(content)
    except ValidationError as error:
        log.warning("%s cannot be read and is begun anew: %s", KEY, error.errors()[0]["msg"])
        return Classification()


def _expected(connection: psycopg.Connection, question: Question, today: date) -> dict[str, Any]:
    parts = _parts(question) | {"first": sql.Literal(today), "last": sql.Literal(today + AHEAD)}
    totals = {
        name: [
            Total(of=of, currency=currency, rows=rows, amount=amount)
            for of, currency, rows, amount in connection.execute(query.format(**parts)).fetchall()
        ]
        for name, query in (("sums", SUMS), ("parties", PARTIES))
    }
    rows = connection.execute(SOON.format(**parts, most=sql.Literal(MOST))).fetchall()
    return {**totals, "soon": [Expected(**dict(zip(Expected.model_fields, row, strict=True))) for row in rows]}


def _parts(question: Question) -> dict[str, sql.Composable]:
    if question.currency is None or question.party is None:
        raise DataError(f"{question.name}: it has no scores")
    names = {"scores": question.scores, "due": settled(question).due, "amount": question.amount}
    names["key"] = question.fact.key_columns[0]
    names |= _of_dimension(question, "currency", "currencies", question.currency)
    names |= _of_dimension(question, "party", "parties", question.party)
    return {name: sql.Identifier(value) for name, value in names.items()}


def _of_dimension(question: Question, one: str, many: str, named: Named) -> dict[str, str]:
    table, key = refers_to(question, named)
    return {one: named.column, many: table, f"{one}_key": key, f"{one}_shown": named.shown}
