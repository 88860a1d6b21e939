"""Both environments are applied as they are written, the pipeline runs from that, and nothing is left of them.

The tests follow each other: the last one destroys what the others look at.
"""

import json
from typing import Any

import psycopg
import pytest

from tests.system import open_exactly
from tests.terraform.calls import Call
from tests.terraform.cloud import Cloud
from tests.terraform.databases import Databases
from tests.terraform.decisions import decisions, role_statements
from tests.terraform.environments import PIPELINE, Environment, in_parallel
from tests.terraform.mwaa_run import AirflowRun
from tests.terraform.policies import Statement, decides, is_allowed
from tests.totesys.acceptance.oracle import all_differences

pytestmark = pytest.mark.timeout(900)

Applied = dict[str, Environment]
ENVIRONMENTS = pytest.mark.parametrize("env", ["dev", "prod"])

OF_MWAA = {
    "MwaaReadsTheCode": "schedulers and workers download DAGs, plugins, requirements and the start-up script",
    "MwaaFindsTheCode": "they list the bucket for it",
    "MwaaChecksThatNothingIsPublic": "MWAA refuses a bucket that the public can read",
    "MwaaWritesLogs": "every container writes its logs to CloudWatch",
    "MwaaFindsLogs": "the UI reads them from there",
    "MwaaReportsItsHealth": "the environment reports to MWAA",
    "MwaaPublishesMetrics": "Airflow's own metrics, such as the scheduler's heartbeat",
    "MwaaQueuesTasks": "the executor sends tasks through a queue of MWAA's own account",
    "MwaaUsesTheKey": "logs, queue and code are encrypted with the key",
}
"""Statements for what MWAA's own containers do, which nothing here runs, and why each is needed.

Source: Amazon MWAA User Guide, "Amazon MWAA execution role".
"""

WITHOUT_ARN = {
    "MwaaChecksThatNothingIsPublic": "s3:GetAccountPublicAccessBlock is about the account",
    "MwaaFindsLogs": "logs:DescribeLogGroups is about the account",
    "MwaaPublishesMetrics": "a metric has no ARN; the condition names the namespace",
    "TasksPublishMetrics": "a metric has no ARN; the condition names the namespace",
}
"""Statements about every resource, and why none can be named."""

CODE = ("dags/totesys_warehouse.py", "dags/include/source/ingest.py", "plugins.zip", "requirements.txt", "startup.sh")


def sid(statement: Statement) -> str:
    return str(statement.document["Sid"])


@pytest.fixture
def role(account: Cloud, applied: Applied) -> list[Statement]:
    """What dev's execution role is allowed."""
    return role_statements(account, applied["dev"].outputs["execution_role_arn"].rpartition("/")[2])


@pytest.fixture(scope="module")
def decided(account: Cloud, pipeline_run: AirflowRun) -> list[Call]:
    """All that IAM decided about the pipeline's run."""
    return decisions(account, PIPELINE)


@ENVIRONMENTS
def test_a_second_plan_has_nothing_to_do(applied: Applied, env: str) -> None:
    code, said = applied[env].plan_again()
    assert code == 0, said[-5000:]


@ENVIRONMENTS
def test_no_secret_is_in_the_state_or_in_a_plan(
    account: Cloud, databases: Databases, applied: Applied, env: str
) -> None:
    client, name = account.client("secretsmanager"), applied[env].name
    instance = account.client("rds").describe_db_instances(DBInstanceIdentifier=applied[env].instance)["DBInstances"][0]
    connections = [f"{name}/airflow/connections/{connection}" for connection in ("totesys", "warehouse")]
    secrets = [*connections, instance["MasterUserSecret"]["SecretArn"]]
    documents = [client.get_secret_value(SecretId=secret)["SecretString"] for secret in secrets]
    passwords = {json.loads(document)["password"] for document in documents}
    assert len(passwords) == 3
    assert databases.source_password in passwords
    for password in passwords:
        assert password not in applied[env].state
        assert password not in applied[env].planned


def test_the_pipeline_runs_from_what_was_applied(databases: Databases, pipeline_run: AirflowRun) -> None:
    assert pipeline_run.state == "success", pipeline_run.log[-5000:]
    assert pipeline_run.include.startswith(str(pipeline_run.dags_folder))
    with open_exactly(databases.source_url) as source, open_exactly(databases.warehouse_url) as warehouse:
        assert all_differences(source, warehouse) == []


def test_the_pipeline_made_its_own_role_with_the_master_users_secret(
    databases: Databases, pipeline_run: AirflowRun
) -> None:
    owners = "SELECT DISTINCT tableowner FROM pg_tables WHERE schemaname = 'public'"
    with psycopg.connect(databases.warehouse_url) as warehouse:
        assert warehouse.execute(owners).fetchall() == [("totesys_pipeline",)]
        roles = "SELECT rolsuper, rolcreaterole, rolcreatedb FROM pg_roles WHERE rolname = 'totesys_pipeline'"
        assert warehouse.execute(roles).fetchall() == [(False, False, False)]


def test_every_call_of_the_pipeline_is_allowed(decided: list[Call], role: list[Statement]) -> None:
    assert {call.action for call in decided} >= {"s3:PutObject", "sns:Publish", "cloudwatch:PutMetricData"}
    assert [call for call in decided if ":secret:rds!" in call.resource], "the master user's secret was not asked for"
    assert [call for call in decided if not is_allowed(role, call)] == []


def test_no_statement_of_the_role_is_unused(decided: list[Call], role: list[Statement]) -> None:
    used = {sid(statement) for call in decided for statement in decides(role, call)[0]}
    named = {sid(statement) for statement in role}
    assert named - used - OF_MWAA.keys() == set()
    assert OF_MWAA.keys() <= named


