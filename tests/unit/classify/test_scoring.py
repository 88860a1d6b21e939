"""The champion's SQL says what the model says, of every row that is not done; what held before is kept."""

import multiprocessing
import os
import signal
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import psycopg
import pytest
from psycopg import sql

from include.classify import learn, registry, scoring
from include.classify.rows import count_rows, features_sql
from include.classify.scoring import score, score_sql
from include.classify.statement import probability_sql
from include.common.errors import DataError
from include.common.postgres import connect
from include.common.settings import WAREHOUSE_CONNECTION
from tests.unit.classify.bills import QUESTION
from tests.unit.classify.learned import HIGH, LOW, by_rule, crown
from tests.unit.classify.ledger import LAST, NOON, Habits, Ledger, weekdays_ago

SCORES = (
    "SELECT id, class, round(probability::numeric, 4)::float8, reasons, would_settle_on FROM bill_score ORDER BY id"
)
EARLY = NOON.replace(hour=7)


@pytest.mark.parametrize("how", learn.CANDIDATES, ids=lambda how: how.__name__)
def test_the_sql_says_of_every_row_what_the_model_says(ledger: Ledger, how: learn.Learn) -> None:
    ledger.write(3_000, weekdays_ago(40), habits=Habits(unruly=0.2))
    ledger.bill(9_000, "2024-08-05", "2024-10-07", amount=-5, firm_id=12)  # of values that no training saw
    with connect(WAREHOUSE_CONNECTION) as connection:
        counts = count_rows(connection, QUESTION, LAST)
        model = learn.learn(QUESTION, counts, how)
        query = sql.SQL("WITH described AS (SELECT {} FROM fact_bill r) SELECT {}, {} FROM described").format(
            features_sql(QUESTION, "r"), sql.SQL(", ").join(map(sql.Identifier, counts.names)), probability_sql(model)
        )
        rows = connection.execute(query).fetchall()
    features = np.array([row[:-1] for row in rows], np.int32)
    said = model.predict(counts.names, features)
    assert len(rows) == 3_001
    assert np.abs(said - np.array([row[-1] for row in rows])).max() < 1e-6
    assert len(set(said.round(6).tolist())) > 2


def test_a_generated_statement_reads_like_one_that_was_written(ledger: Ledger) -> None:
    with connect(WAREHOUSE_CONNECTION) as connection:
        text = score_sql(QUESTION, by_rule(), EARLY).as_string(connection)
    assert text[text.index('      FROM "fact_bill"') :] == SAID


SAID = """\
      FROM "fact_bill" r
     CROSS JOIN LATERAL (
        SELECT least(greatest(CASE WHEN "due_weekday" <= 5 THEN CASE WHEN "days_until_due" <= 0 \
THEN 0.0005::double precision
        ELSE 0.9995::double precision END
    ELSE 0.0005::double precision END, 0.0001::double precision), 0.9999::double precision) AS probability,
               CASE WHEN "due_weekday" <= 5 THEN CASE WHEN "days_until_due" <= 0 THEN 'it falls due \
on Monday to Friday; it falls due 0 days after it was made'
        ELSE 'it falls due on Monday to Friday; it falls due 1 or more days after it was made' END
    ELSE 'it falls due on Saturday or Sunday' END AS reasons
          FROM (SELECT coalesce((extract(isodow FROM "r"."due_on"))::integer, -1) AS "due_weekday",
               coalesce((greatest(least("r"."due_on" - "r"."made_on", 31), 0))::integer, -1) AS \
"days_until_due",
               coalesce(("r"."firm_id")::integer, -1) AS "firm",
               coalesce((floor(log(greatest("r"."amount", 1))) + 1)::integer, -1) AS "digits") \
described OFFSET 0
     ) said
     CROSS JOIN LATERAL (SELECT r."due_on" < '2024-08-22'::date OR (r."due_on" = '2024-08-22'::date \
AND false) AS past) moment
     WHERE r.valid_to IS NULL AND NOT r."paid\""""


def test_unpaid_bills_have_a_probability_and_reasons_and_those_that_were_missed_none(ledger: Ledger) -> None:
    ledger.bill(1, "2024-08-21", "2024-08-23")
    ledger.bill(2, "2024-08-21", "2024-08-24")
    ledger.bill(3, "2024-08-22", "2024-08-22")
    ledger.bill(4, "2024-08-19", "2024-08-21")
    ledger.bill(5, "2024-08-19", "2024-08-21", paid=True)
    ledger.bill(6, "2024-08-19", "2024-08-26")
    ledger.delete(6, "2024-08-20")
    crown(by_rule(), NOON)
    done = score(QUESTION, EARLY)
    assert (done.rows, done.added, done.ended, done.skipped) == (4, 4, 0, "")
    weekday = "it falls due on Monday to Friday; it falls due"
    assert ledger.ask(SCORES) == [
        (1, "will settle", HIGH, f"{weekday} 1 or more days after it was made", None),
        (2, "will not settle", LOW, "it falls due on Saturday or Sunday", "2024-08-26"),
        (3, "will not settle", LOW, f"{weekday} 0 days after it was made", "2024-08-23"),
        (4, "missed", None, f"its day has passed; {weekday} 1 or more days after it was made", None),
    ]
    assert ledger.ask("SELECT has_table_privilege('totesys_reader', 'bill_score', 'SELECT')") == [(True,)]


