"""The note of a run, in Airflow's grid: one line of totals that the task `record` left, or what a time-out ended.

A task cannot set it: it has no access to Airflow's database, and the REST API would take credentials. So the scheduler
does, in the transaction in which it ends the run.
"""

import logging
import sys
from typing import Any

from airflow.listeners import hookimpl
from airflow.plugins_manager import AirflowPlugin

DAG_ID, TASK_ID, KEY = "totesys_warehouse", "record", "note"

TIMED_OUT = "timed_out"
"""What Airflow says of a run that took too long. Source: airflow.jobs.scheduler_job_runner."""

AT_WORK = "at_work"
"""The XCom key, of the task `record`, under which the tasks that a time-out ended are left for the callback."""

NOTE_CHARACTERS = 1000
"""The longest note that Airflow keeps. Source: airflow.models.dagrun.DagRunNote."""

log = logging.getLogger(__name__)


@hookimpl
def on_dag_run_success(dag_run: Any) -> None:
    """What Airflow calls when a run has succeeded."""
    _set_note(dag_run)


@hookimpl
def on_dag_run_failed(dag_run: Any, msg: str) -> None:
    """What Airflow calls when a run has failed."""
    _set_note(dag_run, msg)


def _set_note(dag_run: Any, reason: str = "") -> None:
    """Give the run its note, unless somebody has written one. What goes wrong is told in the log alone."""
    if dag_run.dag_id != DAG_ID:
        return
    try:
        session = _session_of(dag_run)
        if session is None:
            return
        line = _leave_at_work(dag_run, session) if reason == TIMED_OUT else _left_by_record(dag_run, session)
        if line and not (dag_run.dag_run_note and dag_run.dag_run_note.user_id):
            dag_run.note = line[:NOTE_CHARACTERS]
    except Exception:
        log.exception("the run %s of %s was given no note", dag_run.run_id, DAG_ID)


def _session_of(dag_run: Any) -> Any:
    """The database session that the run is in; None outside the scheduler, in `dag.test()`."""
    from sqlalchemy.orm import object_session

    return object_session(dag_run)


def _leave_at_work(dag_run: Any, session: Any) -> str:
    """Leave which tasks a time-out ended, for the callback that tells of it; gives them as a line.

    Nobody could tell later: Airflow has just marked all that was not over as skipped.
    """
    from airflow.models.xcom import XComModel

    ended = [instance for instance in dag_run.get_task_instances(session=session) if _was_ended(instance, dag_run)]
    at_work = sorted(f"{instance.task_id} ({_doing(instance)})" for instance in ended)
    XComModel.set(AT_WORK, at_work, dag_id=DAG_ID, task_id=TASK_ID, run_id=dag_run.run_id, session=session)
    return f"timed out; at work: {', '.join(at_work) or 'no task'}"


def _was_ended(instance: Any, dag_run: Any) -> bool:
    """Whether a task that had begun, or was to begin, was marked as skipped when the run ended, not before."""
    begun = instance.start_date or instance.queued_dttm
    return bool(instance.state == "skipped" and begun and instance.updated_at >= dag_run.end_date)


def _doing(instance: Any) -> str:
    if not instance.start_date:
        return "queued"
    return "running" if not instance.end_date or instance.end_date < instance.start_date else "to be tried again"


def _left_by_record(dag_run: Any, session: Any) -> str | None:
    from airflow.models.xcom import XComModel  # not at import: every task's process loads this file

    query = XComModel.get_many(run_id=dag_run.run_id, dag_ids=DAG_ID, task_ids=TASK_ID, key=KEY, limit=1)
    with session.no_autoflush:
        found = session.scalar(query)
    return str(XComModel.deserialize_value(found)) if found else None


class TotesysNote(AirflowPlugin):
    """Brings the two functions above to Airflow."""

    name = "totesys_note"
    listeners = [sys.modules[__name__]]  # noqa: RUF012 - the base class declares it as an attribute
