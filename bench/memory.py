"""Measurement 4: the most memory that the process of any one task of the big table holds."""

import json
import os
import subprocess
import sys
from itertools import groupby
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.console import Console

from bench.measurement import TaskMemory, WrongResultError
from bench.servers import Servers, count_rows
from bench.task import do_steps
from include.tables.sources import SOURCES
from include.tables.steps import Step, plan

TARGET_BYTES = 300_000_000
MOVING = frozenset({"sales_order", "fact_sales_order"})
"""The big table, at the source and in the warehouse: its steps are the ones that hold rows."""

EVERY = MOVING | {""}
"""The same, and the steps that concern all tables."""


def measure_memory(
    servers: Servers, console: Console, source_url: str, rows: int, tables: frozenset[str] = EVERY
) -> list[TaskMemory]:
    """Load a source of sales orders, each step of these tables in a fresh process; gives what these held."""
    lane = servers.new_lane(source_url)
    os.environ.update(lane.variables)
    found = []
    with TemporaryDirectory(prefix="totesys-bench-") as name:
        folder = Path(name)
        for measured, steps in groupby(plan(set(SOURCES)), lambda step: step.table in tables):
            if not measured:
                do_steps(folder, list(map(str, steps)))
                continue
            for step in steps:
                console.print(f"memory at {rows:,} rows: {step}")
                found.append(TaskMemory(str(step), rows, target_bytes=TARGET_BYTES, **_run_alone(folder, step)))
    if count_rows(lane.warehouse_url, "current_sales_order") != rows:
        raise WrongResultError(f"memory at {rows:,} rows: the warehouse has not as many")
    servers.remove_lane(lane)
    return found


def _run_alone(folder: Path, step: Step) -> dict[str, float]:
    """Do a step in a process of its own; gives what it reports of itself."""
    command = [sys.executable, "-m", "bench.task", str(folder), str(step)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise WrongResultError(f"{step}:\n{done.stdout}{done.stderr}")
    return json.loads(done.stdout.splitlines()[-1])
