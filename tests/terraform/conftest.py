"""What was applied, once for all tests of a worker: an account, databases, and both environments."""

import logging
import os
from collections.abc import Iterator
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

from tests.terraform.additions import added_to_moto
from tests.terraform.cloud import Cloud
from tests.terraform.databases import Databases, running_databases
from tests.terraform.environments import Environment, deploy_both
from tests.terraform.mwaa_run import AirflowRun, make_instance, run_from_bucket
from tests.terraform.providers import FIVE, SIX

APART = ("test_modules.py", "test_mutations.py")
"""Files whose tests have nothing in common, so that workers share them; the tests of any other have one worker."""


class ByFile(LoadScopeScheduling):
    """Which worker gets which tests."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        return nodeid if file.endswith(APART) else file


def pytest_configure(config: pytest.Config) -> None:
    """Have the providers ready before there are workers: to set up one's may take the other's away.

    Terraform and its providers live for seconds: with their memory collected less often they take a third less CPU.
    """
    os.environ.setdefault("GOGC", "400")
    if not hasattr(config, "workerinput"):
        for provider in (SIX, FIVE):
            provider.variables()


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> ByFile:
    """Give the workers of pytest-xdist their tests."""
    return ByFile(config, log)


@pytest.fixture(scope="session")
def databases() -> Iterator[Databases]:
    """The source and the server of the warehouse."""
    with running_databases() as running:
        yield running


@pytest.fixture(scope="session")
def account(databases: Databases) -> Iterator[Cloud]:
    """The account that everything is applied to."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    with added_to_moto(databases.host), Cloud() as running:
        yield running


@pytest.fixture(scope="session")
def runs(account: Cloud, databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> list[AirflowRun]:
    """The pipeline's runs in dev, each as Airflow was asked for it; those of prod only are said to have succeeded."""
    done: list[AirflowRun] = []

    def run(name: str) -> str:
        if name != "totesys-dev":
            return "success"
        if not done:
            make_instance(account, name, databases)
        done.append(run_from_bucket(account, name, tmp_path_factory.mktemp("airflow")))
        return done[-1].state

    account.mwaa.run = run
    return done


@pytest.fixture(scope="session")
def applied(
    account: Cloud, databases: Databases, runs: list[AirflowRun], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Environment]:
    """Both environments by their names."""
    return deploy_both(tmp_path_factory.mktemp("applied"), account, databases)


@pytest.fixture(scope="session")
def pipeline_run(applied: dict[str, Environment], runs: list[AirflowRun]) -> AirflowRun:
    """The pipeline's first run, which the deployment of dev has started."""
    return runs[0]
