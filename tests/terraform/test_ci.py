"""The role with which GitHub applies reaches its environment and no more, by itself or by a role that it writes."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.terraform.additions import added_to_moto
from tests.terraform.calls import Call
from tests.terraform.cloud import Cloud
from tests.terraform.mwaa import ACCOUNT
from tests.terraform.policies import Statement, is_allowed, statements
from tests.terraform.providers import FIVE
from tests.terraform.workspace import Workspace

NAME = "totesys-dev"
HERE = f"eu-west-2:{ACCOUNT}"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/{NAME}/{NAME}-airflow"
BOUNDARY = f"arn:aws:iam::{ACCOUNT}:policy/{NAME}-boundary"
API_POLICY = f"arn:aws:iam::{ACCOUNT}:policy/{NAME}-ci-api"
API_ROLE = f"arn:aws:iam::{ACCOUNT}:role/{NAME}/{NAME}-api"
STATE = f"arn:aws:s3:::{NAME}-{ACCOUNT}-terraform"
EC2 = f"arn:aws:ec2:{HERE}:"
BOUNDED = {"iam:PermissionsBoundary": BOUNDARY}
OURS, TAGGED = {"aws:ResourceTag/Environment": NAME}, {"aws:RequestTag/Environment": NAME}
THEIRS = {"aws:ResourceTag/Environment": "totesys-prod"}
FROM_TEMPLATE = {"ec2:LaunchTemplate": f"arn:aws:ec2:{HERE}:launch-template/lt-1"}
BALANCER = f"arn:aws:elasticloadbalancing:{HERE}:"
GROUP = f"arn:aws:autoscaling:{HERE}:autoScalingGroup:1:autoScalingGroupName/"
IMAGE = "arn:aws:ec2:eu-west-2::image/ami-1"


@dataclass(frozen=True)
class Bootstrapped:
    """What the bootstrap has made: what the role may do, what the boundary lets any role do, and the keys."""

    apply: list[Statement]
    plan: list[Statement]
    boundary: list[Statement]
    key: str
    state_key: str


def managed_policy(cloud: Cloud, arn: str) -> dict[str, Any]:
    """A policy's document."""
    iam = cloud.client("iam")
    version = iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]
    document: dict[str, Any] = iam.get_policy_version(PolicyArn=arn, VersionId=version)["PolicyVersion"]["Document"]
    return document


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bootstrapped]:
    with added_to_moto("127.0.0.1"), Cloud() as cloud:
        workspace = Workspace(tmp_path_factory.mktemp("bootstrap"), FIVE, cloud.variables("admin") | cloud.proxy())
        workspace.init("bootstrap", local_state=True)
        given = [f"-var=name={NAME}", "-var=github_repository=octo-org/totesys", "-var=api=true"]
        workspace.succeed("bootstrap", "apply", "-input=false", "-auto-approve", *given)
        iam, kms = cloud.client("iam"), cloud.client("kms")
        own = {
            role: iam.get_role_policy(RoleName=f"{NAME}-ci-{role}", PolicyName=role)["PolicyDocument"]
            for role in ("apply", "plan")
        }
        keys = [kms.describe_key(KeyId=f"alias/{name}")["KeyMetadata"]["Arn"] for name in (NAME, f"{NAME}-terraform")]
        apply = statements("apply", own["apply"]) + statements("api", managed_policy(cloud, API_POLICY))
        yield Bootstrapped(
            apply, statements("plan", own["plan"]), statements("boundary", managed_policy(cloud, BOUNDARY)), *keys
        )


