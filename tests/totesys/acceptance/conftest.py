"""Systems to run the whole pipeline on: cheap copies of a prepared source and warehouse."""

from collections.abc import Callable, Iterator
from typing import LiteralString
from uuid import uuid4

import psycopg
import pytest

from include.totesys import DECLARED
from local.postgres import PostgresServer
from local.totesys import create_schema
from tests.clients import own_clients  # noqa: F401 - a fixture of all tests here
from tests.system import Servers, System, cloned_system


@pytest.fixture
def system(
    servers: Callable[[int], Servers], postgres_version: int, filled_templates: Callable[[int], str]
) -> Iterator[System]:
    """A filled ToteSys, an empty warehouse, and this process's environment set to both."""
    with cloned_system(servers(postgres_version), DECLARED, filled_templates(postgres_version)) as made:
        yield made


SMALL_SOURCE: LiteralString = """
CREATE TEMPORARY TABLE numbered AS SELECT n, timestamp '2024-01-05 10:00:00.123' AS at FROM generate_series(1, 4) n;
INSERT INTO address SELECT n, 'line', NULL, '', 'city', '08841', 'country', '0', at, at FROM numbered;
INSERT INTO counterparty SELECT n, 'name', n, NULL, '', at, at FROM numbered;
INSERT INTO currency SELECT n, (ARRAY['GBP', 'USD', 'EUR', 'ZZZ'])[n], at, at FROM numbered;
INSERT INTO department SELECT n, 'name', NULL, '', at, at FROM numbered;
INSERT INTO design SELECT n, 'name', '/usr', 'file', at, at FROM numbered;
INSERT INTO staff SELECT n, 'first', 'last', n, 'email', at, at FROM numbered;
INSERT INTO payment_type SELECT n, 'SALES_RECEIPT', at, at FROM numbered;
INSERT INTO sales_order SELECT n, n, n, n, 1, 2.50, n, '2024-01-05', '2024-01-06', n, at, at FROM numbered;
INSERT INTO purchase_order SELECT n, n, n, 'code', 1, 2.50, n, '2024-01-05', '2024-01-06', n, at, at FROM numbered;
INSERT INTO transaction SELECT n, 'SALE', n, NULL, at, at FROM numbered WHERE n <= 2;
INSERT INTO payment SELECT n, n, n, 2.50, n, n, false, '2024-01-06', 1, 2, at, at FROM numbered WHERE n <= 2;
DROP TABLE numbered;
"""


@pytest.fixture(scope="session")
def source_templates(postgres_servers: Callable[[int], PostgresServer]) -> Callable[[int], str]:
    """A function from a PostgreSQL version to the name of a ToteSys database there with four rows in most tables.

    One of its currencies is unknown.
    """
    made: set[int] = set()

    def template(version: int) -> str:
        if version not in made:
            url = postgres_servers(version).create_database("small_source_template")
            with psycopg.connect(url) as connection:
                create_schema(connection)
                connection.execute(SMALL_SOURCE)
            made.add(version)
        return "small_source_template"

    return template


@pytest.fixture
def warehouse_template(
    servers: Callable[[int], Servers], postgres: PostgresServer, postgres_version: int
) -> Iterator[str]:
    """The name of a warehouse that a run has made and given its calendar."""
    name = f"warehouse_template_{uuid4().hex[:12]}"
    with cloned_system(servers(postgres_version), DECLARED, "template1") as made:
        made.run_cleanly("dim_date")
        postgres.create_database(name, made.endpoints.warehouse_url.rpartition("/")[2])
    yield name
    postgres.drop_database(name)
