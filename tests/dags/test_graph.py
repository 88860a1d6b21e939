"""The DAG folder holds one DAG, and its graph is what the declarations say."""

import json
import shutil
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from unittest import mock

import pytest
from airflow.dag_processing.dagbag import BundleDagBag
from airflow.models.taskinstance import TaskInstance
from airflow.sdk import Asset

from include.reports.failure import tell_failure
from include.tables.star import Dimension, Fact
from tests.dags.conftest import REPOSITORY
from tests.shop import DECLARED

BEGINNING = datetime(2026, 1, 5, tzinfo=UTC)
DAGS = REPOSITORY / "dags"
LIST_TASKS = """
import json, sys
from pathlib import Path
from airflow.dag_processing.dagbag import BundleDagBag
folder = Path(sys.argv[1])
bag = BundleDagBag(folder, bundle_path=folder, bundle_name="dags-folder")
assert not bag.import_errors, bag.import_errors
(dag,) = bag.dags.values()
print(json.dumps({task.task_id: sorted(task.upstream_task_ids) for task in dag.tasks}))
"""


@pytest.fixture(scope="module")
def dag() -> Any:
    with mock.patch("include.declared.DECLARED", DECLARED):
        bag = BundleDagBag(DAGS, bundle_path=DAGS, bundle_name="dags-folder")
    assert bag.import_errors == {}
    assert list(bag.dags) == ["totesys_warehouse"]
    return bag.dags["totesys_warehouse"]


def group(table: str) -> str:
    return "facts" if isinstance(DECLARED.star[table], Fact) else "dimensions"


def test_there_is_a_task_for_each_step_of_each_table(dag: Any) -> None:
    transforms = {f"{group(name)}.{name}" for name in DECLARED.star}
    loads = {f"load.{name}" for name in DECLARED.star}
    ingests = {f"ingest.{name}" for name in DECLARED.sources}
    assert set(dag.task_ids) == {"prepare", "check", "record"} | ingests | transforms | loads


def test_the_groups_are_the_stages(dag: Any) -> None:
    assert dag.task_group.children.keys() == {"prepare", "ingest", "dimensions", "facts", "load", "check", "record"}


@pytest.mark.parametrize("name", DECLARED.star)
def test_a_table_is_built_from_its_sources_and_loaded_after_what_it_refers_to(dag: Any, name: str) -> None:
    table = DECLARED.star[name]
    sources = {f"ingest.{table.source_names[0]}"} if table.source_names else {"prepare"}
    references = {f"load.{column.references.name}" for column in table.columns if column.references}
    assert dag.get_task(f"{group(name)}.{name}").upstream_task_ids == sources
    assert dag.get_task(f"load.{name}").upstream_task_ids == {f"{group(name)}.{name}"} | references


def test_every_source_is_read_after_the_warehouse_is_prepared(dag: Any) -> None:
    for name in DECLARED.sources:
        assert "prepare" in dag.get_task(f"ingest.{name}").upstream_task_ids


@pytest.mark.parametrize(
    "fact", [table for table in DECLARED.star.values() if isinstance(table, Fact)], ids=lambda fact: fact.name
)
def test_a_facts_table_is_read_before_those_that_it_refers_to(dag: Any, fact: Fact) -> None:
    before = f"ingest.{fact.source.name}"
    for column in fact.columns:
        target = column.references
        if isinstance(target, Dimension):
            assert before in dag.get_task(f"ingest.{target.source.name}").get_flat_relative_ids(upstream=True), target


def test_check_and_record_come_after_everything(dag: Any) -> None:
    rest = set(dag.task_ids) - {"check", "record"}
    assert dag.get_task("check").get_flat_relative_ids(upstream=True) == rest
    assert dag.get_task("record").get_flat_relative_ids(upstream=True) == rest | {"check"}
    assert [task.task_id for task in dag.leaves] == ["record"]


def test_check_waits_for_every_load_and_the_last_ingests_and_record_for_check(dag: Any) -> None:
    loads = {f"load.{name}" for name in DECLARED.star}
    last = {
        f"ingest.{name}"
        for name in DECLARED.sources
        if not any(after.startswith("ingest.") for after in dag.get_task(f"ingest.{name}").downstream_task_ids)
    }
    assert dag.get_task("check").upstream_task_ids == loads | last
    assert dag.get_task("record").upstream_task_ids == {"check"}


def test_the_graph_has_few_edges(dag: Any) -> None:
    edges = sum(len(task.downstream_task_ids) for task in dag.tasks)
    assert edges < 3 * len(dag.tasks)


@pytest.mark.parametrize(
    ("task", "rule"),
    [
        ("ingest.clerk", "all_done"),
        ("dimensions.dim_clerk", "none_failed_min_one_success"),
        ("facts.fact_payment", "none_failed_min_one_success"),
        ("load.fact_payment", "none_failed_min_one_success"),
        ("check", "all_done"),
        ("record", "all_done"),
    ],
)
def test_a_skipped_or_failed_table_stops_only_what_hangs_on_it(dag: Any, task: str, rule: str) -> None:
    assert dag.get_task(task).trigger_rule == rule


