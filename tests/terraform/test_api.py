"""The API's module applied, and its script run as an instance runs it: installed without a network, it answers."""

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
import zipfile
from base64 import b64decode
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from deploy import api, api_package, package
from deploy.environment import Environment
from local.environment import REGION
from local.postgres import free_port
from serve.__main__ import GRACE_SECONDS, KEEP_SECONDS
from tests.deploy.mwaa_image import NOWHERE, find_python
from tests.terraform.additions import added_to_moto
from tests.terraform.calls import Call
from tests.terraform.cloud import Cloud
from tests.terraform.decisions import decisions, role_statements
from tests.terraform.mwaa import ACCOUNT
from tests.terraform.policies import Statement, decides, is_allowed, statements
from tests.terraform.providers import FIVE
from tests.terraform.workspace import Workspace

pytestmark = pytest.mark.timeout(900)

NAME = "totesys-dev"
INSTANCE = "instance"
"""As which user the instance's processes call the account."""

AWS = """#!{python}
import sys
import boto3
_, _, _, *options = sys.argv
*named, file = options
given = dict(zip(named[::2], named[1::2]))
found = boto3.client("s3").get_object(Bucket=given["--bucket"], Key=given["--key"], VersionId=given["--version-id"])
open(file, "wb").write(found["Body"].read())
"""
"""What `aws s3api get-object` does of which the script makes use; it ends where it is asked for anything else."""


@dataclass(frozen=True)
class Made:
    """What was applied: the account, the outputs, what is kept of keys, and an instance's script and rights."""

    cloud: Cloud
    outputs: dict[str, Any]
    keys: str
    user_data: str
    role: list[Statement]
    boundary: list[Statement]
    package: Path
    again: Workspace


def prepare(cloud: Cloud, folder: Path) -> dict[str, Any]:
    """What the other modules make of what this one takes: its variables."""
    ec2, s3 = cloud.client("ec2"), cloud.client("s3")
    vpc = ec2.create_vpc(CidrBlock="10.40.0.0/16")["Vpc"]["VpcId"]
    subnets = [
        ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.40.{part}.0/24", AvailabilityZone=f"{REGION}{zone}")["Subnet"][
            "SubnetId"
        ]
        for part, zone in enumerate("ab")
    ]
    group = ec2.create_security_group(GroupName="warehouse", Description="warehouse", VpcId=vpc)["GroupId"]
    key = cloud.client("kms").create_key()["KeyMetadata"]["Arn"]
    buckets = {kind: f"{NAME}-{ACCOUNT}-{kind}" for kind in ("state", "processed", "access-logs")}
    encryption = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": key}}
    for bucket in buckets.values():
        s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
        s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
        s3.put_bucket_encryption(Bucket=bucket, ServerSideEncryptionConfiguration={"Rules": [encryption]})
    named = {kind: {"bucket": name, "arn": f"arn:aws:s3:::{name}"} for kind, name in buckets.items()}
    return {
        "name": NAME,
        "key_arn": key,
        "boundary_arn": f"arn:aws:iam::{ACCOUNT}:policy/{NAME}-boundary",
        "certificate_arn": cloud.client("acm").request_certificate(DomainName="data.example.com")["CertificateArn"],
        "client_cidrs": ["10.60.0.0/24"],
        "access_logs_bucket": buckets["access-logs"],
        "metrics_namespace": f"ToteSys/{NAME}",
        "state_bucket": named["state"],
        "processed_bucket": named["processed"],
        "package_folder": str(folder),
        "architecture": "x86_64",
        "deletion_protection": False,
        "warehouse": {"host": "127.0.0.1", "port": 9, "database": "warehouse"},
        "warehouse_password": "a-long-random-one-of-the-api",
        "cursor_key": "a-long-random-one-of-the-cursors",
        "network": {
            "vpc_id": vpc,
            "private_subnet_ids": subnets,
            "warehouse_security_group_id": group,
            "endpoints_security_group_ids": [],
            "s3_prefix_list_ids": [],
        },
    }


