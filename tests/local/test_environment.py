"""The local environment holds what the pipeline looks for, where its variables say it is."""

from collections.abc import Iterator

import pytest
from airflow.providers.amazon.aws.hooks.s3 import S3Hook
from airflow.providers.postgres.hooks.postgres import PostgresHook
from airflow.sdk import Variable

from local.environment import LocalEnvironment


@pytest.fixture(scope="module")
def environment() -> Iterator[LocalEnvironment]:
    """A running environment whose source is older than its warehouse."""
    with LocalEnvironment(source_version=16, warehouse_version=18) as environment:
        yield environment


@pytest.fixture(autouse=True)
def _variables(monkeypatch: pytest.MonkeyPatch, environment: LocalEnvironment) -> None:
    for name, value in environment.variables().items():
        monkeypatch.setenv(name, value)


@pytest.mark.parametrize(
    ("connection", "database", "version"), [("totesys", "totesys", 16), ("warehouse", "warehouse", 18)]
)
def test_airflow_finds_each_database_on_a_server_of_its_own(connection: str, database: str, version: int) -> None:
    query = "SELECT current_database(), current_setting('server_version_num')::int / 10000"
    assert PostgresHook(connection).get_first(query) == (database, version)


@pytest.mark.parametrize("purpose", ["ingestion", "processed", "state"])
def test_airflow_finds_each_bucket(purpose: str) -> None:
    bucket = Variable.get(f"{purpose}_bucket")
    assert S3Hook("aws_default").check_for_bucket(bucket)
