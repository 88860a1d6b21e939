"""Airflow's API server with this repository's plugins, and nothing else of it on its path, as on Amazon MWAA."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

from local.airflow import DAG_FILE, airflow_settings, migrate
from local.postgres import free_port

PLUGINS = Path(__file__).parents[1] / "plugins"
START_TIMEOUT_SECONDS = 120
STOP_TIMEOUT_SECONDS = 30


@dataclass(frozen=True)
class Answer:
    """What the server said. Names of headers are in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body, which is JSON."""
        return json.loads(self.body)


class ApiServer:
    """A running API server that knows the DAG, with users whose passwords are their names.

    It needs some ten seconds to start. Use it as a context manager.
    """

    def __init__(self, home: Path, variables: Mapping[str, str], users: Mapping[str, str]) -> None:
        """Take Airflow's empty folder, the environment to add to this process's, and each user's role."""
        self._home, self._users = home, users
        self.port = free_port()
        self._environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        self._environment |= variables | airflow_settings(DAG_FILE.parent) | self._settings()
        self._cookies: dict[str, str] = {}

    def _settings(self) -> dict[str, str]:
        passwords = self._home / "passwords.json"
        passwords.write_text(json.dumps({name: name for name in self._users}))
        users = ",".join(f"{name}:{role}" for name, role in self._users.items())
        return {
            "AIRFLOW_HOME": str(self._home),
            "AIRFLOW__CORE__PLUGINS_FOLDER": str(PLUGINS),
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": users,
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(passwords),
            "AIRFLOW__API_AUTH__JWT_SECRET": os.urandom(64).hex(),
        }

    def __enter__(self) -> Self:
        migrate(self._home)
        airflow = [sys.executable, "-P", "-m", "airflow"]
        parsing = self._environment | {"PYTHONPATH": str(PLUGINS.parent)}  # the DAG, and only it, imports include
        subprocess.run([*airflow, "dags", "reserialize"], cwd=self._home, env=parsing, check=True, capture_output=True)
        address = ["--host", "127.0.0.1", "--port", str(self.port)]
        with self._log.open("w") as log:
            self._process = subprocess.Popen(
                [*airflow, "api-server", *address, "--workers", "1", "--apps", "core"],
                cwd=self._home, env=self._environment, stdout=log, stderr=log,
            )  # fmt: skip
        try:
            self._wait()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait(STOP_TIMEOUT_SECONDS)

    @property
    def _log(self) -> Path:
        return self._home / "server.log"

    def _wait(self) -> None:
        deadline = time.monotonic() + START_TIMEOUT_SECONDS
        while time.monotonic() < deadline and self._process.poll() is None:
            try:
                if self.ask("/api/v2/monitor/health").status == 200:
                    return
            except URLError:
                time.sleep(0.2)
        raise RuntimeError(f"Airflow's API server did not start:\n{self._log.read_text()[-5000:]}")

    def ask(self, path: str, user: str = "", document: object = None) -> Answer:
        """Ask for a path, as a user who is logged in, or as nobody; with a document, post it as JSON."""
        headers = {"Content-Type": "application/json"} | ({"Cookie": f"_token={self.cookie(user)}"} if user else {})
        data = None if document is None else json.dumps(document).encode()
        try:
            response = urlopen(Request(f"http://127.0.0.1:{self.port}{path}", data, headers), timeout=60)
        except HTTPError as error:
            response = error
        with response:
            named = {name.lower(): value for name, value in response.headers.items()}
            return Answer(response.status, named, response.read())

    def cookie(self, user: str) -> str:
        """The token that a browser keeps when this user has logged in."""
        if user not in self._cookies:
            answer = self.ask("/auth/token", document={"username": user, "password": user})
            self._cookies[user] = answer.json["access_token"]
        return self._cookies[user]
