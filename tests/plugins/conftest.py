"""Airflow's API server with the plugins alone on its path, as Amazon MWAA's web server has them."""

import json
import logging
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from http.client import HTTPResponse
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

import pytest

from include.settings import aws_client
from include.status import STATUS_KEY
from local import airflow as local_airflow
from local.aws import AwsServer
from local.environment import Buckets, Endpoints
from local.postgres import free_port
from tests import conftest as services
from tests.acceptance.system import System

REPOSITORY = Path(__file__).parents[2]
PLUGINS = REPOSITORY / "plugins"
USERS = ("admin", "viewer", "nobody")
START_SECONDS = 120


@dataclass(frozen=True)
class Answer:
    """What the server said."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def ask(url: str, cookie: str = "", document: object = None) -> Answer:
    """Ask for a URL with a session's cookie; with a document, post it as JSON."""
    headers = {"Content-Type": "application/json"} | ({"Cookie": f"_token={cookie}"} if cookie else {})
    data = None if document is None else json.dumps(document).encode()
    try:
        response: HTTPResponse = urlopen(Request(url, data, headers), timeout=60)
    except HTTPError as error:
        return Answer(error.code, {name.lower(): value for name, value in error.headers.items()}, error.read())
    with response:
        return Answer(
            response.status, {name.lower(): value for name, value in response.headers.items()}, response.read()
        )


@dataclass(frozen=True)
class Server:
    """A running API server, what its variables name, and its users' cookies."""

    url: str
    buckets: Buckets
    cookies: dict[str, str]

    def ask(self, path: str, user: str = "viewer", document: object = None) -> Answer:
        return ask(self.url + path, self.cookies.get(user, ""), document)


def settings(home: Path, aws: AwsServer, buckets: Buckets) -> dict[str, str]:
    """The environment of the API server: neither the source nor the warehouse is in it."""
    passwords = home / "passwords.json"
    passwords.write_text(json.dumps({name: name for name in USERS}))
    own = Endpoints("", "", aws.endpoint_url, buckets).variables(home) | local_airflow.airflow_settings(
        REPOSITORY / "dags"
    )
    return {
        **{name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
        **{name: value for name, value in own.items() if value},
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(PLUGINS),
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": "admin:admin,viewer:viewer,nobody:",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(passwords),
        "AIRFLOW__API_AUTH__JWT_SECRET": "a secret of this test alone, which is long enough to sign with: 0123456789",
    }


@pytest.fixture(scope="session")
def running_server(aws: AwsServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """An API server that knows the DAG; ten seconds."""
    home = tmp_path_factory.mktemp("page")
    name = home.parent.name.replace("pytest-", "") + f"-{os.getpid()}"
    buckets = Buckets(f"page-ingestion-{name}", f"page-processed-{name}", f"page-state-{name}").create(aws.endpoint_url)
    environment = settings(home, aws, buckets)
    local_airflow.migrate(home)
    airflow = [sys.executable, "-P", "-m", "airflow"]
    parsing = environment | {"PYTHONPATH": str(REPOSITORY)}
    subprocess.run([*airflow, "dags", "reserialize"], cwd=home, env=parsing, check=True, capture_output=True)
    port = str(free_port())
    command = [*airflow, "api-server", "--host", "127.0.0.1", "--port", port, "--workers", "1", "--apps", "core"]
    with (home / "server.log").open("w") as log:
        process = subprocess.Popen(command, cwd=home, env=environment, stdout=log, stderr=log)
    try:
        url = f"http://127.0.0.1:{port}"
        _wait(process, url, home / "server.log")
        cookies = {
            name: ask(f"{url}/auth/token", document={"username": name, "password": name}).json["access_token"]
            for name in USERS
        }
        yield Server(url, buckets, cookies)
    finally:
        process.terminate()
        process.wait(30)


def _wait(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if ask(f"{url}/api/v2/monitor/health").status == 200:
                return
        except URLError:
            time.sleep(0.2)
    raise AssertionError(f"the API server did not start:\n{log.read_text()[-5000:]}")


@pytest.fixture
def server(running_server: Server, s3: Any) -> Server:
    """The API server, before the first run."""
    for bucket in (running_server.buckets.state, running_server.buckets.processed):
        for entry in s3.list_objects_v2(Bucket=bucket).get("Contents", []):
            s3.delete_object(Bucket=bucket, Key=entry["Key"])
    return running_server


@pytest.fixture
def system(server: Server, pipeline_environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[System]:
    """A pipeline on a filled ToteSys that records where the server reads."""
    logging.getLogger("include").setLevel(logging.ERROR)
    source, warehouse = pipeline_environment["AIRFLOW_CONN_TOTESYS"], pipeline_environment["AIRFLOW_CONN_WAREHOUSE"]
    endpoints = Endpoints(source, warehouse, pipeline_environment["AWS_ENDPOINT_URL"], server.buckets)
    system = System(endpoints, Path(services.AIRFLOW_HOME.name))
    for name, value in system.variables.items():
        monkeypatch.setenv(name, value)
    aws_client.cache_clear()
    yield system
    aws_client.cache_clear()


def put_status(s3: Any, server: Server, content: bytes | dict[str, Any]) -> None:
    """Put something in the place of status.json."""
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    s3.put_object(Bucket=server.buckets.state, Key=STATUS_KEY, Body=body)
