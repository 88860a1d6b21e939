"""Real servers for every test: PostgreSQL and an S3 API per worker, fresh databases and buckets per test."""

import gc
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from typing import Any
from uuid import uuid4

# Before anything imports Airflow: nothing of the developer's own settings may reach a test, or a test them.
for name in [name for name in os.environ if name.startswith(("AIRFLOW_", "AWS_", "DECLARATIONS", "PG"))]:
    del os.environ[name]
AIRFLOW_HOME = tempfile.TemporaryDirectory(prefix="totesys-airflow-")
os.environ["AIRFLOW_HOME"] = AIRFLOW_HOME.name
os.environ["AIRFLOW__CORE__LOAD_EXAMPLES"] = "False"

import botocore.session  # noqa: E402
import psycopg  # noqa: E402
import pytest  # noqa: E402
from botocore.loaders import create_loader  # noqa: E402

from include.tables.declarations import Declarations  # noqa: E402
from local.aws import AwsServer  # noqa: E402
from local.environment import Buckets, Endpoints, s3_client  # noqa: E402
from local.postgres import PostgresServer  # noqa: E402
from tests import shop  # noqa: E402
from tests.system import Servers, System  # noqa: E402

botocore.session.create_loader = cache(create_loader)  # each test has clients of its own; what AWS's API is stays
collect_ignore = ["compose"]  # `make test-compose` runs these, in an environment of their own
POSTGRES_VERSION = 18


def pytest_collection_finish() -> None:
    """Have the garbage collector leave alone what stays to the end, all modules and tests, and look less often."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test on the PostgreSQL versions that its marker names."""
    marker = metafunc.definition.get_closest_marker("postgres_versions")
    if marker is not None:
        metafunc.parametrize("postgres_version", marker.args, ids=lambda version: f"postgres-{version}")


@pytest.fixture
def postgres_version() -> int:
    """The version of PostgreSQL to test on; the marker `postgres_versions` replaces it."""
    return POSTGRES_VERSION


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every user can enter, as pytest's own are not: root's servers run as another user."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@pytest.fixture(scope="session")
def postgres_servers() -> Iterator[Callable[[int], PostgresServer]]:
    """A function from a version to this session's running server of that version."""
    servers: dict[int, PostgresServer] = {}
    with ExitStack() as running:

        def server(version: int) -> PostgresServer:
            if version not in servers:
                servers[version] = running.enter_context(PostgresServer(version, in_memory=True))
            return servers[version]

        yield server


@pytest.fixture
def postgres(postgres_servers: Callable[[int], PostgresServer], postgres_version: int) -> PostgresServer:
    """The running PostgreSQL server that this test's databases are on."""
    return postgres_servers(postgres_version)


@pytest.fixture
def fresh_database(postgres: PostgresServer) -> Iterator[Callable[..., str]]:
    """A function that makes a database, empty or from a template, and returns its URL. Dropped afterwards."""
    names: list[str] = []

    def create(purpose: str, template: str = "template1") -> str:
        names.append(f"{purpose}_{uuid4().hex[:12]}")
        return postgres.create_database(names[-1], template)

    yield create
    for name in names:
        postgres.drop_database(name)


@pytest.fixture
def source_url(fresh_database: Callable[..., str]) -> str:
    """The URL of a fresh, empty database for a test that makes its own source."""
    return fresh_database("source")


@pytest.fixture
def warehouse_url(fresh_database: Callable[..., str]) -> str:
    """The URL of a fresh, empty warehouse."""
    return fresh_database("warehouse")


@pytest.fixture(scope="session")
def filled_templates(postgres_servers: Callable[[int], PostgresServer]) -> Callable[[int], str]:
    """A function from a PostgreSQL version to the name of a filled source on its server: the shop's.

    `tests/totesys` puts ToteSys in its place, and in that of `declared`.
    """
    templates: set[int] = set()

    def template(version: int) -> str:
        if version not in templates:
            url = postgres_servers(version).create_database("shop_template")
            with psycopg.connect(url) as connection:
                connection.execute(shop.SQL.encode())
            templates.add(version)
        return "shop_template"

    return template


@pytest.fixture(scope="session")
def declared() -> Declarations:
    """What is declared of the filled source."""
    return shop.DECLARED


@pytest.fixture
def filled_url(
    fresh_database: Callable[..., str], filled_templates: Callable[[int], str], postgres_version: int
) -> str:
    """The URL of a fresh source with a small fill, the same every time."""
    return fresh_database("filled", filled_templates(postgres_version))


@pytest.fixture(scope="session")
def aws() -> Iterator[AwsServer]:
    """This session's AWS endpoint."""
    with AwsServer() as server:
        yield server


@pytest.fixture(scope="session")
def servers(postgres_servers: Callable[[int], PostgresServer], aws: AwsServer) -> Callable[[int], Servers]:
    """A function from a PostgreSQL version to this session's servers."""
    home = Path(AIRFLOW_HOME.name)
    return lambda version: Servers(postgres_servers(version), aws.endpoint_url, home)


@pytest.fixture
def s3(aws: AwsServer) -> Any:
    """A boto3 S3 client of this session's AWS endpoint."""
    return s3_client(aws.endpoint_url)


@pytest.fixture
def buckets(aws: AwsServer) -> Buckets:
    """Three fresh, empty buckets."""
    name = uuid4().hex[:12]
    return Buckets(f"ingestion-{name}", f"processed-{name}", f"state-{name}").create(aws.endpoint_url)


@pytest.fixture
def endpoints(filled_url: str, warehouse_url: str, aws: AwsServer, buckets: Buckets) -> Endpoints:
    """Where this test's services are: the filled source, an empty warehouse, and buckets."""
    return Endpoints(filled_url, warehouse_url, aws.endpoint_url, buckets)


@pytest.fixture
def pipeline_environment(monkeypatch: pytest.MonkeyPatch, endpoints: Endpoints) -> dict[str, str]:
    """This process's environment, with every variable the pipeline reads pointing at this test's services.

    Returns the variables, for a subprocess.
    """
    variables = endpoints.variables(Path(AIRFLOW_HOME.name))
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return variables


@pytest.fixture
def system(pipeline_environment: dict[str, str], endpoints: Endpoints, declared: Declarations) -> System:
    """The pipeline on the filled source and an empty warehouse, to which this process's environment is set."""
    return System(endpoints, Path(AIRFLOW_HOME.name), declared)
