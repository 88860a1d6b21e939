"""Terraform, run in a copy of the code: nothing that it writes reaches the repository."""

import fcntl
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TypeVar

from tests.terraform.providers import FIVE, REPOSITORY, Provider

Item = TypeVar("Item")

CODE = REPOSITORY / "terraform"
LOCK = Path(tempfile.gettempdir()) / "totesys-terraform-init.lock"
NOT_OF_THE_PROJECT = shutil.ignore_patterns(".terraform", ".terraform.lock.hcl", "*.tfstate*", "*.local.tfvars")

NOT_OURS = ("AWS_", "TF_VAR_", "TF_CLI_ARGS", "TF_DATA_DIR", "TF_WORKSPACE")
"""What of the developer's own environment must not reach a test."""

PIN = """
terraform {{
  required_providers {{
    aws = {{
      source  = "hashicorp/aws"
      version = "{release}"
    }}
  }}
}}
"""

NEWER = {
    "modules/airflow/environment.tf": (r"^  worker_replacement_strategy .*\n", ""),
    "modules/airflow/versions.tf": (">= 6.11", ">= 5.100"),
}
"""What the release of the provider that can apply does not know yet: file → pattern, and what stands in its place."""

LOCAL_STATE = """
terraform {
  backend "local" {}
}
"""


@cache
def provider_variables(provider: Provider) -> dict[str, str]:
    """The process environment in which `terraform init` finds a provider."""
    return provider.variables()


@contextmanager
def one_at_a_time() -> Iterator[None]:
    """Only one process at a time may fill the folder of downloaded providers."""
    with LOCK.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def fit(code: Path, provider: Provider) -> None:
    """Take out of a copy of terraform/ what a release of the provider does not know."""
    for name, (pattern, replacement) in NEWER.items() if provider is FIVE else ():
        text, found = re.subn(pattern, replacement, (code / name).read_text(), flags=re.MULTILINE)
        assert found, f"{name} has no {pattern}"
        (code / name).write_text(text)


class Workspace:
    """A copy of terraform/ in an empty folder, to be run with one release of the provider."""

    def __init__(self, folder: Path, provider: Provider, variables: Mapping[str, str] | None = None) -> None:
        """Take the folder, the release, and further environment variables for Terraform."""
        self.code = folder / "terraform"
        shutil.copytree(CODE, self.code, ignore=NOT_OF_THE_PROJECT)
        fit(self.code, provider)
        own = {name: value for name, value in os.environ.items() if not name.startswith(NOT_OURS)}
        self._environment = {**own, "TF_IN_AUTOMATION": "true", **provider_variables(provider), **(variables or {})}
        self._provider = provider

    def init(self, root: str, *, local_state: bool = False) -> None:
        """Prepare a root or a module; with `local_state` a root keeps its state in a file beside it."""
        folder = self.code / root
        (folder / "release_override.tf").write_text(PIN.format(release=self._provider.release))
        if local_state:
            (folder / "state_override.tf").write_text(LOCAL_STATE)
        with one_at_a_time():
            self.succeed(root, "init", "-input=false", *([] if local_state else ["-backend=false"]))

    def run(self, root: str, *command: str) -> subprocess.CompletedProcess[str]:
        """Run Terraform in a root or a module, whatever comes of it. Errors are in its standard output, too."""
        return subprocess.run(
            ["terraform", command[0], "-no-color", *command[1:]],
            cwd=self.code / root,
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )

    def succeed(self, root: str, *command: str) -> str:
        """Run Terraform in a root or a module, and return what it says; anything but success is a failure."""
        done = self.run(root, *command)
        assert done.returncode == 0, f"terraform {' '.join(command)} in {root}:\n{done.stdout[-8000:]}"
        return done.stdout


def share(items: Sequence[Item], parts: int) -> Sequence[Item]:
    """All of them; where PROOF_SEED is set, as CI does, the one of so many parts that it chooses."""
    seed = os.environ.get("PROOF_SEED")
    return items if seed is None else items[int(seed) % parts :: parts]


def roots() -> list[str]:
    """Every folder that is applied: not a module of others."""
    return [name for name in _folders() if not name.startswith("modules/")]


def modules() -> list[str]:
    """Every module."""
    return [name for name in _folders() if name.startswith("modules/")]


def _folders() -> list[str]:
    found = {str(file.parent.relative_to(CODE)) for file in CODE.rglob("*.tf") if ".terraform" not in file.parts}
    return sorted(found)
