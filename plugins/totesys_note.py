"""The note of a run, in Airflow's grid: one line of totals that the task `record` left.

A task cannot set it: it has no access to Airflow's database, and the REST API would take credentials. So the scheduler
does, in the transaction in which it ends the run.
"""

import logging
import sys
from typing import Any

from airflow.listeners import hookimpl
from airflow.plugins_manager import AirflowPlugin

DAG_ID, TASK_ID, KEY = "totesys_warehouse", "record", "note"

NOTE_CHARACTERS = 1000
"""The longest note that Airflow keeps. Source: airflow.models.dagrun.DagRunNote."""

log = logging.getLogger(__name__)


@hookimpl
def on_dag_run_success(dag_run: Any) -> None:
    """What Airflow calls when a run has succeeded."""
    _set_note(dag_run)


@hookimpl
def on_dag_run_failed(dag_run: Any) -> None:
    """What Airflow calls when a run has failed."""
    _set_note(dag_run)


def _set_note(dag_run: Any) -> None:
    """Give the run its note, unless somebody has written one. What goes wrong is told in the log alone."""
    if dag_run.dag_id != DAG_ID:
        return
    try:
        session = _session_of(dag_run)
        if session is None or (dag_run.dag_run_note and dag_run.dag_run_note.user_id):
            return
        if line := _left_by_record(dag_run, session):
            dag_run.note = line[:NOTE_CHARACTERS]
    except Exception:
        log.exception("the run %s of %s was given no note", dag_run.run_id, DAG_ID)


def _session_of(dag_run: Any) -> Any:
    """The database session that the run is in; None outside the scheduler, in `dag.test()`."""
    from sqlalchemy.orm import object_session

    return object_session(dag_run)


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
