"""Connections to the simulated source."""

from typing import Any

import psycopg

from local.totesys.errors import SimulatorError

Connection = psycopg.Connection[tuple[Any, ...]]

CONNECT_TIMEOUT_SECONDS = 10


def connect(url: str, *, autocommit: bool = True) -> Connection:
    """From a PostgreSQL URL, an open connection whose session time zone is UTC.

    Without autocommit the caller commits. Raises: SimulatorError when the URL is malformed or nobody answers.
    """
    try:
        connection = psycopg.connect(url, autocommit=True, connect_timeout=CONNECT_TIMEOUT_SECONDS)
        connection.execute("SET TIME ZONE 'UTC'")
        connection.autocommit = autocommit
    except psycopg.Error as error:
        raise SimulatorError(f"cannot connect to the source: {one_line(error)}") from error
    return connection


def one_line(error: psycopg.Error) -> str:
    """The error's message on a single line."""
    return " ".join(str(error).split())
