"""Scores are a table of the lake: what was said anew, and of which rows nothing is said any more."""

# ruff: noqa: S608 - the statements are the tests' own

from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import Any

import pytest

from include.classify import steps
from include.lake import iceberg
from include.lake.ask import ask
from include.tables.question import score_table
from tests.athena import answer
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


SAID = "id, due_on, probability, class, reasons, would_settle_on, model_version, scored_at"


def test_the_lake_shows_scores_as_the_warehouse_does(ledger: Ledger, database: str) -> None:
    for number in (1, 2, 3):
        ledger.bill(number, "2024-08-21", "2024-08-23", amount=number)
    crown(by_rule(), NOON)
    steps.score_question(DECLARED, QUESTION.name, NOON)
    ledger.change(1, "2024-08-22", paid=True)
    ledger.change(2, "2024-08-22", due_on="2024-08-24")
    steps.score_question(DECLARED, QUESTION.name, NOON.replace(minute=20), always=True)
    for table, further in (("bill_score", ""), ("bill_score_history", ", ended_at")):
        question = f"SELECT {SAID}{further} FROM {table} ORDER BY id"
        held = plain(ledger.ask(question))
        assert len(held) == 2
        assert plain(ask(DECLARED, question).fetchall()) == plain(answer(DECLARED, question)) == held
    then = ask(DECLARED, f"SELECT id, class FROM bill_score_at(TIMESTAMPTZ '{NOON}') ORDER BY id").fetchall()
    assert then == [(number, "will settle") for number in (1, 2, 3)]


def plain(rows: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """Rows with dates as texts, and instants as UTC has them: Athena's views show them without saying so."""

    def value(told: Any) -> Any:
        if isinstance(told, datetime) and told.tzinfo:
            return told.astimezone(UTC).replace(tzinfo=None)
        return str(told) if isinstance(told, date) and not isinstance(told, datetime) else told

    return [tuple(map(value, row)) for row in rows]


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
