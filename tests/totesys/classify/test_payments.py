"""On ToteSys as it was measured: the calendar tells whether a payment settles, and nothing else tells anything."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
import pytest
from psycopg import sql

from include.__main__ import main
from include.classify import registry, steps
from include.classify.rows import features_sql
from include.classify.statement import probability_sql
from include.common.postgres import connect
from include.common.settings import WAREHOUSE_CONNECTION
from include.state.latest import read_state
from include.totesys import DECLARED
from include.totesys.questions import counterparty_pays, order_is_large, payment_settles
from local.aws import AwsServer
from local.environment import Buckets, Endpoints
from local.totesys import create_schema, fill
from tests import conftest as services
from tests.system import System

NOON = datetime(2024, 8, 22, 12, tzinfo=UTC)


@pytest.fixture
def years(
    source_url: str, warehouse_url: str, aws: AwsServer, buckets: Buckets, monkeypatch: pytest.MonkeyPatch
) -> System:
    """Payments and orders of simulated years, loaded at once."""
    with psycopg.connect(source_url) as connection:
        create_schema(connection)
        fill(connection, 4_000)
    system = System(
        Endpoints(source_url, warehouse_url, aws.endpoint_url, buckets), Path(services.AIRFLOW_HOME.name), DECLARED
    )
    for name, value in system.variables.items():
        monkeypatch.setenv(name, value)
    system.run_cleanly("fact_payment", "fact_sales_order")
    return system


def test_the_rule_is_found_on_the_day_of_the_first_load_and_scores_are_the_models_own(years: System) -> None:
    version = steps.train_question(DECLARED, payment_settles.name, NOON).version
    card = registry.read_card(payment_settles.name, version)
    assert next(one.accuracy for one in card.verdicts if one.name == card.winner) >= 0.999
    due = "it falls due on Monday to Friday; it falls due 1 or more days after its creation"
    assert any(rule.endswith(due) and float(rule.partition("%")[0]) > 99 for rule in card.rules)
    assert card.kind == "tree"

    model = registry.read_model(payment_settles.name, version)
    query = sql.SQL("WITH described AS (SELECT {} FROM current_payment r) SELECT {}, {} FROM described").format(
        features_sql(payment_settles, "r"),
        sql.SQL(", ").join(map(sql.Identifier, model.features)),
        probability_sql(model),
    )
    with connect(WAREHOUSE_CONNECTION) as connection:
        rows = connection.execute(query).fetchall()
    said = model.predict(model.features, np.array([row[:-1] for row in rows], np.int32))
    assert len(rows) > 5_000
    assert np.abs(said - np.array([row[-1] for row in rows])).max() < 1e-6

    steps.score_question(DECLARED, payment_settles.name, NOON)
    wrong = """
        SELECT count(*) FROM payment_score JOIN current_payment USING (payment_id, payment_date)
         WHERE class <> CASE WHEN payment_date <= '2024-08-22' THEN 'missed'
                             WHEN extract(isodow FROM payment_date) < 6 AND payment_date > created_date
                             THEN 'will settle' ELSE 'will not settle' END"""
    assert years.warehouse(wrong) == [(0,)]
    unpaid = "SELECT (SELECT count(*) FROM payment_score) - (SELECT count(*) FROM current_payment WHERE NOT paid)"
    assert years.warehouse(unpaid) == [(0,)]


def test_the_command_learns_and_scores_after_a_run_and_a_failure_of_that_keeps_no_data_back(
    years: System, capfd: pytest.CaptureFixture[str]
) -> None:
    def run() -> tuple[int, Any]:
        capfd.readouterr()
        return main(["run", "--tables", "fact_payment", "--json"]), json.loads(capfd.readouterr().out)

    assert run()[0] == 0
    unpaid = "SELECT count(*) FROM current_payment WHERE NOT paid"
    assert years.warehouse("SELECT count(*) FROM payment_score") == years.warehouse(unpaid) != [(0,)]

    years.edit_warehouse("ALTER TABLE payment_score ADD CONSTRAINT none CHECK (payment_id IS NULL) NOT VALID")
    years.write(
        "UPDATE payment SET payment_date = '2031-03-03' WHERE payment_id = (SELECT max(payment_id) FROM payment)"
    )
    before = read_state().tables["payment"].observed_at
    status, told = run()
    assert status == 1
    assert list(told["failures"]) == ["score payment_settles"]
    assert next(row for row in told["tables"] if row["table"] == "fact_payment")["changed"] == 1
    assert read_state().tables["payment"].observed_at > before


def test_of_what_nothing_tells_nothing_is_promoted(years: System) -> None:
    for question in (counterparty_pays, order_is_large):
        done = steps.train_question(DECLARED, question.name, NOON)
        assert (done.version, registry.read_standing(question.name).champion) == ("", "")
        assert done.outcome == "Nothing is promoted: no model says more than the majority does."
