"""What was applied, once for all tests of a worker: an account, databases, and both environments."""

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

from deploy import package
from tests.terraform.additions import added_to_moto
from tests.terraform.cloud import Cloud
from tests.terraform.databases import Databases, running_databases
from tests.terraform.environments import Environment, apply_both
from tests.terraform.mwaa_run import AirflowRun, run_from_bucket
from tests.terraform.providers import FIVE, SIX

APART = ("test_modules.py", "test_mutations.py")
"""Files whose tests have nothing in common, so that workers share them; the tests of any other have one worker."""


class ByFile(LoadScopeScheduling):
    """Which worker gets which tests."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        return nodeid if file.endswith(APART) else file


def pytest_configure(config: pytest.Config) -> None:
    """Have the providers ready before there are workers: to set up one's may take the other's away."""
    if not hasattr(config, "workerinput"):
        for provider in (SIX, FIVE):
            provider.variables()


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> ByFile:
    """Give the workers of pytest-xdist their tests."""
    return ByFile(config, log)


@pytest.fixture(scope="session")
def package_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package, as `make deploy` builds it."""
    return package.build(tmp_path_factory.mktemp("package") / "package").folder


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
def applied(
    account: Cloud, databases: Databases, package_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Environment]:
    """Both environments by their names."""
    return apply_both(tmp_path_factory.mktemp("applied"), account, databases, package_folder)


@pytest.fixture(scope="session")
def pipeline_run(
    account: Cloud, applied: dict[str, Environment], databases: Databases, tmp_path_factory: pytest.TempPathFactory
) -> AirflowRun:
    """The pipeline's first run in what was applied as dev."""
    return run_from_bucket(account, applied["dev"], databases, tmp_path_factory.mktemp("airflow"))
