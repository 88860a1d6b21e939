"""What is uploaded to the environment's bucket, as files: the same bytes for the same code, wherever it is built."""

import json
import shutil
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from deploy import wheels
from deploy.errors import DeployError
from deploy.wheels import REPOSITORY

FOLDER = REPOSITORY / "build" / "package"
WHEELS = REPOSITORY / "build" / "wheels"
STARTUP = REPOSITORY / "deploy" / "startup.sh"

DAG_FOLDERS = {"dags": "dags", "include": "dags/include"}
"""Folder of the repository → folder of the package. Workers have `dags/` on their path, and nothing else of ours."""

LEFT_OUT = ("README.md", "*.pyc", ".DS_Store")
EPOCH = (1980, 1, 1, 0, 0, 0)
"""When every file in the archive was changed: the earliest that an archive can say."""


@dataclass(frozen=True, slots=True)
class Package:
    """A package that was built."""

    folder: Path
    files: int
    size_bytes: int


def build(folder: Path = FOLDER, wheel_folder: Path = WHEELS) -> Package:
    """Make the package anew in a folder; returns what it holds.

    Raises: DeployError when a wheel is not to be had, or a declaration is wrong.
    """
    found = wheels.gather(wheel_folder, wheels.needed())
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for key, file in dag_files().items():
        copy(file, folder / key)
    write_archive(folder / "plugins.zip", plugins_and_wheels(REPOSITORY / "plugins", found))
    (folder / "requirements.txt").write_text(wheels.requirements_text())
    copy(STARTUP, folder / "startup.sh")
    (folder / "views.json").write_text(views_text())
    sizes = [file.stat().st_size for file in folder.rglob("*") if file.is_file()]
    return Package(folder, len(sizes), sum(sizes))


def views_text() -> str:
    """The lake's views for Athena, which Terraform makes: as JSON. Raises: DeployError when declarations are wrong."""
    from include.common.errors import DeclarationError  # which a step that builds nothing does without

    try:
        from include.declared import DECLARED
        from include.lake.athena import athena_views
    except DeclarationError as error:
        raise DeployError(str(error)) from error
    return json.dumps(athena_views(DECLARED), indent=1)


def dag_files() -> dict[str, Path]:
    """The code that Airflow reads: place in the package, and in the bucket → file of the repository."""
    return {
        f"{target}/{file.relative_to(REPOSITORY / source)}": file
        for source, target in DAG_FOLDERS.items()
        for file in contents(REPOSITORY / source)
    }


def contents(folder: Path) -> Iterator[Path]:
    """The files of a folder that belong into the package, sorted."""
    for file in sorted(folder.rglob("*")):
        if file.is_file() and "__pycache__" not in file.parts and not any(map(file.match, LEFT_OUT)):
            yield file


def copy(file: Path, target: Path) -> None:
    """Copy a file's content; its owner, mode and times are of no account."""
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(file, target)
    target.chmod(0o644)


def plugins_and_wheels(plugins: Path, wheel_files: Iterable[Path]) -> dict[str, bytes]:
    """What is in plugins.zip, side by side at its root: name → content."""
    files = {str(file.relative_to(plugins)): file for file in contents(plugins)}
    return read(files | {wheel.name: wheel for wheel in wheel_files})


def read(files: Mapping[str, Path]) -> dict[str, bytes]:
    """Name → content of files."""
    return {name: file.read_bytes() for name, file in files.items()}


def write_archive(archive: Path, entries: Mapping[str, bytes]) -> None:
    """Write an archive: name → content."""
    # Nothing is compressed: wheels are already, and compressors of other versions write other bytes.
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_STORED) as opened:
        for name in sorted(entries):
            entry = zipfile.ZipInfo(name, EPOCH)
            entry.create_system = 3  # Unix, whose modes the next line gives
            entry.external_attr = 0o100644 << 16
            opened.writestr(entry, entries[name])
