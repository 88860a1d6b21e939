"""Measurement 5: the most memory that the process of any one task of the big table holds, also where texts are long."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from tempfile import TemporaryDirectory

import psycopg
from rich.console import Console

from bench.measurement import TaskMemory, WrongResultError
from bench.servers import Servers, count_rows
from bench.task import do_steps, read_results
from include.tables.declarations import Declarations
from include.tables.steps import Step, plan
from include.totesys import DECLARED

TARGET_BYTES = 300_000_000
MOVING = frozenset({"sales_order", "fact_sales_order"})
"""The big table, at the source and in the warehouse: its steps are the ones that hold rows."""

LONG = frozenset({"purchase_order", "fact_purchase_order"})
"""The table that is given long texts."""

LONG_TEXT_BYTES = 100_000
OTHER_ROWS = 1_000
"""How many sales orders, with the rest in proportion, are beside the rows with long texts."""

FILL_LONG = """
    INSERT INTO purchase_order (purchase_order_id, item_code, created_at, last_updated, staff_id, counterparty_id,
           item_quantity, item_unit_price, currency_id, agreed_delivery_date, agreed_payment_date,
           agreed_delivery_location_id)
    SELECT last + n, repeat(md5(n::text), %s / 32), created_at, last_updated, staff_id, counterparty_id,
           item_quantity, item_unit_price, currency_id, agreed_delivery_date, agreed_payment_date,
           agreed_delivery_location_id
      FROM generate_series(1, %s) AS n, (SELECT max(purchase_order_id) FROM purchase_order) AS known (last),
           (SELECT * FROM purchase_order LIMIT 1) AS model"""

EVERY = MOVING | {""}
"""The big table, and the steps that concern all tables."""


@dataclass(frozen=True)
class Load:
    """A first load whose steps of these tables are measured. declared: what DECLARATIONS names. how: words for it."""

    tables: frozenset[str]
    declared: Declarations = DECLARED
    how: str = ""


def measure_memory(servers: Servers, console: Console, source_url: str, rows: int, load: Load) -> list[TaskMemory]:
    """Load a source with so many rows in its big table, each of these steps in a fresh process; gives their peaks."""
    lane = servers.new_lane(source_url, lake=True)
    os.environ.update(lane.variables)
    found, declared = [], load.declared
    with TemporaryDirectory(prefix="totesys-bench-") as name:
        folder = Path(name)
        for measured, steps in groupby(plan(declared, set(declared.sources)), lambda step: step.table in load.tables):
            if not measured:
                do_steps(folder, list(map(str, steps)))
                continue
            for step in steps:
                console.print(f"memory at {rows:,} rows{load.how}: {step}")
                found.append(
                    TaskMemory(f"{step}{load.how}", rows, target_bytes=TARGET_BYTES, **run_as_tasks(folder, step))
                )
    (source,) = load.tables & declared.sources.keys()
    if count_rows(lane.warehouse_url, f"current_{source}") != count_rows(source_url, source):
        raise WrongResultError(f"memory at {rows:,} rows: the warehouse has not as many as the source")
    servers.remove_lane(lane)
    return found


def measure_long_texts(servers: Servers, console: Console, rows: int) -> list[TaskMemory]:
    """The same for purchase orders each of which has a text of LONG_TEXT_BYTES."""
    source_url = servers.fill_source(f"totesys_long_{rows}", OTHER_ROWS, only_sales=False)
    with psycopg.connect(source_url) as connection:
        connection.execute(FILL_LONG, [LONG_TEXT_BYTES, rows])
    return measure_memory(servers, console, source_url, rows, Load(LONG))


def run_as_tasks(folder: Path, step: Step) -> dict[str, float]:
    """Do a step as its tasks would: in a process, slices in one each; gives the most that one of them reports."""
    if step.kind != "slice":
        return _run_alone(folder, str(step))
    numbers = read_results(folder)[Step("plan", step.table)].numbers
    told = [_run_alone(folder, f"{step} {number}") for number in numbers]
    return {name: max(each[name] for each in told) for name in told[0]}


def _run_alone(folder: Path, step: str) -> dict[str, float]:
    """Do a step in a process of its own; gives what it reports of itself."""
    command = [sys.executable, "-m", "bench.task", str(folder), step]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise WrongResultError(f"{step}:\n{done.stdout}{done.stderr}")
    return json.loads(done.stdout.splitlines()[-1])
