"""An AWS account on this machine: moto's server with the stand-in for MWAA, noting every call that it answers."""

import threading
from collections.abc import Iterable
from dataclasses import replace
from typing import Any, Self
from wsgiref.types import StartResponse, WSGIEnvironment

import boto3
from moto.moto_api._internal.models import moto_api_backend
from moto.server import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.serving import make_server

from local.environment import REGION
from tests.terraform.calls import Call, Received, call_of
from tests.terraform.mwaa import Mwaa

MWAA = "airflow"
"""What requests to MWAA are signed for."""


class Cloud:
    """The account, on a free port, in threads of this process, until the end of the `with`."""

    def __init__(self) -> None:
        """Make an account that is not served yet."""
        self.mwaa = Mwaa(REGION)
        self.received: list[Received] = []
        self._clients: dict[tuple[str, str], Any] = {}
        self._one_at_a_time = threading.RLock()  # moto's collections change while others go through them
        self._moto = DomainDispatcherApplication(create_backend_app)
        self._server = make_server("127.0.0.1", 0, self, threaded=True, request_handler=MotoRequestHandler)
        self.url = f"http://127.0.0.1:{self._server.port}"

    def __enter__(self) -> Self:
        moto_api_backend.reset()  # a process has but one of what moto keeps
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        received = Received.of(environ)
        application = self.mwaa if received.service == MWAA else self._moto

        def start(status: str, *arguments: Any) -> Any:
            self.received.append(replace(received, status=int(status.partition(" ")[0])))
            return start_response(status, *arguments)

        with self._one_at_a_time:
            return application(environ, start)

    def variables(self, user: str) -> dict[str, str]:
        """The process environment in which SDKs and Terraform's provider reach the account, as this user."""
        return {
            "AWS_ACCESS_KEY_ID": user,
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_DEFAULT_REGION": REGION,
            "AWS_REGION": REGION,
            "AWS_ENDPOINT_URL": self.url,
        }

    def proxy(self) -> dict[str, str]:
        """What Terraform's provider needs beside: it puts `api.` before MWAA's host, which only a proxy can resolve."""
        return {"HTTP_PROXY": self.url, "NO_PROXY": "127.0.0.1"}

    def client(self, service: str, user: str = "tests") -> Any:
        """A boto3 client of the account; each is made once, which takes long."""
        if (service, user) not in self._clients:
            self._clients[service, user] = boto3.client(
                service,
                endpoint_url=self.url,
                aws_access_key_id=user,
                aws_secret_access_key="secret",
                region_name=REGION,
            )
        return self._clients[service, user]

    def calls(self, user: str) -> list[Call]:
        """Every call that a user's processes have made, in order."""
        return [call_of(received) for received in self.received if received.user == user]
