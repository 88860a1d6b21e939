"""The API's instances: a new version seen to take the place of the one before, and how healthy they are."""

import time
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from deploy.environment import Environment
from deploy.errors import DeployError

PAUSE_SECONDS = 15.0
READY_SECONDS = 1800
"""An instance is installed in some two minutes, and they are replaced at once or one after another."""
ENDED = {"Successful", "Failed", "Cancelled", "RollbackFailed", "RollbackSuccessful"}
"""How a replacement of instances ends. Source: `InstanceRefresh` in EC2 Auto Scaling's API reference."""
LOGS = "Log group /aws/ec2/{name} tells why: the streams <instance>/start and <instance>/api"


def name_of(environment: Environment) -> str:
    """What the group, the load balancer and the target group of an environment's API are called."""
    return f"{environment.name}-api"


def see_through(environment: Environment, since: datetime, pause_seconds: float = PAUSE_SECONDS) -> None:
    """Wait until the instances are those that were deployed last, and healthy.

    Raises: DeployError when a replacement that began since then did not succeed, or they do not become healthy in time.
    """
    name, deadline = name_of(environment), time.monotonic() + READY_SECONDS
    while (found := _last_refresh(environment)) and found["Status"] not in ENDED and time.monotonic() < deadline:
        print(f"the instances of {name} are being replaced: {found.get('PercentageComplete', 0)} %", flush=True)
        time.sleep(pause_seconds)
    if found and found["StartTime"] >= since and found["Status"] != "Successful":
        raise DeployError(f"replacing the instances of {name} {_told(found)}. {LOGS.format(name=name)}")
    while (ill := list(unhealthy(environment))) and time.monotonic() < deadline:
        time.sleep(pause_seconds)
    if ill:
        raise DeployError(f"{'; '.join(ill)}. {LOGS.format(name=name)}")
    print(f"the API answers on every instance of {name}")


def _last_refresh(environment: Environment) -> dict[str, Any] | None:
    """The last replacement of instances that was begun; None where none ever was."""
    asked = {"AutoScalingGroupName": name_of(environment), "MaxRecords": 1}
    found = environment.client("autoscaling").describe_instance_refreshes(**asked)["InstanceRefreshes"]
    return dict(found[0]) if found else None


def _told(refresh: dict[str, Any]) -> str:
    reason = f" ({refresh['StatusReason']})" if refresh.get("StatusReason") else ""
    if refresh["Status"] == "RollbackSuccessful":
        return f"failed and was taken back{reason}: the API is as it was before"
    return f"ended as {refresh['Status']}{reason}"


def unhealthy(environment: Environment) -> Iterator[str]:
    """What of the group is not as it should be, one by one."""
    balancer, name = environment.client("elbv2"), name_of(environment)
    group = environment.client("autoscaling").describe_auto_scaling_groups(AutoScalingGroupNames=[name])
    if not group["AutoScalingGroups"]:
        yield f"there is no group {name}"
        return
    (target,) = balancer.describe_target_groups(Names=[name])["TargetGroups"]
    health = balancer.describe_target_health(TargetGroupArn=target["TargetGroupArn"])["TargetHealthDescriptions"]
    states = {found["Target"]["Id"]: found["TargetHealth"]["State"] for found in health}
    yield from (
        f"{instance} is {state}" for instance, state in sorted(states.items()) if state not in {"healthy", "draining"}
    )
    wanted = group["AutoScalingGroups"][0]["DesiredCapacity"]
    if (there := list(states.values()).count("healthy")) < wanted:
        yield f"of {wanted} instances {there} are healthy"


def verify(environment: Environment) -> Iterator[str]:
    """Every instance is healthy, as the load balancer sees it, and the last replacement succeeded."""
    yield from unhealthy(environment)
    found = _last_refresh(environment)
    if found and found["Status"] != "Successful":
        yield f"the last replacement of instances {_told(found)}"
