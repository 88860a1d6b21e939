"""A process in which Airflow's scheduler ends a run by its time-out: prints what it left.

Called with the folder of DAGs, after Airflow's metadata database was made.
"""

import json
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any


def prepare(dags_folder: Path, session: Any) -> Any:
    """The DAG in the database, and a run of it that began three hours ago."""
    from airflow._shared.timezones import timezone
    from airflow.dag_processing.bundles.manager import DagBundlesManager
    from airflow.dag_processing.dagbag import BundleDagBag, sync_bag_to_db
    from airflow.models.serialized_dag import SerializedDagModel
    from airflow.utils.types import DagRunTriggeredByType, DagRunType

    DagBundlesManager().sync_bundles_to_db(session=session)
    session.commit()
    bag = BundleDagBag(dags_folder, bundle_path=dags_folder, bundle_name="dags-folder")
    sync_bag_to_db(bag, "dags-folder", None)
    dag = SerializedDagModel.get_dag("totesys_warehouse", session=session)
    now = timezone.utcnow()
    run = dag.create_dagrun(
        run_id="manual__1", run_type=DagRunType.MANUAL, run_after=now, state="running", session=session,
        triggered_by=DagRunTriggeredByType.TEST, start_date=now - timedelta(hours=3),
    )  # fmt: skip
    session.commit()
    return run


def set_states(run: Any, session: Any) -> None:
    """Some tasks are over, one runs, one waits for another try, one for a worker, the others for these."""
    from airflow._shared.timezones import timezone

    began = timezone.utcnow() - timedelta(hours=2)
    ended = began + timedelta(seconds=5)
    given = {
        "prepare": ("success", began, ended),
        "ingest.payment": ("skipped", began, ended),
        "ingest.product": ("running", began, None),
        "ingest.sale": ("up_for_retry", began, ended),
        "ingest.method": ("queued", None, None),
    }
    for instance in run.get_task_instances(session=session):
        if instance.task_id in given:
            instance.state, instance.start_date, instance.end_date = given[instance.task_id]
            instance.queued_dttm = began
    session.commit()


def main(dags_folder: Path) -> None:
    """Let the scheduler look at the run, and print the run's state, its note and what is left for the callback."""
    from airflow.jobs.job import Job
    from airflow.jobs.scheduler_job_runner import SchedulerJobRunner
    from airflow.models.xcom import XComModel
    from airflow.utils.session import create_session

    with create_session() as session:
        run = prepare(dags_folder, session)
        set_states(run, session)
        callback = SchedulerJobRunner(Job(), num_runs=0, executors=[])._schedule_dag_run(run, session)
        session.commit()
        query = XComModel.get_many(run_id=run.run_id, key="at_work", dag_ids=run.dag_id, limit=1)
        left = XComModel.deserialize_value(session.scalar(query))
        print(json.dumps({"state": run.state, "note": run.note, "left": left, "reason": callback.msg}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
