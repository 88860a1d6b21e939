"""The workflows call targets that there are, with no more rights than they need, and skip what is not set up."""

import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy import installation, mwaa
from deploy.wheels import REPOSITORY

FOLDER = REPOSITORY / ".github" / "workflows"
FILES = sorted(FOLDER.glob("*.yaml"))
OFFICIAL = re.compile(r"uses: (actions|aws-actions|hashicorp)/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+")
PUSHED_AND_PULLED = {"pull_request": None, "push": {"branches": ["main"]}}


@cache
def workflow(name: str) -> dict[Any, Any]:
    loaded: dict[Any, Any] = yaml.safe_load((FOLDER / name).read_text())
    # YAML 1.1 reads the key `on` as true.
    return {"on" if key is True else key: value for key, value in loaded.items()}


def steps(file: Path) -> list[dict[str, Any]]:
    return [step for job in workflow(file.name)["jobs"].values() for step in job.get("steps", [])]


def test_there_is_one_for_the_checks_and_one_for_the_deployment() -> None:
    assert [file.stem for file in FILES] == ["checks", "deploy", "environment"]
    assert workflow("checks.yaml")["on"] == workflow("deploy.yaml")["on"] == PUSHED_AND_PULLED


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_every_target_it_makes_is_in_the_makefile(file: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (REPOSITORY / "Makefile").read_text(), re.MULTILINE))
    called = {name for step in steps(file) for name in re.findall(r"\bmake ([a-z-]+)", step.get("run", ""))}
    assert called <= targets
    assert called or file.stem == "deploy"


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_its_actions_are_their_makers_own_and_pinned_by_commit(file: Path) -> None:
    used = [line.strip().removeprefix("- ") for line in file.read_text().splitlines() if "uses:" in line]
    others = [line for line in used if not line.startswith("uses: ./")]
    assert [line for line in others if not OFFICIAL.fullmatch(line)] == []


def test_terraform_is_the_release_that_would_be_installed() -> None:
    with_terraform = [
        step["with"] for file in FILES for step in steps(file) if "setup-terraform@" in step.get("uses", "")
    ]
    named = [given["terraform_version"] for given in with_terraform]
    assert {*named} == {installation.VERSION}


def test_an_action_has_one_version_everywhere() -> None:
    used = {line.partition("uses:")[2].strip() for file in FILES for line in file.read_text().splitlines()} - {""}
    assert len({line.partition("@")[0] for line in used}) == len(used)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_it_may_read_the_code_and_only_what_touches_aws_gets_a_token(file: Path) -> None:
    token = {"contents": "read", "id-token": "write"}
    assert workflow(file.name)["permissions"] == (token if file.stem == "environment" else {"contents": "read"})
    for job in workflow(file.name)["jobs"].values():
        assert job.get("permissions", {}) == (token if file.stem == "deploy" else {})


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_no_input_is_pasted_into_a_shell(file: Path) -> None:
    assert not [step["run"] for step in steps(file) if "${{" in step.get("run", "")]


def test_each_job_of_the_deployment_is_skipped_unless_its_role_is_set() -> None:
    for name, job in workflow("deploy.yaml")["jobs"].items():
        target, env = name.split("-")
        variable = f"AWS_{'PLAN' if target == 'plan' else 'APPLY'}_ROLE_{env.upper()}"
        assert f"vars.{variable} != ''" in job["if"]
        gate = {"gate": "prod"} if name == "deploy-prod" else {}
        assert job["with"] == {"target": target, "env": env, "role": f"${{{{ vars.{variable} }}}}", **gate}


def test_prod_is_deployed_through_the_gate_that_its_role_asks_for() -> None:
    assert workflow("environment.yaml")["jobs"]["run"]["environment"] == "${{ inputs.gate }}"
    settings = (REPOSITORY / "terraform" / "bootstrap" / "prod.tfvars").read_text()
    assert 'github_environment = "prod"' in settings


def test_a_job_outlasts_everything_that_it_waits_for() -> None:
    (credentials,) = [step for step in steps(FOLDER / "environment.yaml") if "role-to-assume" in step.get("with", {})]
    session = re.search(r"max_session_duration = (\d{5})", (REPOSITORY / "terraform/modules/ci/roles.tf").read_text())
    minutes = workflow("environment.yaml")["jobs"]["run"]["timeout-minutes"]
    assert session
    assert credentials["with"]["role-duration-seconds"].endswith(f"|| {session[1]} }}}}")
    assert mwaa.READY_SECONDS + mwaa.RUN_SECONDS + mwaa.DAG_SECONDS < minutes * 60 < int(session[1])


def test_plans_see_no_secret_and_forks_start_none() -> None:
    for env in ("dev", "prod"):
        job = workflow("deploy.yaml")["jobs"][f"plan-{env}"]
        assert "secrets" not in job
        assert "github.event_name == 'pull_request'" in job["if"]
        assert "head.repo.full_name == github.repository" in job["if"]


def test_deployments_come_from_main_and_prod_after_dev() -> None:
    jobs = workflow("deploy.yaml")["jobs"]
    assert all("github.event_name == 'push'" in jobs[f"deploy-{env}"]["if"] for env in ("dev", "prod"))
    assert jobs["deploy-prod"]["needs"] == "deploy-dev"


def test_an_environment_is_deployed_by_one_at_a_time_and_never_cut_off() -> None:
    job = workflow("environment.yaml")["jobs"]["run"]
    assert job["concurrency"] == {"group": "${{ inputs.target }}-${{ inputs.env }}", "cancel-in-progress": False}
