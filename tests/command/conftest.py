"""The command line in this process, and in one of its own."""

import json
import logging
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest

from include.__main__ import main
from include.common.settings import aws_client
from tests import shop

REPOSITORY = Path(__file__).parents[2]
DECLARATIONS = {"DECLARATIONS": shop.__name__}
"""What a process that is started in the repository reads the declarations by."""


@dataclass(frozen=True)
class Answer:
    """What a command said and how it ended."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Its standard output, all of which is one JSON document."""
        return json.loads(self.out)

    def table(self, name: str) -> dict[str, Any]:
        """What `run --json` said of one warehouse table."""
        (row,) = [row for row in self.json["tables"] if row["table"] == name]
        return dict(row)


Command = Callable[..., Answer]


@pytest.fixture
def command(
    pipeline_environment: dict[str, str], capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Command]:
    """A function that does `python -m include …` in this process, on a filled source and an empty warehouse.

    The log is silent: where another test imported Airflow first, Airflow writes it to standard output.
    """
    monkeypatch.setattr("include.declared.DECLARED", shop.DECLARED)
    aws_client.cache_clear()
    logging.disable(logging.CRITICAL)

    def do(*arguments: str) -> Answer:
        capfd.readouterr()
        try:
            status = main(list(arguments))
        except SystemExit as ended:
            status = int(ended.code or 0)
        out, err = capfd.readouterr()
        return Answer(status, out, err)

    yield do
    logging.disable(logging.NOTSET)


@pytest.fixture
def process(pipeline_environment: dict[str, str], tmp_path: Path) -> Command:
    """The same in a process of its own, with an empty AIRFLOW_HOME and so without a metadata database."""
    environment = {**os.environ, **pipeline_environment, "AIRFLOW_HOME": str(tmp_path / "home")} | DECLARATIONS

    def do(*arguments: str) -> Answer:
        done = subprocess.run(
            [sys.executable, "-m", "include", *arguments],
            cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
        return Answer(done.returncode, done.stdout, done.stderr)

    return do


@pytest.fixture
def change(filled_url: str) -> Callable[[Any], None]:
    """A function that changes the source."""

    def do(statement: Any) -> None:
        with psycopg.connect(filled_url) as source:
            source.execute(statement)

    return do
