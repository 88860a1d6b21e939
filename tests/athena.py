"""Athena's views, asked without Athena: DuckDB answers in its place, given the one function that it lacks."""

# ruff: noqa: S608 - the statements are the tests' own

import os
from typing import Any

import duckdb

from include.lake import iceberg
from include.lake.ask import changelog
from include.lake.athena import athena_views
from include.tables.declarations import Declarations
from include.tables.question import score_table

OF_TRINO = """
    CREATE MACRO from_unixtime_nanos(told) AS strftime(make_timestamp_ns(told), '%Y-%m-%d %H:%M:%S.%n') || ' UTC'"""
"""There it gives an instant, of which the views take the text: this."""


def answer(declared: Declarations, question: str) -> list[tuple[Any, ...]]:
    """What a question to the views is answered, of the lake that the variable names."""
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'; CREATE SCHEMA changelog")
        connection.execute(OF_TRINO)
        for table in [*declared.star.values(), *map(score_table, declared.scored)]:
            found = iceberg.open_table(os.environ["AIRFLOW_VAR_LAKE_DATABASE"], table)
            connection.register(f"files of {table.name}", changelog(found))
            connection.execute(f'CREATE VIEW changelog."{table.name}" AS SELECT * FROM "files of {table.name}"')
        for name, view in athena_views(declared).items():
            connection.execute(f'CREATE VIEW "{name}" AS {view["sql"]}')
        return connection.sql(question).fetchall()
