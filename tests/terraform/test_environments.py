"""`make deploy` from end to end: both environments, the pipeline's run in one of them, changes, and what is left.

The tests follow each other: the last one destroys what the others look at.
"""

import json
from typing import Any

import psycopg
import pytest

from include.declared import DECLARED
from tests.system import open_exactly
from tests.terraform.calls import Call
from tests.terraform.cloud import Cloud
from tests.terraform.databases import Databases
from tests.terraform.decisions import decisions, role_statements
from tests.terraform.environments import PIPELINE, Environment, in_parallel
from tests.terraform.mwaa import ACCOUNT
from tests.terraform.mwaa_run import AirflowRun
from tests.terraform.policies import Statement, decides, is_allowed, statements
from tests.terraform.providers import REPOSITORY
from tests.totesys.acceptance.oracle import all_differences

pytestmark = pytest.mark.timeout(1500)

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

SELDOM = {"TasksDeleteOldMetadataOfTheLake": "a table's later commits delete what its first ones left"}
"""Statements that no run here comes to use, as nothing here runs that often, and what does."""

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
def boundary(account: Cloud, applied: Applied) -> list[Statement]:
    """The most that any role of dev is allowed."""
    iam, arn = account.client("iam"), f"arn:aws:iam::{ACCOUNT}:policy/{applied['dev'].name}-boundary"
    version = iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]
    return statements("boundary", iam.get_policy_version(PolicyArn=arn, VersionId=version)["PolicyVersion"]["Document"])


@pytest.fixture
def role(account: Cloud, applied: Applied) -> list[Statement]:
    """What dev's execution role is allowed."""
    return role_statements(account, applied["dev"].outputs["execution_role_arn"].rpartition("/")[2])


@pytest.fixture(scope="module")
def decided(account: Cloud, pipeline_run: AirflowRun) -> list[Call]:
    """All that IAM decided about the pipeline's run."""
    return decisions(account, PIPELINE)


@ENVIRONMENTS
def test_a_deployment_sees_the_first_run_succeed(applied: Applied, env: str) -> None:
    assert "the run succeeded" in applied[env].said


def test_a_second_plan_has_nothing_to_do(applied: Applied) -> None:
    said = in_parallel(lambda environment: environment.clone.succeed("plan", f"ENV={environment.env}"), applied)
    assert {env: "No changes." in plan for env, plan in said.items()} == {"dev": True, "prod": True}


@ENVIRONMENTS
def test_the_state_is_encrypted_with_its_own_key(account: Cloud, applied: Applied, env: str) -> None:
    name = applied[env].name
    stored = account.client("s3").head_object(Bucket=applied[env].state_bucket, Key=f"{env}.tfstate")
    key = account.client("kms").describe_key(KeyId=f"alias/{name}-terraform")["KeyMetadata"]["Arn"]
    assert (stored["ServerSideEncryption"], stored["SSEKMSKeyId"]) == ("aws:kms", key)


def test_another_environment_of_the_same_clone_is_refused_until_it_is_set_up(applied: Applied) -> None:
    clone = applied["dev"].clone
    (clone.folder / "terraform" / "environment" / "prod.local.tfvars").write_text(applied["prod"].settings.read_text())
    done = clone.make("plan", "ENV=prod")
    assert done.returncode != 0
    assert "Terraform is not set up for prod: make setup-terraform ENV=prod" in done.stdout


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


def catalogue(account: Cloud, database: str) -> dict[str, dict[str, Any]]:
    """The tables of one of the catalogue's databases, by name."""
    pages = account.client("glue").get_paginator("get_tables").paginate(DatabaseName=database)
    return {table["Name"]: table for page in pages for table in page["TableList"]}


