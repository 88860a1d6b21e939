"""The API's package: one archive from which an instance installs it without a network."""

from pathlib import Path

from deploy import wheels
from deploy.package import contents, read, write_archive
from deploy.wheels import REPOSITORY, Target

ARCHIVE = "api.zip"
REQUIREMENTS = REPOSITORY / "requirements" / "api.in"
INSTANCE = REPOSITORY / "deploy" / "instance"
"""The script that installs it, and what it gives to systemd and logrotate."""

CODE = ("include", "serve")
"""Folders of the repository that are on its path."""

TARGETS = {"arm64": Target("aarch64"), "x86_64": Target("x86_64")}
"""Processors by the names that EC2 has for them."""


def wheel_folder(target: Target) -> Path:
    """Where wheels for a processor are kept. Those for MWAA's are where its package has them, too."""
    return REPOSITORY / "build" / ("wheels" if target == wheels.MWAA else f"wheels-{target.machine}")


def needed(target: Target) -> dict[str, str]:
    """Package → version of every wheel that an instance takes, sorted. Raises: DeployError when one is not pinned."""
    return wheels.pinned(wheels.closure(wheels.read_requirements(REQUIREMENTS, target), target), target)


def build(folder: Path, architecture: str) -> Path:
    """Write the archive for a processor into a folder, the same bytes for the same code; returns its place.

    Raises: DeployError when a wheel is not to be had.
    """
    target = TARGETS[architecture]
    packages = needed(target)
    found = wheels.gather(wheel_folder(target), packages, target)
    entries = {file.name: file for file in contents(INSTANCE)}
    entries |= {f"wheels/{wheel.name}": wheel for wheel in found}
    for name in CODE:
        entries |= {f"code/{file.relative_to(REPOSITORY)}": file for file in contents(REPOSITORY / name)}
    requirements = "".join(f"{name}=={version}\n" for name, version in packages.items())
    write_archive(folder / ARCHIVE, read(entries) | {"requirements.txt": requirements.encode()})
    return folder / ARCHIVE
