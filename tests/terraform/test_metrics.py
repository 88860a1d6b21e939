"""Of Airflow's own metrics, those go to CloudWatch that alarms or the dashboard show, and no others: each is billed."""

import re

import pytest
from airflow._shared.observability.metrics.validators import PatternAllowListValidator

from tests.terraform.workspace import CODE

OPTION = re.compile(r'^ *"metrics\.metrics_allow_list" = "(.+)"$', re.MULTILINE)
SHOWN = {
    "scheduler_heartbeat": "SchedulerHeartbeat",
    "executor.queued_tasks": "QueuedTasks",
    "executor.running_tasks": "RunningTasks",
    "dag_processing.import_errors": "ImportErrors",
}
"""Airflow's name → CloudWatch's. Source: "Apache Airflow metrics in CloudWatch" in MWAA's user guide."""

OTHERS = (
    "ti_failures",
    "executor.open_slots",
    "dag_processing.total_parse_time",
    "dag.totesys_warehouse.ingest.payment.duration",
    "triggerer_heartbeat",
    "pool.open_slots.default_pool",
)


@pytest.fixture
def let_through() -> PatternAllowListValidator:
    (option,) = OPTION.findall((CODE / "modules" / "airflow" / "environment.tf").read_text())
    return PatternAllowListValidator(option)


@pytest.mark.parametrize("name", SHOWN)
def test_what_is_shown_is_let_through(let_through: PatternAllowListValidator, name: str) -> None:
    assert let_through.test(name)


@pytest.mark.parametrize("name", OTHERS)
def test_nothing_else_is(let_through: PatternAllowListValidator, name: str) -> None:
    assert not let_through.test(name)


def test_these_are_the_ones_that_alarms_and_dashboard_name() -> None:
    code = "".join(file.read_text() for file in (CODE / "modules" / "observability").glob("*.tf"))
    named = re.findall(r'local\.airflow_metrics\s+metric\s+= "(\w+)"', code)
    named += re.findall(r'\[local\.airflow_metrics, "(\w+)"', code)
    assert {*named} == {*SHOWN.values()}
