"""A small ToteSys to look at and to play on."""

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from local.totesys import Player, connect, create_schema, fill
from local.totesys.connection import Connection

SALES_ORDERS = 120
PLAYED_AT = datetime(2025, 3, 4, 10, 11, 12, 345_000, tzinfo=UTC).replace(tzinfo=None)


@pytest.fixture
def source(source_url: str) -> Iterator[Connection]:
    """A connection to an empty ToteSys."""
    with connect(source_url) as connection:
        create_schema(connection)
        yield connection


@pytest.fixture
def filled(source: Connection) -> Connection:
    """A connection to a ToteSys with SALES_ORDERS sales orders."""
    fill(source, SALES_ORDERS, seed=7)
    return source


@pytest.fixture
def player(filled: Connection) -> Iterator[Player]:
    """A player on the filled ToteSys for whom it is always PLAYED_AT."""
    with Player(filled.info.dsn, seed=3, now=lambda: PLAYED_AT) as one:
        yield one
