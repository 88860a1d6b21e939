"""What every other test is given: fresh databases, empty buckets, and an environment that names them."""

import os
from typing import Any

import psycopg
import pytest
from airflow.sdk import BaseHook, Variable

from local.environment import Buckets


def sales(url: str) -> int:
    """Return the number of sales orders in a ToteSys database."""
    with psycopg.connect(url) as connection:
        row = connection.execute("SELECT count(*) FROM sale").fetchone()
    assert row is not None
    return int(row[0])


@pytest.mark.postgres_versions(16, 18)
@pytest.mark.parametrize("turn", ["first", "second"])
def test_the_filled_source_is_the_same_for_every_test(filled_url: str, turn: str) -> None:
    assert sales(filled_url) == 200, turn
    with psycopg.connect(filled_url) as connection:
        connection.execute("TRUNCATE sale CASCADE")


def test_the_empty_source_and_the_warehouse_are_databases_of_their_own(source_url: str, warehouse_url: str) -> None:
    with psycopg.connect(source_url) as source, psycopg.connect(warehouse_url) as warehouse:
        source.execute("CREATE TABLE here ()")
        assert warehouse.execute("SELECT to_regclass('here')").fetchone() == (None,)


def test_every_bucket_is_empty(s3: Any, buckets: Buckets) -> None:
    for bucket in (buckets.ingestion, buckets.processed, buckets.state):
        assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 0


def test_airflow_is_told_of_this_tests_services(
    pipeline_environment: dict[str, str], filled_url: str, buckets: Buckets
) -> None:
    assert pipeline_environment.items() <= os.environ.items()
    assert filled_url.endswith(f"/{BaseHook.get_connection('totesys').schema}")
    assert Variable.get("state_bucket") == buckets.state
