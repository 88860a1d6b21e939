"""The DAG, run by Airflow itself in this process: no scheduler, no web server, a metadata database in SQLite."""

import functools
import importlib.util
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import Any

DAG_FILE = Path(__file__).parents[1] / "dags" / "totesys_warehouse.py"


def airflow_settings(dags_folder: Path) -> dict[str, str]:
    """The process environment in which Airflow finds the DAG, and says no more than it must."""
    return {"AIRFLOW__CORE__DAGS_FOLDER": str(dags_folder), "AIRFLOW__LOGGING__LOGGING_LEVEL": "ERROR"}


def migrate(home: Path) -> None:
    """Make Airflow's metadata database in its folder `home`; six seconds."""
    environment = os.environ | {"AIRFLOW_HOME": str(home)}
    command = [sys.executable, "-m", "airflow", "db", "migrate"]
    subprocess.run(command, env=environment, check=True, capture_output=True)


def load_dag(file: Path = DAG_FILE) -> Any:
    """Import a DAG file and return its `dag`."""
    specification = importlib.util.spec_from_file_location(file.stem, file)
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    sys.modules[file.stem] = module
    specification.loader.exec_module(module)
    return module.dag


def run_dag(dag: Any, **options: Any) -> Any:
    """Do one run of a DAG with `dag.test()`; returns the DagRun. Options are those of `dag.test`.

    What Airflow prints meanwhile goes to the log folder in AIRFLOW_HOME.
    """
    log = Path(os.environ["AIRFLOW_HOME"]) / "dag-test.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("a") as output, redirect_stdout(output), _one_execution_api():
        return dag.test(**options)


@contextmanager
def _one_execution_api() -> Iterator[None]:
    """Let all tasks of `dag.test()` share one in-process API server: Airflow makes one a task, of two seconds each."""
    from airflow.sdk.execution_time import supervisor

    original = supervisor.in_process_api_server
    supervisor.in_process_api_server = functools.cache(original)
    try:
        yield
    finally:
        supervisor.in_process_api_server = original
