"""Terraform: found, and run in an environment's folder with what it must be given."""

import json
import os
import re
import secrets
import shutil
import subprocess
from functools import cache
from pathlib import Path

from deploy.environment import Environment
from deploy.errors import DeployError
from deploy.wheels import REPOSITORY

MINIMUM = (1, 11)
"""Write-only arguments came with it."""

BIN = REPOSITORY / "build" / "bin"
PLANS = REPOSITORY / "build" / "plans"
SOURCE_PASSWORD = "TF_VAR_source_password"  # noqa: S105 (the variable's name)
CHANGES = 2
"""The exit status of a plan that changes something."""


def version(program: str | Path) -> tuple[int, ...]:
    """The version of a Terraform, empty when the program is none."""
    try:
        done = subprocess.run([program, "version", "-json"], capture_output=True, text=True, check=True)
        return tuple(map(int, re.findall(r"\d+", json.loads(done.stdout)["terraform_version"])[:3]))
    except (OSError, subprocess.CalledProcessError, ValueError, KeyError):
        return ()


def find() -> Path | None:
    """A Terraform that is new enough: the one on the path, or the one that was installed here; None for neither."""
    for program in (shutil.which("terraform"), BIN / "terraform"):
        if program and version(program) >= MINIMUM:
            return Path(program)
    return None


@cache
def program() -> Path:
    """The Terraform to run. Raises: DeployError when there is none."""
    found = find()
    if found is None:
        raise DeployError("there is no Terraform 1.11 or later: make setup-terraform ENV=dev installs one")
    return found


@cache
def _warehouse_password() -> str:
    """A password for the pipeline's role in the warehouse, the same for a plan and its apply.

    It is written only when its version is raised, and the next run of the pipeline gives it to the role, so that nobody
    has to know it.
    """
    return secrets.token_urlsafe(32)


def require_source_password() -> None:
    """Raises: DeployError unless the password of the source's role is given, which an apply may have to write."""
    if not os.environ.get(SOURCE_PASSWORD):
        raise DeployError(
            f"{SOURCE_PASSWORD} is not set: the password of the source's role, which goes to Secrets Manager and "
            f"nowhere else. For example: read -rs {SOURCE_PASSWORD} && export {SOURCE_PASSWORD}"
        )


def run(folder: Path, *arguments: str, accepted: tuple[int, ...] = (0,)) -> int:
    """Run Terraform in a folder, with its output shown; returns its exit status.

    Raises: DeployError when that is not an accepted one. What is wrong, Terraform has said.
    """
    # A plan and a destroy write no password, but ask for each.
    passwords = {SOURCE_PASSWORD: "not given", "TF_VAR_warehouse_password": _warehouse_password()}
    environment = {**passwords, **os.environ, "TF_IN_AUTOMATION": "1"}
    done = subprocess.run([program(), f"-chdir={folder}", *arguments], env=environment, check=False)
    if done.returncode not in accepted:
        raise DeployError(f"terraform {arguments[0]} failed in {folder}; its message is above")
    return done.returncode


def initialise(environment: Environment) -> None:
    """Connect an environment's folder with its state in S3, and get the providers."""
    settings = {
        "bucket": environment.state_bucket,
        "key": f"{environment.env}.tfstate",
        "region": environment.region,
        "use_lockfile": "true",
    }
    backend = [f"-backend-config={name}={value}" for name, value in settings.items()]
    run(environment.folder, "init", "-input=false", "-reconfigure", *backend)


def require_initialised(environment: Environment) -> None:
    """Raises: DeployError when an environment's folder is not connected with its state."""
    own = Path(os.environ.get("TF_DATA_DIR", ".terraform"))
    if not (environment.folder / own / "terraform.tfstate").exists():
        raise DeployError(f"Terraform is not set up for {environment.env}: make setup-terraform ENV={environment.env}")


def plan(environment: Environment) -> Path | None:
    """Plan an environment; returns the file of the plan, None when nothing would change."""
    PLANS.mkdir(parents=True, exist_ok=True)
    file = PLANS / f"{environment.env}.tfplan"
    status = run(
        environment.folder, "plan", "-input=false", "-detailed-exitcode", f"-out={file}", accepted=(0, CHANGES)
    )
    return file if status == CHANGES else None


def apply(environment: Environment, plan_file: Path) -> None:
    """Do what a plan says."""
    run(environment.folder, "apply", "-input=false", str(plan_file))


def destroy(environment: Environment) -> None:
    """Remove everything."""
    run(environment.folder, "destroy", "-input=false", "-auto-approve")