def test_the_lake_names_what_the_run_loaded(account: Cloud, databases: Databases, pipeline_run: AirflowRun) -> None:
    tables, views = catalogue(account, "totesys_dev_lake"), catalogue(account, "totesys_dev_warehouse")
    assert tables.keys() == {*DECLARED.star, *(question.scores for question in DECLARED.scored)}
    assert views.keys() > DECLARED.star.keys()
    assert {table["Parameters"]["table_type"] for table in tables.values()} == {"ICEBERG"}
    with psycopg.connect(databases.warehouse_url) as warehouse:
        assert warehouse.execute("SELECT count(*) FROM pipeline.file").fetchone() == (0,)


@pytest.mark.parametrize(
    ("key", "may"),
    [
        ("iceberg/dim_date/metadata/00000-a.metadata.json", True),
        ("iceberg/dim_date/data/a.parquet", False),
        ("dim_date/2024-08-22/a.parquet", False),
        ("rejected/dim_date/2024-08-22/a.csv", False),
    ],
)
def test_the_role_deletes_metadata_of_the_lake_and_no_data(
    role: list[Statement], boundary: list[Statement], key: str, may: bool
) -> None:
    call = Call("s3:DeleteObject", f"arn:aws:s3:::totesys-dev-{ACCOUNT}-processed/{key}")
    assert (is_allowed(role, call), is_allowed(boundary, call)) == (may, may)


LATER = [Call("glue:UpdateTable", f"arn:aws:glue:eu-west-2:{ACCOUNT}:table/totesys_dev_lake/dim_date")]
"""What a first run does not call, and those after it do."""


def test_every_call_of_the_pipeline_is_allowed(decided: list[Call], role: list[Statement]) -> None:
    expected = {"s3:PutObject", "sns:Publish", "cloudwatch:PutMetricData", "glue:CreateTable"}
    assert {call.action for call in decided} >= expected
    assert [call for call in decided if ":secret:rds!" in call.resource], "the master user's secret was not asked for"
    assert [call for call in [*decided, *LATER] if not is_allowed(role, call)] == []


def test_every_call_of_the_pipeline_is_within_the_boundary(decided: list[Call], boundary: list[Statement]) -> None:
    assert [call for call in [*decided, *LATER] if not is_allowed(boundary, call)] == []


def test_no_statement_of_the_role_is_unused(decided: list[Call], role: list[Statement]) -> None:
    used = {sid(statement) for call in decided for statement in decides(role, call)[0]}
    named = {sid(statement) for statement in role}
    assert named - used - OF_MWAA.keys() == SELDOM.keys()
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
    calls.append(Call("glue:UpdateTable", f"arn:aws:glue:eu-west-2:{ACCOUNT}:table/totesys_prod_lake/dim_date"))
    assert len(calls) > 5
    assert [call for call in calls if is_allowed(role, call)] == []


@ENVIRONMENTS
def test_only_mwaa_of_this_account_takes_the_role(account: Cloud, applied: Applied, env: str) -> None:
    name = applied[env].outputs["execution_role_arn"].rpartition("/")[2]
    (statement,) = account.client("iam").get_role(RoleName=name)["Role"]["AssumeRolePolicyDocument"]["Statement"]
    assert sorted(statement["Principal"]["Service"]) == ["airflow-env.amazonaws.com", "airflow.amazonaws.com"]
    assert statement["Condition"]["StringEquals"]["aws:SourceAccount"] == ACCOUNT


PROCESSED, RESULTS = f"arn:aws:s3:::totesys-dev-{ACCOUNT}-processed", f"arn:aws:s3:::totesys-dev-{ACCOUNT}-results"
GLUE, ATHENA = f"arn:aws:glue:eu-west-2:{ACCOUNT}:", f"arn:aws:athena:eu-west-2:{ACCOUNT}:"
QUESTION = [
    Call("athena:ListWorkGroups", "*"),
    Call("athena:StartQueryExecution", f"{ATHENA}workgroup/totesys-dev-analysts"),
    Call("athena:GetQueryResults", f"{ATHENA}workgroup/totesys-dev-analysts"),
    Call("athena:ListTableMetadata", f"{ATHENA}datacatalog/AwsDataCatalog"),
    *(Call("glue:GetDatabase", f"{GLUE}{name}") for name in ("catalog", "database/default")),
    *(
        Call("glue:GetTable", f"{GLUE}{name}")
        for name in ("table/totesys_dev_warehouse/current_sales_order", "table/totesys_dev_lake/fact_sales_order")
    ),
    Call("s3:GetObject", f"{PROCESSED}/iceberg/fact_sales_order/metadata/00001-a.metadata.json"),
    Call("s3:GetObject", f"{PROCESSED}/fact_sales_order/2024-08-22/a.parquet"),
    Call("s3:GetBucketLocation", RESULTS),
    Call("s3:PutObject", f"{RESULTS}/athena/a.csv"),
    Call("s3:GetObject", f"{RESULTS}/athena/a.csv"),
]
"""What Athena does in the name of whoever asks, by its user guide; nothing here runs it."""

