"""Terraform: found, and run with an environment's values on its state, and on no other."""

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
def _new_secrets() -> dict[str, str]:
    """Passwords of the pipeline's role and the API's login in the warehouse, and the key of the API's cursors.

    They are the same for a plan and its apply, and written only when their version is raised. The next run of the
    pipeline gives the passwords to the roles, so that nobody has to know them.
    """
    names = ("warehouse_password", "api_password", "api_cursor_key")
    return {f"TF_VAR_{name}": secrets.token_urlsafe(32) for name in names}


def require_source_password() -> None:
    """Raises: DeployError unless the password of the source's role is given, which an apply may have to write."""
    if not os.environ.get(SOURCE_PASSWORD):
        raise DeployError(
            f"{SOURCE_PASSWORD} is not set: the password of the source's role, which goes to Secrets Manager and "
            f"nowhere else. For example: read -rs {SOURCE_PASSWORD} && export {SOURCE_PASSWORD}"
        )


def run(folder: Path, *arguments: str, data: Path | None = None, accepted: tuple[int, ...] = (0,)) -> int:
    """Run Terraform in a folder, with its output shown; returns its exit status.

    `data` is where it notes what state it works on. Raises: DeployError when the status is not an accepted one. What is
    wrong, Terraform has said.
    """
    # A plan and a destroy write no password, but ask for each.
    passwords = {SOURCE_PASSWORD: "not given", **_new_secrets()}
    # What is set in the shell for another environment is not for this one.
    own = {"TF_DATA_DIR": str(data or ".terraform"), "TF_WORKSPACE": "default", "TF_IN_AUTOMATION": "1"}
    environment = {**passwords, **os.environ, **own}
    done = subprocess.run([program(), f"-chdir={folder}", *arguments], env=environment, check=False)
    if done.returncode not in accepted:
        raise DeployError(f"terraform {arguments[0]} failed in {folder}; its message is above")
    return done.returncode


def backend(environment: Environment) -> dict[str, str]:
    """Where an environment's state is."""
    return {
        "bucket": environment.state_bucket,
        "key": environment.state_key,
        "region": environment.region,
    }


def initialise(environment: Environment) -> None:
    """Connect Terraform with an environment's state in S3, and get the providers."""
    # Told to encrypt and not with what, the S3 backend asks for S3's own key, over the bucket's default.
    settings = {**backend(environment), "kms_key_id": environment.state_encryption_key, "use_lockfile": "true"}
    given = [f"-backend-config={name}={value}" for name, value in settings.items()]
    run(environment.folder, "init", "-input=false", "-reconfigure", *given, data=environment.data)


def require_initialised(environment: Environment) -> None:
    """Raises: DeployError unless Terraform is connected with the state of this environment, and of no other."""
    again = f"make setup-terraform ENV={environment.env}"
    noted = environment.data / "terraform.tfstate"
    if not noted.exists():
        raise DeployError(f"Terraform is not set up for {environment.env}: {again}")
    connected = json.loads(noted.read_text())["backend"]["config"]
    for name, value in backend(environment).items():
        if connected.get(name) != value:
            raise DeployError(f"Terraform is connected with {name} {connected.get(name)} in place of {value}: {again}")


def plan(environment: Environment) -> Path | None:
    """Plan an environment; returns the file of the plan, None when nothing would change."""
    PLANS.mkdir(parents=True, exist_ok=True)
    file = PLANS / f"{environment.env}.tfplan"
    options = ["-input=false", "-detailed-exitcode", f"-out={file}"]
    status = _run_with_values(environment, "plan", *options, accepted=(0, CHANGES))
    return file if status == CHANGES else None


def apply(environment: Environment, plan_file: Path) -> None:
    """Do what a plan says."""
    run(environment.folder, "apply", "-input=false", str(plan_file), data=environment.data)


def destroy(environment: Environment) -> None:
    """Remove everything."""
    _run_with_values(environment, "destroy", "-input=false", "-auto-approve")


def _run_with_values(environment: Environment, *arguments: str, accepted: tuple[int, ...] = (0,)) -> int:
    files = [f"-var-file={file.name}" for file in environment.values]
    return run(environment.folder, *arguments, *files, data=environment.data, accepted=accepted)