FIRST_STEPS = [
    Call("iam:CreateRole", ROLE),
    Call("iam:CreateRole", ROLE, {"iam:PermissionsBoundary": f"arn:aws:iam::{ACCOUNT}:policy/other"}),
    Call("iam:CreateRole", f"arn:aws:iam::{ACCOUNT}:role/other", BOUNDED),
    Call("iam:PutRolePolicy", ROLE),
    Call("iam:PutRolePolicy", f"arn:aws:iam::{ACCOUNT}:role/{NAME}-ci-apply", BOUNDED),
    Call("iam:PutRolePolicy", f"arn:aws:iam::{ACCOUNT}:role/{NAME}-of-somebody-else", BOUNDED),
    Call("iam:PutRolePermissionsBoundary", ROLE, {"iam:PermissionsBoundary": "arn:aws:iam::aws:policy/ReadOnlyAccess"}),
    Call("iam:DeleteRolePermissionsBoundary", ROLE),
    Call("iam:DeleteRolePermissionsBoundary", ROLE, BOUNDED),
    Call("iam:AttachRolePolicy", ROLE, BOUNDED | {"iam:PolicyARN": "arn:aws:iam::aws:policy/AdministratorAccess"}),
    Call("iam:UpdateAssumeRolePolicy", f"arn:aws:iam::{ACCOUNT}:role/admin"),
    Call("iam:UpdateAssumeRolePolicy", f"arn:aws:iam::{ACCOUNT}:role/{NAME}-ci-apply"),
    Call("iam:CreatePolicyVersion", BOUNDARY),
    Call("iam:SetDefaultPolicyVersion", BOUNDARY),
    Call("iam:DeletePolicy", BOUNDARY),
    Call("iam:CreateUser", f"arn:aws:iam::{ACCOUNT}:user/me"),
    Call("iam:PassRole", ROLE, {"iam:PassedToService": "ec2.amazonaws.com"}),
    Call("iam:PassRole", ROLE, {"iam:PassedToService": "lambda.amazonaws.com"}),
    Call("iam:PassRole", f"arn:aws:iam::{ACCOUNT}:role/admin", {"iam:PassedToService": "airflow.amazonaws.com"}),
    Call("sts:AssumeRole", f"arn:aws:iam::{ACCOUNT}:role/admin"),
    Call("s3:PutObject", f"{STATE}/bootstrap.tfstate"),
    Call("s3:DeleteObjectVersion", f"{STATE}/bootstrap.tfstate"),
    Call("s3:PutBucketPolicy", STATE),
    Call("s3:DeleteBucket", STATE),
    Call("s3:GetObject", f"arn:aws:s3:::totesys-prod-{ACCOUNT}-state/latest_update.json"),
    Call("secretsmanager:GetSecretValue", f"arn:aws:secretsmanager:{HERE}:secret:totesys-prod/airflow/connections/x"),
    Call("glue:DeleteTable", f"arn:aws:glue:{HERE}:table/totesys_prod_lake/dim_date"),
    Call("athena:DeleteWorkGroup", f"arn:aws:athena:{HERE}:workgroup/totesys-prod-analysts"),
    Call("glue:PutDataCatalogEncryptionSettings", f"arn:aws:glue:{HERE}:catalog"),
    Call("glue:PutResourcePolicy", f"arn:aws:glue:{HERE}:catalog"),
    Call("ec2:AuthorizeSecurityGroupIngress", f"{EC2}security-group/sg-1", THEIRS | TAGGED),
    Call("ec2:AuthorizeSecurityGroupIngress", f"{EC2}security-group/sg-1", TAGGED),
    Call("ec2:CreateSubnet", f"{EC2}vpc/vpc-1", THEIRS | TAGGED),
    Call("ec2:CreateNatGateway", f"{EC2}subnet/subnet-1", THEIRS | TAGGED),
    Call("ec2:CreateNatGateway", f"{EC2}elastic-ip/eip-1", THEIRS | TAGGED),
    Call("ec2:CreateVpcEndpoint", f"{EC2}vpc/vpc-1", THEIRS | TAGGED),
    Call("ec2:CreateNetworkInterface", f"{EC2}subnet/subnet-1", THEIRS | TAGGED),
    Call("ec2:CreateRoute", f"{EC2}route-table/rtb-1", THEIRS),
    Call("ec2:DeleteVpc", f"{EC2}vpc/vpc-1"),
    Call("ec2:CreateTags", f"{EC2}vpc/vpc-1", TAGGED),
    Call("ec2:CreateTags", f"{EC2}vpc/vpc-1", THEIRS | TAGGED),
    Call("ec2:RunInstances", f"{EC2}instance/*", TAGGED),
    Call("ec2:RunInstances", f"{EC2}instance/*", FROM_TEMPLATE),
    Call("ec2:RunInstances", f"{EC2}subnet/subnet-1", THEIRS | FROM_TEMPLATE),
    Call("ec2:RunInstances", f"{EC2}launch-template/lt-1", THEIRS | FROM_TEMPLATE),
    Call("ec2:RunInstances", IMAGE, FROM_TEMPLATE | {"ec2:Owner": "444455556666"}),
    Call("ec2:CreateTags", f"{EC2}instance/i-1", TAGGED),
    Call("ec2:CreateLaunchTemplateVersion", f"{EC2}launch-template/lt-1", THEIRS),
    Call("ec2:ModifyInstanceAttribute", f"{EC2}instance/i-1", OURS),
    Call("iam:PassRole", API_ROLE, {"iam:PassedToService": "lambda.amazonaws.com"}),
    Call("iam:AddRoleToInstanceProfile", f"arn:aws:iam::{ACCOUNT}:instance-profile/admin"),
    Call("iam:AttachRolePolicy", API_ROLE, BOUNDED | {"iam:PolicyARN": API_POLICY}),
    Call("iam:CreatePolicyVersion", API_POLICY),
    Call("autoscaling:UpdateAutoScalingGroup", f"{GROUP}totesys-prod-api"),
    Call("elasticloadbalancing:DeleteLoadBalancer", f"{BALANCER}loadbalancer/app/totesys-prod-api/1"),
    Call("ssm:StartSession", f"{EC2}instance/i-1", OURS),
    Call("ssm:GetParameter", f"arn:aws:ssm:{HERE}:parameter/of-somebody"),
]
"""What would make an administrator of the role, or let it change what is not its environment's."""