def build(folder: Path) -> None:
    """Build the package for this machine."""
    folder.mkdir()
    (folder / "views.json").write_text(package.views_text())
    api_package.build(folder, "x86_64")


def apply(cloud: Cloud, folder: Path, module: str, variables: dict[str, Any]) -> tuple[Workspace, dict[str, Any]]:
    """Apply a module by itself; returns where that may be done again, and its outputs."""
    folder.mkdir()
    workspace = Workspace(folder, FIVE, cloud.variables("operator") | cloud.proxy())
    workspace.init(module, local_state=True)
    (workspace.code / module / "given.auto.tfvars.json").write_text(json.dumps(variables))
    workspace.succeed(module, "apply", "-input=false", "-auto-approve")
    outputs = json.loads(workspace.succeed(module, "output", "-json"))
    return workspace, {name: output["value"] for name, output in outputs.items()}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Made]:
    folder = tmp_path_factory.mktemp("api")
    build(folder / "package")
    with added_to_moto("127.0.0.1"), Cloud() as cloud:
        variables = prepare(cloud, folder / "package")
        bounds = {"name": NAME, "key_arn": variables["key_arn"]}
        boundary = apply(cloud, folder / "boundary", "modules/boundary", bounds)[1]["arn"]
        workspace, outputs = apply(cloud, folder / "applied", "modules/api", variables)
        iam, ec2 = cloud.client("iam"), cloud.client("ec2")
        bounds = iam.get_policy_version(PolicyArn=boundary, VersionId="v1")["PolicyVersion"]["Document"]
        asked = {"LaunchTemplateName": f"{NAME}-api", "Versions": ["$Latest"]}
        template = ec2.describe_launch_template_versions(**asked)["LaunchTemplateVersions"][0]["LaunchTemplateData"]
        role = role_statements(cloud, outputs["role_arn"].rpartition("/")[2])
        secret = outputs["keys_secret_name"]
        keys = cloud.client("secretsmanager").get_secret_value(SecretId=secret)["SecretString"]
        script, most = b64decode(template["UserData"]).decode(), statements("boundary", bounds)
        yield Made(cloud, outputs, keys, script, role, most, folder / "package", workspace)


@dataclass(frozen=True)
class Machine:
    """A machine that was started: what it has below `root` in place of /, and what its programs were asked."""

    root: Path
    asked: Path
    environment: dict[str, str]

    @property
    def settings(self) -> dict[str, str]:
        """What systemd gives to the program."""
        lines = (self.root / "etc" / "totesys-api.env").read_text().splitlines()
        return dict(line.split("=", 1) for line in lines)

    @property
    def unit(self) -> dict[str, str]:
        """What systemd is told of it; of what is told more than once, the last."""
        lines = (self.root / "etc" / "systemd" / "system" / "totesys-api.service").read_text().splitlines()
        return dict(line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))

    def command(self, *arguments: str) -> list[str]:
        """The program as systemd starts it, or with other arguments."""
        words = [
            f"{self.root}{word}" if word.startswith("/opt/") else word for word in shlex.split(self.unit["ExecStart"])
        ]
        return [*words[: words.index("serve") + 1], *(arguments or words[words.index("serve") + 1 :])]

    @property
    def folder(self) -> str:
        """Where it is started."""
        return f"{self.root}{self.unit['WorkingDirectory']}"

    @contextmanager
    def serving(self) -> Iterator[str]:
        """The address of the program, started as systemd does but for where it listens, and stopped as systemd does."""
        port = str(free_port())
        words = [word.replace("${PORT}", port) for word in self.command()]
        settings = self.environment | self.settings
        program = subprocess.Popen(words, cwd=self.folder, env=settings, start_new_session=True)
        try:
            address = f"http://127.0.0.1:{port}"
            wait_for(f"{address}/health", program)
            yield address
            program.send_signal(signal.SIGTERM)
            assert program.wait(timeout=int(self.unit["TimeoutStopSec"])) in {0, -signal.SIGTERM}
        finally:
            with suppress(ProcessLookupError):
                os.killpg(program.pid, signal.SIGKILL)


