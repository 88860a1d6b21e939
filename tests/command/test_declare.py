"""The command `declare`."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.command.conftest import Command
from tests.command.test_run import Change

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy of the pipeline without declarations, in which some can be written."""
    ignored = shutil.ignore_patterns("__pycache__", "own", "totesys")
    shutil.copytree(REPOSITORY / "include", tmp_path / "include", ignore=ignored)
    return tmp_path


def run(project: Path, environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "include", *arguments]
    return subprocess.run(
        command, cwd=project, env={**os.environ, **environment}, capture_output=True, text=True, check=False
    )


def test_the_difference_is_told_and_is_the_exit_status(command: Command, change: Change) -> None:
    answer = command("declare", "--diff", "--tables", "product,clerk")
    assert (answer.status, answer.out) == (0, "The source is as declared.\n")
    change("ALTER TABLE clerk ADD nickname text")
    answer = command("declare", "--diff", "--tables", "product,clerk")
    assert (answer.status, answer.out) == (1, "clerk.nickname: not declared\n")


def test_what_it_writes_is_what_the_project_moves(project: Path, pipeline_environment: dict[str, str]) -> None:
    done = run(project, pipeline_environment, "declare", "--exclude", "clerk.email_address")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "written to include/own"
    done = run(project, pipeline_environment, "run")
    assert done.returncode == 0, done.stderr
    assert "fact_payment" in done.stdout
    described = run(project, pipeline_environment, "describe").stdout
    assert "| payment_amount |" in described
    assert "email_address" not in described
    audited = run(project, pipeline_environment, "audit")
    assert audited.returncode == 0, audited.stdout


def test_declarations_that_cannot_be_read_are_one_clear_error_and_can_be_written_anew(
    project: Path, pipeline_environment: dict[str, str]
) -> None:
    run(project, pipeline_environment, "declare")
    broken = project / "include" / "own" / "sources.py"
    broken.write_text("product = SourceTable(")
    done = run(project, pipeline_environment, "status")
    (line,) = done.stderr.splitlines()
    assert (done.returncode, line.split(":")[0]) == (1, "error")
    assert "the declarations in include.own cannot be read: SyntaxError" in line
    refused = run(project, pipeline_environment, "declare")
    assert "include/own/sources.py: edited by hand" in refused.stderr
    assert run(project, pipeline_environment, "declare", "--overwrite").returncode == 0
    assert run(project, pipeline_environment, "status").returncode == 0
