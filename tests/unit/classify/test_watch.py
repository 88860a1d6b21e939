"""Reality is held against the champion: a batch that did not run, and a rule that changed, are told in time."""

from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from include.classify import registry, steps
from include.classify.drift import stability
from include.classify.scoring import score
from include.classify.told import KEY, Classification
from include.classify.watch import watch
from include.common.settings import STATE_BUCKET, required_variable
from include.lake.files import read_file
from include.reports import alerts
from tests.unit.classify.bills import DECLARED, QUESTION
from tests.unit.classify.learned import by_rule, crown
from tests.unit.classify.ledger import LAST, NOON, Habits, Ledger, weekdays_ago

MORNING = NOON.replace(hour=8, minute=30)


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """The alerts that are sent, subject and message, once each as the outbox has it."""
    told: list[tuple[str, str]] = []
    monkeypatch.setattr(alerts, "_topic", lambda _: "arn:aws:sns:eu-west-2:1:topic")
    monkeypatch.setattr(alerts, "_publish", lambda _, alert: told.append((alert.subject, alert.message)))
    return told


def test_a_batch_that_did_not_run_is_told_once_with_number_and_sum_by_currency(
    ledger: Ledger, sent: list[tuple[str, str]]
) -> None:
    ledger.write(6_000, weekdays_ago(50), habits=Habits(missed=(LAST,)))
    crown(by_rule(), NOON)
    steps.watch_question(DECLARED, QUESTION.name, MORNING - timedelta(minutes=1))
    assert sent == []
    watched = steps.watch_question(DECLARED, QUESTION.name, MORNING)
    assert watched is not None
    assert watched.missed == [LAST]
    ((subject, message),) = sent
    due = "FROM fact_bill JOIN dim_money m ON m.id = money_id WHERE due_on = '2024-08-22' AND made_on < due_on"
    ((count,),) = ledger.ask(f"SELECT count(*) {due}")
    assert subject == f"{count} rows that were due on 2024-08-22 were not done"
    for code, rows, total in ledger.ask(f"SELECT m.code, count(*), sum(amount)::float8 {due} GROUP BY 1"):
        assert f"{rows:,} for {total:,.2f} {code}" in message
    steps.watch_question(DECLARED, QUESTION.name, MORNING + timedelta(minutes=20))
    assert len(sent) == 1


def test_a_day_that_goes_as_it_should_is_no_news(ledger: Ledger, sent: list[tuple[str, str]]) -> None:
    ledger.write(6_000, weekdays_ago(50))
    crown(by_rule(), NOON)
    watched = steps.watch_question(DECLARED, QUESTION.name, MORNING)
    assert watched is not None
    assert (watched.missed, watched.since, watched.drifted, sent) == ([], None, {}, [])
    assert [day.day for day in watched.days if day.rows][-1] == LAST


def test_a_few_bills_that_somebody_holds_back_are_no_news(ledger: Ledger, sent: list[tuple[str, str]]) -> None:
    ledger.write(6_000, weekdays_ago(50))
    crown(by_rule(), NOON)
    held = "SELECT id FROM fact_bill WHERE due_on = '2024-08-22' AND paid ORDER BY id LIMIT 2"
    ledger.execute(f"UPDATE fact_bill SET paid = false, written_on = made_on WHERE id IN ({held})")  # noqa: S608
    steps.watch_question(DECLARED, QUESTION.name, MORNING)
    assert sent == []


@pytest.mark.parametrize("seed", range(3))
def test_noise_is_no_news(ledger: Ledger, sent: list[tuple[str, str]], seed: int) -> None:
    ledger.write(6_000, weekdays_ago(50), habits=Habits(unruly=0.1, seed=100 * seed))
    crown(by_rule(low=0.1), NOON)
    watched = steps.watch_question(DECLARED, QUESTION.name, MORNING)
    assert watched is not None
    assert not [day for day in watched.days if day.beyond]
    assert sent == []


def test_without_a_champion_nothing_is_watched(ledger: Ledger) -> None:
    ledger.write(60, weekdays_ago(4))
    assert watch(QUESTION, NOON) == (None, [])


