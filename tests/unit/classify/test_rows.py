"""What is learned from: first versions alone, each with the right label, or with none."""

from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from include.classify.leak import refuse_leaks
from include.classify.rows import count_rows, labelled_sql, last_day
from include.classify.train import digest
from include.common.errors import DataError, DeclarationError
from include.common.postgres import connect
from include.common.settings import WAREHOUSE_CONNECTION
from include.tables.question import Feature, Settled
from tests.unit.classify.bills import CALENDAR, CODE, QUESTION
from tests.unit.classify.ledger import LAST, Ledger, weekdays_ago

PAID = {"paid": True}


def labels(ledger: Ledger, as_of: date = LAST) -> dict[int, bool]:
    """Bill → its label, of those that have one."""
    with connect(WAREHOUSE_CONNECTION) as connection:
        query = labelled_sql(QUESTION, as_of).as_string(connection)
    return dict(ledger.ask(f"WITH {query} SELECT id, label FROM labelled ORDER BY id"))  # noqa: S608


def test_a_bill_that_is_paid_on_its_day_was_settled_and_one_that_is_not_or_late_was_not(ledger: Ledger) -> None:
    for number in (1, 2, 3):
        ledger.bill(number, "2024-08-05", "2024-08-07")
    ledger.change(1, "2024-08-07", **PAID)
    ledger.change(2, "2024-08-08", **PAID)
    assert labels(ledger) == {1: True, 2: False, 3: False}


def test_a_bill_that_is_loaded_when_it_was_paid_long_ago_has_the_label_of_its_own_stamp(ledger: Ledger) -> None:
    ledger.bill(1, "2024-08-05", "2024-08-07", written_on="2024-08-07", valid_from="2024-08-20", **PAID)
    ledger.bill(2, "2024-08-05", "2024-08-07", written_on="2024-08-09", valid_from="2024-08-20", **PAID)
    ledger.bill(3, "2024-08-05", "2024-08-07", valid_from="2024-08-20")
    assert labels(ledger) == {1: True, 2: False, 3: False}


def test_a_label_counts_some_days_after_the_day(ledger: Ledger) -> None:
    ledger.bill(1, "2024-08-15", "2024-08-20")
    ledger.bill(2, "2024-08-15", "2024-08-21")
    assert labels(ledger) == {1: False}


def test_a_bill_that_arrives_after_its_day_was_not_settled_unless_it_was_paid_then(ledger: Ledger) -> None:
    ledger.bill(1, "2024-08-05", "2024-08-07", valid_from="2024-08-12")
    ledger.bill(2, "2024-08-08", "2024-08-07")  # made after its day: it has no answer
    assert labels(ledger) == {1: False}


def test_a_bill_that_is_deleted_before_its_label_counts_has_none(ledger: Ledger) -> None:
    for number in (1, 2, 3):
        ledger.bill(number, "2024-08-05", "2024-08-07")
    ledger.delete(1, "2024-08-06")
    ledger.delete(2, "2024-08-15")
    ledger.change(3, "2024-08-07", **PAID)
    ledger.delete(3, "2024-08-08")
    assert labels(ledger) == {2: False, 3: True}


def test_a_bill_that_is_refunded_was_settled_all_the_same(ledger: Ledger) -> None:
    ledger.bill(1, "2024-08-05", "2024-08-07")
    ledger.change(1, "2024-08-07", **PAID)
    ledger.change(1, "2024-08-12", paid=False)
    assert labels(ledger) == {1: True}


def test_a_bill_whose_day_changes_before_it_comes_has_no_label(ledger: Ledger) -> None:
    for number in (1, 2):
        ledger.bill(number, "2024-08-05", "2024-08-07")
    ledger.change(1, "2024-08-06", due_on="2024-08-14")
    ledger.change(2, "2024-08-13", due_on="2024-08-14")
    assert labels(ledger) == {2: False}


