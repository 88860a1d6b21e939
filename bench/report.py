"""What was measured, as tables to read and as JSON."""

import platform
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psutil
from rich.console import Console
from rich.table import Table

from bench.measurement import Comparison, Cost, TaskMemory, Timed, median_by_name, median_seconds
from bench.servers import SETTINGS

PACKAGES = ("apache-airflow", "psycopg", "pyarrow", "pgpq", "boto3", "moto", "rich")
SHOWN_STEPS = 12


def machine() -> dict[str, Any]:
    """What this ran on."""
    return {
        "system": f"{platform.system()} {platform.release()}",
        "processor": _processor(),
        "cpus": psutil.cpu_count(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "python": platform.python_version(),
        "settings": SETTINGS,
        **{name: version(name) for name in PACKAGES},
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except FileNotFoundError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")


def print_machine(console: Console, facts: dict[str, Any]) -> None:
    """One line of what this runs on."""
    console.print(", ".join(f"{name} {value}" for name, value in facts.items() if name != "settings"))
    console.print("both servers: " + ", ".join(f"{name} {value}" for name, value in facts["settings"].items()))


def print_comparisons(console: Console, comparisons: list[Comparison]) -> None:
    """A row for each measurement, then where the time goes in each."""
    table = Table("measurement", "pipeline, s", "baseline, s", "ratio", "target", "met", title="Ratios of medians")
    for found in comparisons:
        table.add_row(
            f"{found.name}\nagainst {found.baseline_name}",
            _rounds(found.pipeline),
            _rounds(found.baseline),
            f"{found.ratio:.2f}",
            "" if found.target is None else f"{found.target:g}",
            {True: "yes", False: "NO", None: ""}[found.met],
        )
    if comparisons:
        console.print(table)
    for found in comparisons:
        _print_where(console, found)


def _rounds(rounds: list[Timed]) -> str:
    return f"{' '.join(f'{timed.seconds:.2f}' for timed in rounds)}\nmedian {median_seconds(rounds):.2f}"


def _print_where(console: Console, found: Comparison) -> None:
    steps = median_by_name(timed.steps for timed in found.pipeline)
    if steps:
        table = Table("step", "median, s", title=f"{found.name}: the pipeline's steps (two at a time)")
        for name, seconds in list(steps.items())[:SHOWN_STEPS]:
            table.add_row(name, f"{seconds:.2f}")
        if len(steps) > SHOWN_STEPS:
            table.add_row(f"{len(steps) - SHOWN_STEPS} others", f"{sum(list(steps.values())[SHOWN_STEPS:]):.2f}")
        console.print(table)
    table = Table("CPU time", "pipeline, s", "baseline, s", title=f"{found.name}: CPU time")
    ours, theirs = (median_by_name(timed.cpu for timed in rounds) for rounds in (found.pipeline, found.baseline))
    for name, seconds in ours.items():
        table.add_row(name, f"{seconds:.2f}", f"{theirs.get(name, 0.0):.2f}")
    console.print(table)


def print_peers(console: Console, first: Comparison, peers: dict[str, list[Timed]]) -> None:
    """A row for each tool that did the same first load; their processes' start is included."""
    table = Table("first load by", "s", "ratio to the baseline", title="Other tools, rows copied as they are")
    for name, rounds in {"this pipeline": first.pipeline, first.baseline_name: first.baseline, **peers}.items():
        table.add_row(name, _rounds(rounds), f"{median_seconds(rounds) / median_seconds(first.baseline):.2f}")
    console.print(table)


def print_memory(console: Console, found: list[TaskMemory]) -> None:
    """A row for each task."""
    if not found:
        return
    table = Table(
        "task", "rows", "peak, MB", "after imports, MB", "seconds", "target, MB", "met", title="Memory of a task"
    )
    for task in found:
        table.add_row(
            task.step,
            f"{task.rows:,}",
            f"{task.peak_bytes / 1e6:.0f}",
            f"{task.imports_bytes / 1e6:.0f}",
            f"{task.seconds:.1f}",
            f"{task.target_bytes / 1e6:.0f}",
            "yes" if task.met else "NO",
        )
    console.print(table)


def print_costs(console: Console, found: list[Cost]) -> None:
    """A row for each."""
    if not found:
        return
    table = Table("what", "measured", "target", "met", title="By themselves")
    for cost in found:
        table.add_row(
            cost.name, f"{cost.value:.2f} {cost.unit}", f"{cost.target:g} {cost.unit}", "yes" if cost.met else "NO"
        )
    console.print(table)
