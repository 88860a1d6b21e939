"""An environment that can be deployed, and what its two files of values say of it."""

import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from deploy.errors import DeployError
from deploy.wheels import REPOSITORY

NAMES = ("dev", "prod")
SETTING = re.compile(r'^(\w+)\s*=\s*"([^"]*)"', re.MULTILINE)
API = re.compile(r"^api\s*=\s*(?:null|\{(.*?)\})[ \t]*(?:#[^\n]*)?$", re.MULTILINE | re.DOTALL)
"""The setting that switches the API on, an object without others in it, or off."""
ARCHITECTURE = re.compile(r'\barchitecture\s*=\s*"([^"]*)"')
DEFAULT_ARCHITECTURE = "arm64"


@dataclass(frozen=True)
class Environment:
    """One root of Terraform's, terraform/environment, with the values and the state of one environment."""

    env: str
    terraform: Path = REPOSITORY / "terraform"

    @property
    def folder(self) -> Path:
        """Terraform's root, the same for each environment."""
        return self.terraform / "environment"

    @property
    def data(self) -> Path:
        """Where Terraform notes what this environment's state is connected with: a folder of its own (TF_DATA_DIR)."""
        return self.folder / ".terraform" / self.env

    @property
    def values(self) -> tuple[Path, Path]:
        """The project's values and the user's; of a name that both have, the user's counts."""
        return self.folder / f"{self.env}.tfvars", self.folder / f"{self.env}.local.tfvars"

    @property
    def local(self) -> Path:
        """The user's values."""
        return self.values[1]

    @cached_property
    def settings(self) -> dict[str, str]:
        """The settings that are plain text, by name. Raises: DeployError when a file or one of them is missing."""
        if not self.local.exists():
            raise DeployError(f"{self._shown(self.local)} is missing: make setup-terraform ENV={self.env} makes it")
        found = {name: value for file in self.values for name, value in SETTING.findall(file.read_text())}
        if missing := {"name", "region"} - found.keys():
            raise DeployError(f"{self._shown(self.local)} does not set {' and '.join(sorted(missing))}")
        return found

    @property
    def architecture(self) -> str | None:
        """The processor of the API's instances, as EC2 calls it; None where the API is off."""
        said = [found for file in self.values if file.exists() for found in API.findall(file.read_text())]
        if not said or not said[-1]:
            return None
        found = ARCHITECTURE.search(said[-1])
        return found[1] if found else DEFAULT_ARCHITECTURE

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

    @property
    def state_key(self) -> str:
        """The name of the state in that bucket."""
        return f"{self.env}.tfstate"

    @property
    def state_encryption_key(self) -> str:
        """The ARN of the key that encrypts the state."""
        found = self.client("kms").describe_key(KeyId=f"alias/{self.name}-terraform")
        return str(found["KeyMetadata"]["Arn"])

    def client(self, service: str) -> Any:
        """A boto3 client of a service in the environment's region."""
        return boto3.client(service, region_name=self.region)

    def make_local(self) -> bool:
        """Make the file of the user's values from the example beside it; tells whether it was missing."""
        if self.local.exists():
            return False
        example = self.folder / "local.tfvars.example"
        self.local.write_text(example.read_text().replace("<env>", self.env))
        return True

    def _shown(self, file: Path) -> Path:
        return file.relative_to(self.terraform.parent)


def select(env: str) -> Environment:
    """The environment of this name. Raises: DeployError when it is none."""
    if env not in NAMES:
        given = f"{env!r} is neither dev nor prod" if env else "say which environment"
        raise DeployError(f"{given}: ENV=dev or ENV=prod, for example `make plan ENV=dev`")
    return Environment(env)
