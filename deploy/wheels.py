"""The wheels from which Amazon MWAA, and the API's instances, install without a network.

An MWAA environment gets in plugins.zip what requirements.txt takes beyond Airflow and its Amazon provider, which its
image has.
Source: "Managing Python dependencies in requirements.txt" in the Amazon MWAA User Guide, and user_requirements.py of
amazon-mwaa-docker-images, 3.2.1.
"""

import subprocess
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from deploy.errors import DeployError

REPOSITORY = Path(__file__).parents[1]
REQUIREMENTS = REPOSITORY / "requirements.txt"
PINNED = REPOSITORY / "requirements" / f"development-{version('apache-airflow')}.txt"
"""Every version that goes with the release of Airflow that is installed here, which is the one that MWAA is to run."""

IMAGE = ("apache-airflow", "apache-airflow-providers-amazon")
"""What MWAA's image has, with all that these need."""

PYTHON = "3.12"
"""The Python of MWAA's image, and of the API's instances.

Source: Dockerfile.base of amazon-mwaa-docker-images, 3.2.1; "Python in AL2023" in the Amazon Linux 2023 User Guide.
"""


@dataclass(frozen=True, slots=True)
class Target:
    """A processor on which wheels are installed, with Amazon Linux 2023 (glibc 2.34): not the machine that packages."""

    machine: str

    @property
    def platforms(self) -> list[str]:
        """Platforms of wheels that run there."""
        return [f"manylinux_2_{minor}_{self.machine}" for minor in (34, 28, 17)] + [f"manylinux2014_{self.machine}"]

    @property
    def markers(self) -> dict[str, str]:
        """What it is, in the words of environment markers."""
        return {
            "python_version": PYTHON,
            "python_full_version": f"{PYTHON}.0",
            "implementation_name": "cpython",
            "platform_python_implementation": "CPython",
            "os_name": "posix",
            "sys_platform": "linux",
            "platform_system": "Linux",
            "platform_machine": self.machine,
        }

    def holds(self, requirement: Requirement, extra: str = "") -> bool:
        """Whether a requirement is one there."""
        return requirement.marker is None or requirement.marker.evaluate({**self.markers, "extra": extra})


MWAA = Target("x86_64")

INSTALL = """\
# --constraint none: the only source, plugins.zip, holds one version of each package
--find-links /usr/local/airflow/plugins
--no-index
"""
"""How MWAA installs from plugins.zip alone.

To a file none of whose lines names a constraint MWAA adds those of its image, which change with the image: one that
contradicts a wheel would leave the environment without any. A comment counts as a line that does.
"""


def requirements_text() -> str:
    """The environment's requirements.txt: every wheel in plugins.zip by its version, and nothing else.

    So what the image has for certain stays as it is there, in whatever version.
    """
    return INSTALL + "".join(f"{name}=={version}\n" for name, version in needed().items())


def pins(target: Target = MWAA) -> dict[str, str]:
    """Package → version, of every package that is pinned."""
    return {str(canonicalize_name(item.name)): str(item.specifier)[2:] for item in read_requirements(PINNED, target)}


def read_requirements(file: Path, target: Target = MWAA) -> list[Requirement]:
    """The requirements of a file that hold on a target."""
    lines = [line.strip() for line in file.read_text().splitlines()]
    read = [Requirement(line) for line in lines if line and not line.startswith("#")]
    return [requirement for requirement in read if target.holds(requirement)]


def needed() -> dict[str, str]:
    """Package → version of every wheel that MWAA's image lacks, sorted.

    Raises: DeployError when the environment is not the one that the requirements pin.
    """
    return pinned(closure(read_requirements(REQUIREMENTS)) - closure_of_image())


def pinned(names: set[str], target: Target = MWAA) -> dict[str, str]:
    """Package → version of these, sorted. Raises: DeployError when one is not pinned."""
    versions = pins(target)
    if unknown := names - versions.keys():
        raise DeployError(f"{PINNED.name} does not pin {', '.join(sorted(unknown))}: make lock")
    return {name: versions[name] for name in sorted(names)}


def closure_of_image() -> set[str]:
    """The packages that MWAA's image has for certain."""
    return closure(map(Requirement, IMAGE))


def closure(wanted: Iterable[Requirement], target: Target = MWAA) -> set[str]:
    """The packages that these requirements take, with their own, as the installed packages declare them."""
    found: set[tuple[str, str]] = set()
    open_ = list(wanted)
    while open_:
        requirement = open_.pop()
        for extra in {"", *requirement.extras}:
            key = (str(canonicalize_name(requirement.name)), extra)
            if key not in found:
                found.add(key)
                open_ += [other for other in _declared(requirement.name) if target.holds(other, extra)]
    return {name for name, _ in found}


def _declared(package: str) -> list[Requirement]:
    try:
        return [Requirement(text) for text in requires(package) or []]
    except PackageNotFoundError:
        raise DeployError(f"{package} is not installed here: make make-build") from None


def gather(folder: Path, packages: Mapping[str, str], target: Target = MWAA) -> list[Path]:
    """The wheels of these packages and versions, sorted, from a folder where those that are missing are downloaded to.

    Raises: DeployError when a wheel is not to be had.
    """
    folder.mkdir(parents=True, exist_ok=True)
    missing = [f"{name}=={version}" for name, version in packages.items() if not _find(folder, name, version)]
    if missing:
        _download(missing, folder, target)
    return sorted(wheel for name, version in packages.items() for wheel in _find(folder, name, version))


def _find(folder: Path, name: str, version: str) -> list[Path]:
    return sorted(folder.glob(f"{name.replace('-', '_')}-{version}-*.whl"))


def _download(packages: list[str], folder: Path, target: Target) -> None:
    options = [word for platform in target.platforms for word in ("--platform", platform)]
    options += ["--python-version", PYTHON, "--implementation", "cp", "--abi", f"cp{PYTHON.replace('.', '')}"]
    options += ["--abi", "abi3", "--abi", "none"]
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]
    command += [*options, "--dest", str(folder), *packages]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise DeployError(
            f"no wheels for Python {PYTHON} on {target.machine} of {', '.join(packages)}:\n{done.stderr.strip()}"
        )
