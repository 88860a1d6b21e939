"""Secrets Manager as Airflow's secrets back end, behind a door that can be shut in several ways."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import urlsplit

import boto3

from local.environment import CREDENTIALS, REGION

BACKEND = "airflow.providers.amazon.aws.secrets.secrets_manager.SecretsManagerBackend"
FAULTS = {
    "answers 500": (500, "InternalServiceError"),
    "answers 503": (503, "ServiceUnavailable"),
    "throttles": (400, "ThrottlingException"),
    "cannot decrypt": (400, "DecryptionFailure"),
    "closes the connection": (0, ""),
    "denies": (400, "AccessDeniedException"),
    "says it is being deleted": (400, "InvalidRequestException"),
}


class Door(ThreadingHTTPServer):
    """What is asked of it is asked of the service behind, or refused in the way of `fault`."""

    daemon_threads = True

    def __init__(self, url: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.behind, self.fault, self.refused = urlsplit(url), "", 0
        self._seconds, self._until = 0.0, 0.0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def shut(self, fault: str, seconds: float) -> None:
        """Refuse in this way for so long from the next request on."""
        self.fault, self._seconds, self._until = fault, seconds, 0.0

    def is_shut(self) -> bool:
        """Whether a request that comes now is refused."""
        now = time.monotonic()
        self._until = self._until or now + self._seconds
        return now < self._until


class _Handler(BaseHTTPRequestHandler):
    server: Door

    def log_message(self, *_: object) -> None:
        pass

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.server.is_shut():
            self._refuse(*FAULTS[self.server.fault])
            return
        behind = HTTPConnection(str(self.server.behind.hostname), self.server.behind.port)
        behind.request("POST", self.path, body, dict(self.headers))
        answer = behind.getresponse()
        self._answer(answer.status, answer.read())

    def _refuse(self, status: int, code: str) -> None:
        self.server.refused += 1
        if status:
            self._answer(status, json.dumps({"__type": code, "Message": "not now"}).encode())
        else:
            self.close_connection = True

    def _answer(self, status: int, content: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/x-amz-json-1.1")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


@contextmanager
def secrets_door(aws_url: str, prefix: str, variables: dict[str, str]) -> Iterator[tuple[Door, dict[str, str]]]:
    """A door before Secrets Manager, which holds these AIRFLOW_ variables; and what makes Airflow go through it."""
    secrets: Any = boto3.client(
        "secretsmanager",
        endpoint_url=aws_url,
        region_name=REGION,
        aws_access_key_id=CREDENTIALS["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
    )
    for variable, value in variables.items():
        _, kind, name = variable.split("_", 2)
        folder = {"CONN": "connections", "VAR": "variables"}[kind]
        secrets.create_secret(Name=f"{prefix}/{folder}/{name.lower()}", SecretString=value)
    with Door(aws_url) as door:
        thread = Thread(target=door.serve_forever, daemon=True)
        thread.start()
        kwargs = {
            "connections_prefix": f"{prefix}/connections",
            "variables_prefix": f"{prefix}/variables",
            "connections_lookup_pattern": "^(totesys|warehouse)$",
            "endpoint_url": door.url,
        }
        try:
            yield door, {"AIRFLOW__SECRETS__BACKEND": BACKEND, "AIRFLOW__SECRETS__BACKEND_KWARGS": json.dumps(kwargs)}
        finally:
            door.shutdown()


def kept_in_secrets(environment: dict[str, str]) -> dict[str, str]:
    """Those of these variables that Secrets Manager holds in place of the environment."""
    named = ("AIRFLOW_VAR_", "AIRFLOW_CONN_TOTESYS", "AIRFLOW_CONN_WAREHOUSE")
    return {name: value for name, value in environment.items() if name.startswith(named) and value}