def test_when_the_time_of_day_has_passed_what_was_due_then_is_missed_and_the_old_score_is_kept(ledger: Ledger) -> None:
    ledger.bill(1, "2024-08-21", "2024-08-22")
    version = crown(by_rule(), NOON)
    score(QUESTION, EARLY)
    assert score(QUESTION, NOON).ended == 1
    assert ledger.ask("SELECT class, probability FROM bill_score") == [("missed", None)]
    history = "SELECT class, probability, model_version, ended_at - scored_at FROM bill_score_history"
    assert ledger.ask(history) == [("will settle", HIGH, version, timedelta(hours=5))]


def test_scoring_again_changes_nothing_and_is_skipped_until_something_changed(ledger: Ledger) -> None:
    ledger.bill(1, "2024-08-21", "2024-08-23")
    assert score(QUESTION, NOON).skipped == "bill_settles: no model is champion yet"
    crown(by_rule(), NOON)
    score(QUESTION, NOON)
    rows = ledger.ask("SELECT xmin::text, * FROM bill_score")
    later = NOON + timedelta(minutes=20)
    assert score(QUESTION, later).skipped == "bill_score is up to date"
    assert score(QUESTION, later, always=True).skipped == ""
    assert ledger.ask("SELECT xmin::text, * FROM bill_score") == rows
    ledger.execute("""INSERT INTO pipeline.load (table_name, inputs) VALUES ('fact_bill', '{"bill": "1"}')""")
    assert score(QUESTION, later).skipped == ""
    crown(by_rule(last=3), NOON)
    assert score(QUESTION, later).ended == 1
    assert ledger.ask("SELECT class FROM bill_score") == [("will not settle",)]


def test_what_is_paid_changed_or_deleted_leaves_the_scores_for_the_history(ledger: Ledger) -> None:
    for number in range(1, 6):
        ledger.bill(number, "2024-08-21", "2024-08-23")
    crown(by_rule(), NOON)
    score(QUESTION, NOON)
    ledger.change(1, "2024-08-22", paid=True)
    ledger.change(2, "2024-08-22", due_on="2024-08-25")
    ledger.change(3, "2024-08-22", money_id=2)
    ledger.delete(4, "2024-08-22")
    done = score(QUESTION, NOON, always=True)
    assert (done.rows, done.added, done.ended) == (3, 2, 4)
    assert ledger.ask("SELECT id, class, money_id FROM bill_score ORDER BY id") == [
        (2, "will not settle", 1),
        (3, "will settle", 2),
        (5, "will settle", 1),
    ]
    assert [key for (key,) in ledger.ask("SELECT id FROM bill_score_history ORDER BY id")] == [1, 2, 3, 4]


def test_a_missed_bill_is_not_written_anew_for_every_champion(ledger: Ledger) -> None:
    ledger.bill(1, "2024-08-19", "2024-08-21")
    crown(by_rule(), NOON)
    score(QUESTION, NOON)
    crown(by_rule(last=3), NOON)
    assert (score(QUESTION, NOON).added, score(QUESTION, NOON, always=True).ended) == (0, 0)


def test_a_champion_of_other_features_is_refused_by_name(ledger: Ledger) -> None:
    ledger.bill(1, "2024-08-21", "2024-08-23")
    model = by_rule()
    crown(model.model_copy(update={"features": [*model.features, "moon"]}), NOON)
    with pytest.raises(DataError, match="takes moon, which is not declared any more: python -m include classify train"):
        score(QUESTION, NOON)


@pytest.mark.parametrize("statement", ["score_sql", "END", "ADD", "commit"])
def test_a_scoring_that_is_killed_has_changed_nothing_and_the_next_does_it(ledger: Ledger, statement: str) -> None:
    for number in range(1, 6):
        ledger.bill(number, "2024-08-21", "2024-08-23")
    crown(by_rule(), NOON)
    score(QUESTION, NOON)
    before = ledger.ask("SELECT * FROM bill_score ORDER BY id")
    crown(by_rule(last=3), NOON)
    killed = multiprocessing.get_context("fork").Process(target=_score_and_die, args=(statement,))
    killed.start()
    killed.join(60)
    assert killed.exitcode == -signal.SIGKILL
    assert ledger.ask("SELECT * FROM bill_score ORDER BY id") == before
    assert ledger.ask("SELECT count(*) FROM bill_score_history") == [(0,)]
    assert score(QUESTION, NOON).ended == 5


def _score_and_die(statement: str) -> None:
    """Score in a process that is killed when it comes to a statement."""

    class Deadly:
        def format(self, **_: Any) -> None:
            os.kill(os.getpid(), signal.SIGKILL)

    def die(*_: Any) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    owner = psycopg.Connection if statement == "commit" else scoring
    setattr(owner, statement, Deadly() if statement.isupper() else die)
    score(QUESTION, datetime(2024, 8, 22, 12, tzinfo=UTC))


def test_rolling_back_brings_the_old_scores_again(ledger: Ledger) -> None:
    ledger.bill(1, "2024-08-21", "2024-08-23")
    first = crown(by_rule(), NOON)
    score(QUESTION, NOON)
    crown(by_rule(last=3), NOON)
    score(QUESTION, NOON)
    registry.roll_back(QUESTION.name)
    score(QUESTION, NOON)
    assert ledger.ask("SELECT class, model_version FROM bill_score") == [("will settle", first)]
