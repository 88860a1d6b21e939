"""MWAA's image, as far as the package meets it, and what it does with a package.

What the image does, by its public repository (aws/amazon-mwaa-docker-images, images/airflow/3.2.1: Dockerfile.base,
bootstrap/, python/mwaa/entrypoint.py, python/mwaa/utils/user_requirements.py; safe-pip-install by pull requests 77 and
82) and the MWAA User Guide:

- It is Amazon Linux 2023 on x86_64 with Python 3.12 and the newest pip. Airflow, the providers for Amazon, PostgreSQL
  and FAB, Celery and what they need are there in the versions of Airflow's constraints for the release.
- plugins.zip lies unpacked in /usr/local/airflow/plugins, the DAGs in /usr/local/airflow/dags.
- Each container runs startup.sh, then lets pip install requirements.txt beside what is there, then starts Airflow.
- pip always works under a short list of pins, which nobody can override. Under Airflow's constraints, from a file in
  the image, it works as well where no line of requirements.txt has `-c ` or `--constraint `; a comment is a line.
- pip has nine minutes. Whether it failed is written to the log, and changes nothing else.
"""

import os
import platform
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.tags import Tag, compatible_tags, cpython_tags
from packaging.utils import canonicalize_name, parse_wheel_filename

from deploy import wheels
from deploy.wheels import REPOSITORY

PINS = REPOSITORY / "requirements" / wheels.PINNED.name.replace("development", "mwaa")
"""What the image has. requirements/mwaa.in tells how it is made."""

NOT_TO_BE_OVERRIDDEN = (
    *("apache-airflow", "billiard", "celery", "flask", "flask-appbuilder", "flask-jwt-extended", "flask-limiter"),
    *("flask-login", "flask-session", "flask-sqlalchemy", "flask-wtf", "fluent-logger", "greenlet", "gunicorn"),
    *("kombu", "sqlalchemy", "sqlalchemy-utils", "statsd", "vine", "watchtower"),
)
"""Source: etc/mwaa_essential_constraints.txt."""

GLIBC, GLIBCXX = 34, 33
"""The image has glibc 2.34, and libstdc++ of GCC 14, GLIBCXX_3.4.33. Source: System-Packages-BOM.txt."""

PYTHON = tuple(map(int, wheels.PYTHON.split(".")))
PLATFORMS = [f"manylinux_2_{minor}_x86_64" for minor in range(GLIBC, 4, -1)] + ["manylinux2014_x86_64", "linux_x86_64"]
INTERPRETER = f"cp{wheels.PYTHON.replace('.', '')}"
ACCEPTED = {*cpython_tags(PYTHON, platforms=PLATFORMS), *compatible_tags(PYTHON, INTERPRETER, PLATFORMS)}

NOWHERE = "http://127.0.0.1:9"
"""A proxy that is not there, which is asked for any address: the container has no network."""


@dataclass(frozen=True, slots=True)
class Container:
    """A container of the image before Airflow starts: its Python, and what stands for /usr/local/airflow."""

    python: Path
    home: Path

    @property
    def plugins(self) -> Path:
        """Where plugins.zip is unpacked."""
        return self.home / "plugins"

    @property
    def requirements(self) -> Path:
        """requirements.txt, with this home in place of the image's."""
        return self.home / "requirements.txt"

    def run(self, *arguments: str | Path, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run this Python where the DAGs are; nothing of this process's environment or repository reaches it."""
        environment = {"PATH": "/usr/bin:/bin", "HOME": str(self.home), "AIRFLOW_HOME": str(self.home), **variables}
        command = [self.python, *arguments]
        return subprocess.run(
            command, cwd=self.home / "dags", env=environment, capture_output=True, text=True, check=False
        )

    def install(self, *options: str) -> subprocess.CompletedProcess[str]:
        """Let pip do with requirements.txt what the image lets it do."""
        pins = read_pins()
        always = {name: pins[name] for name in NOT_TO_BE_OVERRIDDEN if name in pins}
        command = ["-m", "pip", "install", "-c", self.write("essential.txt", always), "-r", self.requirements]
        lines = self.requirements.read_text().splitlines()
        if not any("-c " in line or "--constraint " in line for line in lines):
            command += ["-c", self.home / "constraints.txt"]
        isolated = {"PIP_CONFIG_FILE": os.devnull, "http_proxy": NOWHERE, "https_proxy": NOWHERE}
        return self.run(*command, *options, **isolated)

    def write(self, name: str, pins: dict[str, str]) -> Path:
        """Write a file of constraints."""
        file = self.home / name
        file.write_text("".join(f"{package}=={version}\n" for package, version in pins.items()))
        return file


def read_pins() -> dict[str, str]:
    """Package → version of what the image has."""
    pinned = map(Requirement, PINS.read_text().splitlines())
    return {str(canonicalize_name(item.name)): str(item.specifier)[2:] for item in pinned}


def make_python(folder: Path) -> Path:
    """An environment that has what the image has, by uv, from the package index; returns its Python."""
    if (sys.platform, platform.machine()) != ("linux", "x86_64"):
        pytest.fail("MWAA's image runs on Linux on x86_64 alone. Elsewhere: --ignore tests/deploy/test_mwaa_image.py")
    uv, made = Path(sys.executable).with_name("uv"), folder / "bin" / "python"
    for command in (["venv", "--python", find_python(), folder], ["pip", "sync", "--python", made, PINS]):
        done = subprocess.run([uv, *command], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            pytest.fail(f"An environment with what {PINS.name} pins cannot be made: {done.stderr}")
    return made


def find_python() -> str:
    """A Python of the image's version: this one, or from where the Makefile looks."""
    name = f"python{wheels.PYTHON}"
    versions = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"), "versions")
    others = [f"/usr/bin/{name}", f"/usr/local/bin/{name}", *versions.glob(f"{wheels.PYTHON}.*/bin/python")]
    for candidate in (sys.executable, shutil.which(name) or name, *map(str, others)):
        asked = [candidate, "-c", f"import sys; sys.exit(sys.version_info[:2] != {PYTHON})"]
        # On the path there may be a shim of a version that is not there.
        if Path(candidate).exists() and subprocess.run(asked, capture_output=True, check=False).returncode == 0:
            return candidate
    pytest.fail(f"MWAA's image has Python {wheels.PYTHON}, and there is none here: install it")


def start(python: Path, home: Path, package: Path, unpacked: Path) -> Container:
    """Lay out a package as MWAA does, its plugins.zip from where it was unpacked."""
    container = Container(python, home)
    home.mkdir()
    shutil.copytree(unpacked, container.plugins, copy_function=os.link)
    shutil.copytree(package / "dags", home / "dags")
    text = (package / "requirements.txt").read_text()
    container.requirements.write_text(text.replace("/usr/local/airflow", str(home)))
    container.write("constraints.txt", read_pins())
    return container


def accepted(wheel: str) -> bool:
    """Whether the image's pip takes a wheel of this name."""
    tags: frozenset[Tag] = parse_wheel_filename(wheel)[3]
    return not tags.isdisjoint(ACCEPTED)
