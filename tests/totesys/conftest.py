"""ToteSys where the tests of the machinery have a shop."""

from collections.abc import Callable

import psycopg
import pytest

from include.tables.declarations import Declarations
from include.totesys import DECLARED
from local.postgres import PostgresServer
from local.totesys import create_schema, fill

TEMPLATE_ORDERS = 200
TEMPLATE_SEED = 1


@pytest.fixture(scope="session")
def filled_templates(postgres_servers: Callable[[int], PostgresServer]) -> Callable[[int], str]:
    """A function from a PostgreSQL version to the name of a filled ToteSys database on its server."""
    templates: set[int] = set()

    def template(version: int) -> str:
        if version not in templates:
            url = postgres_servers(version).create_database("totesys_template")
            with psycopg.connect(url) as connection:
                create_schema(connection)
                fill(connection, sales_orders=TEMPLATE_ORDERS, seed=TEMPLATE_SEED)
            templates.add(version)
        return "totesys_template"

    return template


@pytest.fixture(scope="session")
def declared() -> Declarations:
    """What is declared of ToteSys."""
    return DECLARED