def test_each_load_is_the_outlet_of_its_table_and_nothing_else_is(dag: Any) -> None:
    for task in dag.tasks:
        kind, _, table = task.task_id.partition(".")
        assert task.outlets == ([Asset(f"warehouse/{table}")] if kind == "load" else []), task.task_id


def test_it_runs_every_twenty_minutes_one_run_at_a_time_and_never_catches_up(dag: Any) -> None:
    assert dag.timetable.expression == "*/20 * * * *"
    assert (dag.catchup, dag.max_active_runs) == (False, 1)
    assert dag.dagrun_timeout == timedelta(hours=2)


def test_every_task_retries_and_has_a_time_out(dag: Any) -> None:
    for task in dag.tasks:
        assert task.retries == 4
        assert timedelta() < task.execution_timeout < dag.dagrun_timeout


def test_each_retry_waits_twice_as_long_as_the_one_before_and_all_take_minutes(dag: Any) -> None:
    record = dag.get_task("record")
    delays = [delay_of_retry(record, number) for number in range(1, record.retries + 1)]
    for number, delay in enumerate(delays):
        assert timedelta(seconds=10) * 2**number <= delay <= timedelta(seconds=20) * 2**number
    assert timedelta(minutes=2) < sum(delays, timedelta()) < timedelta(minutes=6)


def delay_of_retry(task: Any, number: int) -> timedelta:
    """How long the scheduler waits with a task's first retry, or its second, ..."""
    instance = SimpleNamespace(
        task=task,
        dag_id=task.dag_id,
        task_id=task.task_id,
        logical_date=None,
        try_number=number,
        end_date=BEGINNING,
        retry_delay_override=None,  # from Airflow 3.3 on
    )
    delay: timedelta = TaskInstance.next_retry_datetime(cast("TaskInstance", instance)) - BEGINNING
    return delay


def test_it_is_tagged_documented_and_tells_of_failures(dag: Any) -> None:
    assert dag.tags == {"totesys", "warehouse"}
    assert "latest_update.json" in dag.doc_md
    assert dag.on_failure_callback.func is tell_failure
    for name, table in DECLARED.star.items():
        load, transform = dag.get_task(f"load.{name}").doc_md, dag.get_task(f"{group(name)}.{name}").doc_md
        assert "| column | type |" in load
        assert f"INSERT INTO {name} " in load
        for source in table.source_names:
            assert f"{source}." in transform
    for name, source in DECLARED.sources.items():
        document = dag.get_task(f"ingest.{name}").doc_md
        assert all(f"| {column.type} |" in document for column in source.columns)
        assert f"FROM public.{name}" in document
    for name in ("prepare", "check", "record"):
        assert dag.get_task(name).doc_md


def test_every_group_has_a_tool_tip_and_a_colour_of_its_own(dag: Any) -> None:
    groups = [child for name, child in dag.task_group.children.items() if name not in dag.task_ids]
    assert all(group.tooltip for group in groups)
    assert len({group.ui_color for group in groups}) == len(groups) == 4


def test_the_trigger_form_offers_every_table_and_a_full_refresh(dag: Any) -> None:
    tables = dag.params.get_param("tables")
    assert tables.value == []
    assert tables.schema["items"]["enum"] == tables.schema["examples"] == [*DECLARED.sources, *DECLARED.star]
    accepted = dag.params.get_param("accept_deletions")
    assert (accepted.value, accepted.schema["items"]) == ([], tables.schema["items"])
    full_refresh = dag.params.get_param("full_refresh")
    assert (full_refresh.value, full_refresh.schema["type"]) == (False, "boolean")


def test_an_undeclared_table_is_refused_by_the_form(dag: Any) -> None:
    with pytest.raises(Exception, match="nothing"):
        dag.params.get_param("tables").resolve(["nothing"])
    with pytest.raises(Exception, match="nothing"):
        dag.params.get_param("accept_deletions").resolve(["nothing"])


def test_new_declarations_are_new_tasks(mwaa_folder: Path, tmp_path: Path) -> None:
    folder = tmp_path / "dags"
    shutil.copytree(mwaa_folder, folder)
    sources = folder / "include" / "own" / "sources.py"
    sources.write_text(f'{sources.read_text()}\ncourier = _table("courier", _text("courier_name"))\n')
    (folder / "include" / "own" / "star" / "dim_courier.py").write_text(
        "from include.tables.star import Column, Dimension\n"
        "from include.own.sources import courier\n"
        'COLUMNS = (Column("courier_id", "integer", "courier_id"), Column("name", "text", "courier_name"))\n'
        'dim_courier = Dimension("dim_courier", "courier_id", courier, COLUMNS)\n'
    )
    answer = subprocess.run(
        [sys.executable, "-P", "-c", LIST_TASKS, folder], cwd=tmp_path, check=True, capture_output=True, text=True
    )
    tasks = json.loads(answer.stdout.splitlines()[-1])
    assert tasks["dimensions.dim_courier"] == ["ingest.courier"]
    assert tasks["load.dim_courier"] == ["dimensions.dim_courier"]
    assert tasks["ingest.courier"] == ["prepare"]
