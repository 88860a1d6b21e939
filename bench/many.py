"""What many small tables cost: `python -m bench.many`: to declare them, to parse their DAG file, to run it.

Runs are done by `include.runner` in one process, and by Airflow's `dag.test()` in one process, without a scheduler;
beside the latter a DAG of the same shape whose tasks do nothing.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter

import psycopg
from rich.console import Console

from bench.measurement import WrongResultError
from local.airflow import DAG_FILE, airflow_settings, load_dag, migrate, run_dag
from local.environment import LocalEnvironment

PACKAGE = "many_tables"
ROWS, REFERENCES = 100, 3
FACT_EVERY = 4
"""One table in so many refers to others, and becomes a fact."""

DAG_FILES = {"of the pipeline": DAG_FILE, "that does nothing": Path(__file__).with_name("empty_dag.py")}
PARSES = 5
PARSE = """
import json, sys, time
import airflow.sdk, airflow.dag_processing.dagbag
source, seconds = open(sys.argv[1]).read(), []
for _ in range(int(sys.argv[3])):
    for name in [name for name in sys.modules if name.split(".")[0] in ("include", sys.argv[2])]:
        del sys.modules[name]
    started = time.process_time()
    exec(compile(source, sys.argv[1], "exec"), {"__name__": "parsed"})
    seconds.append(time.process_time() - started)
print(json.dumps(seconds))
"""

console = Console()


def main() -> int:
    """Measure and print it all."""
    parser = argparse.ArgumentParser(prog="python -m bench.many", description=__doc__)
    parser.add_argument("--tables", type=int, default=200, help="how many (default: %(default)s)")
    options = parser.parse_args()
    with TemporaryDirectory(prefix="totesys-bench-") as name:
        home = Path(name)
        with LocalEnvironment(airflow_home=home) as environment:
            url = environment.source.create_database("many")
            os.environ.update(
                environment.variables() | airflow_settings(_dags_folder(home)) | {"AIRFLOW_CONN_TOTESYS": url}
            )
            with psycopg.connect(url) as connection:
                for number in range(options.tables):
                    connection.execute(_table(number).encode())
            _declare(home)
            console.print(f"parsed the DAG file in {_parse():.2f} s of CPU (median of {PARSES})")
            _run("a first run in one process", loaded=True)
            _run("a quiet run in one process", loaded=False)
            _run_in_airflow(home)
    return 0


def _dags_folder(home: Path) -> Path:
    """A folder with the pipeline's DAG and the empty one: Airflow runs only what it finds there."""
    folder = home / "dags"
    folder.mkdir()
    for file in DAG_FILES.values():
        shutil.copy(file, folder)
    return folder


def _table(number: int) -> str:
    """The statements that make a table and its rows; one in FACT_EVERY refers to those before it."""
    name, columns, values = (
        f"t{number:03}",
        "id integer PRIMARY KEY, name text NOT NULL, at timestamptz",
        "n, 'n', now()",
    )
    if number % FACT_EVERY == FACT_EVERY - 1:
        for other in range(number - REFERENCES, number):
            columns += f", t{other:03}_id integer NOT NULL REFERENCES t{other:03}"
            values += ", n"
    return f"""
        CREATE TABLE {name} ({columns}); INSERT INTO {name} SELECT {values} FROM generate_series(1, {ROWS}) AS n"""  # noqa: S608


def _declare(home: Path) -> None:
    from include.declare.command import Wanted, draw_up, keep

    started = perf_counter()
    told = list(keep(draw_up(Wanted()), home / PACKAGE, PACKAGE))
    console.print(f"declared {told[-2]} in {perf_counter() - started:.2f} s")
    sys.path.insert(0, str(home))
    os.environ.update(DECLARATIONS=PACKAGE, PYTHONPATH=os.pathsep.join([str(home), str(DAG_FILE.parents[1])]))


def _parse() -> float:
    command = [sys.executable, "-c", PARSE, str(DAG_FILE), PACKAGE, str(PARSES)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return float(median(json.loads(done.stdout.splitlines()[-1])))


def _run(name: str, loaded: bool) -> None:
    from include.declared import DECLARED
    from include.pipeline import Options
    from include.runner import run

    started = perf_counter()
    done = run(DECLARED, Options(), lambda *_: None)
    if done.failures or bool(done.of_kind("load")) != loaded:
        raise WrongResultError(f"{name}: {done.failures}")
    console.print(f"{name}: {perf_counter() - started:.1f} s")


def _run_in_airflow(home: Path) -> None:
    migrate(home)
    for name, file in DAG_FILES.items():
        dag = load_dag(home / "dags" / file.name)
        started = perf_counter()
        run = run_dag(dag)
        if run.state != "success":
            raise WrongResultError(f"the DAG {name} ended as {run.state}")
        console.print(
            f"a quiet run of a DAG {name}, {len(dag.tasks)} tasks in Airflow: {perf_counter() - started:.1f} s"
        )


if __name__ == "__main__":
    sys.exit(main())
