"""Airflow's API server, and a pipeline that records where it reads."""

import json
import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from include.common.settings import aws_client
from include.state.status import STATUS_KEY
from local.api_server import Answer, ApiServer
from local.aws import AwsServer
from local.environment import Buckets, Endpoints
from tests import conftest as services
from tests import shop
from tests.system import System

USERS = {"admin": "admin", "viewer": "viewer", "nobody": ""}


@dataclass(frozen=True)
class Server:
    """A running API server, and the buckets that its variables name."""

    api: ApiServer
    buckets: Buckets

    def ask(self, path: str, user: str = "viewer", document: object = None) -> Answer:
        return self.api.ask(path, user, document)


@pytest.fixture(scope="session")
def running_server(aws: AwsServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """An API server for this session; neither the source nor the warehouse is in its environment."""
    home = tmp_path_factory.mktemp("page")
    buckets = Buckets(*(f"page-{name}-{os.getpid()}" for name in ("ingestion", "processed", "state")))
    buckets.create(aws.endpoint_url)
    variables = Endpoints("", "", aws.endpoint_url, buckets).variables(home) | {"DECLARATIONS": shop.__name__}
    with ApiServer(home, {name: value for name, value in variables.items() if value}, USERS) as api:
        yield Server(api, buckets)


@pytest.fixture
def server(running_server: Server, s3: Any) -> Server:
    """The API server, before the first run."""
    for bucket in (running_server.buckets.state, running_server.buckets.processed):
        for entry in s3.list_objects_v2(Bucket=bucket).get("Contents", []):
            s3.delete_object(Bucket=bucket, Key=entry["Key"])
    return running_server


@pytest.fixture
def system(server: Server, pipeline_environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[System]:
    """A pipeline on a filled source that records where the server reads."""
    logging.getLogger("include").setLevel(logging.ERROR)
    source, warehouse = pipeline_environment["AIRFLOW_CONN_TOTESYS"], pipeline_environment["AIRFLOW_CONN_WAREHOUSE"]
    endpoints = Endpoints(source, warehouse, pipeline_environment["AWS_ENDPOINT_URL"], server.buckets)
    system = System(endpoints, Path(services.AIRFLOW_HOME.name), shop.DECLARED)
    for name, value in system.variables.items():
        monkeypatch.setenv(name, value)
    aws_client.cache_clear()
    yield system
    aws_client.cache_clear()


def put_status(s3: Any, server: Server, content: bytes | dict[str, Any]) -> None:
    """Put something in the place of status.json."""
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    s3.put_object(Bucket=server.buckets.state, Key=STATUS_KEY, Body=body)