def test_a_bill_whose_currency_or_firm_changes_keeps_its_label_and_its_first_features(ledger: Ledger) -> None:
    ledger.bill(1, "2024-08-05", "2024-08-07")
    ledger.change(1, "2024-08-06", money_id=2, firm_id=9)
    ledger.change(1, "2024-08-07", **PAID)
    ledger.bill(2, "2024-08-22", "2024-08-23")
    with connect(WAREHOUSE_CONNECTION) as connection:
        counts = count_rows(connection, QUESTION, last_day(connection, QUESTION, LAST))
    assert counts.as_of == LAST
    assert (counts.labels.tolist(), counts.rows.tolist()) == ([True], [1])
    assert dict(zip(counts.names, counts.features[0].tolist(), strict=True)) == {
        "due_weekday": 3,
        "days_until_due": 2,
        "firm": 1,
        "digits": 3,
    }


def test_a_source_that_stands_still_has_no_labels_any_more(ledger: Ledger) -> None:
    ledger.bill(1, "2024-08-05", "2024-08-07")
    ledger.bill(2, "2024-08-05", "2024-08-06")
    with connect(WAREHOUSE_CONNECTION) as connection:
        assert last_day(connection, QUESTION, date(2026, 1, 1)) == date(2024, 8, 5)


def test_a_ledger_without_bills_is_nothing_to_learn_from(ledger: Ledger) -> None:
    with connect(WAREHOUSE_CONNECTION) as connection, pytest.raises(DataError, match="fact_bill has no rows"):
        last_day(connection, QUESTION, LAST)


def test_of_many_bills_a_sample_is_taken_the_same_every_time(ledger: Ledger) -> None:
    ledger.write(5_000, weekdays_ago(20))
    with connect(WAREHOUSE_CONNECTION) as connection:
        whole, *parts = (count_rows(connection, QUESTION, LAST, most=most) for most in (100_000, 1_000, 1_000))
    assert whole.total == whole.population == parts[0].population > 4_800
    assert 800 < parts[0].total < 1_200
    assert digest(parts[0]) == digest(parts[1])


def test_a_feature_that_changes_when_the_answer_is_known_is_refused(ledger: Ledger) -> None:
    leaking = replace(QUESTION, features=(*CALENDAR, CODE))
    for number in range(60):
        ledger.bill(number, "2024-08-05", "2024-08-07")
    for number in range(50):  # what pays them writes it, too
        ledger.change(number, "2024-08-07", code=1, **PAID)
    with connect(WAREHOUSE_CONNECTION) as connection:
        refuse_leaks(connection, QUESTION)
        with pytest.raises(
            DataError, match="the feature code knows the future: of 50 rows that changed later, 50 told"
        ):
            refuse_leaks(connection, leaking)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (
            {"features": (Feature("it", "weekday", ("written_on",), "{}"),)},
            "the feature it knows the future: written_on",
        ),
        ({"label": Settled("paid", "written_on", "due_on")}, "the feature due_weekday knows the future: due_on"),
        ({"features": (Feature("it", "value", ("amount",), "{}"),)}, r"the feature it: amount is numeric\(10,2\)"),
        ({"features": (Feature("it", "value", ("none",), "{}"),)}, "fact_bill has no column 'none'"),
        ({"features": (Feature("rows", "value", ("code",), "{}"),)}, "a feature cannot be called rows"),
        ({"features": ()}, "it has no features"),
        ({"created": "never"}, "fact_bill has no column 'never'"),
        ({"by_hand": (("moon", 1, 2),)}, "tells of .'moon'., which are no features"),
        ({"amount": ""}, "scores take an amount"),
        ({"party": None}, "scores take a currency and a party"),
    ],
)
def test_a_question_that_makes_no_sense_is_refused_when_it_is_declared(change: dict[str, Any], told: str) -> None:
    with pytest.raises(DeclarationError, match=f"bill_settles: .*{told}"):
        replace(QUESTION, **change)
