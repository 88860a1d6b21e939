"""What `make up` runs: its Airflow, asked over the API by somebody who may trigger, and business at its source."""

import argparse
import json
import time
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from urllib.request import Request, urlopen

from local.totesys.desk import utc_now
from local.totesys.play import Pace, Play, Stage
from local.totesys.player import Player

PIPELINE = "totesys_warehouse"
POLL_SECONDS = 0.5
TICKS_PER_HOUR = 60


@dataclass(frozen=True)
class Airflow:
    """An API server, and who asks."""

    url: str
    user: str
    password: str

    def ask(self, path: str, body: object = None) -> Any:
        """Take a path and what to post there; return the answer."""
        return self._send(path, body, {"Authorization": f"Bearer {self._token}"})

    @cached_property
    def _token(self) -> str:
        login = {"username": self.user, "password": self.password}
        return str(self._send("/auth/token", login, {})["access_token"])

    def run(self, dag: str = PIPELINE, **conf: object) -> dict[str, Any]:
        """Have one run done, whatever becomes of it; return what the API tells of it."""
        runs = f"/api/v2/dags/{dag}/dagRuns"
        run: dict[str, Any] = self.ask(runs, {"logical_date": None, "conf": conf})
        while run["state"] in {"queued", "running"}:
            time.sleep(POLL_SECONDS)
            run = self.ask(f"{runs}/{run['dag_run_id']}")
        return run

    def tasks(self, run: dict[str, Any]) -> list[dict[str, Any]]:
        """What the API tells of each task of a run."""
        path = f"/api/v2/dags/{run['dag_id']}/dagRuns/{run['dag_run_id']}/taskInstances?limit=100"
        found: list[dict[str, Any]] = self.ask(path)["task_instances"]
        return found

    def _send(self, path: str, body: object, headers: dict[str, str]) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = Request(self.url + path, data=data, headers=headers | {"Content-Type": "application/json"})  # noqa: S310
        with urlopen(request, timeout=60) as answer:  # noqa: S310
            return json.load(answer)


def play(source: str, ticks: int, speed: float = 0) -> None:
    """Do so many minutes of business at the source; without a speed as fast as it can."""
    pace = Pace(utc_now().date(), ticks=ticks, speed=speed)
    with Player(source, seed=int(time.time())) as player:
        Play(player, pace, Stage(pace.first_day)).run(lambda _: None)


def add_options(command: argparse.ArgumentParser) -> None:
    """Let a command be told where Airflow and the source are; `make up`'s are the defaults."""
    command.add_argument("--airflow", default="http://localhost:8080", help="(default: %(default)s)")
    command.add_argument("--user", default="admin", help="(default: %(default)s)")
    command.add_argument("--password", default="admin", help="(default: %(default)s)")
    command.add_argument("--source", default="postgresql://totesys:totesys@localhost:5433/totesys")
