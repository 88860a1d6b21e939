"""A DAG of the pipeline's shape whose tasks do nothing: what is left is Airflow's. `python -m bench.runs` runs it.

The parameter `skip` names the tasks that skip themselves.
"""

from datetime import timedelta
from itertools import pairwise

from airflow.sdk import DAG, Param, get_current_context, task
from airflow.sdk.exceptions import AirflowSkipException

from include.declared import DECLARED
from include.reports.documents import CLASSIFY
from include.tables.steps import Step, plan, task_id

SOME = "none_failed_min_one_success"
RULES = {"prepare": "all_success", "ingest": "all_done", "transform": SOME, "load": SOME, "check": "all_done"}
"""As in the pipeline's DAG."""


def nothing() -> None:
    """Do nothing, or skip."""
    context = get_current_context()
    if context["ti"].task_id in context["params"]["skip"]:
        raise AirflowSkipException


AGAIN = {"retries": 3, "retry_delay": timedelta(seconds=1)}
"""As the pipeline's tasks are tried again: Airflow fails some that had skipped themselves, see docs/benchmarks.md."""

ASKED = {"skip": Param([], type="array")}

with DAG(dag_id="empty", schedule=None, max_active_runs=1, params=ASKED, default_args=AGAIN) as dag:
    steps = plan(DECLARED, set(DECLARED.sources))
    tasks = {
        step: task(task_id=task_id(step, DECLARED), trigger_rule=RULES.get(step.kind, "all_done"))(nothing)()
        for step in steps
    }
    for step, order in steps.items():
        for upstream in order.needs | order.follows:
            tasks[upstream] >> tasks[step]
    if DECLARED.scored:
        learned = [task(task_id=f"classify.{name}", trigger_rule="all_done")(nothing)() for name in CLASSIFY]
        for before, after in pairwise(learned):
            before >> after
        for question in DECLARED.scored:
            tasks[Step("load", question.fact.name)] >> learned[0]
