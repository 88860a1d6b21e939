"""Which environment is meant, and what it is told to miss."""

import re
import subprocess
import sys

import pytest

from deploy import environment as environments
from deploy.environment import NAMES, Environment
from deploy.errors import DeployError
from deploy.wheels import REPOSITORY

TARGETS = ("setup-terraform", "bootstrap", "plan", "deploy", "deploy-dags", "verify", "destroy")


def make(target: str, *variables: str) -> subprocess.CompletedProcess[str]:
    """Make a target with this Python; the environment counts as built."""
    command = ["make", "--old-file=.venv/.built", f"DEPLOY={sys.executable} -m deploy", target, *variables]
    return subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)


def test_each_target_refuses_a_missing_environment() -> None:
    for target in TARGETS:
        done = make(target)
        assert done.returncode != 0
        assert "say which environment: ENV=dev or ENV=prod" in done.stderr, target


@pytest.mark.parametrize("target", ["plan", "deploy"])
def test_a_target_refuses_an_environment_that_is_none(target: str) -> None:
    done = make(target, "ENV=staging")
    assert done.returncode != 0
    assert "'staging' is neither dev nor prod" in done.stderr
    assert "Traceback" not in done.stderr


def test_both_environments_are_known() -> None:
    for env in ("dev", "prod"):
        selected = environments.select(env)
        assert selected.values[0].exists()
        assert selected.data.name == env


def test_they_share_the_code_and_nothing_else() -> None:
    dev, prod = map(environments.select, ("dev", "prod"))
    assert dev.folder == prod.folder
    assert not {dev.data, *dev.values, dev.state_key} & {prod.data, *prod.values, prod.state_key}


def test_the_projects_values_are_for_both_alike() -> None:
    dev, prod = (set(re.findall(r"^(\w+)", environments.select(env).values[0].read_text(), re.M)) for env in NAMES)
    assert dev == prod


def test_its_settings_are_those_of_its_files(environment: Environment) -> None:
    assert (environment.name, environment.region) == ("totesys-test", "eu-west-2")
    assert environment.settings["reach"] == "nat"


def test_what_the_user_says_counts_more(environment: Environment) -> None:
    environment.local.write_text(environment.local.read_text() + 'reach = "endpoints"\n')
    assert environment.settings["reach"] == "endpoints"


def test_missing_settings_are_named_with_what_makes_them(environment: Environment) -> None:
    environment.local.unlink()
    with pytest.raises(DeployError, match=r"environment/dev\.local\.tfvars is missing: make setup-terraform ENV=dev"):
        _ = environment.name


def test_a_file_without_a_setting_is_named_with_it(environment: Environment) -> None:
    environment.local.write_text('name = "totesys-test"\n')
    with pytest.raises(DeployError, match=r"dev\.local\.tfvars does not set region"):
        _ = environment.region


def test_settings_are_made_from_the_example_and_never_again(environment: Environment) -> None:
    environment.local.unlink()
    (environment.folder / "local.tfvars.example").write_text('name = "totesys-<env>"\n')
    assert environment.make_local()
    assert environment.local.read_text() == 'name = "totesys-dev"\n'
    environment.local.write_text("mine")
    assert not environment.make_local()
    assert environment.local.read_text() == "mine"


def test_the_state_has_a_bucket_of_the_account(environment: Environment, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(environment.__dict__, "account", "123456789012")
    assert environment.state_bucket == "totesys-test-123456789012-terraform"


def test_without_credentials_the_user_is_told_to_log_in(
    environment: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")
    with pytest.raises(DeployError, match="Log in"):
        _ = environment.account