@pytest.mark.parametrize("call", FIRST_STEPS, ids=lambda call: call.action.partition(":")[2])
def test_the_role_cannot_take_more_than_it_has(made: Bootstrapped, call: Call) -> None:
    assert not is_allowed(made.apply, call)


@pytest.mark.parametrize("action", ["PutKeyPolicy", "ScheduleKeyDeletion", "DisableKey", "CreateKey", "UpdateAlias"])
def test_the_role_can_change_no_key(made: Bootstrapped, action: str) -> None:
    for key in (made.key, made.state_key, f"arn:aws:kms:{HERE}:key/other", f"arn:aws:kms:{HERE}:alias/{NAME}", "*"):
        assert not is_allowed(made.apply, Call(f"kms:{action}", key))


def test_the_role_uses_no_key_but_the_two(made: Bootstrapped) -> None:
    for action in ("Decrypt", "GenerateDataKey"):
        assert is_allowed(made.apply, Call(f"kms:{action}", made.key))
        assert is_allowed(made.apply, Call(f"kms:{action}", made.state_key))
        assert not is_allowed(made.apply, Call(f"kms:{action}", f"arn:aws:kms:{HERE}:key/other"))
    assert not is_allowed(made.apply, Call("kms:CreateGrant", made.state_key))


NEEDED = [
    Call("iam:CreateRole", ROLE, BOUNDED),
    Call("iam:PutRolePolicy", ROLE, BOUNDED),
    Call("iam:DeleteRole", ROLE),
    Call("iam:PassRole", ROLE, {"iam:PassedToService": "airflow.amazonaws.com"}),
    Call("s3:PutObject", f"{STATE}/dev.tfstate"),
    Call("s3:DeleteObject", f"{STATE}/dev.tfstate.tflock"),
    Call("s3:GetObject", f"{STATE}/bootstrap.tfstate"),
    Call("airflow:UpdateEnvironment", f"arn:aws:airflow:{HERE}:environment/{NAME}"),
    Call("airflow:InvokeRestApi", f"arn:aws:airflow:{HERE}:role/{NAME}/Admin"),
    Call("glue:CreateDatabase", f"arn:aws:glue:{HERE}:database/totesys_dev_lake"),
    Call("glue:UpdateTable", f"arn:aws:glue:{HERE}:table/totesys_dev_warehouse/dim_date"),
    Call("athena:UpdateWorkGroup", f"arn:aws:athena:{HERE}:workgroup/{NAME}-analysts"),
    Call("glue:DeleteDatabase", f"arn:aws:glue:{HERE}:table/totesys_dev_lake/dim_date"),
    Call("ec2:CreateVpc", f"{EC2}vpc/*", TAGGED),
    Call("ec2:CreateTags", f"{EC2}vpc/vpc-1", TAGGED | {"ec2:CreateAction": "CreateVpc"}),
    Call("ec2:CreateSubnet", f"{EC2}vpc/vpc-1", OURS | TAGGED),
    Call("ec2:CreateSubnet", f"{EC2}subnet/*", TAGGED),
    Call("ec2:CreateNatGateway", f"{EC2}natgateway/*", TAGGED),
    Call("ec2:CreateNatGateway", f"{EC2}elastic-ip/eip-1", OURS),
    Call("ec2:AuthorizeSecurityGroupIngress", f"{EC2}security-group/sg-1", OURS),
    Call("ec2:AuthorizeSecurityGroupIngress", f"{EC2}security-group-rule/*", TAGGED),
    Call("ec2:CreateVpcEndpoint", f"{EC2}vpc-endpoint/*"),
    Call("ec2:CreateVpcEndpoint", f"{EC2}subnet/subnet-1", OURS),
    Call("ec2:CreateNetworkInterface", f"{EC2}network-interface/*"),
    Call("ec2:CreateRoute", f"{EC2}route-table/rtb-1", OURS),
    Call("ec2:DeleteVpc", f"{EC2}vpc/vpc-1", OURS),
    Call("ec2:CreateLaunchTemplate", f"{EC2}launch-template/*", TAGGED),
    Call("ec2:CreateTags", f"{EC2}launch-template/lt-1", TAGGED | {"ec2:CreateAction": "CreateLaunchTemplate"}),
    Call("ec2:CreateLaunchTemplateVersion", f"{EC2}launch-template/lt-1", OURS),
    Call("ec2:RunInstances", f"{EC2}instance/*", TAGGED | FROM_TEMPLATE),
    Call("ec2:RunInstances", f"{EC2}volume/*", TAGGED | FROM_TEMPLATE),
    Call("ec2:RunInstances", f"{EC2}network-interface/*", TAGGED | FROM_TEMPLATE),
    Call("ec2:RunInstances", f"{EC2}subnet/subnet-1", OURS | FROM_TEMPLATE),
    Call("ec2:RunInstances", f"{EC2}security-group/sg-1", OURS | FROM_TEMPLATE),
    Call("ec2:RunInstances", f"{EC2}launch-template/lt-1", OURS | FROM_TEMPLATE),
    Call("ec2:RunInstances", IMAGE, FROM_TEMPLATE | {"ec2:Owner": "amazon"}),
    Call("ec2:CreateTags", f"{EC2}instance/i-1", TAGGED | {"ec2:CreateAction": "RunInstances"}),
    Call("iam:CreateInstanceProfile", f"arn:aws:iam::{ACCOUNT}:instance-profile/{NAME}/{NAME}-api"),
    Call("iam:PassRole", API_ROLE, {"iam:PassedToService": "ec2.amazonaws.com"}),
    Call("autoscaling:CreateAutoScalingGroup", f"{GROUP}{NAME}-api"),
    Call("autoscaling:StartInstanceRefresh", f"{GROUP}{NAME}-api"),
    Call("elasticloadbalancing:CreateLoadBalancer", f"{BALANCER}loadbalancer/app/{NAME}-api/*"),
    Call("elasticloadbalancing:ModifyListener", f"{BALANCER}listener/app/{NAME}-api/1/2"),
    Call(
        "ssm:GetParameter",
        "arn:aws:ssm:eu-west-2::parameter/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-arm64",
    ),
    Call("logs:CreateLogGroup", f"arn:aws:logs:{HERE}:log-group:/aws/ec2/{NAME}-api"),
]
"""Some of what an apply does."""


