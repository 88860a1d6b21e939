"""What docs/operations.md tells to do in Airflow's UI, done in a browser."""

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from playwright.sync_api import Page, expect
from psycopg import sql

from tests.compose.stack import DAG, SLOT_SECONDS, Stack, look_away, wait_until

TRIES = 5
"""How often a task is tried in a run."""


def open_dag(page: Page, path: str = "") -> None:
    page.goto(f"/dags/{DAG}{path}")


def open_task(page: Page, run_id: str, task: str) -> None:
    open_dag(page, f"/runs/{quote(run_id)}/tasks/{task}")


def switch(page: Page) -> None:
    """Pause the DAG, or go on."""
    page.locator("label", has=page.locator("input[type=checkbox]")).first.click()


@contextmanager
def unreadable(stack: Stack, table: str) -> Iterator[None]:
    """The pipeline may not read a source table meanwhile."""
    with stack.connect("totesys") as source:
        source.execute(sql.SQL("REVOKE SELECT ON {} FROM totesys_pipeline").format(sql.Identifier(table)))
        try:
            yield
        finally:
            source.execute(sql.SQL("GRANT SELECT ON {} TO totesys_pipeline").format(sql.Identifier(table)))


def test_who_has_not_logged_in_sees_the_login_only(anonymous: Page) -> None:
    open_dag(anonymous)
    expect(anonymous).to_have_url(re.compile("/auth/login"))
    expect(anonymous.get_by_role("button", name="Sign in")).to_be_visible()


def test_the_graph_shows_the_tables_of_each_step(page: Page, artefacts: Path) -> None:
    page.goto("/dags")
    expect(page.get_by_role("link", name=DAG)).to_be_visible()
    open_dag(page)
    page.get_by_role("button", name="Expand all task groups").click()
    page.screenshot(path=artefacts / "grid.png")
    page.get_by_role("button", name="Show Graph").click()
    graph = page.get_by_test_id("rf__wrapper")
    expect(graph.get_by_text("fact_sales_order").first).to_be_visible()
    page.wait_for_timeout(1000)  # it glides into place
    page.screenshot(path=artefacts / "graph.png")


def test_a_trigger_with_parameters_reads_one_table_whole(page: Page, stack: Stack, artefacts: Path) -> None:
    open_dag(page)
    page.get_by_role("button", name="Trigger").first.click()
    form = page.get_by_role("dialog")
    form.get_by_role("combobox").first.fill("design")
    page.get_by_role("option", name="design", exact=True).click()
    form.locator("label", has=page.locator("input[type=checkbox]")).first.click()
    page.screenshot(path=artefacts / "trigger.png")
    form.get_by_role("button", name="Trigger").click()
    page.wait_for_url(re.compile("/runs/manual__"))
    look_away(page)
    run = stack.last_triggered()
    assert {name: value for name, value in run["conf"].items() if value} == {"tables": ["design"], "full_refresh": True}
    assert stack.ended(run["dag_run_id"]) == "success"
    states = {name: task["state"] for name, task in stack.tasks(run["dag_run_id"]).items()}
    assert states["ingest.design"] == states["load.dim_design"] == "success"
    assert states["ingest.payment"] == "skipped"


def test_a_failed_run_alerts_and_only_what_hangs_on_the_cleared_task_runs_again(
    page: Page, stack: Stack, artefacts: Path
) -> None:
    stack.alerts()
    with unreadable(stack, "design"):
        run_id = stack.trigger(tables=["design", "payment_type"], full_refresh=True)
        assert stack.ended(run_id) == "failed"
    wait_until(lambda: f"{run_id} of {DAG} failed" in stack.alerts(), "an alert", every=5)
    before = stack.tasks(run_id)
    assert before["ingest.design"]["state"] == "failed"
    assert before["load.dim_payment_type"]["state"] == "success"

    open_task(page, run_id, "ingest.design")
    page.get_by_role("button", name="Clear Task Instance").first.click()
    page.screenshot(path=artefacts / "clear.png")
    page.get_by_role("dialog").get_by_role("button", name="Confirm").click()
    expect(page.get_by_role("dialog")).to_be_hidden()
    look_away(page)
    wait_until(lambda: stack.tasks(run_id)["record"]["try_number"] > before["record"]["try_number"], "a second record")
    assert stack.ended(run_id) == "success"
    after = stack.tasks(run_id)
    again = {name for name, task in after.items() if task["try_number"] > before[name]["try_number"]}
    assert {"ingest.design", "dimensions.dim_design", "load.dim_design", "check", "record"} <= again
    assert not again & {"prepare", "ingest.payment_type", "dimensions.dim_payment_type", "load.dim_payment_type"}


