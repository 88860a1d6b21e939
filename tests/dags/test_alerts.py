"""Mail, metrics and history of a failed run: what Airflow calls, with what it gives."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any
from unittest import mock

import pytest
from airflow.sdk.execution_time.task_runner import RuntimeTaskInstance
from airflow.sdk.execution_time.xcom import XCom

from include.common.errors import DeclarationError
from include.common.settings import aws_client
from include.reports.failure import tell_failure
from include.state.history import runs_since
from include.state.record import RunReport, TableReport
from include.state.status import STATUS_KEY, Status
from include.tables.steps import RECORD
from local.environment import Buckets
from tests.dags.conftest import numbers
from tests.shop import DECLARED
from tests.system import System

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
    tell_failure(DECLARED, CONTEXT)
    (message,) = published()
    assert message["Subject"] == "totesys_warehouse failed"
    assert "scheduled__2024-08-22" in message["Message"]
    assert "task_failure" in message["Message"]


def test_nothing_is_published_where_no_topic_is_set(topic: Topic) -> None:
    tell_failure(DECLARED, CONTEXT)
    assert topic[1]() == []


STATES = {
    "ingest.product": "failed",
    "load.fact_sale": "upstream_failed",
    "load.dim_clerk": "success",
    "record": "failed",
}


def test_the_message_names_the_failed_tasks_with_links_and_what_hangs_on_them(
    topic: Topic, monkeypatch: pytest.MonkeyPatch
) -> None:
    arn, published = topic
    monkeypatch.setenv("AIRFLOW_VAR_ALERTS_TOPIC_ARN", arn)
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", "https://airflow.example/")
    asked = mock.Mock(return_value={CONTEXT["run_id"]: STATES})
    monkeypatch.setattr(RuntimeTaskInstance, "get_task_states", asked)
    tell_failure(DECLARED, CONTEXT)
    asked.assert_called_with(dag_id="totesys_warehouse", run_ids=[CONTEXT["run_id"]])
    message = published()[0]["Message"]
    run = "https://airflow.example/dags/totesys_warehouse/runs/scheduled__2024-08-22"
    assert f"* ingest.product failed {run}/tasks/ingest.product\n* record failed {run}/tasks/record\n" in message
    assert "hang on those: load.fact_sale\n" in message
    assert "dim_clerk" not in message
    assert message.endswith(run)


def test_a_run_that_timed_out_says_which_tasks_were_at_work(
    topic: Topic, monkeypatch: pytest.MonkeyPatch, client: Callable[[str], Any], buckets: Buckets
) -> None:
    arn, published = topic
    monkeypatch.setenv("AIRFLOW_VAR_ALERTS_TOPIC_ARN", arn)
    left = ["ingest.product (running)", "ingest.payment (to be tried again)"]
    monkeypatch.setattr(XCom, "get_one", mock.Mock(return_value=left))
    monkeypatch.setattr(RuntimeTaskInstance, "get_task_states", mock.Mock(return_value={CONTEXT["run_id"]: {}}))
    tell_failure(DECLARED, CONTEXT | {"reason": "timed_out"})
    message = published()[0]["Message"]
    assert "* ingest.product (running) when the run ended\n* ingest.payment (to be tried again) when" in message
    ((_, (problem,)),) = shown_runs(client, buckets).items()
    assert problem == f"it ended before it was recorded: timed_out; at work: {', '.join(left)}"


def test_a_run_that_was_ended_otherwise_says_what_airflow_says_of_its_tasks(
    topic: Topic, monkeypatch: pytest.MonkeyPatch
) -> None:
    arn, published = topic
    monkeypatch.setenv("AIRFLOW_VAR_ALERTS_TOPIC_ARN", arn)
    states = STATES | {"ingest.clerk": "running", "ingest.payment": "up_for_retry", "load.dim_date": None}
    monkeypatch.setattr(XCom, "get_one", mock.Mock(return_value=None))
    asked = mock.Mock(return_value={CONTEXT["run_id"]: states})
    monkeypatch.setattr(RuntimeTaskInstance, "get_task_states", asked)
    tell_failure(DECLARED, CONTEXT)
    message = published()[0]["Message"]
    assert "* ingest.clerk (running) when the run ended\n* ingest.payment (up_for_retry) when the run ended" in message


def test_a_failed_run_is_counted_even_if_it_never_came_to_record(
    client: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch, buckets: Buckets
) -> None:
    monkeypatch.setenv("AIRFLOW_VAR_METRICS_NAMESPACE", buckets.state)
    tell_failure(DECLARED, CONTEXT)
    assert numbers(client, buckets.state) == {("RunSucceeded", ""): [0]}


def test_a_failed_run_is_counted_where_the_alert_cannot_be_published(
    client: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch, buckets: Buckets
) -> None:
    monkeypatch.setenv("AIRFLOW_VAR_METRICS_NAMESPACE", buckets.state)
    monkeypatch.setenv("AIRFLOW_VAR_ALERTS_TOPIC_ARN", "arn:aws:sns:eu-west-2:123456789012:gone")
    with pytest.raises(DeclarationError, match="alerts_topic_arn"):
        tell_failure(DECLARED, CONTEXT)
    assert numbers(client, buckets.state)["RunSucceeded", ""] == [0]


def test_a_long_name_is_cut_to_what_sns_takes(topic: Topic, monkeypatch: pytest.MonkeyPatch) -> None:
    arn, published = topic
    monkeypatch.setenv("AIRFLOW_VAR_ALERTS_TOPIC_ARN", arn)
    tell_failure(DECLARED, CONTEXT | {"dag": SimpleNamespace(dag_id="d" * 200)})
    assert len(published()[0]["Subject"]) == 100


def shown_runs(client: Callable[[str], Any], buckets: Buckets) -> dict[str, list[str]]:
    """The problems of each run that the page lists."""
    status = client("s3").get_object(Bucket=buckets.state, Key=STATUS_KEY)["Body"].read()
    return {run.run.run_id: run.problems for run in Status.model_validate_json(status).runs}


def test_a_run_that_never_came_to_its_record_is_in_the_history(client: Callable[[str], Any], buckets: Buckets) -> None:
    began = datetime.now(UTC) - timedelta(hours=2)
    run = SimpleNamespace(start_date=began, conf={"tables": ["product"], "full_refresh": True})
    tell_failure(DECLARED, CONTEXT | {"dag_run": run, "reason": "timed_out"})
    (kept,) = runs_since(began)
    assert kept.summary.problems == ["it ended before it was recorded: timed_out"]
    assert (kept.summary.run.started_at, kept.summary.run.tables) == (began, ["product"])
    assert 7200 <= kept.summary.seconds < 7800
    assert shown_runs(client, buckets) == {CONTEXT["run_id"]: kept.summary.problems}


def test_a_failed_run_that_told_of_itself_is_in_the_history_once(
    client: Callable[[str], Any], buckets: Buckets, system: System
) -> None:
    system.write("ALTER TABLE product RENAME label TO filename")
    system.run("product")
    ((run_id, problems),) = shown_runs(client, buckets).items()
    tell_failure(DECLARED, CONTEXT | {"run_id": run_id})
    assert shown_runs(client, buckets) == {run_id: problems}


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


def test_a_run_sends_its_totals_and_a_quiet_one_too(
    client: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch, system: System, buckets: Buckets
) -> None:
    monkeypatch.setenv("AIRFLOW_VAR_METRICS_NAMESPACE", f"{buckets.state}-loads")
    system.write(REJECT)
    report = system.run_cleanly("currency", "product").results[RECORD]
    found = numbers(client, f"{buckets.state}-loads")
    assert found["RunSucceeded", ""] == found["RowsRejected", ""] == [1]
    longest = max(table.lag_seconds for table in report.tables if table.lag_seconds is not None)
    assert found["LagSeconds", ""] == [pytest.approx(longest)]
    longest_sent = max(found["LagSeconds", name][0] for name in ("dim_currency", "dim_product"))
    assert found["LagSeconds", ""] == [pytest.approx(longest_sent)]
    assert 0 < found["RunSeconds", ""][0] < 300

    monkeypatch.setenv("AIRFLOW_VAR_METRICS_NAMESPACE", f"{buckets.state}-quiet")
    system.run_cleanly("product")
    quiet = numbers(client, f"{buckets.state}-quiet")
    assert quiet.pop(("RunSeconds", ""))[0] > 0
    none = {(name, ""): [0] for name in ("RowsRejected", "ValuesHealed", "LagSeconds")}
    assert quiet == {("RunSucceeded", ""): [1], **none}


def test_a_run_that_fails_sends_no_lag_as_it_does_not_know_it(
    client: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch, system: System, buckets: Buckets
) -> None:
    monkeypatch.setenv("AIRFLOW_VAR_METRICS_NAMESPACE", buckets.state)
    system.write("ALTER TABLE product RENAME label TO filename")
    system.run("product")
    found = numbers(client, buckets.state)
    assert found["RunSucceeded", ""] == [0]
    assert ("LagSeconds", "") not in found


@pytest.mark.parametrize(
    ("problems", "tables", "line"),
    [
        ([], 0, "nothing changed"),
        ([], 1, "1,200 new, 3 changed, 1 deleted, 0 rejected in 1 table; lag 35 s"),
        ([], 2, "2,400 new, 6 changed, 2 deleted, 0 rejected in 2 tables; lag 35 s"),
        (["not read: product"], 0, "not read: product"),
        (
            ["not read: product"],
            1,
            "not read: product; 1,200 new, 3 changed, 1 deleted, 0 rejected in 1 table; lag 35 s",
        ),
    ],
)
def test_a_runs_line_says_what_is_wrong_and_then_the_totals(problems: list[str], tables: int, line: str) -> None:
    table = TableReport(table="t", new=1200, changed=3, deleted=1, rejected=0, seconds=1, lag_seconds=35.4)
    assert RunReport(tables=[table] * tables, problems=problems, newly_rejected=[]).summary == line
