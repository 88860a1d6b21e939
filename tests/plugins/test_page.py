"""The page: who may see it, what it tells, and what it gives away."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from include.classify.told import KEY as CLASSIFICATION_KEY
from include.state.status import STATUS_KEY
from local.api_server import PLUGINS
from tests.plugins.conftest import Server, put_status
from tests.system import System

STATIC = PLUGINS / "totesys_status" / "static"
PATHS = [
    "/totesys/",
    "/totesys/status",
    "/totesys/classification",
    "/totesys/page.js",
    "/totesys/rejected?file=x",
    "/totesys/openapi.json",
]
RUNS = "/api/v2/dags/totesys_warehouse/dagRuns"
LISTED = "rejected/dim_clerk/2024-08-22/dim_clerk_20240822T142049.962123Z_1f0c9a3e.csv"


def download(server: Server, key: str) -> Any:
    return server.ask(f"/totesys/rejected?file={quote(key, safe='')}")


def listing(*files: str) -> dict[str, Any]:
    """A status that lists these files."""
    return {"format": "totesys-status/1", "rejected_rows": [{"file": file} for file in files]}


@pytest.mark.parametrize("path", PATHS)
def test_nobody_sees_it_without_logging_in(server: Server, path: str) -> None:
    assert server.ask(path, user="").status == 401


@pytest.mark.parametrize("path", PATHS)
def test_who_may_not_read_the_dag_may_not_see_it(server: Server, path: str) -> None:
    assert server.ask(path, user="nobody").status == 403


def test_who_may_read_the_dag_sees_it_and_it_loads_nothing_from_elsewhere(server: Server) -> None:
    answer = server.ask("/totesys/")
    assert answer.status == 200
    assert "default-src 'self'" in answer.headers["content-security-policy"]
    for name in re.findall(r'(?:src|href)="([\w.-]+\.\w+)"', answer.body.decode()):
        assert server.ask(f"/totesys/{name}").body == (STATIC / name).read_bytes(), name


def test_its_files_name_no_other_address() -> None:
    for file in STATIC.iterdir():
        addresses = set(re.findall(r"""["'(](?:https?:)?//[^"')\s]+""", file.read_text()))
        assert addresses <= {'"http://www.w3.org/2000/svg'}, file.name
        assert " style=" not in file.read_text(), f"{file.name}: the policy forbids it"


def test_it_is_in_the_navigation_and_no_plugin_failed_to_load(server: Server) -> None:
    plugins = server.ask("/api/v2/plugins", user="admin").json["plugins"]
    (view,) = [view for plugin in plugins for view in plugin["external_views"]]
    assert (view["destination"], view["href"], view["url_route"]) == ("nav", "totesys/", "totesys")
    assert server.ask("/" + view["icon"]).headers["content-type"].startswith("image/svg+xml")
    assert server.ask("/api/v2/plugins/importErrors", user="admin").json["import_errors"] == []


def test_a_worker_that_loads_the_plugin_is_spared_the_pages_imports() -> None:
    check = "import sys, totesys_page; print('totesys_status' in sys.modules, 'boto3' in sys.modules)"
    answer = subprocess.run(
        [sys.executable, "-P", "-c", f"import sys; sys.path.append({str(PLUGINS)!r}); {check}"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert answer.stdout.split() == ["False", "False"]


def test_before_the_first_run_nothing_is_recorded(server: Server) -> None:
    answer = server.ask("/totesys/status")
    assert (answer.status, answer.json["status"]) == (200, None)


def test_it_tells_what_runs_recorded(server: Server, system: System, s3: Any) -> None:
    system.run_cleanly()
    system.write("UPDATE sale SET units_sold = 7 WHERE sale_id < 4")
    system.write("DELETE FROM payment WHERE payment_id = 2")
    second = system.run_cleanly()
    status = server.ask("/totesys/status").json["status"]
    recorded = s3.get_object(Bucket=server.buckets.state, Key=STATUS_KEY)["Body"].read()
    assert status == json.loads(recorded)
    sales, payment = status["tables"]["fact_sale"], status["tables"]["fact_payment"]
    assert [[(sales["rows"],)], [(payment["rows"],)]] == [
        [(int(rows),) for (rows,) in system.warehouse("SELECT count(*) FROM current_sale")],
        [(int(rows),) for (rows,) in system.warehouse("SELECT count(*) FROM current_payment")],
    ]
    assert (sales["last_load"]["new"], sales["last_load"]["changed"]) == (0, 3)
    assert payment["last_load"]["deleted"] == 1
    assert status["tables"]["dim_product"]["outcome"] == "unchanged"
    assert status["runs"][0]["run"]["run_id"] == second.identity.run_id
    assert [run["changed"] for run in status["runs"]] == [3, 0]


def test_rejected_rows_are_listed_and_their_file_is_given_as_it_is(server: Server, system: System, s3: Any) -> None:
    system.write("UPDATE currency SET currency_code = 'XXY' WHERE currency_id = 1")
    system.run_cleanly("currency")
    (row,) = server.ask("/totesys/status").json["status"]["rejected_rows"]
    assert (row["table"], row["key"]) == ("dim_currency", 1)
    assert "XXY" in row["reason"]
    answer = download(server, row["file"])
    assert answer.status == 200
    assert answer.body == s3.get_object(Bucket=server.buckets.processed, Key=row["file"])["Body"].read()
    assert answer.headers["content-type"].startswith("text/csv")
    assert answer.headers["content-disposition"] == f'attachment; filename="{Path(row["file"]).name}"'


@pytest.mark.parametrize(
    "key",
    [
        "dim_clerk/2024-08-22/dim_clerk.parquet",
        "../latest_update.json",
        "rejected/../dim_clerk/2024-08-22/dim_clerk.parquet",
        LISTED + "/../other.csv",
        LISTED.replace("1f0c9a3e", "00000000"),
        "/" + LISTED,
        "",
        "/etc/passwd",
    ],
)
def test_a_file_that_is_not_listed_is_not_given(server: Server, s3: Any, key: str) -> None:
    put_status(s3, server, listing(LISTED))
    for present in (LISTED, "dim_clerk/2024-08-22/dim_clerk.parquet", LISTED.replace("1f0c9a3e", "00000000")):
        s3.put_object(Bucket=server.buckets.processed, Key=present, Body=b"content")
    assert download(server, LISTED).body == b"content"
    assert download(server, key).status == 404


def test_a_listed_file_outside_the_folder_of_rejected_rows_is_not_given(server: Server, s3: Any) -> None:
    put_status(s3, server, listing("dim_clerk/file.csv"))
    s3.put_object(Bucket=server.buckets.processed, Key="dim_clerk/file.csv", Body=b"content")
    assert download(server, "dim_clerk/file.csv").status == 404


def test_a_listed_file_that_is_gone_is_not_found(server: Server, s3: Any) -> None:
    put_status(s3, server, listing(LISTED))
    assert download(server, LISTED).status == 404


@pytest.mark.parametrize("path", ["..%2Fweb.py", "%2e%2e%2fweb.py", "..%5Cweb.py", "static/page.js", "web.py", "."])
def test_no_other_file_of_the_server_is_given(server: Server, path: str) -> None:
    assert server.ask(f"/totesys/{path}").status == 404


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"format": "another"}'])
def test_a_status_that_cannot_be_read_is_a_problem_that_names_it(server: Server, s3: Any, content: bytes) -> None:
    put_status(s3, server, content)
    answer = server.ask("/totesys/status")
    assert answer.status == 503
    assert STATUS_KEY in answer.json["problem"]


def test_what_the_models_say_is_told_as_it_was_left(server: Server, s3: Any) -> None:
    assert server.ask("/totesys/classification").json["classification"] is None
    left = {"format": "totesys-classification/1", "questions": {}}
    s3.put_object(Bucket=server.buckets.state, Key=CLASSIFICATION_KEY, Body=json.dumps(left).encode())
    assert server.ask("/totesys/classification").json["classification"] == left
    s3.put_object(Bucket=server.buckets.state, Key=CLASSIFICATION_KEY, Body=b"{")
    answer = server.ask("/totesys/classification")
    assert (answer.status, CLASSIFICATION_KEY in answer.json["problem"]) == (503, True)


def test_a_missing_bucket_is_a_problem_that_names_its_variable_and_heals(server: Server, s3: Any) -> None:
    s3.delete_bucket(Bucket=server.buckets.state)
    try:
        answer = server.ask("/totesys/status")
    finally:
        region = {"LocationConstraint": s3.meta.region_name}
        s3.create_bucket(Bucket=server.buckets.state, CreateBucketConfiguration=region)
    assert answer.status == 503
    assert "state_bucket" in answer.json["problem"]
    assert server.ask("/totesys/status").status == 200


def test_a_run_of_one_table_is_started_with_the_cookie_of_the_page(server: Server) -> None:
    conf = {"tables": ["dim_clerk"], "full_refresh": False}
    answer = server.ask(RUNS, user="admin", document={"logical_date": None, "conf": conf})
    assert answer.status == 200
    assert (answer.json["state"], answer.json["conf"]) == ("queued", conf)


def test_a_table_that_is_held_back_is_told_with_what_is_to_be_accepted(server: Server, system: System) -> None:
    system.write("INSERT INTO product SELECT n, 'n', '/', 'f', now(), now() FROM generate_series(1001, 2000) AS n")
    system.run_cleanly("product")
    system.write("DELETE FROM product WHERE product_id > 1000")
    system.run("product")
    tables = server.ask("/totesys/status").json["status"]["tables"]
    assert {name: table["held"] for name, table in tables.items() if table["held"]} == {"dim_product": ["product"]}
    assert "1,000 of 1,424 known rows" in tables["dim_product"]["problem"]


def test_deletions_are_accepted_by_a_run_that_the_page_starts(server: Server) -> None:
    """What trigger.js sends for a table that is held back."""
    conf = {"tables": ["fact_payment"], "full_refresh": False, "accept_deletions": ["payment"]}
    answer = server.ask(RUNS, user="admin", document={"logical_date": None, "conf": conf})
    assert (answer.status, answer.json["conf"]) == (200, conf)


def test_who_may_only_look_starts_no_run(server: Server) -> None:
    assert server.ask(RUNS, document={"logical_date": None, "conf": {"tables": ["dim_clerk"]}}).status == 403
