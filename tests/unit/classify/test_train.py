"""Training finds the rule where there is one, promotes nothing where there is none, and gives the same bytes again."""

import multiprocessing
import os
import signal
from dataclasses import replace
from datetime import UTC, date, datetime

import numpy as np
import pytest

from include.classify import learn, registry
from include.classify.card import Card
from include.classify.contest import Verdict
from include.classify.registry import Training
from include.classify.rows import Counts, count_rows
from include.classify.train import Contest, draw_card, hold, train
from include.common.errors import DataError
from include.common.postgres import connect
from include.common.settings import STATE_BUCKET, WAREHOUSE_CONNECTION, required_variable
from include.lake.files import read_current, read_file, replace_file
from tests.unit.classify.bills import QUESTION, WITHOUT_CALENDAR
from tests.unit.classify.ledger import LAST, NOON, Habits, Ledger, weekdays_ago

RULE = "100.0%: it falls due on Monday to Friday; it falls due 1 or more days after it was made"
SEEDS = int(os.environ.get("SHUFFLES", "2"))
"""How many shuffles of the labels are tried."""


def verdicts(card: Card) -> dict[str, Verdict]:
    return {one.name: one for one in card.verdicts}


def counts_of(ledger: Ledger) -> Counts:
    with connect(WAREHOUSE_CONNECTION) as connection:
        return count_rows(connection, QUESTION, LAST)


def test_the_rule_is_found_and_named_on_the_day_of_the_first_load(ledger: Ledger) -> None:
    ledger.write(6_000, weekdays_ago(50))
    done = train(QUESTION, NOON)
    card = registry.read_card(QUESTION.name, done.version)
    assert registry.read_standing(QUESTION.name).champion == done.version
    assert (card.winner, card.kind) == ("tree", "tree")
    assert verdicts(card)["tree"].accuracy >= 0.999
    assert RULE in card.rules
    assert verdicts(card)["majority"].accuracy < 0.7
    assert len(card.folds) == 6
    assert set(verdicts(card)) == {"tree", "regression", "boosting", "majority", "rule by hand"}


def test_with_noise_it_says_how_likely_it_is_and_no_more(ledger: Ledger) -> None:
    ledger.write(8_000, weekdays_ago(50), habits=Habits(unruly=0.1))
    card = registry.read_card(QUESTION.name, train(QUESTION, NOON).version)
    won, rule = verdicts(card)[card.winner], verdicts(card)["rule by hand"]
    assert won.brier <= 1.05 * rule.brier
    assert won.calibration_error <= 0.02
    assert won.brier == pytest.approx(0.09, abs=0.02)


def test_where_labels_are_shuffled_nothing_is_promoted(ledger: Ledger) -> None:
    ledger.write(3_000, weekdays_ago(40))
    counts = counts_of(ledger)
    seed = int(os.environ.get("PROOF_SEED", date.today().toordinal()))  # noqa: DTZ011 - any number does
    for shuffle in range(SEEDS):
        rng = np.random.default_rng([seed, shuffle])
        shuffled = replace(counts, labels=rng.permutation(counts.labels))
        assert hold(QUESTION, shuffled, None).winner is None, (seed, shuffle)


def test_without_the_calendar_nothing_is_promoted(ledger: Ledger) -> None:
    ledger.write(6_000, weekdays_ago(50))
    done = train(WITHOUT_CALENDAR, NOON)
    card = registry.read_card(WITHOUT_CALENDAR.name)
    assert (done.version, card.winner, card.version) == ("", "", "")
    assert done.outcome == "Nothing is promoted: no model says more than the majority does."
    for name in ("tree", "regression", "boosting"):
        assert 0.45 <= (verdicts(card)[name].auc or 0.5) <= 0.55
    assert registry.read_standing(WITHOUT_CALENDAR.name).champion == ""


def test_the_same_rows_give_the_same_bytes(ledger: Ledger) -> None:
    ledger.write(3_000, weekdays_ago(40), habits=Habits(unruly=0.1))
    for how in learn.CANDIDATES:
        one, other = (learn.learn(QUESTION, counts_of(ledger), how).as_bytes() for _ in range(2))
        assert one == other
    first = train(QUESTION, NOON)
    files = [_file(f"classify/{QUESTION.name}/{first.version}/{name}.json") for name in ("model", "card")]
    second = train(QUESTION, NOON.replace(hour=13))
    assert second.version == first.version
    assert second.outcome == "The champion stays: no other model is better beyond noise."
    assert files == [_file(f"classify/{QUESTION.name}/{first.version}/{name}.json") for name in ("model", "card")]
    assert len(registry.read_standing(QUESTION.name).promotions) == 1


