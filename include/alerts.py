"""Mail about what went wrong, through an SNS topic, where one is configured."""

import logging
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from include import metrics
from include.settings import ALERTS_TOPIC, aws_client, aws_errors, optional_variable

log = logging.getLogger(__name__)

SUBJECT_CHARACTERS = 100
"""The longest subject that SNS takes. Source: SNS API reference, Publish."""


def notify(subject: str, message: str) -> None:
    """Publish a message to the topic of the variable `alerts_topic_arn`; nothing where it is not set.

    Raises: as `aws_errors`.
    """
    topic = optional_variable(ALERTS_TOPIC)
    if topic:
        with aws_errors(f"variable {ALERTS_TOPIC!r}, {topic}"):
            aws_client("sns").publish(TopicArn=topic, Subject=subject[:SUBJECT_CHARACTERS], Message=message)


def notify_failure(context: Mapping[str, Any]) -> None:
    """What Airflow calls when a run has failed: tells it, and counts it, though it may never have come to `record`."""
    dag, run = context["dag"].dag_id, context["run_id"]
    lines = [
        f"The run {run} of {dag} failed: {context.get('reason') or context.get('exception')}.",
        *_failed_tasks(dag, run),
        "What was loaded is recorded; the next run repeats the rest. The log of the task `record` names the tables,",
        "and the logs of the failed tasks say why.",
        *_links([f"/dags/{dag}/runs/{quote(run)}"]),
    ]
    try:
        notify(f"{dag} failed", "\n".join(lines))
    finally:
        metrics.publish_failure()


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
    return [*lines, *([f"* not done, as they hang on those: {', '.join(hung)}"] if hung else [])]


def _task_states(dag: str, run: str) -> dict[str, str]:
    from airflow.sdk.execution_time.task_runner import RuntimeTaskInstance

    return dict(RuntimeTaskInstance.get_task_states(dag_id=dag, run_ids=[run])[run])


def _links(paths: list[str]) -> list[str]:
    """The paths as links to Airflow's UI; none where its address is not configured."""
    from airflow.sdk.configuration import conf

    base = conf.get("api", "base_url", fallback="").rstrip("/")
    return [base + path for path in paths] if base else []


def notify_rejected(tables: list[str]) -> None:
    """Tell that these warehouse tables have rows that were rejected for the first time."""
    if tables:
        names = ", ".join(tables)
        notify(
            f"Rejected rows in {names}",
            f"Rows of {names} were rejected; the others are loaded. Files under rejected/ in the processed bucket hold "
            "them with the reasons. They are read again by every run until they can be loaded.",
        )
