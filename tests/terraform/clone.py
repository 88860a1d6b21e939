"""A copy of the repository in which `make` is called as an operator calls it."""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from tests.terraform.providers import FIVE, REPOSITORY
from tests.terraform.workspace import NOT_OF_THE_PROJECT, NOT_OURS, PIN, fit, provider_variables

COPIED = ("Makefile", "dags", "deploy", "include", "plugins", "requirements", "requirements.txt", "terraform")
ROOTS = ("bootstrap", "environment")


class Clone:
    """The copy, with the release of the provider that can apply; `variables` are what the operator's shell has."""

    def __init__(self, folder: Path, variables: Mapping[str, str]) -> None:
        """Copy what a deployment takes, and the wheels that are downloaded already."""
        self.folder = folder
        for name in COPIED:
            source = REPOSITORY / name
            if source.is_dir():
                shutil.copytree(source, folder / name, ignore=NOT_OF_THE_PROJECT)
            else:
                shutil.copyfile(source, folder / name)
        fit(folder / "terraform", FIVE)
        for root in ROOTS:
            (folder / "terraform" / root / "release_override.tf").write_text(PIN.format(release=FIVE.release))
        wheels = REPOSITORY / "build" / "wheels"
        wheels.mkdir(parents=True, exist_ok=True)
        (folder / "build").mkdir()
        (folder / "build" / "wheels").symlink_to(wheels)
        own = {name: value for name, value in os.environ.items() if not name.startswith(NOT_OURS)}
        self._environment = {
            **own,
            **provider_variables(FIVE),
            **variables,
            "AWS_DISABLE_HOST_PREFIX_INJECTION": "true",
        }

    def make(self, target: str, *variables: str) -> subprocess.CompletedProcess[str]:
        """Make a target with this Python, whatever comes of it; all that is said is in its standard output."""
        python = f"DEPLOY={sys.executable} -m deploy"
        command = ["make", "--old-file=.venv/.built", python, target, *variables]
        return self._run(command)

    def succeed(self, target: str, *variables: str) -> str:
        """Make a target, and return what it says; anything but success is a failure."""
        done = self.make(target, *variables)
        assert done.returncode == 0, f"make {target} {' '.join(variables)}:\n{done.stdout[-8000:]}"
        return done.stdout

    def show(self, plan: Path) -> str:
        """What a plan says, as JSON."""
        data = {"TF_DATA_DIR": str(self.folder / "terraform" / "environment" / ".terraform" / plan.stem)}
        root = self.folder / "terraform" / "environment"
        done = self._run(["terraform", f"-chdir={root}", "show", "-json", str(plan)], data)
        assert done.returncode == 0, done.stdout[-5000:]
        return done.stdout

    def _run(self, command: list[str], more: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        environment = {**self._environment, **(more or {})}
        return subprocess.run(
            command,
            cwd=self.folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
