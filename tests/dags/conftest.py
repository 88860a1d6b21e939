"""Airflow's metadata database, a folder as MWAA has it, and a process that runs the DAG from there."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest

from local import airflow as local_airflow
from local.aws import AwsServer
from local.environment import CREDENTIALS, Buckets
from tests import shop
from tests.dags import airflow_process

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def migrated_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a migrated metadata database; to be copied."""
    home = tmp_path_factory.mktemp("airflow-migrated")
    local_airflow.migrate(home)
    return home


def lay_out(folder: Path, *left_out: str) -> Path:
    """Make a folder of DAGs as it is uploaded to MWAA: the DAG file, and include/ beside it, but for these packages."""
    folder.mkdir()
    shutil.copy(REPOSITORY / "dags" / "totesys_warehouse.py", folder)
    ignored = shutil.ignore_patterns("__pycache__", *left_out)
    shutil.copytree(REPOSITORY / "include", folder / "include", ignore=ignored)
    return folder


@pytest.fixture(scope="session")
def mwaa_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of DAGs on MWAA, whose declarations are those of the shop."""
    folder = lay_out(tmp_path_factory.mktemp("mwaa") / "dags", "own", "totesys")
    shutil.copytree(Path(shop.__file__).parent, folder / "include" / "own")
    return folder


@dataclass(frozen=True)
class DagRun:
    """What became of a run: its state, the state and the tries of each task, its note, its asset events, its log."""

    state: str
    tasks: dict[str, tuple[str, int]]
    note: str | None
    assets: dict[str, dict[str, int]]
    log: str
    include: str

    def states(self, group: str) -> dict[str, str]:
        """Table → state, of the tasks of one group."""
        named = {name.partition("."): state for name, (state, _) in self.tasks.items()}
        return {table: state for (of, _, table), state in named.items() if of == group}


class AirflowProcess:
    """Airflow in a process of its own."""

    def __init__(self, folder: Path, home: Path, **settings: str) -> None:
        """With further environment variables for Airflow, which reads its settings when it is imported."""
        kept = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        plugins = {"AIRFLOW__CORE__PLUGINS_FOLDER": str(REPOSITORY / "plugins")}
        self._environment = kept | {"AIRFLOW_HOME": str(home)} | local_airflow.airflow_settings(folder)
        self._environment |= plugins | settings
        files = map(str, (airflow_process.__file__, folder, local_airflow.__file__))
        self._log = (home / "process.log").open("w")
        self._process = subprocess.Popen(
            [sys.executable, "-P", *files],
            cwd=home,
            env=self._environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
        )

    def run(self, environment: dict[str, str], run_conf: dict[str, Any]) -> DagRun:
        """Do one run of the DAG."""
        own = {name: value for name, value in environment.items() if name != "AIRFLOW_HOME"}
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"environment": own, "run_conf": run_conf}) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        assert answer, Path(self._log.name).read_text()[-5000:]
        document = json.loads(answer)
        tasks = {name: (state, tries) for name, (state, tries) in document.pop("tasks").items()}
        return DagRun(tasks=tasks, **document)

    def stop(self) -> None:
        """End the process."""
        self._process.communicate()
        self._log.close()


@pytest.fixture(scope="session")
def airflow_runs(
    migrated_home: Path, mwaa_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[AirflowProcess]:
    """Airflow, running DAGs of the MWAA folder for this session."""
    home = tmp_path_factory.mktemp("airflow") / "home"
    shutil.copytree(migrated_home, home)
    process = AirflowProcess(mwaa_folder, home)
    yield process
    process.stop()


RunDag = Callable[..., DagRun]


@pytest.fixture
def run_dag(airflow_runs: AirflowProcess, pipeline_environment: dict[str, str]) -> RunDag:
    """A function that lets Airflow do one run on this test's services, with other variables and with params."""

    def run(variables: dict[str, str] | None = None, **params: Any) -> DagRun:
        optional = {"AIRFLOW_VAR_ALERTS_TOPIC_ARN": "", "AIRFLOW_VAR_METRICS_NAMESPACE": ""}
        return airflow_runs.run(pipeline_environment | optional | (variables or {}), params)

    return run


@pytest.fixture
def client(aws: AwsServer) -> Callable[[str], Any]:
    """A function that gives a boto3 client of this session's AWS endpoint."""

    def make(service: str) -> Any:
        return boto3.client(
            service,
            endpoint_url=aws.endpoint_url,
            aws_access_key_id=CREDENTIALS["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
            region_name=CREDENTIALS["AWS_DEFAULT_REGION"],
        )

    return make


@pytest.fixture
def topic(client: Callable[[str], Any], buckets: Buckets) -> tuple[str, Callable[[], list[dict[str, str]]]]:
    """The ARN of a topic, and a function that gives what was published to it."""
    sns, sqs = client("sns"), client("sqs")
    arn = sns.create_topic(Name=buckets.state)["TopicArn"]
    queue = sqs.create_queue(QueueName=buckets.state)["QueueUrl"]
    queue_arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    sns.subscribe(TopicArn=arn, Protocol="sqs", Endpoint=queue_arn)

    def published() -> list[dict[str, str]]:
        messages = sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages", [])
        for message in messages:  # else it is received again after half a minute
            sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
        return [json.loads(message["Body"]) for message in messages]

    return arn, published


def numbers(client: Callable[[str], Any], namespace: str) -> dict[tuple[str, str], list[float]]:
    """(metric, table) → its values by the hour; the table is empty for a value of the whole run."""
    found: dict[tuple[str, str], list[float]] = {}
    now, hour = datetime.now(UTC), timedelta(hours=1)
    for metric in client("cloudwatch").list_metrics(Namespace=namespace)["Metrics"]:
        statistics = client("cloudwatch").get_metric_statistics(
            **metric, StartTime=now - hour, EndTime=now + hour, Period=2 * 3600, Statistics=["Sum"]
        )
        table = "".join(part["Value"] for part in metric["Dimensions"])
        found[metric["MetricName"], table] = [point["Sum"] for point in statistics["Datapoints"]]
    for name, table in found:
        if table and (name, "") in found:  # moto counts what has a dimension among what has none; CloudWatch does not
            found[name, ""] = [found[name, ""][0] - found[name, table][0]]
    return found
