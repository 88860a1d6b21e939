"""Each step tells in one structured line what it did, with the fields that the queries in the docs ask for."""

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from include.tables.steps import Step, plan
from tests.shop import DECLARED
from tests.system import System

QUERIES = re.findall(
    r"^```\n(.*?)^```", (Path(__file__).parents[3] / "docs" / "operations.md").read_text(), re.M | re.S
)
WORDS = {"fields", "filter", "ispresent", "stats", "count", "avg", "pct", "max", "sum", "as", "by", "sort", "desc"}
WORDS |= {"limit", "and", "bin"}


def lines_of(system: System, *tables: str) -> list[dict[str, Any]]:
    """The structured lines of a run."""
    with capture_logs() as lines:
        system.run(*tables)
    return [dict(line) for line in lines if "step" in line]


def fields_of(query: str) -> set[str]:
    """The names in a query that a line must have: not the language's own, nor what the query names itself."""
    text = re.sub(r'"[^"]*"|@\w+|\bas \w+|sort \w+|\d+d?', "", query)
    return set(re.findall(r"[a-z_]+", text)) - WORDS


def test_every_step_of_a_run_writes_exactly_one_line(system: System) -> None:
    written = Counter((line["step"], line.get("table", "")) for line in lines_of(system))
    assert written == Counter((step.kind, step.table) for step in plan(DECLARED, set(DECLARED.sources)))


def test_a_line_is_json_and_says_what_the_step_did(system: System) -> None:
    lines = {Step(line["step"], line.get("table", "")): line for line in lines_of(system)}
    assert json.loads(json.dumps(list(lines.values()))) == list(lines.values())
    assert all(line["outcome"] == "done" and line["seconds"] >= 0 for line in lines.values())
    assert lines[Step("ingest", "sale")]["rows"] == lines[Step("load", "fact_sale")]["new"] == 200
    assert lines[Step("record")]["tables"] == len(DECLARED.star)
    assert lines[Step("record")]["lag_seconds"] > 0


def test_a_quiet_run_tells_that_nothing_changed(system: System) -> None:
    system.run_cleanly("product")
    outcomes = {(line["step"], line["outcome"]) for line in lines_of(system, "product") if line.get("table")}
    assert outcomes == {("ingest", "unchanged"), ("transform", "unchanged")}


def test_a_step_that_fails_tells_why_in_its_line(system: System) -> None:
    system.write("ALTER TABLE product RENAME label TO filename")
    failed = {
        (line["step"], line.get("table")): line["error"] for line in lines_of(system) if line["outcome"] == "failed"
    }
    assert failed.keys() == {("ingest", "product"), ("record", None)}
    assert "label is missing" in failed["ingest", "product"]


def test_the_docs_have_three_queries() -> None:
    assert len(QUERIES) == 3


@pytest.mark.parametrize("query", QUERIES)
def test_a_query_asks_for_nothing_that_no_line_has(system: System, query: str) -> None:
    system.write("ALTER TABLE product RENAME label TO filename")
    lines = lines_of(system)
    step = re.search(r'step = "(\w+)"', query)
    asked = [line for line in lines if not step or line["step"] == step[1]]
    assert fields_of(query) <= {name for line in asked for name in line}
    if step:
        assert all(fields_of(query) <= line.keys() for line in asked)
