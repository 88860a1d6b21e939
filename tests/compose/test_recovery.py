"""Whatever is killed, the system returns by itself, and the warehouse equals the source."""

from tests.compose.stack import Stack, wait_until

A_TASK = """
pattern='^airflow worker -- [0-9a-f]{8}-'
until found=$(grep -lzE "$pattern" /proc/[0-9]*/cmdline 2>/dev/null | head -n 1) && [ -n "$found" ]; do sleep 0.1; done
process=${found#/proc/}
kill -9 "${process%/cmdline}"
"""
"""Kills the process of a task that runs, or of the next one."""


STEPS = {"totesys": "ingest.", "aws": "facts.", "warehouse": "load.", "scheduler": ""}
"""At which step of a run each is killed, in their order: one that needs it."""


def reach(stack: Stack, run_id: str, step: str) -> None:
    wait_until(lambda: stack.tasks_at_work(run_id, step), f"a task {step}… of {run_id} at work", every=0.1)


def kill(stack: Stack, service: str) -> None:
    """Kill a service, and see it return."""
    before = stack.restarts(service)
    stack.kill(service)
    wait_until(lambda: stack.restarts(service) > before, f"a restart of {service}")


def test_after_all_that_a_run_works_with_is_killed_during_it_the_warehouse_equals_the_source(stack: Stack) -> None:
    run_id = stack.trigger()
    for service, step in STEPS.items():
        reach(stack, run_id, step)
        kill(stack, service)
    stack.ended(run_id)
    with stack.at_rest():
        assert stack.differences() == []


def test_a_task_that_is_killed_is_tried_again_in_the_same_run(stack: Stack) -> None:
    with stack.nobody_at_work():
        run_id = stack.trigger()
        reach(stack, run_id, "")
        stack.kill("scheduler", A_TASK)
        assert stack.ended(run_id) == "success", stack.failures(run_id)
        assert max(task["try_number"] for task in stack.tasks(run_id).values()) > 1
        assert stack.differences() == []
