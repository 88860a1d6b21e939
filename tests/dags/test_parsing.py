"""What it costs to parse the DAG file: little time, no heavy imports, no connection."""

import json
import os
import subprocess
import sys
from pathlib import Path
from statistics import median
from typing import Any

import pytest

PARSE = """
import json, socket, sys, time
import airflow.sdk, airflow.dag_processing.dagbag
from airflow.sdk import DAG, Asset, Param, TaskGroup, task
from pathlib import Path
before, opened = set(sys.modules), []
def refuse(self, address):
    opened.append(address)
    raise OSError("no connection is opened while a DAG is parsed")
socket.socket.connect = socket.socket.connect_ex = refuse
sys.path.append(sys.argv[1])
source = Path(sys.argv[1], "totesys_warehouse.py").read_text()
seconds = []
for _ in range(5):
    for name in [name for name in sys.modules if name.split(".")[0] == "include"]:
        del sys.modules[name]
    started = time.process_time()
    exec(compile(source, "totesys_warehouse.py", "exec"), {"__name__": "totesys_warehouse"})
    seconds.append(time.process_time() - started)
print(json.dumps({"seconds": seconds, "opened": opened, "modules": sorted(set(sys.modules) - before)}))
"""
HEAVY = {
    "pandas",
    "numpy",
    "pyarrow",
    "psycopg",
    "boto3",
    "botocore",
    "pycountry",
    "pydantic_settings",
    "pgpq",
    "pyroaring",
}


@pytest.fixture(scope="module")
def parsed(mwaa_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """What parsing the file five times took and did, in a process that has imported Airflow before."""
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW_CONN", "AIRFLOW_VAR"))
    }
    answer = subprocess.run(
        [sys.executable, "-P", "-c", PARSE, mwaa_folder],
        cwd=mwaa_folder.parent,
        env=environment | {"AIRFLOW_HOME": str(tmp_path_factory.mktemp("empty-home"))},
        check=True,
        capture_output=True,
        text=True,
    )
    return json.loads(answer.stdout.splitlines()[-1])


def test_it_parses_in_less_than_a_second(parsed: Any) -> None:
    assert median(parsed["seconds"]) < 1


def test_it_imports_nothing_heavy(parsed: Any) -> None:
    assert {name.partition(".")[0] for name in parsed["modules"]} & HEAVY == set()


def test_it_opens_no_connection(parsed: Any) -> None:
    assert parsed["opened"] == []


def test_it_imports_of_the_pipeline_only_what_it_draws(parsed: Any) -> None:
    ours = {name for name in parsed["modules"] if name.startswith("include.")}
    working = {"include.pipeline", "include.source.ingest", "include.lake.transform", "include.warehouse.load"}
    assert not ours & {*working, "include.lake.rows"}
