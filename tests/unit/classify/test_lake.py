"""Scores are a table of the lake: what was said anew, and of which rows nothing is said any more."""

from collections.abc import Iterator
from typing import Any

import pytest

from include.classify import steps
from include.lake import iceberg
from include.tables.question import score_table
from tests.clients import own_clients  # noqa: F401 - a fixture of all tests here
from tests.unit.classify.bills import DECLARED, QUESTION
from tests.unit.classify.learned import by_rule, crown
from tests.unit.classify.ledger import NOON, Ledger


@pytest.fixture
def database(monkeypatch: pytest.MonkeyPatch, ledger: Ledger) -> Iterator[str]:
    """A database of the Glue catalogue for this test's lake, as the variable names it."""
    name = ledger.url.rpartition("/")[2]
    monkeypatch.setenv("AIRFLOW_VAR_LAKE_DATABASE", name)
    iceberg.catalogue.cache_clear()
    yield name
    iceberg.catalogue.cache_clear()


def rows(database: str) -> list[dict[str, Any]]:
    found = iceberg.open_table(database, score_table(QUESTION)).scan().to_arrow().to_pylist()
    return sorted(found, key=lambda row: (row["observed_at"], row["id"]))


def test_the_lake_has_what_was_said_and_what_is_said_no_more(ledger: Ledger, database: str) -> None:
    for number in (1, 2, 3):
        ledger.bill(number, "2024-08-21", "2024-08-23", amount=number)
    crown(by_rule(), NOON)
    steps.score_question(DECLARED, QUESTION.name, NOON)
    said = rows(database)
    assert [(row["id"], row["class"], row["kind"]) for row in said] == [(n, "will settle", "row") for n in (1, 2, 3)]
    assert {row["scored_at"] for row in said} == {row["observed_at"] for row in said} == {NOON}
    ledger.change(1, "2024-08-22", paid=True)
    ledger.change(2, "2024-08-22", due_on="2024-08-24")
    later = NOON.replace(minute=20)
    steps.score_question(DECLARED, QUESTION.name, later, always=True)
    changed = [(row["id"], row["class"], row["kind"]) for row in rows(database)[3:]]
    assert changed == [(1, None, "gone"), (2, "will not settle", "row")]
    steps.score_question(DECLARED, QUESTION.name, later)
    assert len(rows(database)) == 5
    assert ledger.ask("SELECT count(*) FROM pipeline.file WHERE table_name = 'bill_score'") == [(0,)]


def test_a_lake_that_is_made_later_begins_with_all_scores(
    ledger: Ledger, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger.bill(1, "2024-08-21", "2024-08-23")
    crown(by_rule(), NOON)
    with monkeypatch.context() as without:
        without.delenv("AIRFLOW_VAR_LAKE_DATABASE")
        steps.score_question(DECLARED, QUESTION.name, NOON)
    ledger.bill(2, "2024-08-21", "2024-08-23")
    steps.score_question(DECLARED, QUESTION.name, NOON.replace(minute=20), always=True)
    assert [row["id"] for row in rows(database)] == [1, 2]
