"""A pipeline with a lake, and Apache Spark, which asks the lake in a process of its own."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from local.aws import AwsServer
from tests.clients import own_clients  # noqa: F401 - a fixture of all tests here
from tests.machinery.conftest import system_of  # noqa: F401 - a fixture
from tests.machinery.test_lake import database  # noqa: F401 - a fixture

ROOT = Path(__file__).parents[2]
PYTHON = ROOT / "build" / "spark" / "bin" / "python"
DOCUMENTED = re.compile(r"--conf (spark\.sql\.\S+?)=(\S+)")
"""What docs/lake.md tells to set, but for the file with Iceberg: here it is elsewhere."""

HERE = {
    "spark.ui.enabled": "false",
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.shuffle.partitions": "1",
    "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
    "spark.sql.parquet.datetimeRebaseModeInWrite": "CORRECTED",
    "spark.sql.catalog.lake.http-client.type": "urlconnection",
    "spark.sql.catalog.lake.s3.path-style-access": "true",
    "spark.sql.catalog.lake.client.region": "eu-west-2",
}

Rows = list[dict[str, Any]]
AskSpark = Callable[[dict[str, str]], dict[str, Rows]]


@pytest.fixture
def ask_spark(aws: AwsServer, tmp_path: Path) -> AskSpark:
    """A function from questions by name to Spark's answers. The lake's tables are `lake.<database>.<table>`."""
    assert shutil.which("java"), "no Java on the path: install it, on Debian by apt-get install openjdk-17-jre-headless"
    documented = dict(DOCUMENTED.findall((ROOT / "docs" / "lake.md").read_text()))
    assert "spark.sql.catalog.lake" in documented
    ends = {f"spark.sql.catalog.lake.{service}.endpoint": aws.endpoint_url for service in ("s3", "glue")}
    temporary = {"spark.local.dir": str(tmp_path), "spark.sql.warehouse.dir": str(tmp_path / "none")}

    def ask(questions: dict[str, str]) -> dict[str, Rows]:
        folders = {name: tmp_path / name for name in questions}
        told = {"settings": documented | HERE | ends | temporary,
                "questions": {str(folders[name]): question for name, question in questions.items()}}  # fmt: skip
        done = subprocess.run(
            [PYTHON, "-m", "tests.spark.read", json.dumps(told)],
            cwd=ROOT,
            env=os.environ | {"TZ": "UTC"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr[-4000:]
        return {name: pq.read_table(folder).to_pylist() for name, folder in folders.items()}

    return ask
