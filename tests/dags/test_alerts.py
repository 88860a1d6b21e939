"""Mail about a failed run: what Airflow calls, with what it gives."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from include.alerts import notify_failure
from include.settings import aws_client
from tests.acceptance.system import System

Topic = tuple[str, Callable[[], list[dict[str, str]]]]
CONTEXT: dict[str, Any] = {
    "dag": SimpleNamespace(dag_id="totesys_warehouse"),
    "run_id": "scheduled__2024-08-22",
    "reason": "task_failure",
}
"""All that the DAG processor gives where the run has no last task. Source: airflow.dag_processing.processor."""


@pytest.fixture(autouse=True)
def _own_clients(pipeline_environment: dict[str, str]) -> None:
    aws_client.cache_clear()


def test_a_failed_run_is_published_with_its_name_and_reason(topic: Topic, monkeypatch: pytest.MonkeyPatch) -> None:
    arn, published = topic
    monkeypatch.setenv("AIRFLOW_VAR_ALERTS_TOPIC_ARN", arn)
    notify_failure(CONTEXT)
    (message,) = published()
    assert message["Subject"] == "totesys_warehouse failed"
    assert "scheduled__2024-08-22" in message["Message"]
    assert "task_failure" in message["Message"]


def test_nothing_is_published_where_no_topic_is_set(topic: Topic) -> None:
    notify_failure(CONTEXT)
    assert topic[1]() == []


def test_a_long_name_is_cut_to_what_sns_takes(topic: Topic, monkeypatch: pytest.MonkeyPatch) -> None:
    arn, published = topic
    monkeypatch.setenv("AIRFLOW_VAR_ALERTS_TOPIC_ARN", arn)
    notify_failure(CONTEXT | {"dag": SimpleNamespace(dag_id="d" * 200)})
    assert len(published()[0]["Subject"]) == 100


REJECT = "UPDATE currency SET currency_code = 'XXY' WHERE currency_id = 1"


def test_rows_that_are_rejected_are_told_of_once(topic: Topic, monkeypatch: pytest.MonkeyPatch, system: System) -> None:
    arn, published = topic
    monkeypatch.setenv("AIRFLOW_VAR_ALERTS_TOPIC_ARN", arn)
    system.write(REJECT)
    told = []
    for _ in range(2):
        system.run_cleanly("currency")
        told.append([message["Subject"] for message in published()])
    assert told == [["Rejected rows in dim_currency"], []]
