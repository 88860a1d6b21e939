"""The environments dev and prod, applied side by side to one account on this machine."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from secrets import token_urlsafe
from typing import Any, TypeVar

from tests.terraform.cloud import Cloud
from tests.terraform.databases import Databases
from tests.terraform.providers import FIVE
from tests.terraform.workspace import Workspace

Result = TypeVar("Result")

OPERATOR = "operator"
PIPELINE = "pipeline"
PLAN = "new.tfplan"
STATE = "terraform.tfstate"


@dataclass
class Environment:
    """One of them, in a workspace of its own."""

    root: str
    workspace: Workspace
    outputs: dict[str, Any] = field(default_factory=dict)
    planned: str = ""

    @property
    def name(self) -> str:
        """What all of its names begin with."""
        return "totesys-" + self.root.rpartition("/")[2]

    @property
    def instance(self) -> str:
        """The identifier of the warehouse's instance."""
        return f"{self.name}-warehouse"

    @property
    def state(self) -> str:
        """The state as it is kept."""
        return (self.workspace.code / self.root / STATE).read_text()

    def apply(self) -> None:
        """Plan, and do what was planned."""
        self.workspace.init(self.root, local_state=True)
        self.workspace.succeed(self.root, "plan", "-input=false", f"-out={PLAN}")
        self.planned = self.workspace.succeed(self.root, "show", "-json", PLAN)
        self.workspace.succeed(self.root, "apply", "-input=false", PLAN)
        self.outputs = self.workspace.outputs(self.root)

    def plan_again(self) -> tuple[int, str]:
        """Plan once more: 0 and nothing to do, or 2 and what."""
        done = self.workspace.run(self.root, "plan", "-input=false", "-detailed-exitcode")
        return done.returncode, done.stdout

    def destroy(self) -> tuple[bool, str]:
        """Remove everything; whether that was done, and what Terraform said."""
        done = self.workspace.run(self.root, "destroy", "-input=false", "-auto-approve")
        return done.returncode == 0, done.stdout


def settings(name: str, databases: Databases, package: Path) -> dict[str, Any]:
    """A root's variables, as an operator sets them."""
    return {
        "name": name,
        "region": "eu-west-2",
        "emails": ["data@example.com"],
        "package_folder": str(package),
        "source_database": {
            "host": databases.host,
            "port": databases.source_port,
            "database": "totesys",
            "user": "totesys_reader",
            "cidr": "10.20.0.0/24",
            "sslmode": "verify-full",
            "ca_bundle": str(databases.certificate),
        },
    }


def apply_both(folder: Path, cloud: Cloud, databases: Databases, package: Path) -> dict[str, Environment]:
    """Apply both at the same time: most of it is waiting for RDS."""
    environments = {}
    for env in ("dev", "prod"):
        passwords = {"source_password": databases.source_password, "warehouse_password": token_urlsafe(24)}
        given = {f"TF_VAR_{name}": password for name, password in passwords.items()}
        variables = cloud.variables(OPERATOR) | cloud.proxy() | given
        environment = Environment(f"environments/{env}", Workspace(folder / env, FIVE, variables))
        tfvars = environment.workspace.code / environment.root / "terraform.tfvars.json"
        tfvars.write_text(json.dumps(settings(environment.name, databases, package)))
        environments[env] = environment
    in_parallel(Environment.apply, environments)
    return environments


def in_parallel(work: Callable[[Environment], Result], environments: dict[str, Environment]) -> dict[str, Result]:
    """Do some work with both at the same time; returns what came of it."""
    with ThreadPoolExecutor() as threads:
        return dict(zip(environments, threads.map(work, environments.values()), strict=True))
