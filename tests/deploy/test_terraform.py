"""Terraform is found or installed, and run with what it needs and nothing it should not have."""

import hashlib
import http.server
import io
import json
import platform
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy import __main__ as command
from deploy import bootstrap, installation, package, remains, terraform, verify
from deploy.environment import Environment
from deploy.errors import DeployError
from local.aws import AwsServer
from local.environment import CREDENTIALS

RECORDER = """#!/bin/bash
if [[ $1 == version ]]; then echo '{"terraform_version": "VERSION"}'; exit; fi
printf '%s ' "$@" >>"$RECORD"
printf '| %s %s\\n' "$TF_VAR_source_password" "${#TF_VAR_warehouse_password}" >>"$RECORD"
echo "$TF_DATA_DIR $TF_WORKSPACE" >>"$RECORD.places"
for word in "$@"; do
    case $word in
        -state=*) echo '{"serial": 1}' >"${1#-chdir=}/${word#-state=}" ;;
        plan) exit "${PLAN_STATUS:-2}" ;;
    esac
done
"""


KEY = "arn:aws:kms:eu-west-2:123456789012:key/of-the-state"


def write_terraform(file: Path, version: str) -> None:
    """Write a program that notes what it is called with, in place of Terraform."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(RECORDER.replace("VERSION", version))
    file.chmod(0o755)


@pytest.fixture
def record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """What the program in Terraform's place was called with, a call a line: arguments, passwords."""
    write_terraform(tmp_path / "path" / "terraform", "1.12.0")
    monkeypatch.setenv("PATH", f"{tmp_path / 'path'}:/usr/bin:/bin")
    monkeypatch.setenv("RECORD", str(tmp_path / "record"))
    monkeypatch.delenv("TF_VAR_source_password", raising=False)
    monkeypatch.setattr(terraform, "PLANS", tmp_path / "plans")
    monkeypatch.setattr(package, "build", lambda: package.Package(tmp_path, 0, 0))
    monkeypatch.setattr(remains, "tell", lambda *_: None)
    terraform.program.cache_clear()
    yield tmp_path / "record"
    terraform.program.cache_clear()


@pytest.fixture
def initialised(environment: Environment, record: Path, monkeypatch: pytest.MonkeyPatch) -> Environment:
    """An environment that is connected with its state."""
    monkeypatch.setattr(Environment, "state_encryption_key", KEY)
    environment.__dict__["account"] = "123456789012"
    connect(environment, terraform.backend(environment))
    return environment


def connect(environment: Environment, config: dict[str, str]) -> None:
    """Note what Terraform notes when it is connected with a state."""
    environment.data.mkdir(parents=True, exist_ok=True)
    (environment.data / "terraform.tfstate").write_text(json.dumps({"backend": {"type": "s3", "config": config}}))


def calls(record: Path) -> list[str]:
    return record.read_text().splitlines() if record.exists() else []


@pytest.mark.parametrize(("version", "found"), [("1.10.5", False), ("1.11.0", True), ("1.20.1-beta1", True)])
def test_a_terraform_on_the_path_is_taken_when_it_is_new_enough(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str, found: bool
) -> None:
    write_terraform(tmp_path / "path" / "terraform", version)
    monkeypatch.setenv("PATH", f"{tmp_path / 'path'}:/usr/bin:/bin")
    monkeypatch.setattr(terraform, "BIN", tmp_path / "bin")
    assert (terraform.find() is not None) == found


def test_an_older_one_on_the_path_gives_way_to_the_one_installed_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_terraform(tmp_path / "path" / "terraform", "1.5.7")
    write_terraform(tmp_path / "bin" / "terraform", "1.11.4")
    monkeypatch.setenv("PATH", f"{tmp_path / 'path'}:/usr/bin:/bin")
    monkeypatch.setattr(terraform, "BIN", tmp_path / "bin")
    assert terraform.find() == tmp_path / "bin" / "terraform"


@pytest.fixture
def releases(tmp_path: Path) -> Iterator[str]:
    """The address of a host with one release of a Terraform that only says its version."""
    processor = installation.PROCESSORS[platform.machine().lower()]
    name = f"terraform_{installation.VERSION}_{platform.system().lower()}_{processor}.zip"
    folder = tmp_path / "host" / installation.VERSION
    folder.mkdir(parents=True)
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("terraform", RECORDER.replace("VERSION", installation.VERSION))
    (folder / name).write_bytes(content.getvalue())
    digest = hashlib.sha256(content.getvalue()).hexdigest()
    (folder / f"terraform_{installation.VERSION}_SHA256SUMS").write_text(f"{digest}  {name}\n")

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *arguments: object) -> None:
            super().__init__(*arguments, directory=str(tmp_path / "host"))  # type: ignore[arg-type]

        def log_message(self, *_: object) -> None: ...

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Quiet) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_an_installed_terraform_can_be_run(tmp_path: Path, releases: str) -> None:
    installed = installation.install(tmp_path / "bin", releases)
    assert terraform.version(installed) >= terraform.MINIMUM