def test_the_role_names_resources_wherever_there_are_any(role: list[Statement]) -> None:
    assert {sid(statement) for statement in role if "*" in statement.resources} == WITHOUT_ARN.keys()
    assert [action for statement in role for action in statement.actions if action in ("*", "s3:*", "kms:*")] == []


@pytest.mark.parametrize("key", CODE)
def test_the_role_cannot_change_the_code_that_it_runs(applied: Applied, role: list[Statement], key: str) -> None:
    resource = f"arn:aws:s3:::{applied['dev'].outputs['state_bucket']}/{key}"
    for action in ("s3:PutObject", "s3:DeleteObject", "s3:DeleteObjectVersion"):
        assert not is_allowed(role, Call(action, resource))


def test_the_role_reaches_nothing_of_the_other_environment(
    account: Cloud, applied: Applied, role: list[Statement]
) -> None:
    secrets = account.client("secretsmanager").list_secrets()["SecretList"]
    others = [secret["ARN"] for secret in secrets if applied["prod"].name in secret["Name"]]
    calls = [Call("secretsmanager:GetSecretValue", arn) for arn in others]
    calls.append(Call("s3:GetObject", f"arn:aws:s3:::{applied['prod'].outputs['state_bucket']}/latest_update.json"))
    assert len(calls) > 5
    assert [call for call in calls if is_allowed(role, call)] == []


@ENVIRONMENTS
def test_only_mwaa_of_this_account_takes_the_role(account: Cloud, applied: Applied, env: str) -> None:
    name = applied[env].outputs["execution_role_arn"].rpartition("/")[2]
    (statement,) = account.client("iam").get_role(RoleName=name)["Role"]["AssumeRolePolicyDocument"]["Statement"]
    assert sorted(statement["Principal"]["Service"]) == ["airflow-env.amazonaws.com", "airflow.amazonaws.com"]
    assert statement["Condition"]["StringEquals"]["aws:SourceAccount"] == "123456789012"


def remains(account: Cloud) -> dict[str, Any]:
    """What there is in the account of all that costs or holds anything."""
    of = account.client
    keys = [of("kms").describe_key(KeyId=key["KeyId"])["KeyMetadata"] for key in of("kms").list_keys()["Keys"]]
    return {
        "buckets": of("s3").list_buckets()["Buckets"],
        "secrets": of("secretsmanager").list_secrets()["SecretList"],
        "databases": of("rds").describe_db_instances()["DBInstances"],
        "keys": [k["KeyId"] for k in keys if k["KeyManager"] == "CUSTOMER" and k["KeyState"] != "PendingDeletion"],
        "networks": [vpc for vpc in of("ec2").describe_vpcs()["Vpcs"] if not vpc["IsDefault"]],
        "endpoints": [e for e in of("ec2").describe_vpc_endpoints()["VpcEndpoints"] if e["State"] != "deleted"],
        "addresses": of("ec2").describe_addresses()["Addresses"],
        "gateways": [g for g in of("ec2").describe_nat_gateways()["NatGateways"] if g["State"] != "deleted"],
        "roles": of("iam").list_roles()["Roles"],
        "logs": of("logs").describe_log_groups()["logGroups"],
        "alarms": of("cloudwatch").describe_alarms()["MetricAlarms"],
        "dashboards": of("cloudwatch").list_dashboards()["DashboardEntries"],
        "topics": of("sns").list_topics()["Topics"],
        "budgets": of("budgets").describe_budgets(AccountId="123456789012")["Budgets"],
        "environments": list(account.mwaa.environments),
    }


def empty(account: Cloud, name: str) -> None:
    """Delete every version of every object in the buckets of an environment, as its operator has to.

    The bucket of the access logs comes last: what is done to the others may be written there.
    """
    s3 = account.client("s3")
    buckets = [found["Name"] for found in s3.list_buckets()["Buckets"] if found["Name"].startswith(name)]
    for bucket in sorted(buckets, key=lambda bucket: bucket.endswith("access-logs")):
        pages = list(s3.get_paginator("list_object_versions").paginate(Bucket=bucket))
        for kept in [kept for page in pages for kept in page.get("Versions", []) + page.get("DeleteMarkers", [])]:
            s3.delete_object(Bucket=bucket, Key=kept["Key"], VersionId=kept["VersionId"])


def test_destroying_leaves_nothing_once_prod_lets_go_of_its_data(
    account: Cloud, applied: Applied, pipeline_run: AirflowRun
) -> None:
    assert [kind for kind, found in remains(account).items() if not found] == []
    # As docs/aws.md says: prod's warehouse is protected until somebody ends that, its buckets while they hold anything.
    account.client("rds").modify_db_instance(DBInstanceIdentifier=applied["prod"].instance, DeletionProtection=False)
    destroyed = in_parallel(Environment.destroy, applied)
    assert destroyed["dev"][0], destroyed["dev"][1][-5000:]
    assert not destroyed["prod"][0]
    assert "BucketNotEmpty" in destroyed["prod"][1]
    empty(account, applied["prod"].name)
    done, said = applied["prod"].destroy()
    assert done, said[-5000:]
    assert {kind: found for kind, found in remains(account).items() if found} == {}
    assert [json.loads(environment.state)["resources"] for environment in applied.values()] == [[], []]
    # Those that RDS makes itself expire by themselves.
    snapshots = account.client("rds").describe_db_snapshots(SnapshotType="manual")["DBSnapshots"]
    assert [snapshot["DBInstanceIdentifier"] for snapshot in snapshots] == [applied["prod"].instance]
