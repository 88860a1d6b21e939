"""The environment is waited for, the DAG switched on, and a run started; each refusal is one error."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from airflow.api_fastapi.core_api.datamodels.dag_run import TriggerDAGRunPostBody
from airflow.api_fastapi.core_api.datamodels.dags import DAGPatchBody
from botocore.stub import Stubber

from deploy import mwaa
from deploy.environment import Environment
from deploy.errors import DeployError

NAME = "totesys-test"
SWITCH_ON = {"is_paused": False}
TRIGGER: dict[str, Any] = {"logical_date": None}
RUN = "/dags/totesys_warehouse/dagRuns/manual__1"
BEGUN = datetime(2026, 11, 26, 12, tzinfo=UTC)


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stubber]:
    """What MWAA answers, in this order; every request is compared with the API's model and with what is expected."""
    keys = {"aws_access_key_id": "local", "aws_secret_access_key": "local", "region_name": "eu-west-2"}
    client = boto3.client("mwaa", **keys)
    monkeypatch.setattr(Environment, "client", lambda *_: client)
    with Stubber(client) as stubber:
        yield stubber
        stubber.assert_no_pending_responses()


def status(answers: Stubber, state: str, **more: Any) -> None:
    found = {"Status": state, "WebserverUrl": "web.example", "Name": NAME, **more}
    answers.add_response("get_environment", {"Environment": found}, {"Name": NAME})


def airflow(answers: Stubber, method: str, path: str, answer: dict[str, Any], **given: Any) -> None:
    call = {"Name": NAME, "Method": method, "Path": path, **given}
    answers.add_response("invoke_rest_api", {"RestApiStatusCode": 200, "RestApiResponse": answer}, call)


def refuse(answers: Stubber, code: int) -> None:
    fields = {"RestApiStatusCode": code, "RestApiResponse": {"detail": "no"}}
    kind = "RestApiServerException" if code >= 500 else "RestApiClientException"
    answers.add_client_error("invoke_rest_api", kind, modeled_fields=fields)


def accept(answers: Stubber) -> None:
    begin(answers)
    airflow(answers, "GET", RUN, {"state": "success"})


def begin(answers: Stubber) -> None:
    airflow(answers, "PATCH", "/dags/totesys_warehouse", {"is_paused": False}, Body=SWITCH_ON)
    airflow(answers, "POST", "/dags/totesys_warehouse/dagRuns", {"dag_run_id": "manual__1"}, Body=TRIGGER)


def test_the_bodies_are_what_airflow_takes() -> None:
    assert DAGPatchBody.model_validate(SWITCH_ON).is_paused is False
    assert TriggerDAGRunPostBody.model_validate(TRIGGER).logical_date is None


def test_a_new_environment_is_waited_for_and_a_run_started(
    answers: Stubber, environment: Environment, capsys: pytest.CaptureFixture[str]
) -> None:
    for state in ("CREATING", "CREATING", "UPDATING", "AVAILABLE"):
        status(answers, state)
    accept(answers)
    mwaa.start(environment, since=BEGUN, pause_seconds=0)
    said = capsys.readouterr().out
    assert said.count("CREATING") == 1
    assert "started the run manual__1" in said
    assert "https://web.example" in said
    assert "inside the VPC" not in said


def test_a_private_web_server_is_told_of(
    answers: Stubber, environment: Environment, capsys: pytest.CaptureFixture[str]
) -> None:
    status(answers, "AVAILABLE", WebserverAccessMode="PRIVATE_ONLY")
    accept(answers)
    mwaa.start(environment, since=BEGUN, pause_seconds=0)
    assert "inside the VPC only" in capsys.readouterr().out


@pytest.mark.parametrize("code", [404, 502])
def test_an_airflow_that_is_not_ready_yet_is_waited_for(answers: Stubber, environment: Environment, code: int) -> None:
    status(answers, "AVAILABLE")
    refuse(answers, code)
    refuse(answers, code)
    accept(answers)
    mwaa.start(environment, since=BEGUN, pause_seconds=0)


