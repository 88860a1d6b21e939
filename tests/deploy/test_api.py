"""New instances of the API are seen to take over; each way in which they do not is one error."""

from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from deploy import api
from deploy.environment import Environment
from deploy.errors import DeployError

NAME = "totesys-test-api"
BEGUN = datetime(2026, 11, 26, 12, tzinfo=UTC)
KEYS = {"aws_access_key_id": "local", "aws_secret_access_key": "local", "region_name": "eu-west-2"}
REFRESHES = {"AutoScalingGroupName": NAME, "MaxRecords": 1}


class Answers:
    """What the two services answer, in this order; each request is compared with what is expected."""

    def __init__(self, scaling: Stubber, balancer: Stubber) -> None:
        self.scaling, self.balancer = scaling, balancer

    def refresh(self, status: str | None, begun: datetime = BEGUN, **more: Any) -> None:
        """The last replacement of instances; None for none ever."""
        found = [{"InstanceRefreshId": "1", "Status": status, "StartTime": begun, **more}] if status else []
        self.scaling.add_response("describe_instance_refreshes", {"InstanceRefreshes": found}, REFRESHES)

    def health(self, *states: str, wanted: int = 2) -> None:
        """The group's size, and what the load balancer finds."""
        group = {
            "AutoScalingGroupName": NAME,
            "MinSize": 1,
            "MaxSize": 4,
            "DesiredCapacity": wanted,
            "DefaultCooldown": 1,
            "AvailabilityZones": ["eu-west-2a"],
            "HealthCheckType": "ELB",
            "CreatedTime": BEGUN,
        }
        asked = {"AutoScalingGroupNames": [NAME]}
        self.scaling.add_response("describe_auto_scaling_groups", {"AutoScalingGroups": [group]}, asked)
        targets = {"TargetGroups": [{"TargetGroupArn": "arn:of-the-group"}]}
        self.balancer.add_response("describe_target_groups", targets, {"Names": [NAME]})
        found = [{"Target": {"Id": f"i-{n}"}, "TargetHealth": {"State": state}} for n, state in enumerate(states)]
        answer = {"TargetHealthDescriptions": found}
        self.balancer.add_response("describe_target_health", answer, {"TargetGroupArn": "arn:of-the-group"})


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> Iterator[Answers]:
    clients = {service: boto3.client(service, **KEYS) for service in ("autoscaling", "elbv2")}
    monkeypatch.setattr(Environment, "client", lambda _, service: clients[service])
    with ExitStack() as stack:
        stubbers = [stack.enter_context(Stubber(client)) for client in clients.values()]
        yield Answers(*stubbers)
        for stubber in stubbers:
            stubber.assert_no_pending_responses()


def test_the_first_instances_are_waited_for(
    environment: Environment, answers: Answers, capsys: pytest.CaptureFixture[str]
) -> None:
    answers.refresh(None)
    answers.health("initial", "initial")
    answers.health("healthy", "initial")
    answers.health("healthy", "healthy")
    api.see_through(environment, BEGUN, pause_seconds=0)
    assert f"the API answers on every instance of {NAME}" in capsys.readouterr().out


def test_a_replacement_is_followed_to_its_end(
    environment: Environment, answers: Answers, capsys: pytest.CaptureFixture[str]
) -> None:
    answers.refresh("Pending")
    answers.refresh("InProgress", PercentageComplete=50)
    answers.refresh("Successful")
    answers.health("draining", "healthy", "healthy")
    api.see_through(environment, BEGUN, pause_seconds=0)
    assert f"the instances of {NAME} are being replaced: 50 %" in capsys.readouterr().out


def test_a_replacement_that_was_taken_back_fails_with_the_reason_and_where_to_look(
    environment: Environment, answers: Answers
) -> None:
    answers.refresh("RollbackInProgress")
    answers.refresh("RollbackSuccessful", StatusReason="instances did not become healthy")
    with pytest.raises(
        DeployError, match=r"was taken back \(instances did not become healthy\).*as it was before"
    ) as told:
        api.see_through(environment, BEGUN, pause_seconds=0)
    assert f"/aws/ec2/{NAME}" in str(told.value)


def test_a_replacement_that_failed_before_is_none_of_this_deployment(
    environment: Environment, answers: Answers
) -> None:
    answers.refresh("Failed", begun=BEGUN - timedelta(hours=1))
    answers.health("healthy", "healthy")
    api.see_through(environment, BEGUN, pause_seconds=0)


def test_instances_that_do_not_become_healthy_fail_by_name(
    environment: Environment, answers: Answers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api, "READY_SECONDS", 0)
    answers.refresh("Successful")
    answers.health("unhealthy", "healthy")
    with pytest.raises(DeployError, match="i-0 is unhealthy; of 2 instances 1 are healthy"):
        api.see_through(environment, BEGUN, pause_seconds=0)


def test_verify_names_what_is_ill_and_what_was_not_replaced(environment: Environment, answers: Answers) -> None:
    answers.health("healthy")
    answers.refresh("Cancelled")
    told = list(api.verify(environment))
    assert told == ["of 2 instances 1 are healthy", "the last replacement of instances ended as Cancelled"]


def test_verify_says_that_there_is_no_group(environment: Environment, answers: Answers) -> None:
    nothing: dict[str, Any] = {"AutoScalingGroups": []}
    answers.scaling.add_response("describe_auto_scaling_groups", nothing, {"AutoScalingGroupNames": [NAME]})
    answers.refresh(None)
    assert list(api.verify(environment)) == [f"there is no group {NAME}"]
