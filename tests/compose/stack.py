"""A project of compose.yaml: its commands, Airflow's API, the databases."""

import json
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

import psycopg
from playwright.sync_api import Page
from psycopg.types.string import TextLoader

from tests.totesys.acceptance.oracle import all_differences

ROOT = Path(__file__).parents[2]
DAG = "totesys_warehouse"
RUN_SECONDS = 900
"""The most that a run may take, its retries included, on a machine that does other work."""

SLOT_SECONDS = 20 * 60
"""From one scheduled run to the next."""

END = {"success", "failed"}

STATE = """
from local.docker.aws import client
state = client("s3", "http://localhost:5000").get_object(Bucket="totesys-state", Key="latest_update.json")
print(state["Body"].read().decode())
"""

COUNT = """
import sys
from datetime import UTC, datetime, timedelta
from local.docker.aws import NAMESPACE, client
name, table = sys.argv[1:]
now, day = datetime.now(UTC), timedelta(days=1)
points = client("cloudwatch", "http://localhost:5000").get_metric_statistics(
    Namespace=NAMESPACE, MetricName=name, Dimensions=[{"Name": "Table", "Value": table}] if table else [],
    StartTime=now - day, EndTime=now + day, Period=2 * 24 * 3600, Statistics=["Sum"])["Datapoints"]
print(sum(point["Sum"] for point in points))
"""

RECEIVE = """
import boto3
queue = boto3.resource("sqs", endpoint_url="http://localhost:5000", region_name="eu-west-2", aws_access_key_id="local",
    aws_secret_access_key="local").get_queue_by_name(QueueName="totesys-alerts")
while messages := queue.receive_messages(MaxNumberOfMessages=10):
    for message in messages:
        print(message.body)
        message.delete()
"""


TOKEN_SECONDS = 120
"""How long a task's token lives here: a fifth of Airflow's default, so that a test need not wait for ten minutes."""

SETTINGS = {
    "TOTESYS_SPEED": "120",
    "TOTESYS_IMAGE": "totesys-airflow:test",
    "TOTESYS_TOKEN_SECONDS": str(TOKEN_SECONDS),
}


def wait_until(true: Callable[[], object], what: str, seconds: float = 300, every: float = 1) -> Any:
    """The first truthy answer. Whatever cannot be reached or refuses for now is asked again."""
    deadline = time.monotonic() + seconds
    last: object = None
    while time.monotonic() < deadline:
        try:
            last = true()
        except (OSError, HTTPError, URLError, psycopg.Error, subprocess.CalledProcessError) as error:
            last = error
        else:
            if last:
                return last
        time.sleep(every)
    raise AssertionError(f"{what}: not within {seconds:.0f} s; last seen: {last}")


def look_away(page: Page) -> None:
    """Leave a page of Airflow's: as long as it is open it asks and draws anew, which takes a fifth of a CPU."""
    page.goto("about:blank")


