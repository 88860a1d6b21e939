"""The stand-in for MWAA behaves as its API is described, seen through boto3."""

from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from local.environment import CREDENTIALS
from tests.terraform.mwaa import DAG, MwaaServer

NEEDED: dict[str, Any] = {
    "Name": "totesys-dev",
    "ExecutionRoleArn": "arn:aws:iam::123456789012:role/totesys-dev-airflow",
    "SourceBucketArn": "arn:aws:s3:::totesys-dev-state",
    "DagS3Path": "dags",
    "NetworkConfiguration": {"SubnetIds": ["subnet-1", "subnet-2"], "SecurityGroupIds": ["sg-1"]},
}


@pytest.fixture
def server() -> Iterator[MwaaServer]:
    with MwaaServer() as running:
        yield running


@pytest.fixture
def client(server: MwaaServer, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("AWS_DISABLE_HOST_PREFIX_INJECTION", "true")
    credentials = {name.lower(): value for name, value in CREDENTIALS.items() if name != "AWS_DEFAULT_REGION"}
    return boto3.client("mwaa", endpoint_url=server.endpoint_url, region_name="eu-west-2", **credentials)


def status(client: Any) -> str:
    return str(client.get_environment(Name="totesys-dev")["Environment"]["Status"])


def test_an_environment_comes_changes_and_goes(client: Any, server: MwaaServer) -> None:
    client.create_environment(**NEEDED)
    assert [status(client), status(client)] == ["CREATING", "AVAILABLE"]
    client.update_environment(Name="totesys-dev", MaxWorkers=3)
    assert [status(client), status(client)] == ["UPDATING", "AVAILABLE"]
    assert client.get_environment(Name="totesys-dev")["Environment"]["MaxWorkers"] == 3
    server.mwaa.takes_back = "wrong option"
    client.update_environment(Name="totesys-dev", MaxWorkers=5)
    assert [status(client), status(client)] == ["UPDATING", "AVAILABLE"]
    taken_back = client.get_environment(Name="totesys-dev")["Environment"]
    assert (taken_back["MaxWorkers"], taken_back["LastUpdate"]["Status"]) == (3, "FAILED")
    client.delete_environment(Name="totesys-dev")
    assert status(client) == "DELETING"
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        status(client)
    assert client.list_environments()["Environments"] == []


def test_tags_are_kept_and_removed(client: Any) -> None:
    arn = client.create_environment(**NEEDED, Tags={"Project": "totesys"})["Arn"]
    client.tag_resource(ResourceArn=arn, Tags={"Environment": "dev"})
    client.untag_resource(ResourceArn=arn, tagKeys=["Project"])
    assert client.list_tags_for_resource(ResourceArn=arn)["Tags"] == {"Environment": "dev"}


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"PluginsS3Path": "plugins.zip"}, "PluginsS3ObjectVersion"),
        ({"AirflowConfigurationOptions": {"backend": "x"}}, "section.name"),
    ],
)
def test_what_mwaa_would_refuse_is_refused(client: Any, wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ClientError, match=message):
        client.create_environment(**NEEDED | wrong)


def test_airflow_is_asked_through_it(client: Any, server: MwaaServer) -> None:
    client.create_environment(**NEEDED)
    call = {"Name": "totesys-dev", "Path": f"/dags/{DAG}/dagRuns", "Method": "POST", "Body": {"logical_date": None}}
    run = client.invoke_rest_api(**call)["RestApiResponse"]
    asked = client.invoke_rest_api(Name="totesys-dev", Path=f"/dags/{DAG}/dagRuns/{run['dag_run_id']}", Method="GET")
    assert run["state"] == "queued"
    assert asked["RestApiResponse"]["state"] in ("queued", "success")
    assert server.mwaa.rest_calls[0] == ("POST", f"/dags/{DAG}/dagRuns", {"logical_date": None})
    with pytest.raises(ClientError, match="RestApiClientException"):
        client.invoke_rest_api(Name="totesys-dev", Path="/dags/other", Method="GET")