@pytest.fixture(scope="module")
def machine(made: Made, tmp_path_factory: pytest.TempPathFactory) -> Machine:
    """A machine on which the launch template's script has run. It reaches the account, and nothing else."""
    folder = tmp_path_factory.mktemp("machine")
    programs, asked, root = folder / "bin", folder / "asked", folder / "root"
    programs.mkdir()
    note = f'#!/bin/bash\necho "${{0##*/}}" "$@" >>{asked}\n'
    keep = f'for word; do [[ $word != file:* ]] || cp "${{word#file:}}" {folder}/logs.json; done\n'
    contents = {
        "dnf": note,
        "systemctl": note,
        "amazon-cloudwatch-agent-ctl": note + keep,
        "aws": AWS.format(python=sys.executable),
        "python3.12": f'#!/bin/bash\nexec {find_python()} "$@"\n',
    }
    for name, content in contents.items():
        (programs / name).write_text(content)
        (programs / name).chmod(0o755)
    proxies = {"http_proxy": NOWHERE, "https_proxy": NOWHERE, "NO_PROXY": "127.0.0.1", "PIP_CONFIG_FILE": os.devnull}
    own = {"PATH": f"{programs}:/usr/bin:/bin", "HOME": str(folder), "PREFIX": str(root), "TMPDIR": str(folder)}
    environment = made.cloud.variables(INSTANCE) | proxies | own
    done = subprocess.run(["bash"], input=made.user_data, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return Machine(root, asked, environment)


def wait_for(address: str, program: subprocess.Popen[bytes]) -> None:
    """Wait until it answers."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and program.poll() is None:
        with suppress(OSError), urllib.request.urlopen(address, timeout=5):
            return
        time.sleep(0.2)
    pytest.fail(f"{address} does not answer; the program's exit status is {program.poll()}")


def get(address: str, **headers: str) -> tuple[int, bytes]:
    """The status and the body of an answer."""
    try:
        with urllib.request.urlopen(urllib.request.Request(address, headers=headers), timeout=30) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


@pytest.fixture(scope="module")
def told(made: Made, machine: Machine) -> dict[str, tuple[int, bytes]]:
    """What the program answers, from its start to its stop: whether it lives, to nobody, and to whom has a key."""
    made.cloud.client("s3").put_object(Bucket=f"{NAME}-{ACCOUNT}-state", Key="status.json", Body=b'{"tables": {}}')
    operator = machine.environment | machine.settings | made.cloud.variables("operator")
    make = machine.command("key", "add", "--name", "somebody")
    key = subprocess.run(
        make, cwd=machine.folder, env=operator, check=True, capture_output=True, text=True
    ).stdout.strip()
    with machine.serving() as address:
        files = get(f"{address}/v1/dim_date/files", Authorization=f"Bearer {key}")
        return {
            "lives": get(f"{address}/health"),
            "is ready": get(f"{address}/ready"),
            "nobody": get(f"{address}/v1/dim_date/files"),
            "files": files,
        }


def test_an_instance_installs_the_api_without_a_network_and_it_answers_until_it_is_stopped(
    told: dict[str, tuple[int, bytes]],
) -> None:
    assert {what: status for what, (status, _) in told.items()} == {
        "lives": 200,
        "is ready": 503,  # there is no warehouse
        "nobody": 401,
        "files": 503,
    }


def test_an_instance_asks_amazon_linux_for_no_more_than_python_and_what_brings_its_log(machine: Machine) -> None:
    packages = "python3.12 python3.12-pip logrotate amazon-cloudwatch-agent"
    dnf, agent, *systemctl = machine.asked.read_text().splitlines()
    assert dnf == f"dnf install --assumeyes --quiet {packages}"
    assert agent.startswith("amazon-cloudwatch-agent-ctl -a fetch-config -m ec2 -s -c file:")
    assert systemctl == [
        "systemctl daemon-reload",
        "systemctl enable --now logrotate.timer totesys-api.service",
    ]


def test_the_log_that_is_sent_is_the_one_that_the_program_writes(machine: Machine) -> None:
    sent = json.loads((machine.root.parent / "logs.json").read_text())["logs"]["logs_collected"]["files"][
        "collect_list"
    ]
    assert {log["log_group_name"] for log in sent} == {f"/aws/ec2/{NAME}-api"}
    written = {machine.unit[stream].removeprefix("append:") for stream in ("StandardOutput", "StandardError")}
    assert written < {log["file_path"] for log in sent}
    assert all((machine.root / log.lstrip("/")).parent.is_dir() for log in written)
    assert all(log in (machine.root / "etc" / "logrotate.d" / "totesys-api").read_text() for log in written)


def test_a_stop_lasts_as_long_as_the_load_balancer_lets_what_is_under_way_end(made: Made, machine: Machine) -> None:
    found = made.cloud.client("elbv2").describe_target_group_attributes(TargetGroupArn=made.outputs["target_group_arn"])
    attributes = {item["Key"]: item["Value"] for item in found["Attributes"]}
    assert machine.unit["TimeoutStopSec"] == attributes["deregistration_delay.timeout_seconds"]


def test_the_program_keeps_connections_longer_than_the_load_balancer_and_ends_before_it_is_killed(
    made: Made, machine: Machine
) -> None:
    balancer = made.cloud.client("elbv2")
    (found,) = balancer.describe_load_balancers(Names=[f"{NAME}-api"])["LoadBalancers"]
    told = balancer.describe_load_balancer_attributes(LoadBalancerArn=found["LoadBalancerArn"])["Attributes"]
    idle = {item["Key"]: item["Value"] for item in told}["idle_timeout.timeout_seconds"]
    assert int(idle) < KEEP_SECONDS
    assert int(machine.unit["TimeoutStopSec"]) > GRACE_SECONDS


def test_systemd_understands_the_unit_and_finds_it_little_exposed(machine: Machine, tmp_path: Path) -> None:
    if not shutil.which("systemd-analyze"):
        pytest.fail("systemd-analyze is not there: on Debian, apt-get install systemd")
    unit = tmp_path / "totesys-api.service"
    text = (machine.root / "etc" / "systemd" / "system" / unit.name).read_text()
    unit.write_text(text.replace("/opt/", f"{machine.root}/opt/"))
    verified = subprocess.run(["systemd-analyze", "verify", unit], capture_output=True, text=True, check=False)
    assert (verified.returncode, verified.stderr) == (0, "")
    rated = subprocess.run(
        ["systemd-analyze", "security", "--offline=yes", "--no-pager", unit],
        capture_output=True,
        text=True,
        check=False,
    )
    exposure = re.search(r"exposure level for totesys-api\.service: ([0-9.]+)", rated.stdout)
    assert exposure, rated.stderr
    assert float(exposure[1]) < 2


def test_no_secret_is_on_the_disk_or_in_the_launch_template(made: Made, machine: Machine) -> None:
    written = "".join(machine.settings.values()) + made.user_data
    for name in ("api", "api-keys"):
        value = made.cloud.client("secretsmanager").get_secret_value(SecretId=f"{NAME}/{name}")["SecretString"]
        assert value not in written
        assert not [word for word in re.findall(r'"([^"]{20,})"', value) if word in written]


def test_verify_finds_the_instances_that_were_made(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Environment, "client", lambda _, service: made.cloud.client(service))
    monkeypatch.setattr(Environment, "settings", {"name": NAME})
    assert list(api.unhealthy(Environment("dev"))) == []


def test_the_login_and_nobodys_key_are_what_the_api_is_given(made: Made) -> None:
    of = made.cloud.client("secretsmanager").get_secret_value
    login = json.loads(of(SecretId=made.outputs["secret_arn"])["SecretString"])
    assert login["warehouse"].keys() == {"host", "port", "dbname", "username", "password"}
    assert login["warehouse"]["username"] == "totesys_api"
    assert len(login["cursor_key"]) >= 32
    assert json.loads(made.keys) == []


PROCESSED, STATE = f"arn:aws:s3:::{NAME}-{ACCOUNT}-processed", f"arn:aws:s3:::{NAME}-{ACCOUNT}-state"
LOG = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:/aws/ec2/{NAME}-api:log-stream:i-1/api"
BY_DOCUMENTATION = [
    Call("s3:GetObject", f"{PROCESSED}/fact_sales_order/2024-08-22/a.parquet"),
    Call("logs:CreateLogStream", LOG),
    Call("logs:PutLogEvents", LOG),
    Call("ssm:UpdateInstanceInformation", "*"),
    Call("ssmmessages:OpenControlChannel", "*"),
]
"""What S3 decides about as somebody follows a link, and what Amazon's agents ask; nothing here makes them."""

NEVER = [
    Call("s3:GetObject", f"{STATE}/latest_update.json"),
    Call("s3:GetObject", f"{STATE}/dags/totesys_warehouse.py"),
    Call("s3:PutObject", f"{STATE}/api/api.zip"),
    Call("s3:PutObject", f"{STATE}/status.json"),
    Call("s3:GetObject", f"{PROCESSED}/rejected/fact_sales_order/2024-08-22/a.csv"),
    Call("s3:ListBucket", PROCESSED, {"s3:prefix": "rejected/"}),
    Call("s3:ListBucket", PROCESSED, {"s3:prefix": "fact_sales_order/"}),
    Call("s3:ListBucket", STATE, {"s3:prefix": "runs/"}),
    Call("s3:GetObject", f"arn:aws:s3:::{NAME}-{ACCOUNT}-ingestion/sales_order/2024-08-22/a.csv"),
    Call(
        "secretsmanager:GetSecretValue",
        f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:{NAME}/airflow/connections/warehouse-a",
    ),
    Call("secretsmanager:PutSecretValue", f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:{NAME}/api-keys-a"),
    Call("ssm:SendCommand", f"arn:aws:ec2:{REGION}:{ACCOUNT}:instance/i-1"),
    Call("ssm:GetParameter", f"arn:aws:ssm:{REGION}:{ACCOUNT}:parameter/a"),
    Call("logs:PutLogEvents", f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:airflow-{NAME}-Task:log-stream:a"),
]


def test_the_role_is_what_an_instance_does_and_no_more(made: Made, told: dict[str, tuple[int, bytes]]) -> None:
    assert told
    done = decisions(made.cloud, INSTANCE)
    assert {call.action for call in done} >= {"s3:GetObjectVersion", "s3:GetObject", "secretsmanager:GetSecretValue"}
    calls = [*done, *BY_DOCUMENTATION]
    assert [call for call in calls if not is_allowed(made.role, call)] == []
    assert [call for call in calls if not is_allowed(made.boundary, call)] == []
    used = {statement.name for call in calls for statement in decides(made.role, call)[0]}
    assert {statement.name for statement in made.role} == used
    assert [call for call in NEVER if is_allowed(made.role, call)] == []


def test_a_new_package_replaces_the_instances_and_is_seen_through(
    made: Made, machine: Machine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert machine.settings  # which was installed from the package before
    begun = datetime.now(UTC).replace(microsecond=0)
    with zipfile.ZipFile(made.package / "api.zip", "a") as archive:
        archive.writestr("code/changed", "")
    made.again.succeed("modules/api", "apply", "-input=false", "-auto-approve")
    (asked,) = [call.form for call in made.cloud.received if b"Action=StartInstanceRefresh" in call.body]
    assert asked["DesiredConfiguration.LaunchTemplate.Version"] == "2"
    assert (asked["Preferences.AutoRollback"], asked["Preferences.MinHealthyPercentage"]) == ("true", "100")
    monkeypatch.setattr(Environment, "client", lambda _, service: made.cloud.client(service))
    monkeypatch.setattr(Environment, "settings", {"name": NAME})
    api.see_through(Environment("dev"), begun, pause_seconds=0)
    assert "the API answers on every instance" in capsys.readouterr().out
