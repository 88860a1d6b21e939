"""Scores are served as the tables of the star are: filtered, expanded, and no newer than they are."""

from datetime import timedelta
from pathlib import Path

from include.classify import steps
from tests.serve.conftest import READER
from tests.serve.server import serving, settings_for
from tests.unit.classify.bills import DECLARED, QUESTION
from tests.unit.classify.conftest import ledger  # noqa: F401 - a fixture of the test here
from tests.unit.classify.learned import HIGH, by_rule, crown
from tests.unit.classify.ledger import NOON, Ledger


def test_scores_are_served_with_what_they_point_to_and_an_etag_that_follows_them(
    ledger: Ledger,  # noqa: F811
    tmp_path: Path,
) -> None:
    ledger.bill(1, "2024-08-21", "2024-08-23", money_id=2)
    ledger.bill(2, "2024-08-19", "2024-08-21")
    ledger.execute(READER)
    settings = settings_for(ledger.url.replace("postgres@", "served_reader@"), tmp_path)
    with serving(settings, DECLARED) as running, running.client() as client:
        assert client.get("/v1/bill_score").json() == []
        crown(by_rule(), NOON)
        steps.score_question(DECLARED, QUESTION.name, NOON)
        answer = client.get("/v1/bill_score?class=eq.will settle&expand=money_id")
        (row,) = answer.json()
        assert (row["id"], row["probability"], row["class"]) == (1, HIGH, "will settle")
        assert row["expanded"]["money_id"]["code"] == "USD"
        assert client.get("/v1/bill_score/2").json()["class"] == "missed"
        again = {"If-None-Match": answer.headers["etag"]}
        steps.score_question(DECLARED, QUESTION.name, NOON + timedelta(minutes=20), always=True)
        assert client.get(answer.url, headers=again).status_code == 304
        ledger.change(1, "2024-08-22", paid=True)
        steps.score_question(DECLARED, QUESTION.name, NOON + timedelta(minutes=40), always=True)
        assert client.get(answer.url, headers=again).json() == []