NO_QUESTION = [
    Call("athena:StartQueryExecution", f"{ATHENA}workgroup/primary"),
    Call("athena:UpdateWorkGroup", f"{ATHENA}workgroup/totesys-dev-analysts"),
    Call("glue:GetTable", f"{GLUE}table/totesys_prod_lake/fact_sales_order"),
    Call("glue:UpdateTable", f"{GLUE}table/totesys_dev_lake/fact_sales_order"),
    Call("s3:GetObject", f"{PROCESSED}/rejected/fact_sales_order/2024-08-22/a.csv"),
    Call("s3:GetObject", f"arn:aws:s3:::totesys-dev-{ACCOUNT}-ingestion/sales_order/2024-08-22/a.csv"),
    Call("s3:PutObject", f"{PROCESSED}/fact_sales_order/2024-08-22/a.parquet"),
    Call("s3:DeleteObject", f"{PROCESSED}/iceberg/fact_sales_order/metadata/00001-a.metadata.json"),
]


def test_analysts_ask_the_lake_and_do_nothing_else(account: Cloud, applied: Applied, boundary: list[Statement]) -> None:
    role = role_statements(account, applied["dev"].outputs["analytics"]["role_arn"].rpartition("/")[2])
    key = account.client("kms").describe_key(KeyId="alias/totesys-dev")["KeyMetadata"]["Arn"]
    through_s3 = {"kms:ViaService": "s3.eu-west-2.amazonaws.com"}
    question = [*QUESTION, *(Call(f"kms:{use}", key, through_s3) for use in ("Decrypt", "GenerateDataKey"))]
    assert [call for call in question if not (is_allowed(role, call) and is_allowed(boundary, call))] == []
    used = {sid(statement) for call in question for statement in decides(role, call)[0]}
    assert {sid(statement) for statement in role} == used
    assert [call for call in NO_QUESTION if is_allowed(role, call)] == []


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
        "budgets": of("budgets").describe_budgets(AccountId=ACCOUNT)["Budgets"],
        "environments": list(account.mwaa.environments),
        "catalogue": of("glue").get_databases()["DatabaseList"],
        "workgroups": [g for g in of("athena").list_work_groups()["WorkGroups"] if g["Name"] != "primary"],
    }


def empty(account: Cloud, name: str) -> None:
    """Delete every version of every object in the buckets of an environment, as its operator has to.

    The bucket of the access logs comes last: what is done to the others may be written there.
    """
    s3 = account.client("s3")
    names = [found["Name"] for found in s3.list_buckets()["Buckets"]]
    buckets = [bucket for bucket in names if bucket.startswith(name) and not bucket.endswith("-terraform")]
    for bucket in sorted(buckets, key=lambda bucket: bucket.endswith("access-logs")):
        pages = list(s3.get_paginator("list_object_versions").paginate(Bucket=bucket))
        for kept in [kept for page in pages for kept in page.get("Versions", []) + page.get("DeleteMarkers", [])]:
            s3.delete_object(Bucket=bucket, Key=kept["Key"], VersionId=kept["VersionId"])


