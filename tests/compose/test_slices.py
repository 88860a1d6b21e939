"""A table that is read in slices: several of Airflow's task slots work on it at once, while people write to it."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any
from urllib.parse import quote

from tests.compose.stack import DAG, Stack, wait_until

DECLARED = "/usr/local/airflow/dags/include/totesys/sources.py"
SERVICES = ("scheduler", "dag-processor")
"""Those that read the declarations: tasks run in the scheduler's container."""

SLICES = 8
TABLE = "payment"
SLICE_TASK = f"slice.{TABLE}"


def task_ids(stack: Stack) -> set[str]:
    """The tasks of the DAG as Airflow knows it now."""
    return {task["task_id"] for task in stack.api(f"/api/v2/dags/{DAG}/tasks")["tasks"]}


def draw_anew(stack: Stack, sliced: bool) -> None:
    """Have the DAG drawn from the declarations as they are: Airflow does that by itself every few minutes."""

    def asked() -> bool:
        token = stack.api(f"/api/v2/dags/{DAG}/details")["file_token"]
        stack.api(f"/api/v2/parseDagFile/{quote(token, safe='')}", method="PUT")
        return True

    wait_until(asked, "an API that has a DAG drawn anew")
    wait_until(lambda: (SLICE_TASK in task_ids(stack)) == sliced, "the DAG as it is declared")


@contextmanager
def declared_in_slices(stack: Stack, rows: int) -> Iterator[None]:
    """The table is declared to be read in slices of so many rows meanwhile."""
    given = 'created="created_at"'
    change = f's/{given})/{given}, slice_rows={rows} if name == "{TABLE}" else 0)/'
    for service in SERVICES:
        stack.compose("exec", "-T", service, "sed", "-i.before", change, DECLARED)
    try:
        draw_anew(stack, sliced=True)
        yield
    finally:
        for service in SERVICES:
            stack.compose("exec", "-T", service, "mv", f"{DECLARED}.before", DECLARED)
        draw_anew(stack, sliced=False)


def slices_of(stack: Stack, run_id: str) -> list[dict[str, Any]]:
    """The tasks that read slices in a run."""
    path = f"/api/v2/dags/{DAG}/dagRuns/{quote(run_id)}/taskInstances/{SLICE_TASK}/listMapped"
    found: list[dict[str, Any]] = stack.api(path)["task_instances"]
    return found


def most_at_once(tasks: list[dict[str, Any]]) -> int:
    """How many of these tasks were at work at the same instant."""
    begun = [datetime.fromisoformat(task["start_date"]) for task in tasks]
    ended = [datetime.fromisoformat(task["end_date"]) for task in tasks]
    return max(sum(first <= at < last for first, last in zip(begun, ended, strict=True)) for at in begun)


def test_several_slots_read_one_table_at_once_and_it_is_as_the_source_has_it(stack: Stack) -> None:
    with stack.connect("totesys") as source:
        (count,) = source.execute("SELECT count(*) FROM payment").fetchone() or (0,)
    stack.wait_between_runs(120)  # a scheduled run would draw the DAG anew under ours
    with declared_in_slices(stack, count // SLICES):
        run_id = stack.trigger(tables=[TABLE], full_refresh=True)
        assert stack.ended(run_id) == "success", stack.failures(run_id)
        slices = slices_of(stack, run_id)
        assert {task["state"] for task in slices} == {"success"}
        assert len(slices) > 2
        assert most_at_once(slices) >= 2
        with stack.connect("warehouse") as warehouse:
            left = warehouse.execute("SELECT count(*) FROM pipeline.plan").fetchone()
        assert left == (0,)
    with stack.at_rest():
        assert stack.differences() == []
