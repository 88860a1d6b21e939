"""Whatever is killed, the system returns by itself, and the warehouse equals the source."""

import pytest

from tests.compose.stack import Stack, wait_until

A_TASK = """
pattern='^airflow worker -- [0-9a-f]{8}-'
until found=$(grep -lzE "$pattern" /proc/[0-9]*/cmdline 2>/dev/null | head -n 1) && [ -n "$found" ]; do sleep 0.1; done
process=${found#/proc/}
kill -9 "${process%/cmdline}"
"""
"""Kills the process of a task that runs, or of the next one."""


STEPS = {"scheduler": "ingest.", "totesys": "ingest.", "warehouse": "load.", "aws": "facts."}
"""At which step of a run each is killed: one that needs it."""


def begin(stack: Stack, step: str = "") -> str:
    """A run that has come to a step; its id."""
    run_id = stack.trigger()
    wait_until(lambda: stack.tasks_at_work(run_id, step), f"a task {step}… of {run_id} at work", every=0.1)
    return run_id


@pytest.mark.parametrize(("service", "step"), STEPS.items(), ids=STEPS)
def test_after_a_service_is_killed_in_a_run_the_warehouse_equals_the_source(
    stack: Stack, service: str, step: str
) -> None:
    run_id, before = begin(stack, step), stack.restarts(service)
    stack.kill(service)
    wait_until(lambda: stack.restarts(service) > before, f"a restart of {service}")
    stack.ended(run_id)
    stack.settle()


def test_a_task_that_is_killed_is_tried_again_in_the_same_run(stack: Stack) -> None:
    run_id = begin(stack)
    stack.kill("scheduler", A_TASK)
    assert stack.ended(run_id) == "success", stack.failures(run_id)
    assert max(task["try_number"] for task in stack.tasks(run_id).values()) > 1
    stack.settle()
