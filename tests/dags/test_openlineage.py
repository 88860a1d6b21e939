"""Lineage by column, as Airflow's OpenLineage provider sends it; nothing where it is not configured."""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from include.reports.openlineage import lineage_of
from include.tables.coherence import origin_of
from include.tables.star import Calendar, Fact
from tests.dags.conftest import AirflowProcess
from tests.shop import DECLARED

Lineage = tuple[AirflowProcess, Path]


@pytest.fixture
def lineage(migrated_home: Path, mwaa_folder: Path, tmp_path: Path) -> Iterator[Lineage]:
    """Airflow with the provider's file transport, and the file."""
    home, file = tmp_path / "home", tmp_path / "lineage.jsonl"
    shutil.copytree(migrated_home, home)
    transport = json.dumps({"type": "file", "log_file_path": str(file), "append": True})
    process = AirflowProcess(mwaa_folder, home, AIRFLOW__OPENLINEAGE__TRANSPORT=transport)
    yield process, file
    process.stop()


def columns_of(name: str) -> set[str]:
    table = DECLARED.star[name]
    made = {table.record_id, "valid_from", "valid_to"} if isinstance(table, Fact) else set()
    return made | {column.name for column in table.columns}


def test_a_run_sends_the_lineage_of_every_column_of_every_table(
    lineage: Lineage, pipeline_environment: dict[str, str], warehouse_url: str
) -> None:
    process, file = lineage
    run = process.run(pipeline_environment, {})
    assert run.state == "success", run.log[-3000:]
    events = [json.loads(line) for line in file.read_text().splitlines()]
    ended = [event for event in events if event["eventType"] == "COMPLETE" and event["outputs"]]
    found = {event["job"]["name"].rpartition(".")[2]: event for event in ended}
    assert found.keys() == DECLARED.star.keys()
    for name, event in found.items():
        (written,) = event["outputs"]
        assert written["name"] == f"{warehouse_url.rpartition('/')[2]}.public.{name}"
        assert written["facets"]["columnLineage"]["fields"].keys() == columns_of(name)
        assert {read["name"].rpartition(".")[2] for read in event["inputs"]} == set(DECLARED.star[name].source_names)


@pytest.mark.parametrize("name", DECLARED.star)
def test_a_column_comes_from_what_its_declaration_says(pipeline_environment: dict[str, str], name: str) -> None:
    table = DECLARED.star[name]
    (written,) = lineage_of(table).outputs
    fields = written.facets["columnLineage"].fields
    for column in table.columns:
        inputs = [(field.name.rpartition(".")[2], field.field) for field in fields[column.name].inputFields]
        if isinstance(table, Calendar):
            assert inputs == []
        else:
            origin = origin_of(table, column)
            assert inputs == [(origin.table.name, origin.column.name)]


def test_a_joined_column_depends_on_the_column_that_finds_its_row(pipeline_environment: dict[str, str]) -> None:
    (written,) = lineage_of(DECLARED.star["dim_clerk"]).outputs
    (found_by,) = written.facets["columnLineage"].dataset
    assert (found_by.name.rpartition(".")[2], found_by.field) == ("clerk", "branch_id")
    assert (found_by.transformations[0].type, found_by.transformations[0].subtype) == ("INDIRECT", "JOIN")


@pytest.mark.parametrize(
    ("table", "column", "subtype"),
    [
        ("dim_clerk", "first_name", "IDENTITY"),
        ("dim_currency", "currency_name", "TRANSFORMATION"),
        ("fact_sale", "created_date", "TRANSFORMATION"),
    ],
)
def test_it_tells_what_is_kept_from_what_is_derived(
    pipeline_environment: dict[str, str], table: str, column: str, subtype: str
) -> None:
    (written,) = lineage_of(DECLARED.star[table]).outputs
    (come_from,) = written.facets["columnLineage"].fields[column].inputFields
    assert [how.subtype for how in come_from.transformations] == [subtype]


def test_nothing_of_openlineage_is_imported_where_it_is_not_configured(
    pipeline_environment: dict[str, str], tmp_path: Path
) -> None:
    program = """
import sys
from airflow.listeners.listener import get_listener_manager
get_listener_manager()
import include.reports.openlineage, include.pipeline
print(sorted(name for name in sys.modules if name.split(".")[0] == "openlineage"))"""
    environment = pipeline_environment | {"AIRFLOW_HOME": str(tmp_path), "AIRFLOW__LOGGING__LOGGING_LEVEL": "ERROR"}
    done = subprocess.run([sys.executable, "-c", program], env=environment, check=True, capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "[]"
