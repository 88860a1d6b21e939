"""A loaded warehouse of the shop, and a server on it: one of each for the tests that change nothing."""

import os
from collections.abc import Callable, Iterator
from unittest import mock
from urllib.parse import urlsplit

import httpx
import psycopg
import pytest

from tests import shop
from tests.clients import own_clients  # noqa: F401 - a fixture of all tests here
from tests.serve.server import Served, serving, settings_for
from tests.system import Servers, System, cloned_system

CHANGES = """
    UPDATE sale SET units_sold = units_sold + 1 WHERE sale_id % 10 = 3;
    DELETE FROM payment WHERE sale_id IN (7, 17);
    UPDATE clerk SET email_address = 'new' || email_address WHERE clerk_id = 4"""


READER = """
    DO $$ BEGIN
        CREATE ROLE served_reader LOGIN IN ROLE totesys_reader;
    EXCEPTION WHEN duplicate_object THEN NULL;
    END $$"""
"""A login as the server has it: a member of `totesys_reader`, and nothing else."""


TEMPLATE = "served_template"


@pytest.fixture
def own_url(loaded: System, fresh_database: Callable[..., str]) -> str:
    """The loaded warehouse as one of this test's own."""
    return fresh_database("served", TEMPLATE)


@pytest.fixture(scope="session")
def loaded(servers: Callable[[int], Servers], filled_templates: Callable[[int], str]) -> Iterator[System]:
    """The shop's system after two runs, so that facts have closed versions."""
    with cloned_system(servers(18), shop.DECLARED, filled_templates(18)) as system:
        system.run_cleanly()
        with psycopg.connect(system.endpoints.source_url) as connection:
            connection.execute(CHANGES.encode())
        system.run_cleanly()
        with psycopg.connect(system.endpoints.warehouse_url) as connection:
            connection.execute(READER.encode())
        name = urlsplit(system.endpoints.warehouse_url).path.removeprefix("/")
        servers(18).postgres.create_database(TEMPLATE, name)  # before anybody is connected with it
        yield system


@pytest.fixture(scope="session")
def served(loaded: System, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server on it."""
    buckets = loaded.endpoints.buckets
    home = tmp_path_factory.mktemp("keys")
    url = loaded.endpoints.warehouse_url.replace("postgres@", "served_reader@")
    settings = settings_for(url, home, state_bucket=buckets.state, processed_bucket=buckets.processed)
    with mock.patch.dict(os.environ, loaded.variables), serving(settings, loaded.declared) as running:
        yield running


@pytest.fixture
def client(served: Served) -> Iterator[httpx.Client]:
    """Somebody who may see all."""
    with served.client() as found:
        yield found


@pytest.fixture
def plain(served: Served) -> Iterator[httpx.Client]:
    """Somebody who may not see personal data."""
    with served.client(served.keys["plain"]) as found:
        yield found