def test_a_download_with_another_checksum_is_refused_and_not_installed(tmp_path: Path, releases: str) -> None:
    (archive,) = (tmp_path / "host").rglob("*.zip")
    archive.write_bytes(archive.read_bytes() + b"more")
    with pytest.raises(DeployError, match="published checksum"):
        installation.install(tmp_path / "bin", releases)
    assert not (tmp_path / "bin").exists()


def test_a_host_that_is_out_of_reach_is_named_with_what_to_do_instead(tmp_path: Path) -> None:
    with pytest.raises(DeployError, match=r"cannot download http://127\.0\.0\.1:1/.*Install Terraform 1\.11 or later"):
        installation.install(tmp_path / "bin", "http://127.0.0.1:1")


def test_init_is_given_the_state_of_this_environment_and_its_key(initialised: Environment, record: Path) -> None:
    terraform.initialise(initialised)
    (call,) = calls(record)
    assert call.startswith(f"-chdir={initialised.folder} init ")
    assert f"-backend-config=kms_key_id={KEY} " in call
    for setting in ("bucket=totesys-test-123456789012-terraform", "key=dev.tfstate", "region=eu-west-2"):
        assert f"-backend-config={setting} " in call
    assert "-backend-config=use_lockfile=true " in call


def test_an_environment_has_a_data_folder_of_its_own_whatever_the_shell_says(
    initialised: Environment, record: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TF_DATA_DIR", "of-prod")
    monkeypatch.setenv("TF_WORKSPACE", "of-prod")
    terraform.initialise(initialised)
    command.plan(initialised)
    command.destroy(initialised, initialised.name)
    places = record.with_name("record.places").read_text().splitlines()
    assert places == [f"{initialised.folder}/.terraform/dev default"] * 3


def test_the_projects_values_come_before_the_users(initialised: Environment, record: Path) -> None:
    command.plan(initialised)
    command.destroy(initialised, initialised.name)
    for call in calls(record):
        assert " -var-file=dev.tfvars -var-file=dev.local.tfvars " in call


COMMANDS = {
    "plan": command.plan,
    "apply": lambda selected: command.apply(selected, lambda: True),
    "destroy": lambda selected: command.destroy(selected, selected.name),
}


@pytest.mark.parametrize("name", COMMANDS)
@pytest.mark.parametrize("other", ["key=prod.tfstate", "bucket=totesys-prod-123456789012-terraform"])
def test_every_command_refuses_a_state_of_another_name(
    initialised: Environment, record: Path, monkeypatch: pytest.MonkeyPatch, name: str, other: str
) -> None:
    monkeypatch.setenv("TF_VAR_source_password", "given")
    setting, _, value = other.partition("=")
    connect(initialised, {**terraform.backend(initialised), setting: value})
    with pytest.raises(DeployError, match=rf"connected with {setting} {value} in place of .*make setup-terraform"):
        COMMANDS[name](initialised)
    assert calls(record) == []


def test_a_plan_needs_no_password(initialised: Environment, record: Path) -> None:
    command.plan(initialised)
    (call,) = calls(record)
    assert " plan " in call
    assert "| not given " in call


def test_a_plan_before_the_setup_says_so(environment: Environment, record: Path) -> None:
    with pytest.raises(DeployError, match="make setup-terraform ENV=dev"):
        command.plan(environment)
    assert calls(record) == []


def test_an_apply_without_the_sources_password_says_how_to_give_it(initialised: Environment, record: Path) -> None:
    with pytest.raises(DeployError, match="TF_VAR_source_password is not set"):
        command.apply(initialised, lambda: True)
    assert calls(record) == []


def test_what_is_applied_is_the_plan_that_was_approved_with_the_same_passwords(
    initialised: Environment, record: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TF_VAR_source_password", "given")
    command.apply(initialised, lambda: True)
    planned, applied = calls(record)
    assert f"-out={terraform.PLANS / 'dev.tfplan'} " in planned
    assert f" apply -input=false {terraform.PLANS / 'dev.tfplan'} " in applied
    assert planned.partition("|")[2] == applied.partition("|")[2]
    _, source, length = applied.rpartition("|")[2].rpartition(" given ")[0:3]
    assert (source, int(length) >= 24) == (" given ", True)


def test_nothing_is_applied_without_approval(
    initialised: Environment, record: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TF_VAR_source_password", "given")
    with pytest.raises(DeployError, match="nothing was changed"):
        command.apply(initialised, lambda: command.approve(False))
    assert len(calls(record)) == 1


def test_nothing_is_applied_when_the_plan_changes_nothing(
    initialised: Environment, record: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TF_VAR_source_password", "given")
    monkeypatch.setenv("PLAN_STATUS", "0")
    command.apply(initialised, lambda: pytest.fail("asked"))
    assert len(calls(record)) == 1


def test_a_failing_plan_is_one_error(initialised: Environment, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLAN_STATUS", "1")
    with pytest.raises(DeployError, match="terraform plan failed"):
        command.plan(initialised)


@pytest.mark.parametrize("confirmed", ["", "dev", "totesys-prod"])
def test_nothing_is_destroyed_unless_its_name_is_confirmed(
    initialised: Environment, record: Path, confirmed: str
) -> None:
    with pytest.raises(DeployError, match="CONFIRM=totesys-test"):
        command.destroy(initialised, confirmed)
    assert calls(record) == []


def test_a_confirmed_environment_is_destroyed(initialised: Environment, record: Path) -> None:
    command.destroy(initialised, "totesys-test")
    (call,) = calls(record)
    assert call.startswith(f"-chdir={initialised.folder} destroy ")


@pytest.fixture
def account(aws: AwsServer, environment: Environment, monkeypatch: pytest.MonkeyPatch) -> Environment:
    """An environment in an account whose state bucket is there."""
    for name, value in {**CREDENTIALS, "AWS_ENDPOINT_URL": aws.endpoint_url}.items():
        monkeypatch.setenv(name, value)
    environment.local.write_text(
        environment.local.read_text().replace("totesys-test", f"t{abs(hash(environment)) % 10**8}")
    )
    place = {"LocationConstraint": environment.region}
    environment.client("s3").create_bucket(Bucket=environment.state_bucket, CreateBucketConfiguration=place)
    return environment


def test_the_bootstraps_own_state_is_kept_in_the_bucket_and_used_again(account: Environment, record: Path) -> None:
    s3, state = account.client("s3"), account.terraform / "bootstrap" / "dev.tfstate"
    bootstrap.bootstrap(account)
    stored = s3.get_object(Bucket=account.state_bucket, Key=bootstrap.STATE_KEY)["Body"].read()
    assert json.loads(stored) == {"serial": 1}
    assert not state.exists()
    bootstrap._fetch(account, state)
    assert state.read_bytes() == stored


def test_the_bootstrap_is_given_the_environments_name_and_the_settings_beside_it(
    account: Environment, record: Path
) -> None:
    (account.terraform / "bootstrap" / "dev.local.tfvars").write_text('github_repository = "octo-org/totesys"\n')
    bootstrap.bootstrap(account)
    applied = calls(record)[-1]
    for word in (
        f"-var=name={account.name}",
        "-var=region=eu-west-2",
        "-var-file=dev.local.tfvars",
        "-state=dev.tfstate",
    ):
        assert f" {word} " in applied


def test_after_a_destroy_logs_that_came_back_are_deleted_and_names_that_are_taken_told(
    account: Environment, capsys: pytest.CaptureFixture[str]
) -> None:
    logs, secrets = account.client("logs"), account.client("secretsmanager")
    ours, theirs = f"airflow-{account.name}-Task", f"airflow-{account.name}2-Task"
    for group in (ours, theirs):
        logs.create_log_group(logGroupName=group)
    for name in (f"{account.name}/airflow/variables/x", f"{account.name}2/airflow/variables/x"):
        secrets.create_secret(Name=name, SecretString="x")
        secrets.delete_secret(SecretId=name, RecoveryWindowInDays=30)
    remains.tell(account)
    said = capsys.readouterr().out
    assert f"deleted the log group {ours}, which had come back" in said
    assert (
        f"1 secrets can be restored for a while, and until then none can be made with their names:\n  {account.name}/"
        in said
    )
    assert [found["logGroupName"] for found in logs.describe_log_groups()["logGroups"]] == [theirs]


def test_a_destroy_that_leaves_no_name_taken_does_not_speak_of_it(
    account: Environment, capsys: pytest.CaptureFixture[str]
) -> None:
    remains.tell(account)
    assert "secrets" not in capsys.readouterr().out


def test_verify_names_the_alarms_whose_metric_nobody_has_sent(account: Environment) -> None:
    cloudwatch, namespace = account.client("cloudwatch"), f"of/{account.name}"
    dimension = {"Name": "Cluster", "Value": "BaseWorker"}
    how = {"Period": 300, "EvaluationPeriods": 1, "Statistic": "Sum", "Threshold": 1.0}
    for name in ("sent", "silent", "otherwise"):
        alarm = {"AlarmName": f"{account.name}-{name}", "Namespace": namespace, "MetricName": name}
        cloudwatch.put_metric_alarm(**alarm, **how, Dimensions=[dimension], ComparisonOperator="LessThanThreshold")
    sent = [{"MetricName": "sent", "Value": 1, "Dimensions": [dimension]}, {"MetricName": "otherwise", "Value": 1}]
    cloudwatch.put_metric_data(Namespace=namespace, MetricData=sent)
    assert {*verify.without_metric(account)} == {f"{account.name}-otherwise", f"{account.name}-silent"}
