"""A process with Airflow in it and nothing of this repository on its path: runs the DAG for each line of JSON.

Called with the folder of DAGs and the file local/airflow.py. A line holds `environment` (set for this run) and
`run_conf`; the answer is a line with the run's state, its tasks and what was logged.
"""

import importlib.util
import json
import os
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any


def load_file(file: Path) -> Any:
    """Import a module by its path alone."""
    specification = importlib.util.spec_from_file_location("local_airflow", file)
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def load_dag(dags_folder: Path) -> Any:
    """The one DAG of the folder, found as the DAG processor finds it; its retries do not wait here."""
    from airflow.dag_processing.dagbag import BundleDagBag

    bag = BundleDagBag(dags_folder, bundle_path=dags_folder, bundle_name="dags-folder")
    assert not bag.import_errors, bag.import_errors
    (dag,) = bag.dags.values()
    for task in dag.tasks:
        task.retry_delay = task.max_retry_delay = timedelta(seconds=0.1)
    return dag


def answer(runner: Any, dag: Any, request: dict[str, Any]) -> dict[str, Any]:
    """Do one run."""
    os.environ.update(request["environment"])
    log = Path(os.environ["AIRFLOW_HOME"], "dag-test.log")
    start = log.stat().st_size if log.exists() else 0
    run = runner.run_dag(dag, run_conf=request["run_conf"])
    tasks = {task.task_id: [task.state, task.try_number] for task in run.get_task_instances()}
    import include

    text = log.read_text()[start:]
    told = {"note": note_of(run), "assets": assets_of(run), "log": text}
    return {"state": run.state, "tasks": tasks, "include": include.__file__, **told}


def assets_of(run: Any) -> dict[str, Any]:
    """What the run's asset events hold beside the asset: its name → the extra."""
    from airflow.models.asset import AssetEvent
    from airflow.utils.session import create_session
    from sqlalchemy import select

    with create_session() as session:
        events = session.scalars(select(AssetEvent).where(AssetEvent.source_run_id == run.run_id))
        return {event.asset.name: event.extra for event in events}


def note_of(run: Any) -> str | None:
    """The note that the run gets when the scheduler ends it, in whose session it is; dag.test() ends one outside."""
    from airflow.models.dagrun import DagRun
    from airflow.utils.session import create_session

    with create_session() as session:
        ended = session.get(DagRun, run.id)
        assert ended is not None
        ended.notify_dagrun_state_changed(msg="")
        session.commit()
        session.refresh(ended)
        return ended.note


def main(dags_folder: Path, local_airflow: Path) -> None:
    """Answer line by line; whatever else is printed goes to standard error."""
    answers, sys.stdout = sys.stdout, sys.stderr
    runner = load_file(local_airflow)
    for line in sys.stdin:
        # Each run has a DAG object of its own: dag.test() leaves a run's params in the one that it is given.
        print(json.dumps(answer(runner, load_dag(dags_folder), json.loads(line))), file=answers, flush=True)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
