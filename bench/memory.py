"""Measurement 4: the most memory that the process of any one task of the big table holds."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.console import Console

from bench.measurement import TaskMemory, WrongResultError
from bench.servers import Lane, Servers, count_rows
from include.sources import SOURCES
from include.steps import Step, plan

TARGET_BYTES = 300_000_000
MEASURED = {"sales_order", "fact_sales_order", ""}
"""Tables whose steps have a process of their own; empty for the steps that concern all tables."""


def measure_memory(servers: Servers, console: Console, source_url: str, rows: int) -> list[TaskMemory]:
    """Load a source of sales orders, each step of the big table in a fresh process; gives what these held."""
    lane = servers.new_lane(source_url)
    found = []
    with TemporaryDirectory(prefix="totesys-bench-") as folder:
        for measured, steps in _processes():
            console.print(f"memory at {rows:,} rows: {steps[0]}{' and others' if len(steps) > 1 else ''}")
            report = _run_steps(lane, Path(folder), steps)
            if measured:
                found.append(TaskMemory(str(steps[0]), rows, target_bytes=TARGET_BYTES, **report))
    if count_rows(lane.warehouse_url, "current_sales_order") != rows:
        raise WrongResultError(f"memory at {rows:,} rows: the warehouse has not as many")
    servers.remove_lane(lane)
    return found


def _processes() -> Iterator[tuple[bool, list[Step]]]:
    """The steps of a run in order: those that are measured one by one, those between them together."""
    for key, steps in groupby(enumerate(plan(set(SOURCES))), lambda item: _group(*item)):
        yield key is not None, [step for _, step in steps]


def _group(position: int, step: Step) -> int | None:
    return position if step.table in MEASURED else None


def _run_steps(lane: Lane, folder: Path, steps: list[Step]) -> dict[str, float]:
    command = [sys.executable, "-m", "bench.task", str(folder), *map(str, steps)]
    done = subprocess.run(command, env=os.environ | lane.variables, capture_output=True, text=True, check=False)
    if done.returncode:
        raise WrongResultError(f"{', '.join(map(str, steps))}:\n{done.stdout}{done.stderr}")
    return json.loads(done.stdout.splitlines()[-1])