def test_a_dag_that_airflow_never_reads_is_an_error_that_says_where_to_look(
    answers: Stubber, environment: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mwaa, "DAG_SECONDS", -1)
    status(answers, "AVAILABLE")
    refuse(answers, 404)
    with pytest.raises(DeployError, match="import errors"):
        mwaa.start(environment, since=BEGUN, pause_seconds=0)


def test_another_refusal_of_airflow_is_an_error_at_once(answers: Stubber, environment: Environment) -> None:
    status(answers, "AVAILABLE")
    refuse(answers, 403)
    with pytest.raises(DeployError, match="refuses to switch"):
        mwaa.start(environment, since=BEGUN, pause_seconds=0)


@pytest.mark.parametrize("state", ["CREATE_FAILED", "UPDATE_FAILED", "UNAVAILABLE"])
def test_an_environment_that_will_not_come_is_an_error_with_mwaas_reason(
    answers: Stubber, environment: Environment, state: str
) -> None:
    status(answers, state, LastUpdate={"Error": {"ErrorCode": "X", "ErrorMessage": "wrong bucket"}})
    with pytest.raises(DeployError, match=rf"{state} \(wrong bucket\)"):
        mwaa.start(environment, since=BEGUN, pause_seconds=0)


def test_an_environment_that_is_not_there_is_named(answers: Stubber, environment: Environment) -> None:
    answers.add_client_error("get_environment", "ResourceNotFoundException")
    with pytest.raises(DeployError, match="no Airflow environment totesys-test"):
        mwaa.start(environment, since=BEGUN, pause_seconds=0)


def failed_update(at: datetime) -> dict[str, Any]:
    error = {"ErrorCode": "INCORRECT_CONFIGURATION", "ErrorMessage": "wrong option"}
    return {"LastUpdate": {"Status": "FAILED", "CreatedAt": at, "Error": error}}


def test_an_update_that_mwaa_took_back_is_a_failure(answers: Stubber, environment: Environment) -> None:
    status(answers, "AVAILABLE", **failed_update(BEGUN + timedelta(minutes=9)))
    with pytest.raises(DeployError, match=r"could not do the update .* took it back \(wrong option\)"):
        mwaa.start(environment, since=BEGUN, pause_seconds=0)


def test_one_of_before_is_told_of_and_no_failure(
    answers: Stubber, environment: Environment, capsys: pytest.CaptureFixture[str]
) -> None:
    status(answers, "AVAILABLE", **failed_update(BEGUN - timedelta(days=1)))
    accept(answers)
    mwaa.start(environment, since=BEGUN, pause_seconds=0)
    assert "took it back (wrong option)" in capsys.readouterr().out


def test_the_first_run_is_seen_through(
    answers: Stubber, environment: Environment, capsys: pytest.CaptureFixture[str]
) -> None:
    status(answers, "AVAILABLE")
    begin(answers)
    airflow(answers, "GET", RUN, {"state": "running"})
    refuse(answers, 502)
    airflow(answers, "GET", RUN, {"state": "success"})
    mwaa.start(environment, since=BEGUN, pause_seconds=0)
    assert "the run succeeded" in capsys.readouterr().out


def test_a_first_run_that_fails_is_a_failure_that_names_its_tasks(answers: Stubber, environment: Environment) -> None:
    status(answers, "AVAILABLE")
    begin(answers)
    airflow(answers, "GET", RUN, {"state": "failed"})
    tasks = {"task_instances": [{"task_id": "ingest.payment", "state": "failed"}]}
    airflow(answers, "GET", f"{RUN}/taskInstances", tasks, QueryParameters={"state": "failed"})
    with pytest.raises(
        DeployError, match=r"manual__1 failed; failed tasks: ingest\.payment\..*airflow-totesys-test-Task"
    ):
        mwaa.start(environment, since=BEGUN, pause_seconds=0)


def test_a_first_run_is_watched_for_an_hour_and_no_longer(
    answers: Stubber, environment: Environment, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(mwaa, "RUN_SECONDS", -1)
    status(answers, "AVAILABLE")
    begin(answers)
    mwaa.start(environment, since=BEGUN, pause_seconds=0)
    assert "still at work" in capsys.readouterr().out
