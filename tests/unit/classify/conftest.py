"""A warehouse with the tables of a ledger, and nothing in them but its firms and currencies."""

from pathlib import Path

import pytest

from include.warehouse.tables import prepare
from local.aws import AwsServer
from local.environment import Buckets, Endpoints
from tests import conftest as services
from tests.unit.classify.bills import DECLARED
from tests.unit.classify.ledger import Ledger


@pytest.fixture
def ledger(
    source_url: str, warehouse_url: str, aws: AwsServer, buckets: Buckets, monkeypatch: pytest.MonkeyPatch
) -> Ledger:
    """An empty ledger, to whose warehouse and buckets this process's environment is set."""
    endpoints = Endpoints(source_url, warehouse_url, aws.endpoint_url, buckets)
    for name, value in endpoints.variables(Path(services.AIRFLOW_HOME.name)).items():
        monkeypatch.setenv(name, value)
    prepare(DECLARED)
    empty = Ledger(warehouse_url)
    empty.execute("INSERT INTO days SELECT date '2020-01-01' + n FROM generate_series(0, 4017) n")
    empty.execute("INSERT INTO dim_money VALUES (1, 'GBP'), (2, 'USD'), (3, 'EUR')")
    empty.execute("INSERT INTO dim_firm SELECT n, 'Firm ' || n FROM generate_series(1, 12) n")
    return empty
