"""What talks to MWAA, against a stand-in of its API over HTTP, with a bucket on the S3 API."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest

from deploy import mwaa, package, sync, wheels
from deploy.environment import Environment
from local.aws import AwsServer
from local.environment import CREDENTIALS, Buckets
from tests.terraform.mwaa import Mwaa, MwaaServer


@dataclass
class Service:
    """A deployed environment: Airflow's, the bucket of its code, and what it was asked."""

    environment: Environment
    mwaa: Mwaa
    bucket: str


@pytest.fixture
def service(
    environment: Environment, aws: AwsServer, buckets: Buckets, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Service]:
    """An environment that MWAA has just been asked to make."""
    with MwaaServer() as server:
        addresses = {"AWS_ENDPOINT_URL": aws.endpoint_url, "AWS_ENDPOINT_URL_MWAA": server.endpoint_url}
        for name, value in {**CREDENTIALS, **addresses, "AWS_DISABLE_HOST_PREFIX_INJECTION": "true"}.items():
            monkeypatch.setenv(name, value)
        environment.client("mwaa").create_environment(
            Name=environment.name,
            ExecutionRoleArn="arn:aws:iam::123456789012:role/airflow",
            SourceBucketArn=f"arn:aws:s3:::{buckets.state}",
            DagS3Path="dags",
            NetworkConfiguration={"SubnetIds": ["subnet-1", "subnet-2"], "SecurityGroupIds": ["sg-1"]},
        )
        yield Service(environment, server.mwaa, buckets.state)


def test_a_run_is_started_after_the_dag_is_switched_on_and_watched(service: Service) -> None:
    mwaa.start(service.environment, datetime.now(UTC), pause_seconds=0)
    switched, triggered, *asked = service.mwaa.rest_calls
    assert switched == ("PATCH", "/dags/totesys_warehouse", {"is_paused": False})
    assert triggered == ("POST", "/dags/totesys_warehouse/dagRuns", {"logical_date": None})
    assert {method for method, _, _ in asked} == {"GET"}


def test_the_code_goes_to_the_environments_own_bucket(service: Service, s3: Any) -> None:
    s3.put_object(Bucket=service.bucket, Key="requirements.txt", Body=wheels.requirements_text().encode())
    changes = sync.sync(service.environment)
    assert set(changes.uploaded) == set(package.dag_files())
    keys = {item["Key"] for item in s3.list_objects_v2(Bucket=service.bucket)["Contents"]}
    assert keys == {"requirements.txt", *package.dag_files()}


@pytest.mark.parametrize("same", [True, False])
def test_other_requirements_than_the_environments_are_told_of_and_not_uploaded(
    service: Service, s3: Any, capsys: pytest.CaptureFixture[str], same: bool
) -> None:
    there = wheels.requirements_text() if same else "pandas==1.0\n"
    s3.put_object(Bucket=service.bucket, Key="requirements.txt", Body=there.encode())
    sync.sync(service.environment)
    assert ("only make deploy" in capsys.readouterr().out) != same
    assert s3.get_object(Bucket=service.bucket, Key="requirements.txt")["Body"].read().decode() == there


def test_the_environment_itself_is_left_alone(service: Service) -> None:
    mwaa.wait(service.environment.client("mwaa"), service.environment.name, pause_seconds=0)
    before = dict(service.mwaa.environments[service.environment.name])
    sync.sync(service.environment)
    assert service.mwaa.environments[service.environment.name] == before
    assert service.mwaa.rest_calls == []
