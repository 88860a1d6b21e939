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


def begin(stack: Stack) -> str:
    """A run that is at work; its id."""
    run_id = stack.trigger()
    wait_until(lambda: stack.some_task_runs(run_id), f"a task of {run_id} at work", every=0.2)
    return run_id


@pytest.mark.parametrize("service", ["scheduler", "totesys", "warehouse", "aws"])
def test_after_a_service_is_killed_in_a_run_the_warehouse_equals_the_source(stack: Stack, service: str) -> None:
    run_id, before = begin(stack), stack.restarts(service)
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
