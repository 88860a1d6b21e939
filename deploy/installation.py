"""Terraform, installed into the clone where the machine has none that is new enough."""

import hashlib
import io
import platform
import urllib.error
import urllib.request
import zipfile
from pathlib import Path

from deploy.errors import DeployError
from deploy.terraform import BIN

RELEASES = "https://releases.hashicorp.com/terraform"
VERSION = "1.11.4"
BY_HAND = (
    "Install Terraform 1.11 or later yourself, from https://developer.hashicorp.com/terraform/install or with your "
    "system's packages, so that it is on the path"
)
PROCESSORS = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64"}
TIMEOUT_SECONDS = 60


def install(folder: Path = BIN, releases: str = RELEASES) -> Path:
    """Download the release for this machine, compare it with its published checksum, and unpack it into a folder.

    Raises: DeployError when it cannot be had, or is not what was published.
    """
    system, processor = platform.system().lower(), PROCESSORS.get(platform.machine().lower())
    archive = f"terraform_{VERSION}_{system}_{processor}.zip"
    sums = _download(f"{releases}/{VERSION}/terraform_{VERSION}_SHA256SUMS").decode()
    published = {name: digest for digest, name in (line.split() for line in sums.splitlines() if line)}
    if archive not in published:
        raise DeployError(f"there is no Terraform for {platform.system()} on {platform.machine()}. {BY_HAND}")
    content = _download(f"{releases}/{VERSION}/{archive}")
    if hashlib.sha256(content).hexdigest() != published[archive]:
        raise DeployError(f"{archive} does not have its published checksum. {BY_HAND}")
    folder.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(io.BytesIO(content)) as opened:
        program = Path(opened.extract("terraform", folder))
    program.chmod(0o755)
    return program


def _download(url: str) -> bytes:
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT_SECONDS) as answer:  # noqa: S310 (the address is ours)
            return bytes(answer.read())
    except (urllib.error.URLError, TimeoutError) as error:
        raise DeployError(f"cannot download {url}: {error}. {BY_HAND}") from error