def test_deploy_dags_brings_one_changed_file_and_nothing_else(account: Cloud, applied: Applied) -> None:
    dev, key = applied["dev"], "dags/include/__init__.py"
    before = dict(account.mwaa.environments[dev.name])
    file = dev.clone.folder / "include" / "__init__.py"
    file.write_text(file.read_text() + "# changed\n")
    said = dev.clone.succeed("deploy-dags", "ENV=dev")
    assert f"uploaded {key}\n" in said
    assert "1 uploaded, 0 deleted" in said
    assert account.mwaa.environments[dev.name] == before


def test_an_update_that_mwaa_takes_back_fails_the_deployment(account: Cloud, applied: Applied) -> None:
    clone = applied["dev"].clone
    plugin = min((clone.folder / "plugins").rglob("*.py"))
    plugin.write_text(plugin.read_text() + "# changed\n")
    account.mwaa.takes_back = "the plugins cannot be read"
    done = clone.make("deploy", "ENV=dev", "YES=1")
    assert done.returncode != 0
    assert "took it back (the plugins cannot be read)" in done.stdout, done.stdout[-3000:]


def test_the_next_deployment_does_the_update_and_rotates_the_pipelines_password(
    account: Cloud, databases: Databases, applied: Applied, runs: list[AirflowRun]
) -> None:
    dev, secret = applied["dev"], "totesys-dev/airflow/connections/warehouse"
    of = account.client("secretsmanager").get_secret_value
    old = json.loads(of(SecretId=secret)["SecretString"])
    dev.settings.write_text(dev.settings.read_text() + "warehouse_password_version = 2\n")
    said = dev.deploy()
    new = json.loads(of(SecretId=secret)["SecretString"])
    assert "the run succeeded" in said
    assert old.pop("password") != new.pop("password")
    assert old == new
    # That run made the pipeline's role take the password: it had to log in with it.
    assert [run.state for run in runs] == ["success", "success"]
    assert account.mwaa.environments[dev.name]["LastUpdate"]["Status"] == "SUCCESS"


def as_when_the_key_stood_in_its_own_state(environment: Environment) -> None:
    """Have the environment's state name the key, as it did before the bootstrap made keys."""
    s3, bucket = environment.cloud.client("s3"), environment.state_bucket
    bootstrap, own = (json.loads(s3.get_object(Bucket=bucket, Key=key)["Body"].read()) for key in environment.states)
    keys = [resource for resource in bootstrap["resources"] if resource.get("module") == "module.key"]
    assert {resource["type"] for resource in keys if resource["mode"] == "managed"} == {"aws_kms_key", "aws_kms_alias"}
    bootstrap["resources"] = [resource for resource in bootstrap["resources"] if resource not in keys]
    own["resources"] += [resource | {"module": "module.stack.module.key"} for resource in keys]
    for key, state in zip(environment.states, (bootstrap, own), strict=True):
        s3.put_object(Bucket=bucket, Key=key, Body=json.dumps(state | {"serial": state["serial"] + 1}).encode())


def steps_of_the_docs(environment: Environment, key: str) -> tuple[str, str]:
    """What docs/aws.md says for taking a key along, and which file of it is to be fetched with the AWS CLI."""
    text = (REPOSITORY / "docs" / "aws.md").read_text()
    (block,) = [block for block in text.split("\n\n") if "state rm module.stack.module.key" in block]
    told = {"bucket of the state": environment.state_bucket, "name": environment.name, "region": "eu-west-2"}
    for name, value in (told | {"id of the key": key}).items():
        block = block.replace(f"<{name}>", value)
    lines = [line.strip() for line in block.splitlines()]
    (fetch,) = [line for line in lines if line.startswith("aws s3 cp ")]
    assert fetch.split()[3:] == [
        f"s3://{environment.state_bucket}/bootstrap.tfstate",
        "terraform/bootstrap/dev.tfstate",
    ]
    return "\n".join(line for line in lines if line != fetch), fetch.split()[-1]


def test_an_environment_takes_the_key_along_that_stood_in_its_own_state(applied: Applied) -> None:
    dev = applied["dev"]
    key = dev.key_of(f"alias/{dev.name}")
    as_when_the_key_stood_in_its_own_state(dev)
    commands, file = steps_of_the_docs(dev, key)
    place = {"Bucket": dev.state_bucket, "Key": "bootstrap.tfstate"}
    (dev.clone.folder / file).write_bytes(dev.cloud.client("s3").get_object(**place)["Body"].read())
    dev.clone.shell(commands)
    assert " 0 destroyed" in dev.clone.succeed("bootstrap", "ENV=dev")
    assert "No changes." in dev.clone.succeed("plan", "ENV=dev")
    assert dev.key_of(f"alias/{dev.name}") == key
    assert "module.stack" not in dev.state


def test_verify_looks_at_every_part(account: Cloud, applied: Applied) -> None:
    said = applied["dev"].clone.succeed("verify", "ENV=dev")
    for part in ("Airflow", "endpoints", "roles", "warehouse", "lake", "mail"):
        assert f"{part}: well\n" in said
    alarm = account.client("cloudwatch").describe_alarms(AlarmNames=["totesys-dev-run-failed"])["MetricAlarms"][0]
    assert (alarm["StateValue"], alarm["ActionsEnabled"]) == ("ALARM", True)


def test_verify_names_what_is_not_well(account: Cloud, applied: Applied) -> None:
    account.client("iam").delete_role_permissions_boundary(RoleName="totesys-prod-airflow")
    done = applied["prod"].clone.make("verify", "ENV=prod")
    assert done.returncode != 0
    assert "roles: totesys-prod-airflow has not the boundary\n" in done.stdout
    assert "1 of what was looked at in totesys-prod is not as it should be" in done.stdout


def of_the_bootstrap(applied: Applied, found: dict[str, Any]) -> dict[str, Any]:
    """What there is in an account beside that which the bootstrap made, which outlives both environments."""
    states = {environment.state_bucket for environment in applied.values()}
    buckets = [bucket for bucket in found["buckets"] if bucket["Name"] not in states]
    aliases = [f"alias/{environment.name}{end}" for environment in applied.values() for end in ("", "-terraform")]
    keys = [key for key in found["keys"] if key not in {applied["dev"].key_of(alias) for alias in aliases}]
    return {kind: left for kind, left in {**found, "buckets": buckets, "keys": keys}.items() if left}


def test_destroying_leaves_what_the_bootstrap_made_once_prod_lets_go_of_its_data(
    account: Cloud, applied: Applied, pipeline_run: AirflowRun
) -> None:
    assert [kind for kind, found in remains(account).items() if not found] == []
    # As docs/aws.md says: prod's warehouse is protected until somebody ends that, its buckets while they hold anything.
    account.client("rds").modify_db_instance(DBInstanceIdentifier=applied["prod"].instance, DeletionProtection=False)
    destroyed = in_parallel(Environment.destroy, applied)
    assert destroyed["dev"][0], destroyed["dev"][1][-5000:]
    assert "secrets can be restored" not in destroyed["dev"][1]
    assert not destroyed["prod"][0]
    assert "BucketNotEmpty" in destroyed["prod"][1]
    empty(account, applied["prod"].name)
    # A last line of a log makes its group anew.
    account.client("logs").create_log_group(logGroupName="airflow-totesys-prod-Task")
    done, said = applied["prod"].destroy()
    assert done, said[-5000:]
    assert "deleted the log group airflow-totesys-prod-Task, which had come back" in said
    assert "9 secrets can be restored for a while" in said
    assert of_the_bootstrap(applied, remains(account)) == {}
    assert [json.loads(environment.state)["resources"] for environment in applied.values()] == [[], []]
    # Those that RDS makes itself expire by themselves. The last one is readable: its key is there.
    (snapshot,) = account.client("rds").describe_db_snapshots(SnapshotType="manual")["DBSnapshots"]
    assert snapshot["DBInstanceIdentifier"] == applied["prod"].instance
    assert snapshot["KmsKeyId"].endswith(applied["prod"].key_of("alias/totesys-prod"))
