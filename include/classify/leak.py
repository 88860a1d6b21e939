"""Features that know the future: what a row tells otherwise when it is made than it does later."""

import psycopg
from psycopg import sql

from include.classify.rows import fact_parts, feature_sql, first_versions, same_key
from include.common.errors import DataError
from include.tables.question import Question

LEAK_SHARE = 0.05
"""From which share on of the rows with several versions a feature that differs between them tells the future."""

LEAK_ROWS = 40
"""From how many such rows on that is judged."""

CHANGED = sql.SQL("""
    WITH {first}, last AS (
        SELECT DISTINCT ON ({key}) {columns} FROM {fact} ORDER BY {key}, valid_from DESC, {record_id} DESC
    ), both_versions AS (
        SELECT {were}, {are} FROM first f JOIN last l ON {same} WHERE f.{record_id} <> l.{record_id}
    )
    SELECT count(*), {differing} FROM both_versions""")


def refuse_leaks(connection: psycopg.Connection, question: Question) -> None:
    """Refuse a feature that a row tells otherwise when it is made than it does later: then it knows the future.

    Only rows of which the warehouse holds several versions can show that.

    Raises: DataError that names the feature.
    """
    features = question.features
    were, are = features_named(question, "f", "were_"), features_named(question, "l", "are_")
    differing = [
        sql.SQL("count(*) FILTER (WHERE {} <> {})").format(
            sql.Identifier(f"were_{feature.name}"), sql.Identifier(f"are_{feature.name}")
        )
        for feature in features
    ]
    query = CHANGED.format(
        first=first_versions(question),
        **fact_parts(question),
        were=were,
        are=are,
        same=same_key("l", "f", question),
        differing=sql.SQL(", ").join(differing),
    )
    rows, *changed = connection.execute(query).fetchone() or (0,)
    for feature, count in zip(features, changed, strict=False):
        if rows >= LEAK_ROWS and count > LEAK_SHARE * rows:
            raise DataError(
                f"{question.name}: the feature {feature.name} knows the future: of {rows:,} rows that changed later, "
                f"{count:,} told another one when they were made; take it out of the question"
            )


def features_named(question: Question, alias: str, prefix: str) -> sql.Composed:
    """All features of the row that `alias` names, each under its name with a prefix."""
    return sql.SQL(", ").join(
        sql.SQL("{} AS {}").format(feature_sql(feature, alias), sql.Identifier(prefix + feature.name))
        for feature in question.features
    )
