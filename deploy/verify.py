"""A deployed environment looked at, part by part, as far as these can be asked; and one alarm raised for its mail."""

from collections.abc import Callable, Iterator
from typing import Any

from botocore.exceptions import ClientError

from deploy import api, mwaa
from deploy.environment import Environment
from deploy.errors import DeployError

ALARM = "run-failed"
"""The alarm that is raised to see its mail arrive; CloudWatch lets it go again at its next evaluation."""

OPTIMIZERS = ("compaction", "retention", "orphan_file_deletion")
"""What Glue can do to Iceberg tables by itself. The lake's are over files that the pipeline names elsewhere, too."""


def verify(environment: Environment) -> None:
    """Say of each part of the environment whether it is as it should be.

    Raises: DeployError when one is not, with how many.
    """
    problems = 0
    checks = CHECKS | ({"API": api.verify} if environment.architecture else {})
    for title, check in checks.items():
        found = list(_problems(check, environment))
        print(f"{title}: {'; '.join(found) or 'well'}")
        problems += len(found)
    if names := list(without_metric(environment)):
        print(f"alarms whose metric nobody has sent yet: {', '.join(names)} (docs/runbook.md, Alarms)")
    raise_alarm(environment)
    if problems:
        raise DeployError(f"{problems} of what was looked at in {environment.name} is not as it should be")


def _problems(check: Callable[[Environment], Iterator[str]], environment: Environment) -> Iterator[str]:
    try:
        yield from check(environment)
    except (ClientError, DeployError) as error:
        yield str(error)


def airflow(environment: Environment) -> Iterator[str]:
    """Airflow's environment is available, did its last update, and has read the DAG."""
    client = environment.client("mwaa")
    found = mwaa.describe(client, environment.name)
    if found["Status"] != "AVAILABLE":
        yield f"the environment is {found['Status']}"
        return
    if found.get("LastUpdate", {}).get("Status") == "FAILED":
        yield "the last update was taken back"
    errors = mwaa.call(client, environment.name, "GET", "/importErrors")["import_errors"]
    yield from (f"{error['filename']} cannot be imported" for error in errors)
    if mwaa.call(client, environment.name, "GET", mwaa.DAG)["is_paused"]:
        yield "the DAG is switched off"


def endpoints(environment: Environment) -> Iterator[str]:
    """Every endpoint of the network is available and has a policy."""
    tag = {"Name": "tag:Environment", "Values": [environment.name]}
    for found in environment.client("ec2").describe_vpc_endpoints(Filters=[tag])["VpcEndpoints"]:
        if found["State"].lower() != "available":
            yield f"{found['ServiceName']} is {found['State']}"
        if not found.get("PolicyDocument"):
            yield f"{found['ServiceName']} has no policy"


def policies(environment: Environment) -> Iterator[str]:
    """Every role of the environment has the boundary, and the one of Airflow its policies."""
    iam, boundary = environment.client("iam"), f"policy/{environment.name}-boundary"
    pages = iam.get_paginator("list_roles").paginate(PathPrefix=f"/{environment.name}/")
    names = [role["RoleName"] for page in pages for role in page["Roles"]]
    if not names:
        yield "there are no roles"
    for name in names:
        bounds = iam.get_role(RoleName=name)["Role"].get("PermissionsBoundary", {})
        if not bounds.get("PermissionsBoundaryArn", "").endswith(boundary):
            yield f"{name} has not the boundary"
    own = set(iam.list_role_policies(RoleName=f"{environment.name}-airflow")["PolicyNames"])
    yield from (f"Airflow's role lacks its policy {name}" for name in sorted({"mwaa", "tasks"} - own))


def warehouse(environment: Environment) -> Iterator[str]:
    """The warehouse runs, encrypted, and cannot be reached from the internet."""
    identifier = f"{environment.name}-warehouse"
    found = environment.client("rds").describe_db_instances(DBInstanceIdentifier=identifier)["DBInstances"][0]
    if found["DBInstanceStatus"] != "available":
        yield f"it is {found['DBInstanceStatus']}"
    if found["PubliclyAccessible"] or not found["StorageEncrypted"]:
        yield "it is public, or not encrypted"


def lake(environment: Environment) -> Iterator[str]:
    """The catalogue has the lake's database, and Glue deletes or replaces no file of its tables."""
    glue, database = environment.client("glue"), f"{environment.name.replace('-', '_')}_lake"
    for page in glue.get_paginator("get_tables").paginate(DatabaseName=database):
        for table in page["TableList"]:
            place = {"CatalogId": environment.account, "DatabaseName": database, "TableName": table["Name"]}
            for kind in OPTIMIZERS:
                if _is_on(glue, {**place, "Type": kind}):
                    yield f"Glue's {kind} is on for {table['Name']}, which must keep its files: switch it off"


def _is_on(glue: Any, optimizer: dict[str, str]) -> bool:
    try:
        found = glue.get_table_optimizer(**optimizer)["TableOptimizer"]
    except glue.exceptions.EntityNotFoundException:
        return False
    return bool(found["configuration"]["enabled"])


def mail(environment: Environment) -> Iterator[str]:
    """Somebody has confirmed the mail that SNS sent."""
    listed = environment.client("sns").list_subscriptions_by_topic(TopicArn=_topic(environment))["Subscriptions"]
    waiting = [item["Endpoint"] for item in listed if not item["SubscriptionArn"].startswith("arn:")]
    yield from (f"{address} has not confirmed the mail of SNS" for address in waiting)
    if not listed:
        yield "nobody hears the alarms"


CHECKS: dict[str, Callable[[Environment], Iterator[str]]] = {
    "Airflow": airflow,
    "endpoints": endpoints,
    "roles": policies,
    "warehouse": warehouse,
    "lake": lake,
    "mail": mail,
}


def without_metric(environment: Environment) -> Iterator[str]:
    """The alarms that watch something of which there is no metric: right only while it is too early for one."""
    client = environment.client("cloudwatch")
    for page in client.get_paginator("describe_alarms").paginate(AlarmNamePrefix=f"{environment.name}-"):
        for alarm in page["MetricAlarms"]:
            watched = {key: alarm[key] for key in ("Namespace", "MetricName", "Dimensions")}
            if not client.list_metrics(**watched)["Metrics"]:
                yield str(alarm["AlarmName"])


def raise_alarm(environment: Environment) -> None:
    """Raise one alarm, so that its mail can be seen to arrive."""
    name = f"{environment.name}-{ALARM}"
    reason = "make verify: nothing is wrong, this mail is to be seen"
    environment.client("cloudwatch").set_alarm_state(AlarmName=name, StateValue="ALARM", StateReason=reason)
    print(f"the alarm {name} was raised: its mail should be there within minutes")


def _topic(environment: Environment) -> str:
    found: dict[str, Any] = environment.client("cloudwatch").describe_alarms(AlarmNames=[f"{environment.name}-{ALARM}"])
    if not found["MetricAlarms"]:
        raise DeployError(f"there is no alarm {environment.name}-{ALARM}")
    return str(found["MetricAlarms"][0]["AlarmActions"][0])
