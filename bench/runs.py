"""How long a run takes in Airflow, and what of it is Airflow's: `python -m bench.runs`, beside what `make up` runs.

Each round plays an hour of business at the source and has a run done (few changes), then another (none). After each, a
DAG of the same shape is run, whose tasks end in the same states but do nothing. The simulator rests meanwhile.
"""

import argparse
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from statistics import median
from typing import Any

from rich.console import Console
from rich.table import Table

from bench.stack import TICKS_PER_HOUR, Airflow, add_options, play

EMPTY = "empty"
EMPTY_DAG = Path(__file__).with_name("empty_dag.py")
IN_CONTAINER = "/usr/local/airflow/dags/empty_dag.py"
KINDS = {"few changes": TICKS_PER_HOUR, "no change": 0}
"""The kinds of runs, and how many minutes of business come before them."""

STEPS = {
    "prepare": ("prepare",),
    "ingest": ("ingest.",),
    "transform": ("dimensions.", "facts."),
    "load": ("load.",),
    "check": ("check",),
    "record": ("record",),
    "classify": ("classify.",),
}
"""What the tasks of each step are called."""


@dataclass(frozen=True)
class Round:
    """A run of the pipeline and one of the empty DAG, in seconds. ends: when the last task of each step was over."""

    pipeline: float
    empty: float
    processes: int
    ends: dict[str, float]


def main(arguments: list[str] | None = None) -> int:
    """Measure and print; the exit status is 1 where a run failed."""
    options = parser().parse_args(arguments)
    airflow = Airflow(options.airflow, options.user, options.password)
    with resting_simulator(), empty_dag():
        rounds = {kind: [] for kind in KINDS}
        airflow.run()
        for _ in range(options.rounds):
            for kind, ticks in KINDS.items():
                play(options.source, ticks)
                rounds[kind].append(measure(airflow))
    report(rounds)
    return 0


def compose(*arguments: str) -> None:
    """Run `docker compose` on what `make up` started.

    Raises: RuntimeError with what it says where it fails.
    """
    result = subprocess.run(["docker", "compose", *arguments], capture_output=True, text=True, check=False)
    if result.returncode:
        raise RuntimeError(f"docker compose {' '.join(arguments)}: {result.stderr}")


@contextmanager
def resting_simulator() -> Iterator[None]:
    """Nobody else changes the source meanwhile."""
    compose("stop", "simulator")
    try:
        yield
    finally:
        compose("start", "simulator")


@contextmanager
def empty_dag() -> Iterator[None]:
    """The empty DAG is among Airflow's meanwhile."""
    services = ("dag-processor", "scheduler")
    for service in services:
        compose("cp", str(EMPTY_DAG), f"{service}:{IN_CONTAINER}")
    compose("exec", "-T", "dag-processor", "airflow", "dags", "reserialize")
    try:
        yield
    finally:
        for service in services:
            compose("exec", "-T", "-u", "root", service, "rm", IN_CONTAINER)
        compose("exec", "-T", "dag-processor", "airflow", "dags", "delete", "--yes", EMPTY)


def measure(airflow: Airflow) -> Round:
    """Have the pipeline and the empty DAG run once each.

    Raises: RuntimeError where a run failed, or the two took other courses.
    """
    run = succeeded(airflow.run())
    tasks = airflow.tasks(run)
    own = [task for task in tasks if task["pid"]]
    skipped = [task["task_id"] for task in own if task["state"] == "skipped"]
    empty = succeeded(airflow.run(EMPTY, skip=skipped))
    taken, imitated = course(tasks), course(airflow.tasks(empty))
    names = sorted(name for name in taken | imitated if taken.get(name) != imitated.get(name))
    other = [f"{name}: {taken.get(name)}, {imitated.get(name)}" for name in names]
    if other:
        raise RuntimeError(
            f"{run['dag_run_id']}: the empty DAG took another course than the pipeline: {'; '.join(other)}"
        )
    return Round(run["duration"], empty["duration"], len(own), ends(run, own))


def course(tasks: list[dict[str, Any]]) -> dict[str, tuple[str, bool]]:
    """How each task of a run ended, and whether it had a process."""
    return {task["task_id"]: (task["state"], task["pid"] is not None) for task in tasks}


def succeeded(run: dict[str, Any]) -> dict[str, Any]:
    """The run, which is over."""
    if run["state"] != "success":
        raise RuntimeError(f"{run['dag_id']}, {run['dag_run_id']}: {run['state']}")
    return run


def ends(run: dict[str, Any], tasks: list[dict[str, Any]]) -> dict[str, float]:
    """By step, how many seconds after the run's start its last task was over."""
    began = instant(run["start_date"])
    found = {}
    for step, names in STEPS.items():
        ended = [instant(task["end_date"]) for task in tasks if task["task_id"].startswith(names)]
        found[step] = (max(ended) - began).total_seconds()
    return found


def instant(text: str) -> datetime:
    """An instant as the API writes it."""
    return datetime.fromisoformat(text)


def report(rounds: dict[str, list[Round]]) -> None:
    """Print each round's seconds, the ratio of medians, and at which second (median) each step was over."""
    table = Table("run", "pipeline, s", "empty, s", "ratio", "processes", *STEPS)
    for kind, found in rounds.items():
        pipeline, empty = [one.pipeline for one in found], [one.empty for one in found]
        table.add_row(
            kind,
            " ".join(f"{seconds:.1f}" for seconds in pipeline),
            " ".join(f"{seconds:.1f}" for seconds in empty),
            f"{median(pipeline) / median(empty):.2f}",
            f"{median(one.processes for one in found):.0f}",
            *(f"{median(one.ends[step] for one in found):.1f}" for step in STEPS),
        )
    Console(width=None if sys.stdout.isatty() else 160).print(table)


def parser() -> argparse.ArgumentParser:
    """The command's options."""
    command = argparse.ArgumentParser(prog="python -m bench.runs", description=__doc__)
    command.add_argument("--rounds", type=int, default=5, help="(default: %(default)s)")
    add_options(command)
    return command


if __name__ == "__main__":
    sys.exit(main())