def test_too_few_rows_are_no_ground_for_a_model(ledger: Ledger) -> None:
    ledger.bill(1_000, "2024-08-22", "2024-08-23")
    assert "0 rows are too few to learn from" in train(QUESTION, NOON).outcome
    ledger.write(60, weekdays_ago(4))
    assert "too few to learn from" in train(QUESTION, NOON).outcome
    assert registry.read_standing(QUESTION.name).champion == ""


def test_after_a_change_it_learns_from_what_came_since(ledger: Ledger) -> None:
    change = date(2024, 8, 5)
    ledger.write(9_000, weekdays_ago(40), habits=Habits(changes=change))
    before = train(QUESTION, datetime(2024, 8, 4, 12, tzinfo=UTC))
    after = train(QUESTION, NOON, since=change)
    assert "" != after.version != before.version
    rules = registry.read_card(QUESTION.name, after.version).rules
    assert any("Tuesday to Saturday" in rule and "1 or more days" in rule for rule in rules), rules
    assert registry.read_standing(QUESTION.name).since == change
    assert train(QUESTION, NOON.replace(hour=14)).version == after.version  # a week later it still counts from there


def test_a_champion_can_be_rolled_back_and_promoted_again(ledger: Ledger) -> None:
    ledger.write(3_000, weekdays_ago(40))
    (one, other) = (_kept(ledger, how) for how in (learn.learn_tree, learn.learn_boosting))
    for version in (one, other):
        registry.promote(QUESTION.name, version)
    assert registry.roll_back(QUESTION.name).champion == one
    assert registry.promote(QUESTION.name, other).champion == other
    assert [one.why for one in registry.read_standing(QUESTION.name).promotions][-2:] == [
        f"rolled back from {other}",
        "promoted by hand",
    ]


def test_what_is_not_there_or_not_what_was_kept_is_no_champion(ledger: Ledger) -> None:
    ledger.write(3_000, weekdays_ago(40))
    with pytest.raises(DataError, match="there was no other champion before"):
        registry.roll_back(QUESTION.name)
    with pytest.raises(DataError, match="there is no model 0123456789ab"):
        registry.promote(QUESTION.name, "0123456789ab")
    version = _kept(ledger, learn.learn_tree)
    model = registry.read_model(QUESTION.name, version).model_copy(update={"base": 0.5})
    bucket, key = required_variable(STATE_BUCKET), f"classify/{QUESTION.name}/{version}/model.json"
    _replace(bucket, key, model.as_bytes())
    with pytest.raises(DataError, match="is not the model that was kept there"):
        registry.promote(QUESTION.name, version)


def test_a_champion_that_somebody_makes_during_a_training_stays(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger.write(3_000, weekdays_ago(40))
    by_hand = _kept(ledger, learn.learn_boosting)
    kept = registry.keep_card

    def interrupted(card: Card) -> None:
        registry.promote(QUESTION.name, by_hand)
        kept(card)

    monkeypatch.setattr(registry, "keep_card", interrupted)
    done: Training = train(QUESTION, NOON)
    assert done.version not in ("", by_hand)
    assert registry.read_standing(QUESTION.name).champion == by_hand


@pytest.mark.parametrize("place", ["keep_card", "keep", "update_standing"])
def test_a_training_that_is_killed_has_promoted_nothing_and_the_next_does_it(ledger: Ledger, place: str) -> None:
    ledger.write(1_500, weekdays_ago(40))
    killed = multiprocessing.get_context("fork").Process(target=_train_and_die, args=(place,))
    killed.start()
    killed.join(120)
    assert killed.exitcode == -signal.SIGKILL
    assert registry.read_standing(QUESTION.name).champion == ""
    version = train(QUESTION, NOON).version
    assert registry.read_standing(QUESTION.name).champion == version != ""
    assert registry.read_card(QUESTION.name, version).version == version


def _train_and_die(place: str) -> None:
    """Train in a process that is killed when it comes to a write."""

    def die(*_: object) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    setattr(registry, place, die)
    train(QUESTION, NOON)


def _kept(ledger: Ledger, how: learn.Learn) -> str:
    """A model that was trained, and kept, and is not champion."""
    counts = counts_of(ledger)
    model = learn.learn(QUESTION, counts, how)
    registry.keep(model, draw_card(QUESTION, counts, Contest([], [], None), model))
    return model.version


def _file(key: str) -> bytes:
    return read_file(required_variable(STATE_BUCKET), key)


def _replace(bucket: str, key: str, content: bytes) -> None:
    assert replace_file(bucket, key, content, read_current(bucket, key)[1])