def test_a_rule_that_changes_is_noticed_within_its_second_week_and_learned_and_old_scores_are_kept(
    ledger: Ledger, sent: list[tuple[str, str]]
) -> None:
    change, crowned = date(2024, 8, 5), datetime(2024, 8, 2, 12, tzinfo=UTC)
    ledger.write(9_000, weekdays_ago(40), habits=Habits(changes=change))
    old = crown(by_rule(), crowned)
    score(QUESTION, crowned)
    noticed, now = None, crowned
    while noticed is None and now.date() < change + timedelta(days=21):
        now += timedelta(days=1)
        watched = steps.watch_question(DECLARED, QUESTION.name, now)
        noticed = watched and watched.since
    assert noticed == change
    assert now.date() < change + timedelta(days=14)
    assert any(subject == "Reality leaves the model bill_settles" for subject, _ in sent)
    assert steps.training_due(QUESTION.name, now, watched)
    steps.train_question(DECLARED, QUESTION.name, NOON, noticed)
    new = registry.read_standing(QUESTION.name).champion
    assert new != old
    score(QUESTION, NOON)
    versions = {version for (version,) in ledger.ask("SELECT model_version FROM bill_score_history")}
    assert old in versions
    after = watch(QUESTION, NOON)[0]
    assert after is not None
    assert after.since is None
    assert not steps.training_due(QUESTION.name, NOON, after)


@pytest.mark.parametrize("found", [{"since": LAST, "drifted": {}}, {"since": None, "drifted": {"firm": 0.3}}])
def test_training_is_due_once_a_week_and_once_a_day_where_the_champion_is_wrong_or_rows_drift(
    ledger: Ledger, found: dict[str, Any]
) -> None:
    ledger.write(60, weekdays_ago(4))
    assert steps.training_due(QUESTION.name, NOON, None)
    steps.train_question(DECLARED, QUESTION.name, NOON)
    wrong: Any = SimpleNamespace(**found)
    due = {
        (days, bool(of)): steps.training_due(QUESTION.name, NOON + timedelta(days=days), of)
        for days in (0, 1, 6, 7)
        for of in (None, wrong)
    }
    assert {key for key, value in due.items() if value} == {(1, True), (6, True), (7, False), (7, True)}


def test_features_that_drift_are_told(ledger: Ledger, sent: list[tuple[str, str]]) -> None:
    ledger.write(6_000, weekdays_ago(50))
    crown(by_rule(), datetime(2024, 7, 1, 12, tzinfo=UTC))
    ledger.execute("UPDATE fact_bill SET firm_id = 1 WHERE made_on > '2024-07-20'")
    watched = steps.watch_question(DECLARED, QUESTION.name, NOON)
    assert watched is not None
    assert list(watched.drifted) == ["firm"]
    assert [subject for subject, _ in sent] == ["Drift of features of bill_settles"]


def test_stability_is_of_shares_and_of_enough_rows() -> None:
    known = {1: 0.5, 2: 0.5}
    assert stability(known, {1: 50, 2: 50}) == 0
    assert stability(known, {1: 5, 2: 1}) == 0
    assert stability(known, {1: 90, 2: 10}) > 0.25
    assert stability(known, {3: 100}) > 1


def test_the_page_is_told_of_the_next_seven_days_the_model_and_its_history(ledger: Ledger) -> None:
    ledger.write(3_000, weekdays_ago(40))
    ledger.bill(9_001, "2024-08-21", "2024-08-24", amount=250, money_id=2, firm_id=3)
    ledger.bill(9_002, "2024-08-21", "2024-09-21", amount=250)
    steps.train_question(DECLARED, QUESTION.name, NOON)
    steps.score_question(DECLARED, QUESTION.name, NOON)
    steps.watch_question(DECLARED, QUESTION.name, NOON)
    told = Classification.model_validate_json(read_file(required_variable(STATE_BUCKET), KEY)).questions[QUESTION.name]
    (row,) = [row for row in told.soon if row.key == "9001"]
    assert (row.party, row.currency, str(row.amount), str(row.would_settle_on)) == (
        "Firm 3",
        "USD",
        "250.00",
        "2024-08-26",
    )
    assert "9002" not in {row.key for row in told.soon}
    assert {(total.of, total.currency) for total in told.sums} >= {("will not settle", "USD"), ("will settle", "GBP")}
    assert {total.of for total in told.parties} <= {f"Firm {n}" for n in range(1, 13)}
    assert told.card is not None
    assert told.card.version == told.promotions[-1].version == told.trainings[-1].version
    assert told.watched is not None
    assert told.scored_at == NOON
