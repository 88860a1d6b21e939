"""Who has declarations of their own can delete all that is about ToteSys; the rest holds, and proves itself."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from local.airflow import DAG_FILE
from local.postgres import PostgresServer
from tests.machinery.test_declare import SAMPLES

REPOSITORY = DAG_FILE.parents[1]
TOTESYS = ("include/totesys", "local/totesys", "tests/totesys")
LEFT_BEHIND = shutil.ignore_patterns(".*", "__pycache__", "build", "own")
MAKE_TEST = ("--ignore", "tests/terraform", "--ignore", "tests/totesys/servers")
"""What `make test` leaves out."""
SOME = "test_rooms or test_steps or test_graph or test_fixtures or test_status_shows or test_describe"
"""Tests of the rooms, of what is planned and drawn, of the servers and of the command line."""


def do(project: Path, *module: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Do `python -m` in the project, in a process that knows nothing of this test's."""
    own = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "PYTHONPATH"))}
    command = [sys.executable, "-m", *module]
    return subprocess.run(command, cwd=project, env=own | environment, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, postgres_servers: Callable[[int], PostgresServer]) -> Path:
    """A copy of the project without ToteSys, in which a web shop was declared."""
    folder = tmp_path_factory.mktemp("project") / "project"
    shutil.copytree(REPOSITORY, folder, ignore=LEFT_BEHIND)
    for name in TOTESYS:
        shutil.rmtree(folder / name, ignore_errors=True)
    url = postgres_servers(18).create_database("declared_for_a_project")
    with psycopg.connect(url) as connection:
        connection.execute(SAMPLES["shop"].encode())
    done = do(folder, "include", "declare", AIRFLOW_CONN_TOTESYS=url)
    assert done.returncode == 0, done.stderr
    return folder


def test_all_other_tests_can_be_collected_and_some_of_them_pass(project: Path) -> None:
    done = do(project, "pytest", "-q", "-p", "no:cacheprovider", *MAKE_TEST, "-k", SOME)
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]


@pytest.mark.parametrize(
    "tool", [("ruff", "check", "."), ("ruff", "format", "--check", "."), ("mypy",)], ids=["style", "format", "types"]
)
def test_what_is_left_and_what_was_declared_is_in_the_projects_style(project: Path, tool: tuple[str, ...]) -> None:
    done = do(project, *tool)
    assert done.returncode == 0, done.stdout


def test_make_run_says_that_it_takes_a_source(project: Path) -> None:
    done = do(project, "local.run")
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].endswith("name a database of yours to read, make run SOURCE=postgresql://…")
