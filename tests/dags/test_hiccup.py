"""Secrets Manager does not answer for a while: runs wait, and no alert is lost."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest

from include.common.settings import aws_client
from include.reports.failure import tell_failure
from local.aws import AwsServer
from local.environment import Buckets
from tests import shop
from tests.dags.conftest import REPOSITORY, AirflowProcess, numbers
from tests.secrets import Door, kept_in_secrets, secrets_door
from tests.shop import DECLARED

Topic = tuple[str, Callable[[], list[dict[str, str]]]]


@pytest.fixture
def door(
    pipeline_environment: dict[str, str],
    topic: Topic,
    aws: AwsServer,
    buckets: Buckets,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Door]:
    """Everything is in Secrets Manager, and nothing of it in the environment."""
    optional = {"AIRFLOW_VAR_ALERTS_TOPIC_ARN": topic[0], "AIRFLOW_VAR_METRICS_NAMESPACE": buckets.state}
    kept = kept_in_secrets(pipeline_environment) | optional
    with secrets_door(aws.endpoint_url, buckets.state, kept) as (door, settings):
        for name in kept:
            monkeypatch.delenv(name, raising=False)
        for name, value in settings.items():
            monkeypatch.setenv(name, value)
        aws_client.cache_clear()
        yield door


def test_a_run_from_the_command_line_waits_for_it(door: Door, tmp_path: Path) -> None:
    door.shut("closes the connection", 12)
    environment = {**os.environ, "AIRFLOW_HOME": str(tmp_path / "home"), "DECLARATIONS": shop.__name__}
    command = [sys.executable, "-m", "include", "run", "--json", "--tables", "currency"]
    done = subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert '"succeeded": true' in done.stdout
    assert door.refused


@pytest.fixture
def own_process(door: Door, migrated_home: Path, mwaa_folder: Path, tmp_path: Path) -> Iterator[AirflowProcess]:
    """Airflow in a process that has its secrets from behind the door."""
    shutil.copytree(migrated_home, tmp_path / "home")
    process = AirflowProcess(mwaa_folder, tmp_path / "home")
    yield process
    process.stop()


@pytest.mark.timeout(900)
def test_tasks_wait_for_it_and_alerts_and_metrics_are_sent(
    door: Door, own_process: AirflowProcess, filled_url: str, topic: Topic, client: Any
) -> None:
    with psycopg.connect(filled_url) as source:
        source.execute("UPDATE currency SET currency_code = 'XXY' WHERE currency_id = 1")
    door.shut("answers 500", 20)
    run = own_process.run({}, {"tables": ["currency"]})
    assert run.state == "success", run.log[-3000:]
    assert door.refused
    assert "is not set" not in run.log
    assert [message["Subject"] for message in topic[1]()] == ["Rejected rows in dim_currency"]
    namespace = topic[0].rpartition(":")[2]
    assert numbers(client, namespace)["RunSucceeded", ""] == [1]


@pytest.mark.parametrize("fault", ["answers 500", "throttles"])
def test_the_alert_of_a_run_that_fails_meanwhile_is_not_lost(
    door: Door, topic: Topic, client: Any, buckets: Buckets, fault: str
) -> None:
    door.shut(fault, 5)
    context = {"dag": SimpleNamespace(dag_id="totesys_warehouse"), "run_id": "r", "reason": "task_failure"}
    tell_failure(DECLARED, context)
    assert door.refused
    assert [message["Subject"] for message in topic[1]()] == ["totesys_warehouse failed"]
    assert numbers(client, buckets.state)["RunSucceeded", ""] == [0]
