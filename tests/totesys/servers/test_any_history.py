"""After any history of servers, failed over and restored, the warehouse equals the one that is left."""

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from unittest import mock
from uuid import uuid4

import psycopg
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import seed as seeded
from hypothesis.stateful import run_state_machine_as_test

from include.totesys import DECLARED
from local.aws import AwsServer
from local.environment import Buckets, Endpoints
from local.postgres import PostgresServer
from local.totesys import create_schema
from tests import conftest as services
from tests.system import System
from tests.totesys.acceptance.conftest import SMALL_SOURCE
from tests.totesys.acceptance.test_histories import SEED
from tests.totesys.servers.conftest import VALIDITY, VALIDITY_SINCE, server_of
from tests.totesys.servers.machine import ServerHistories

EXAMPLES = {"ci": 2, "thorough": 60}
CHECKS = [HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large]


@pytest.fixture
def prepared(folder: Path, version: int) -> Path:
    """The folder of a stopped server with a small source."""
    with server_of(version, folder / "primary") as server:
        server.create_database("totesys")
        _fill(server)
    return folder / "primary"


def _fill(server: PostgresServer) -> None:
    with psycopg.connect(server.url("totesys")) as connection:
        create_schema(connection)
        connection.execute(SMALL_SOURCE)
        if server.version < VALIDITY_SINCE:
            connection.execute(VALIDITY)


@pytest.fixture
def make_system(postgres: PostgresServer, aws: AwsServer) -> Iterator[Callable[[], System]]:
    """A function that makes an empty warehouse and buckets, named by this process's environment until the next."""
    home, names = Path(services.AIRFLOW_HOME.name), []
    with ExitStack() as environment:

        def make() -> System:
            environment.close()
            suffix = uuid4().hex[:12]
            names.append(f"warehouse_{suffix}")
            buckets = Buckets(*(f"{name}-{suffix}" for name in ("ingestion", "processed", "state")))
            endpoints = Endpoints(
                "", postgres.create_database(names[-1]), aws.endpoint_url, buckets.create(aws.endpoint_url)
            )
            environment.enter_context(mock.patch.dict(os.environ, endpoints.variables(home)))
            return System(endpoints, home, DECLARED)

        yield make
    for name in names:
        postgres.drop_database(name)


@pytest.mark.timeout(0)
@pytest.mark.parametrize("version", [15, 18])
def test_the_warehouse_equals_the_server_that_is_left_after_any_history(
    prepared: Path, make_system: Callable[[], System], version: int
) -> None:
    places = {"version": version, "prepared": prepared, "make_system": staticmethod(make_system)}
    machine = seeded(SEED + version)(type("ServerHistories", (ServerHistories,), places))
    examples = EXAMPLES.get(os.environ.get("HYPOTHESIS_PROFILE", "ci"), 2)
    profile = settings(
        max_examples=examples,
        stateful_step_count=15,
        database=None,
        deadline=None,
        suppress_health_check=CHECKS,
        phases=[Phase.generate],  # to shrink a history of servers takes too long
    )
    run_state_machine_as_test(machine, settings=profile)
