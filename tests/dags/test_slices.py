"""Source tables that are read in slices, in Airflow: mapped tasks, as many as there are slices to read."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from include.state.latest import State
from local.environment import Buckets
from tests.dags.conftest import AirflowProcess, DagRun
from tests.system import STATE_KEY, System

SLICED = 'slice_rows=60 if name == "sale" else 0'

RunSliced = Callable[[int], DagRun]


def sliced_folder(original: Path, folder: Path, seconds: int) -> Path:
    """A folder of DAGs in which sales are declared to be read in slices, on which a run works for so many seconds."""
    shutil.copytree(original, folder)
    for file, old, new in (
        ("include/own/sources.py", 'created="created_at")', f'created="created_at", {SLICED})'),
        ("include/tables/steps.py", "WORK_SECONDS = 900", f"WORK_SECONDS = {seconds}"),
    ):
        text = (folder / file).read_text()
        assert old in text
        (folder / file).write_text(text.replace(old, new))
    return folder


@pytest.fixture
def run_sliced(
    migrated_home: Path, mwaa_folder: Path, tmp_path: Path, pipeline_environment: dict[str, str]
) -> Iterator[RunSliced]:
    """A function that lets Airflow do one run, which works on slices for so many seconds."""
    started: dict[int, AirflowProcess] = {}

    def run(seconds: int) -> DagRun:
        if seconds not in started:
            home = tmp_path / f"home_{seconds}"
            shutil.copytree(migrated_home, home)
            started[seconds] = AirflowProcess(sliced_folder(mwaa_folder, tmp_path / f"dags_{seconds}", seconds), home)
        optional = {"AIRFLOW_VAR_ALERTS_TOPIC_ARN": "", "AIRFLOW_VAR_METRICS_NAMESPACE": ""}
        return started[seconds].run(pipeline_environment | optional, {})

    yield run
    for process in started.values():
        process.stop()


def test_what_a_run_does_not_read_is_left_to_the_next_and_keeps_nothing_else_from_being_loaded(
    run_sliced: RunSliced, system: System, s3: Any, buckets: Buckets
) -> None:
    first = run_sliced(0)
    assert first.state == "success", first.log[-3000:]
    assert first.tasks["slice.sale"][0] == first.tasks["ingest.sale"][0] == "skipped"
    assert first.tasks["facts.fact_sale"][0] == first.tasks["load.fact_sale"][0] == "skipped"
    assert {state for name, state in first.states("load").items() if name != "fact_sale"} == {"success"}
    assert "sale: 0 of 4 slices are read" in str(first.note)
    state = State.model_validate_json(s3.get_object(Bucket=buckets.state, Key=STATE_KEY)["Body"].read())
    assert state.slicing["sale"].slices == 4
    assert "sale" not in state.tables

    system.write("UPDATE sale SET units_sold = 7 WHERE sale_id % 3 = 1; DELETE FROM sale WHERE sale_id > 190")
    second = run_sliced(900)
    assert second.state == "success", second.log[-3000:]
    assert second.tasks["slice.sale"][0] == second.tasks["load.fact_sale"][0] == "success"
    assert system.warehouse("SELECT count(*), sum(units_sold) FROM current_sale") == system.source(
        "SELECT count(*), sum(units_sold) FROM sale"
    )
    quiet = run_sliced(900)
    assert quiet.note == "nothing changed"
    assert quiet.tasks["slice.sale"][0] == "skipped"