@pytest.mark.parametrize("call", NEEDED, ids=lambda call: call.action.partition(":")[2])
def test_the_role_can_apply(made: Bootstrapped, call: Call) -> None:
    assert is_allowed(made.apply, call)


SECOND_STEPS = [
    Call("iam:CreateUser", f"arn:aws:iam::{ACCOUNT}:user/me"),
    Call("iam:PutRolePolicy", ROLE, BOUNDED),
    Call("iam:UpdateAssumeRolePolicy", ROLE),
    Call("sts:AssumeRole", f"arn:aws:iam::{ACCOUNT}:role/admin"),
    Call("ec2:RunInstances", f"{EC2}instance/*"),
    Call("lambda:CreateFunction", f"arn:aws:lambda:{HERE}:function:f"),
    Call("s3:GetObject", f"{STATE}/dev.tfstate"),
    Call("s3:PutObject", f"{STATE}/bootstrap.tfstate"),
    Call("s3:DeleteObject", f"arn:aws:s3:::{NAME}-{ACCOUNT}-ingestion/a.csv"),
    Call("s3:DeleteObject", f"arn:aws:s3:::{NAME}-{ACCOUNT}-processed/dim_date/2024-08-22/a.parquet"),
    Call("glue:DeleteTable", f"arn:aws:glue:{HERE}:table/totesys_dev_lake/dim_date"),
    Call("glue:UpdateTable", f"arn:aws:glue:{HERE}:table/totesys_prod_lake/dim_date"),
    Call("glue:UpdateTable", f"arn:aws:glue:{HERE}:table/totesys_dev_warehouse/dim_date"),
    Call("athena:StartQueryExecution", f"arn:aws:athena:{HERE}:workgroup/primary"),
    Call("athena:UpdateWorkGroup", f"arn:aws:athena:{HERE}:workgroup/{NAME}-analysts"),
    Call("s3:GetObject", f"arn:aws:s3:::totesys-prod-{ACCOUNT}-state/latest_update.json"),
    Call("secretsmanager:GetSecretValue", f"arn:aws:secretsmanager:{HERE}:secret:totesys-prod/airflow/connections/x"),
    Call("kms:Decrypt", f"arn:aws:kms:{HERE}:key/other"),
    Call("airflow:CreateWebLoginToken", f"arn:aws:airflow:{HERE}:role/{NAME}/Admin"),
    Call("rds:DeleteDBInstance", f"arn:aws:rds:{HERE}:db:{NAME}-warehouse"),
    Call("ssm:SendCommand", f"{EC2}instance/i-1"),
    Call("autoscaling:UpdateAutoScalingGroup", f"{GROUP}{NAME}-api"),
    Call("logs:PutLogEvents", f"arn:aws:logs:{HERE}:log-group:/aws/ec2/totesys-prod-api:*"),
]
"""What a role would do that was written to do everything."""


@pytest.mark.parametrize("call", SECOND_STEPS, ids=lambda call: call.action)
def test_no_role_that_it_writes_can_do_more(made: Bootstrapped, call: Call) -> None:
    everything = statements("written", {"Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]})
    assert is_allowed(everything, call)
    assert not is_allowed(made.boundary, call)


def test_a_pull_request_reads_the_state_and_no_data(made: Bootstrapped) -> None:
    through_s3 = {"kms:ViaService": "s3.eu-west-2.amazonaws.com"}
    assert is_allowed(made.plan, Call("s3:GetObject", f"{STATE}/dev.tfstate"))
    assert is_allowed(made.plan, Call("kms:Decrypt", made.state_key, through_s3))
    assert not is_allowed(made.plan, Call("kms:Decrypt", made.key, through_s3))
    assert not is_allowed(made.plan, Call("s3:GetObject", f"arn:aws:s3:::{NAME}-{ACCOUNT}-ingestion/a.csv"))
    assert not is_allowed(made.plan, Call("s3:PutObject", f"{STATE}/dev.tfstate"))
