"""Where Terraform finds its AWS provider: two releases, one of each major version that the code takes.

Beside this repository there may be a folder that has them for machines without the registry; its script prints the
environment to use. Elsewhere they come from the registry, once, into a folder that is kept.
"""

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
OFFLINE = REPOSITORY.parent / "shared" / "terraform-offline" / "setup"
CACHE = REPOSITORY / "build" / "terraform-providers"
EXPORT = re.compile(r"export TF_CLI_CONFIG_FILE='(.*)'")


@dataclass(frozen=True)
class Provider:
    """A release of the AWS provider."""

    release: str
    option: str = ""

    def variables(self) -> dict[str, str]:
        """The process environment in which `terraform init` finds it."""
        if not OFFLINE.exists():
            CACHE.mkdir(parents=True, exist_ok=True)
            return {"TF_PLUGIN_CACHE_DIR": str(CACHE), "CHECKPOINT_DISABLE": "true"}
        command = [OFFLINE, *self.option.split()]
        environment = os.environ | {"PYTHON": sys.executable}
        printed = subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout
        found = EXPORT.search(printed)
        assert found, printed
        return {"TF_CLI_CONFIG_FILE": found[1]}


FIVE = Provider("5.100.0", "--real")
"""It is whole: it also plans and applies."""

SIX = Provider("6.25.0")
"""Offline only its schemas are to be had: they check every resource type, argument and block."""