def test_a_run_fails_while_the_source_is_down_and_heals_when_it_is_cleared(
    page: Page, stack: Stack, artefacts: Path
) -> None:
    stack.alerts()
    stack.wait_between_runs(240)
    with stack.connect("totesys") as source:
        source.execute("UPDATE design SET file_name = 'unseen.json' WHERE design_id <= 3")
    stack.compose("stop", "totesys")
    try:
        run_id = stack.trigger(tables=["design"])
        assert stack.ended(run_id) == "failed"
    finally:
        stack.compose("up", "--wait", "totesys")
    tried = stack.tasks(run_id)["ingest.design"]["try_number"]
    assert tried == TRIES
    wait_until(lambda: "* ingest.design failed" in stack.alerts(), "an alert", every=5)

    open_dag(page, f"/runs/{quote(run_id)}")
    expect(page.get_by_text("Failed").first).to_be_visible()
    page.screenshot(path=artefacts / "failed.png")
    page.get_by_role("button", name="Clear Dag Run").first.click()
    page.get_by_role("dialog").get_by_role("button", name="Clear only failed tasks").click()
    page.get_by_role("dialog").get_by_role("button", name="Confirm").click()
    wait_until(lambda: stack.tasks(run_id)["ingest.design"]["try_number"] > tried, "another try")
    assert stack.ended(run_id) == "success"
    with stack.connect("warehouse") as warehouse:
        seen = warehouse.execute("SELECT count(*) FROM dim_design WHERE file_name = 'unseen.json'").fetchone()
    assert seen == (3,)


def test_a_run_can_be_marked(page: Page, stack: Stack) -> None:
    run_id = stack.trigger(tables=["currency"])
    stack.ended(run_id)
    open_dag(page, f"/runs/{quote(run_id)}")
    page.get_by_role("button", name="Mark Dag Run as...").first.click()
    page.get_by_role("menuitem", name=re.compile("failed", re.IGNORECASE)).click()
    page.get_by_role("dialog").get_by_role("button", name="Confirm").click()
    wait_until(lambda: stack.ended(run_id) == "failed", "the mark")


def test_after_a_pause_of_hours_one_run_catches_up(page: Page, stack: Stack) -> None:
    open_dag(page)
    switch(page)
    wait_until(lambda: stack.api(f"/api/v2/dags/{DAG}")["is_paused"], "the pause")
    for run in scheduled_runs(stack):  # as if no run had been due since the DAG's start date was
        stack.api(f"/api/v2/dags/{DAG}/dagRuns/{quote(run['dag_run_id'])}", method="DELETE")
    page.get_by_role("button", name="Reparse Dag").click()  # Airflow does that by itself every few minutes
    wait_until(lambda: overdue(stack), "a run that is due")

    began = time.time()
    with stack.nobody_at_work():
        switch(page)
        wait_until(lambda: not stack.api(f"/api/v2/dags/{DAG}")["is_paused"], "the end of the pause")
        look_away(page)
        run_id = wait_until(lambda: scheduled_runs(stack), "a run")[-1]["dag_run_id"]
        assert stack.ended(run_id) == "success", stack.failures(run_id)
        slots = time.time() // SLOT_SECONDS - began // SLOT_SECONDS
        assert 1 <= len(scheduled_runs(stack)) <= 1 + slots
        assert stack.differences() == []


def overdue(stack: Stack) -> bool:
    query = "SELECT next_dagrun_create_after < now() FROM dag"
    return stack.compose("exec", "-T", "metadata", "psql", "-tAU", "airflow", "-c", query).strip() == "t"


def scheduled_runs(stack: Stack) -> list[dict[str, str]]:
    """The runs that were not triggered, the latest first."""
    return [run for run in stack.runs() if run["run_type"] == "scheduled"]