@dataclass(frozen=True)
class Stack:
    """One running project, with ports of its own."""

    name: str
    ports: dict[str, int]

    @property
    def url(self) -> str:
        return f"http://localhost:{self.ports['AIRFLOW_PORT']}"

    def compose(self, *arguments: str, check: bool = True) -> str:
        """Run `docker compose` in this project; its output."""
        variables = {name: str(port) for name, port in self.ports.items()}
        result = subprocess.run(
            ["docker", "compose", "--project-name", self.name, *arguments],
            cwd=ROOT,
            env=os.environ | variables | SETTINGS,
            capture_output=True,
            text=True,
            check=False,
        )
        assert result.returncode == 0 or not check, f"docker compose {' '.join(arguments)}: {result.stderr[-4000:]}"
        return result.stdout

    def connect(self, database: str) -> psycopg.Connection:
        """A connection to the source or the warehouse, as the one who owns it."""
        urls = {
            "totesys": f"postgresql://totesys:totesys@localhost:{self.ports['SOURCE_PORT']}/totesys",
            "warehouse": f"postgresql://administrator:administrator@localhost:{self.ports['WAREHOUSE_PORT']}/warehouse",
        }
        connection = psycopg.connect(urls[database], autocommit=True, connect_timeout=10, options="-c timezone=UTC")
        for kind in ("numeric", "date", "time", "timestamp"):  # compared as PostgreSQL writes them
            connection.adapters.register_loader(kind, TextLoader)
        return connection

    def differences(self) -> list[str]:
        """What the warehouse shows otherwise than the source has it: the first of it."""
        with self.connect("totesys") as source, self.connect("warehouse") as warehouse:
            return all_differences(source, warehouse)[:5]

    def state(self) -> str:
        """What latest_update.json says."""
        return self.compose("exec", "-T", "aws", "python", "-c", STATE)

    def metric(self, name: str, table: str = "") -> float:
        """The sum of a metric's values in CloudWatch: of a warehouse table, or of whole runs."""
        return float(self.compose("exec", "-T", "aws", "python", "-c", COUNT, name, table))

    def alerts(self) -> str:
        """What has arrived in the queue that listens to the topic since this was last called."""
        return self.compose("exec", "-T", "aws", "python", "-c", RECEIVE)

    def api(self, path: str, body: object = None, method: str = "", user: str = "admin") -> Any:
        """What Airflow's API answers a user; nobody where that is empty."""
        headers = {"Content-Type": "application/json"}
        if user:
            login = {"username": user, "password": user}
            headers["Authorization"] = f"Bearer {self.api('/auth/token', login, user='')['access_token']}"
        request = Request(
            self.url + path,
            data=None if body is None else json.dumps(body).encode(),
            method=method or ("GET" if body is None else "POST"),
            headers=headers,
        )
        with urlopen(request, timeout=60) as answer:
            return json.loads(answer.read() or b"null")

    def runs(self) -> list[Any]:
        """All runs, the latest first."""
        return self.api(f"/api/v2/dags/{DAG}/dagRuns?limit=100&order_by=-run_after")["dag_runs"]

    def last_triggered(self) -> Any:
        """The latest run that somebody began."""
        return next(run for run in self.runs() if run["run_type"] == "manual")

    def tasks(self, run_id: str) -> dict[str, Any]:
        """The tasks of a run, by their ids."""
        found = self.api(f"/api/v2/dags/{DAG}/dagRuns/{run_id}/taskInstances?limit=100")["task_instances"]
        return {task["task_id"]: task for task in found}

    def trigger(self, **conf: object) -> str:
        """Begin a run; its id."""
        return self.api(f"/api/v2/dags/{DAG}/dagRuns", {"logical_date": None, "conf": conf})["dag_run_id"]

    def ended(self, run_id: str) -> str:
        """The state in which a run ends."""

        def state() -> str | None:
            found = self.api(f"/api/v2/dags/{DAG}/dagRuns/{run_id}")["state"]
            return found if found in END else None

        return wait_until(state, f"the end of {run_id}", RUN_SECONDS)

    def first_run(self) -> Any:
        """The run that began by itself, when it has ended."""
        begun = wait_until(self.runs, "a first run")[-1]
        self.ended(begun["dag_run_id"])
        return self.runs()[-1]

    def wait_between_runs(self, seconds: float) -> None:
        """Wait until no run is at work and none is due for so long: one more would count, or try for minutes.

        One that is due may not have begun: the run of this slot is to be seen.
        """

        def quiet() -> bool:
            now, runs = int(time.time()), self.runs()
            left, due = SLOT_SECONDS - now % SLOT_SECONDS, datetime.fromtimestamp(now - now % SLOT_SECONDS, UTC)
            scheduled = [run for run in runs if run["run_type"] == "scheduled"]
            begun = any(datetime.fromisoformat(run["run_after"]) >= due for run in scheduled)
            return begun and left > seconds and all(run["state"] in END for run in runs)

        wait_until(quiet, "a time between scheduled runs", seconds + RUN_SECONDS)

    @contextmanager
    def nobody_at_work(self) -> Iterator[None]:
        """Nobody works at the source meanwhile: what a run reads is all that there is."""
        self.compose("stop", "simulator")
        try:
            yield
        finally:
            self.compose("start", "simulator")

    @contextmanager
    def at_rest(self) -> Iterator[None]:
        """Nobody works at the source meanwhile, and the pipeline has run since."""
        with self.nobody_at_work():
            run_id = wait_until(self.trigger, "an API that takes a run")
            assert self.ended(run_id) == "success", self.failures(run_id)
            yield

    def failures(self, run_id: str) -> list[str]:
        """Which tasks of a run are not as they should be."""
        return [f"{name}: {task['state']}" for name, task in self.tasks(run_id).items() if task["state"] == "failed"]

    def tasks_at_work(self, run_id: str, step: str) -> list[str]:
        """The tasks of a run whose names begin so and which are at work, or about to be."""
        tasks = self.tasks(run_id)
        return [name for name in tasks if name.startswith(step) and tasks[name]["state"] in {"queued", "running"}]

    def kill(self, service: str, command: str = "kill -9 -1") -> None:
        """Kill every process in a service's container; Docker then starts it again."""
        # The shell dies with the rest.
        self.compose("exec", "-T", service, "bash", "-c", command, check=False)

    def restarts(self, service: str) -> int:
        """How often Docker has started a service's container again."""
        container = self.compose("ps", "--quiet", service).strip()
        found = subprocess.run(
            ["docker", "inspect", "--format", "{{.RestartCount}}", container],
            capture_output=True,
            text=True,
            check=True,
        )
        return int(found.stdout)

    def keep_logs(self, folder: Path) -> None:
        """Keep what the services said."""
        with suppress(OSError):
            (folder / "services.log").write_text(self.compose("logs", "--no-color", check=False))
