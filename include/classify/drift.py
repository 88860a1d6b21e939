"""Drift: whether the rows of late are like those that a model learned from."""

from datetime import date
from math import log

import psycopg
from psycopg import sql

from include.classify.rows import features_sql
from include.tables.question import Question

Shares = dict[str, dict[int, float]]
"""Feature → value → the share of the rows that have it."""

DRIFTED = 0.25
"""From which population stability index on a feature has drifted. Source: the usual rule of thumb of credit scoring."""

SHARES = sql.SQL("""
    WITH described AS (
        SELECT {features} FROM {fact} r WHERE valid_to IS NULL AND {created} BETWEEN {first} AND {last}
    )
    SELECT {feature}, count(*) FROM described GROUP BY 1""")


def find_drift(
    connection: psycopg.Connection, question: Question, known: Shares, first: date, last: date
) -> dict[str, float]:
    """Features that are spread otherwise among the rows made between two days than among those learned from."""
    found = {}
    for feature in question.features:
        query = SHARES.format(
            feature=sql.Identifier(feature.name),
            features=features_sql(question, "r"),
            fact=sql.Identifier(question.fact.name),
            created=sql.Identifier(question.created),
            first=sql.Literal(first),
            last=sql.Literal(last),
        )
        counts: dict[int, int] = dict(connection.execute(query).fetchall())
        index = stability(known.get(feature.name, {}), counts)
        if index >= DRIFTED:
            found[feature.name] = round(index, 3)
    return found


def stability(known: dict[int, float], counts: dict[int, int]) -> float:
    """The population stability index of counts beside known shares; 0 where there are too few to tell."""
    total = sum(counts.values())
    if total < 10 * max(len(known), 1):
        return 0.0
    least = 1 / total
    now = {value: max(counts.get(value, 0) / total, least) for value in {*known, *counts}}
    then = {value: max(known.get(value, 0), least) for value in now}
    return sum((share - then[value]) * log(share / then[value]) for value, share in now.items())
