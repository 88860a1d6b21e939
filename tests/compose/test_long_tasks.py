"""A task may take longer than its token for Airflow's API lives: its supervisor has it renewed."""

import time

from tests.compose.stack import TOKEN_SECONDS, Stack, wait_until


def test_a_task_that_outlives_its_token_succeeds_at_its_first_try(stack: Stack) -> None:
    stack.wait_between_runs(90)  # a scheduled run would wait for the lock, and ours for that run
    with stack.connect("warehouse") as warehouse, warehouse.transaction():
        warehouse.execute("LOCK TABLE pipeline.load IN ACCESS EXCLUSIVE MODE")  # what `prepare` waits for
        run_id = stack.trigger(tables=["currency"])
        wait_until(lambda: stack.tasks_at_work(run_id, "prepare"), "a task that waits")
        time.sleep(1.5 * TOKEN_SECONDS)
    assert stack.ended(run_id) == "success", stack.failures(run_id)
    prepare = stack.tasks(run_id)["prepare"]
    assert prepare["try_number"] == 1
    assert prepare["duration"] > TOKEN_SECONDS
