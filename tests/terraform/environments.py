"""The environments dev and prod, deployed side by side to one account on this machine as an operator deploys them."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from tests.terraform.clone import Clone
from tests.terraform.cloud import Cloud
from tests.terraform.databases import Databases
from tests.terraform.mwaa import ACCOUNT
from tests.terraform.workspace import one_at_a_time

Result = TypeVar("Result")

OPERATOR = "operator"
PIPELINE = "pipeline"

SETTINGS = """
name   = "{name}"
region = "eu-west-2"
emails = ["data@example.com"]
analytics = {{ analysts = ["arn:aws:iam::{account}:root"] }}

source_database = {{
  host      = "{databases.host}"
  port      = {databases.source_port}
  database  = "totesys"
  user      = "totesys_reader"
  cidr      = "10.20.0.0/24"
  sslmode   = "verify-full"
  ca_bundle = "{databases.certificate}"
}}
"""


@dataclass
class Environment:
    """One of them, with a clone of its own."""

    env: str
    clone: Clone
    cloud: Cloud
    said: str = ""
    """What its deployment said."""
    planned: str = ""

    @property
    def name(self) -> str:
        """What all of its names begin with."""
        return f"totesys-{self.env}"

    @property
    def instance(self) -> str:
        """The identifier of the warehouse's instance."""
        return f"{self.name}-warehouse"

    @property
    def settings(self) -> Path:
        """The operator's file."""
        return self.clone.folder / "terraform" / "environment" / f"{self.env}.local.tfvars"

    @property
    def state_bucket(self) -> str:
        """The bucket of Terraform's state."""
        return f"{self.name}-{ACCOUNT}-terraform"

    @property
    def states(self) -> tuple[str, str]:
        """The keys of the bootstrap's own state and of the environment's."""
        return "bootstrap.tfstate", f"{self.env}.tfstate"

    @property
    def state(self) -> str:
        """The state as it is kept."""
        place = {"Bucket": self.state_bucket, "Key": f"{self.env}.tfstate"}
        return str(self.cloud.client("s3").get_object(**place)["Body"].read().decode())

    @property
    def outputs(self) -> dict[str, Any]:
        """The root's outputs."""
        return {name: output["value"] for name, output in json.loads(self.state)["outputs"].items()}

    def key_of(self, alias: str) -> str:
        """The id of the key that an alias names."""
        return str(self.cloud.client("kms").describe_key(KeyId=alias)["KeyMetadata"]["KeyId"])

    def set_up(self, databases: Databases) -> None:
        """Every step that comes before the first deployment."""
        self.clone.succeed("setup-terraform", f"ENV={self.env}")
        self.settings.write_text(SETTINGS.format(name=self.name, account=ACCOUNT, databases=databases))
        with one_at_a_time():
            self.clone.succeed("bootstrap", f"ENV={self.env}")
            self.clone.succeed("setup-terraform", f"ENV={self.env}")

    def deploy(self) -> str:
        """Deploy; returns what was said."""
        return self.clone.succeed("deploy", f"ENV={self.env}", "YES=1")

    def deploy_first(self, databases: Databases) -> None:
        """Set up and deploy for the first time, and keep what was said and planned."""
        self.set_up(databases)
        self.said = self.deploy()
        self.planned = self.clone.show(self.clone.folder / "build" / "plans" / f"{self.env}.tfplan")

    def destroy(self) -> tuple[bool, str]:
        """Remove everything; whether that was done, and what was said."""
        done = self.clone.make("destroy", f"ENV={self.env}", f"CONFIRM={self.name}")
        return done.returncode == 0, done.stdout


def deploy_both(folder: Path, cloud: Cloud, databases: Databases) -> dict[str, Environment]:
    """Deploy both at the same time: most of it is waiting for RDS."""
    environments = {}
    for env in ("dev", "prod"):
        (folder / env).mkdir()
        given = {"TF_VAR_source_password": databases.source_password}
        clone = Clone(folder / env, cloud.variables(OPERATOR) | cloud.proxy() | given)
        environments[env] = Environment(env, clone, cloud)
    in_parallel(lambda environment: environment.deploy_first(databases), environments)
    return environments


def in_parallel(work: Callable[[Environment], Result], environments: dict[str, Environment]) -> dict[str, Result]:
    """Do some work with both at the same time; returns what came of it."""
    with ThreadPoolExecutor() as threads:
        return dict(zip(environments, threads.map(work, environments.values()), strict=True))
