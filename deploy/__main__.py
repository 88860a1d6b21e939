"""The command line, which the Makefile's targets call: `python -m deploy <command> --env dev|prod`."""

import argparse
import sys
from collections.abc import Callable
from datetime import UTC, datetime

from botocore.exceptions import BotoCoreError, ClientError

from deploy import (
    api,
    api_package,
    bootstrap,
    environment,
    installation,
    mwaa,
    package,
    remains,
    sync,
    terraform,
    verify,
)
from deploy.environment import Environment
from deploy.errors import DeployError

MEGABYTE = 1e6


def build(selected: Environment | None = None) -> None:
    """Build the package, with the API's where an environment is selected that has it."""
    built = package.build()
    print(f"{built.folder}: {built.files} files, {built.size_bytes / MEGABYTE:.0f} MB")
    if selected and (architecture := selected.architecture):
        archive = api_package.build(built.folder, architecture)
        print(f"{archive}, for {architecture}: {archive.stat().st_size / MEGABYTE:.0f} MB")


def set_up(selected: Environment) -> None:
    """Find or install Terraform, make the file of settings, and connect with the state."""
    found = terraform.find() or installation.install()
    print(f"Terraform: {found}")
    again = f"make setup-terraform ENV={selected.env}"
    if selected.make_local():
        print(f"{selected.local} was made from the example. Fill it in, then: {again}")
    elif not bootstrap.exists(selected):
        print(f"The bucket {selected.state_bucket} is not there: make bootstrap ENV={selected.env}, then: {again}")
    else:
        terraform.initialise(selected)


def make_state_bucket(selected: Environment) -> None:
    """Make the bucket of the state."""
    bootstrap.bootstrap(selected)
    print(f"The bucket {selected.state_bucket} is there. Next: make setup-terraform ENV={selected.env}")


def plan(selected: Environment) -> None:
    """Show what an apply would change."""
    terraform.require_initialised(selected)
    build(selected)
    terraform.plan(selected)


def deploy(selected: Environment, approve: Callable[[], bool]) -> None:
    """Plan, ask, do what the plan says, and see a first run, and the API's new instances, through."""
    begun = datetime.now(UTC)
    apply(selected, approve)
    mwaa.start(selected, begun)
    if selected.architecture:
        api.see_through(selected, begun)


def apply(selected: Environment, approve: Callable[[], bool]) -> None:
    """Plan, ask, and do what the plan says."""
    terraform.require_source_password()
    terraform.require_initialised(selected)
    build(selected)
    file = terraform.plan(selected)
    if file is None:
        return
    if not approve():
        raise DeployError("nothing was changed")
    terraform.apply(selected, file)


def destroy(selected: Environment, confirmed: str) -> None:
    """Remove the environment, once its name was typed."""
    terraform.require_initialised(selected)
    if not confirmed and sys.stdin.isatty():
        confirmed = input(f"This deletes {selected.name} with its warehouse and data. Type its name to go on: ")
    if confirmed != selected.name:
        raise DeployError(f"nothing was deleted: confirm with CONFIRM={selected.name}")
    if not package.FOLDER.exists():
        build(selected)
    terraform.destroy(selected)
    remains.tell(selected)


def approve(yes: bool) -> bool:
    """Ask whether to apply; without a terminal only --yes is consent."""
    return yes or (sys.stdin.isatty() and input("Apply this plan? Type yes: ") == "yes")


def run(options: argparse.Namespace) -> None:
    """Do one command."""
    if options.command == "package":
        build(environment.select(options.env) if options.env else None)
        return
    selected = environment.select(options.env)
    commands: dict[str, Callable[[], object]] = {
        "setup": lambda: set_up(selected),
        "bootstrap": lambda: make_state_bucket(selected),
        "plan": lambda: plan(selected),
        "deploy": lambda: deploy(selected, lambda: approve(options.yes)),
        "sync": lambda: sync.sync(selected),
        "verify": lambda: verify.verify(selected),
        "destroy": lambda: destroy(selected, options.confirm),
    }
    commands[options.command]()


def main() -> int:
    """Do what the command line asks for; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m deploy", description="Brings the pipeline to AWS.")
    commands = ["package", "setup", "bootstrap", "plan", "deploy", "sync", "verify", "destroy"]
    parser.add_argument("command", choices=commands)
    parser.add_argument("--env", default="", help="dev or prod")
    parser.add_argument("--yes", action="store_true", help="apply without asking")
    parser.add_argument("--confirm", default="", help="the name of the environment to destroy")
    try:
        run(parser.parse_args())
    except (DeployError, BotoCoreError, ClientError) as error:
        print(f"deploy: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
