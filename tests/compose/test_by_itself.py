"""What the project does when nobody does anything."""

from urllib.error import HTTPError

import pytest

from tests.compose.stack import Stack


def test_the_first_run_begins_by_itself_and_fills_the_warehouse(stack: Stack) -> None:
    assert stack.runs()[-1]["run_type"] == "scheduled"
    stack.settle()


def test_data_outlives_the_containers(stack: Stack) -> None:
    before = stack.compose("exec", "-T", "aws", "ls", "/var/lib/aws/totesys-state")
    stack.compose("rm", "--stop", "--force", "aws")
    stack.compose("up", "--wait", "aws")
    assert "latest_update.json" in before
    read = (
        "import urllib.request as r; print(r.urlopen('http://localhost:5000/totesys-state/latest_update.json').read())"
    )
    assert "totesys-warehouse/1" in stack.compose("exec", "-T", "aws", "python", "-c", read)


@pytest.mark.parametrize("path", ["/api/v2/dags", "/api/v2/dags/totesys_warehouse/dagRuns"])
def test_nobody_is_told_anything_without_a_login(stack: Stack, path: str) -> None:
    with pytest.raises(HTTPError, match="401"):
        stack.api(path, user="")


def test_the_viewer_may_look_and_not_trigger(stack: Stack) -> None:
    path = "/api/v2/dags/totesys_warehouse/dagRuns"
    assert stack.api(path, user="viewer")["dag_runs"]
    with pytest.raises(HTTPError, match="403"):
        stack.api(path, {"logical_date": None}, user="viewer")
