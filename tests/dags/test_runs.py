"""The DAG runs in Airflow itself, from a folder laid out as MWAA has it."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg

from include.state.history import RunSummary
from include.state.status import STATUS_KEY, Status
from local.postgres import free_port
from tests.dags.conftest import RunDag, numbers
from tests.shop import DECLARED
from tests.system import System

Topic = tuple[str, Callable[[], list[dict[str, str]]]]
SALE = "SELECT count(*) FROM current_sale WHERE sale_id = %s"


def told(s3: Any, system: System) -> list[RunSummary]:
    """The runs that the history tells of, the newest first."""
    body = s3.get_object(Bucket=system.endpoints.buckets.state, Key=STATUS_KEY)["Body"]
    return Status.model_validate_json(body.read()).runs


def assert_told(third: RunSummary, second: RunSummary, _: RunSummary) -> None:
    """The history has the quiet run, and the one of one changed sale, a deleted payment and 20 members of clerk."""
    assert (third.changed, third.deleted, third.problems) == (1 + 20, 1, [])
    assert (second.new, second.changed, second.lag_seconds) == (0, 0, None)
    assert third.run.run_id.startswith("manual__")
    assert second.ended_at < third.run.started_at < third.ended_at


def test_the_first_run_loads_all_the_next_is_quiet_and_then_changes_arrive(  # noqa: PLR0915 - one story
    run_dag: RunDag, system: System, mwaa_folder: Path, s3: Any
) -> None:
    first = run_dag()
    assert first.state == "success", first.log[-3000:]
    assert Path(first.include).is_relative_to(mwaa_folder)
    assert set(first.states("load").values()) == {"success"}
    for source, view in [
        ("sale", "current_sale"),
        ("payment", "current_payment"),
        ("clerk", "dim_clerk"),
    ]:
        assert system.warehouse(f"SELECT count(*) FROM {view}") == system.source(f"SELECT count(*) FROM {source}")  # noqa: S608

    assert re.fullmatch(r"[\d,]+ new, 0 changed, 0 deleted, 0 rejected in 7 tables; lag \d+ s", str(first.note))

    assert first.assets.keys() == {f"warehouse/{name}" for name in DECLARED.star}

    files = system.data_files()
    quiet = run_dag()
    assert quiet.state == "success"
    assert quiet.note == "nothing changed"
    assert quiet.assets == {}
    assert quiet.tasks["check"][0] == "success"
    assert set(quiet.states("ingest").values()) == {"skipped"}
    assert set(quiet.states("load").values()) == {"skipped"}
    assert system.data_files() == files

    system.write("UPDATE sale SET units_sold = 7 WHERE sale_id = 1")
    system.write("DELETE FROM payment WHERE payment_id = 2")
    system.write("UPDATE branch SET town = 'Leeds'")
    changed = run_dag()
    assert changed.state == "success"
    assert changed.tasks["check"][0] == "success"
    assert str(changed.note).startswith("0 new, 21 changed, 1 deleted, 0 rejected in 3 tables; lag ")
    loaded = {table for table, state in changed.states("load").items() if state == "success"}
    assert loaded == {"fact_sale", "fact_payment", "dim_clerk"}
    assert changed.assets == {
        "warehouse/fact_sale": {"new": 0, "changed": 1, "deleted": 0, "rejected": 0},
        "warehouse/fact_payment": {"new": 0, "changed": 0, "deleted": 1, "rejected": 0},
        "warehouse/dim_clerk": {"new": 0, "changed": 20, "deleted": 0, "rejected": 0},
    }
    assert system.warehouse("SELECT units_sold FROM current_sale WHERE sale_id = 1") == [(7,)]
    assert system.warehouse("SELECT count(*) FROM current_payment WHERE payment_id = 2") == [(0,)]
    assert system.warehouse("SELECT DISTINCT town FROM dim_clerk") == [("Leeds",)]
    assert_told(*told(s3, system))


def test_a_table_that_cannot_be_read_fails_the_run_alone_without_retries_and_with_a_message(
    run_dag: RunDag, system: System, topic: Topic, client: Callable[[str], Any]
) -> None:
    arn, published = topic
    system.write("ALTER TABLE product RENAME label TO filename")
    namespace = arn.rpartition(":")[2]
    run = run_dag({"AIRFLOW_VAR_ALERTS_TOPIC_ARN": arn, "AIRFLOW_VAR_METRICS_NAMESPACE": namespace})
    assert run.state == "failed"
    assert run.tasks["ingest.product"] == ("failed", 1)
    assert run.tasks["check"] == run.tasks["record"] == ("failed", 1)  # so that they are cleared with it
    assert "what was loaded is checked; not read: product" in run.log
    assert "product: column label is missing" in run.log
    assert run.states("load")["fact_payment"] == "success"
    assert run.states("load")["fact_sale"] == "upstream_failed"
    assert system.warehouse("SELECT count(*) FROM current_payment") == system.source("SELECT count(*) FROM payment")

    assert str(run.note).startswith("not read: product; ")

    (message,) = published()
    assert message["Subject"] == "totesys_warehouse failed"
    assert "totesys_warehouse" in message["Message"]
    assert numbers(client, namespace)["RunSucceeded", ""] == [0]


def test_the_metrics_of_a_run_say_what_it_did(run_dag: RunDag, system: System, client: Callable[[str], Any]) -> None:
    namespace = system.endpoints.buckets.state
    system.write("UPDATE product SET created_at = now(), last_updated = now()")
    system.write("UPDATE currency SET currency_code = 'XXY' WHERE currency_id = 1")
    run_dag({"AIRFLOW_VAR_METRICS_NAMESPACE": namespace}, tables=["product", "currency"])
    found = numbers(client, namespace)
    assert found["RunSucceeded", ""] == [1]
    assert found["RowsNew", "dim_product"] == [424]
    assert found["RowsRejected", "dim_currency"] == found["RowsRejected", ""] == [1]
    assert 0 < found["LagSeconds", ""][0] < found["RunSeconds", ""][0] + 600
    assert found["RowsNew", "dim_currency"] == [2]
    assert 0 < found["LagSeconds", "dim_product"][0] < 600
    assert ("LagSeconds", "dim_date") not in found


def test_an_unreachable_source_is_retried(run_dag: RunDag, system: System) -> None:
    url = f"postgresql://postgres@127.0.0.1:{free_port()}/gone"
    run = run_dag({"AIRFLOW_CONN_TOTESYS": url}, tables=["method"])
    assert run.state == "failed"
    assert run.tasks["ingest.method"] == ("failed", 5)
    assert "connection 'totesys'" in run.log


def test_named_tables_alone_are_read_and_whole_when_asked(run_dag: RunDag, system: System, s3: Any) -> None:
    run = run_dag(tables=["dim_product"])
    assert run.state == "success", run.log[-3000:]
    assert {table for table, state in run.states("ingest").items() if state == "success"} == {"product"}
    assert {table for table, state in run.states("load").items() if state == "success"} == {"dim_date", "dim_product"}
    with psycopg.connect(system.endpoints.warehouse_url) as warehouse:
        warehouse.execute("UPDATE dim_product SET product_name = 'by hand'")
    whole = run_dag(tables=["dim_product"], full_refresh=True)
    assert whole.state == "success"
    assert (told(s3, system)[0].run.tables, told(s3, system)[0].run.full_refresh) == (["dim_product"], True)
    assert whole.states("ingest").keys() == DECLARED.sources.keys()
    assert whole.states("load").keys() == DECLARED.star.keys()
    assert system.warehouse("SELECT count(*) FROM dim_product WHERE product_name = 'by hand'") == [(0,)]
