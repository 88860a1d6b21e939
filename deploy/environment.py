"""An environment that can be deployed, and what its terraform.tfvars says of it."""

import re
import shutil
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from deploy.errors import DeployError
from deploy.wheels import REPOSITORY

NAMES = ("dev", "prod")
SETTING = re.compile(r'^\s*(\w+)\s*=\s*"([^"]*)"', re.MULTILINE)


@dataclass(frozen=True)
class Environment:
    """One of the folders under terraform/environments."""

    env: str
    terraform: Path = REPOSITORY / "terraform"

    @property
    def folder(self) -> Path:
        """Terraform's root for it."""
        return self.terraform / "environments" / self.env

    @property
    def tfvars(self) -> Path:
        """The file with its settings."""
        return self.folder / "terraform.tfvars"

    @cached_property
    def settings(self) -> dict[str, str]:
        """The settings that are plain text, by name. Raises: DeployError when the file or one of them is missing."""
        if not self.tfvars.exists():
            raise DeployError(f"{self._shown(self.tfvars)} is missing: make setup-terraform ENV={self.env} makes it")
        found = dict(SETTING.findall(self.tfvars.read_text()))
        if missing := {"name", "region"} - found.keys():
            raise DeployError(f"{self._shown(self.tfvars)} does not set {' and '.join(sorted(missing))}")
        return found

    @property
    def name(self) -> str:
        """The prefix of every name, which is also what Airflow's environment is called."""
        return self.settings["name"]

    @property
    def region(self) -> str:
        """The region of AWS."""
        return self.settings["region"]

    @cached_property
    def account(self) -> str:
        """The account that the caller's credentials are of. Raises: DeployError when there are none that work."""
        try:
            return str(self.client("sts").get_caller_identity()["Account"])
        except (BotoCoreError, ClientError) as error:
            raise DeployError(f"AWS does not know you: {error}. Log in, for example: aws sso login") from error

    @property
    def state_bucket(self) -> str:
        """The bucket of Terraform's state."""
        return f"{self.name}-{self.account}-terraform"

    def client(self, service: str) -> Any:
        """A boto3 client of a service in the environment's region."""
        return boto3.client(service, region_name=self.region)

    def make_tfvars(self) -> bool:
        """Make terraform.tfvars from the example beside it; tells whether it was missing."""
        if self.tfvars.exists():
            return False
        shutil.copyfile(self.tfvars.with_name("terraform.tfvars.example"), self.tfvars)
        return True

    def _shown(self, file: Path) -> Path:
        return file.relative_to(self.terraform.parent)


def select(env: str) -> Environment:
    """The environment of this name. Raises: DeployError when it is none."""
    if env not in NAMES:
        given = f"{env!r} is neither dev nor prod" if env else "say which environment"
        raise DeployError(f"{given}: ENV=dev or ENV=prod, for example `make plan ENV=dev`")
    return Environment(env)
