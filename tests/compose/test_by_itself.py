"""What the project does when nobody does anything."""

from collections.abc import Iterator
from urllib.error import HTTPError

import pytest

from tests.compose.stack import Stack


@pytest.fixture(scope="module")
def resting(stack: Stack) -> Iterator[Stack]:
    """The project while nobody works at its source, and after a run that saw it so."""
    with stack.at_rest():
        yield stack


def test_the_first_run_begins_by_itself_and_fills_the_warehouse(stack: Stack) -> None:
    first = stack.runs()[-1]
    assert (first["run_type"], first["state"]) == ("scheduled", "success")
    with stack.connect("warehouse") as warehouse:
        assert warehouse.execute("SELECT count(*) > 9000 FROM fact_sales_order").fetchone() == (True,)


def test_a_runs_numbers_arrive_in_cloudwatch(resting: Stack) -> None:
    resting.wait_between_runs(120)
    before = {name: resting.metric(name, "dim_design") for name in ("RowsNew", "RowsChanged")}
    succeeded = resting.metric("RunSucceeded")
    with resting.connect("totesys") as source:
        source.execute("UPDATE design SET file_name = 'metric.json' WHERE design_id <= 3")
    assert resting.ended(resting.trigger(tables=["design"])) == "success"
    assert resting.metric("RunSucceeded") == succeeded + 1
    assert resting.metric("RowsChanged", "dim_design") == before["RowsChanged"] + 3
    assert resting.metric("RowsNew", "dim_design") == before["RowsNew"] > 0


def test_the_warehouse_equals_the_source_and_what_is_in_s3_outlives_the_endpoints_container(resting: Stack) -> None:
    assert resting.differences() == []
    before = resting.state()
    resting.compose("rm", "--stop", "--force", "aws")
    resting.compose("up", "--wait", "aws")
    assert resting.state() == before


@pytest.mark.parametrize("path", ["/api/v2/dags", "/api/v2/dags/totesys_warehouse/dagRuns"])
def test_nobody_is_told_anything_without_a_login(stack: Stack, path: str) -> None:
    with pytest.raises(HTTPError, match="401"):
        stack.api(path, user="")


def test_the_viewer_may_look_and_not_trigger(stack: Stack) -> None:
    path = "/api/v2/dags/totesys_warehouse/dagRuns"
    assert stack.api(path, user="viewer")["dag_runs"]
    with pytest.raises(HTTPError, match="403"):
        stack.api(path, {"logical_date": None}, user="viewer")
