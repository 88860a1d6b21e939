"""Other tools, each in an environment of its own that is kept in the folder for temporary files."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path


class PeerError(Exception):
    """A tool cannot be installed here, or does not do what it is measured at. The message is its own."""


def install(name: str, requirements: Sequence[str]) -> Path:
    """The folder of a tool's programs. Raises: PeerError."""
    folder = Path(tempfile.gettempdir()) / f"totesys-bench-{os.getuid()}-{name}"
    programs = folder / "bin"
    try:
        _uv("venv", "--allow-existing", "--python", sys.executable, str(folder))
        _uv("pip", "install", "--python", str(programs / "python"), *requirements)
    except subprocess.CalledProcessError as error:
        raise PeerError(error.stderr.strip()) from error
    return programs


def version(programs: Path, name: str) -> str:
    """The version of the tool that is installed there."""
    listed = _uv("pip", "freeze", "--python", str(programs / "python")).splitlines()
    return next(line.partition("==")[2] for line in listed if line.startswith(f"{name}=="))


def _uv(*arguments: str) -> str:
    command = [sys.executable, "-m", "uv", *arguments, "--quiet"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout
