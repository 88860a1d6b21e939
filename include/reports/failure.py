"""What follows a run that has failed, though it may never have come to its record: mail, a metric, the history."""

import logging
from collections.abc import Mapping
from contextlib import ExitStack
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from include.common.errors import DataError, DeclarationError, ServiceError
from include.reports import metrics
from include.tables.declarations import Declarations

log = logging.getLogger(__name__)

AT_WORK = {"running", "queued", "up_for_retry", "up_for_reschedule", "deferred", "restarting"}
"""States of a task that is at work, or was and is to be again."""


def tell_failure(declared: Declarations, context: Mapping[str, Any]) -> None:
    """What Airflow calls when a run has failed. Each of the three is done whatever becomes of the others.

    A run that failed for nothing but what alerts of its own have told, such as a table that is held back, is no mail.

    Raises: as `aws_errors` and `lake_errors`, the last of them.
    """
    from include.reports.alerts import notify  # not at import: a DAG file that is parsed stays cheap

    with ExitStack() as after:
        after.callback(_remember, declared, context)
        after.callback(metrics.publish_failure)
        if not _is_told(declared, context["run_id"]):
            notify(f"{context['dag'].dag_id} failed", _message(context))


def _is_told(declared: Declarations, run_id: str) -> bool:
    from include.state.status import find_run

    try:
        found = find_run(declared, run_id)
    except (DeclarationError, DataError, ServiceError) as error:
        log.warning("it is not known what the run %s told of itself: %s", run_id, error)
        return False
    return found is not None and found.told


def _message(context: Mapping[str, Any]) -> str:
    dag, run = context["dag"].dag_id, context["run_id"]
    lines = [
        f"The run {run} of {dag} failed: {_reason(context)}.",
        *_failed_tasks(dag, run),
        "What was loaded is recorded; the next run repeats the rest. The log of the task `record` names the tables,",
        "and the logs of the failed tasks say why.",
        *_links([f"/dags/{dag}/runs/{quote(run)}"]),
    ]
    return "\n".join(lines)


def _reason(context: Mapping[str, Any]) -> object:
    return context.get("reason") or context.get("exception")


def _remember(declared: Declarations, context: Mapping[str, Any]) -> None:
    """Add the run to the history if it could not do so itself."""
    from include.state.history import RunIdentity
    from include.state.status import remember_lost

    run = context.get("dag_run")
    asked = (run and run.conf) or {}
    identity = RunIdentity(
        run_id=context["run_id"],
        started_at=(run and run.start_date) or datetime.now(UTC),
        tables=asked.get("tables") or [],
        full_refresh=asked.get("full_refresh") or False,
        accept_deletions=asked.get("accept_deletions") or [],
    )
    at_work = _at_work(context["dag"].dag_id, context["run_id"])
    more = f"; at work: {', '.join(at_work)}" if at_work else ""
    remember_lost(declared, identity, f"it ended before it was recorded: {_reason(context)}{more}")


def _at_work(dag: str, run: str) -> list[str]:
    """The tasks that a time-out ended, each with what it was doing: what the plugin `totesys_note` left."""
    from airflow.sdk.execution_time.xcom import XCom

    try:
        found = XCom.get_one(key="at_work", dag_id=dag, task_id="record", run_id=run)
        states = {} if found else _task_states(dag, run)
    except Exception:
        log.warning("the tasks that were at work in %s are not known", run, exc_info=True)
        return []
    return list(found or sorted(f"{task} ({state})" for task, state in states.items() if state in AT_WORK))


def _failed_tasks(dag: str, run: str) -> list[str]:
    """A line for each task of the run that failed, with the link to its log, and one for those that hung on them."""
    try:
        states = _task_states(dag, run)
    except Exception:
        log.warning("the states of the tasks of %s are not known", run, exc_info=True)
        return []
    failed = sorted(task for task, state in states.items() if state == "failed")
    hung = sorted(task for task, state in states.items() if state == "upstream_failed")
    links = _links([f"/dags/{dag}/runs/{quote(run)}/tasks/{task}" for task in failed]) or [""] * len(failed)
    lines = [f"* {task} failed {link}".rstrip() for task, link in zip(failed, links, strict=True)]
    lines += [f"* {task} when the run ended" for task in _at_work(dag, run)]
    return [*lines, *([f"* not done, as they hang on those: {', '.join(hung)}"] if hung else [])]


def _task_states(dag: str, run: str) -> dict[str, str]:
    from airflow.sdk.execution_time.task_runner import RuntimeTaskInstance

    return dict(RuntimeTaskInstance.get_task_states(dag_id=dag, run_ids=[run])[run])


def _links(paths: list[str]) -> list[str]:
    """The paths as links to Airflow's UI; none where its address is not configured."""
    from airflow.sdk.configuration import conf

    base = conf.get("api", "base_url", fallback="").rstrip("/")
    return [base + path for path in paths] if base else []
