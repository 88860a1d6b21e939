"""ToteSys's DAG as MWAA has it: it parses as cheaply as another, and brings the warehouse up to date."""

from typing import Any

from include.totesys import DECLARED
from tests.dags.conftest import DagRun, RunDag
from tests.dags.test_parsing import (  # noqa: F401 - they are run on this folder's DAG
    parsed,
    test_it_imports_nothing_heavy,
    test_it_imports_of_the_pipeline_only_what_it_draws,
    test_it_opens_no_connection,
    test_it_parses_in_less_than_a_second,
)
from tests.system import System, open_exactly
from tests.totesys.acceptance.oracle import all_differences


def differences(system: System) -> object:
    with (
        open_exactly(system.endpoints.source_url) as source,
        open_exactly(system.endpoints.warehouse_url) as warehouse,
    ):
        return all_differences(source, warehouse)


def test_every_table_is_loaded_and_what_changes_afterwards(run_dag: RunDag, system: System) -> None:
    first = run_dag()
    assert first.state == "success", first.log[-3000:]
    assert first.states("ingest").keys() == DECLARED.sources.keys()
    assert first.states("load") == dict.fromkeys(DECLARED.star, "success")
    assert first.assets.keys() == {f"warehouse/{name}" for name in DECLARED.star}
    assert differences(system) == []
    system.write("UPDATE sales_order SET units_sold = 7 WHERE sales_order_id = 1")
    system.write("DELETE FROM payment WHERE payment_id = 2")
    system.write("UPDATE department SET location = 'Leeds'")
    changed = run_dag()
    loaded = {table for table, state in changed.states("load").items() if state == "success"}
    assert loaded == {"fact_sales_order", "fact_payment", "dim_staff"}
    assert differences(system) == []


def learned(done: DagRun) -> dict[str, str]:
    """Task → state, of the group `classify`."""
    return done.states("classify")


def test_a_first_run_trains_and_scores_and_a_quiet_one_only_watches(run_dag: RunDag, system: System) -> None:
    system.write("UPDATE payment SET payment_date = (now()::date + 2)::text WHERE NOT paid AND payment_id % 2 = 0")
    first = run_dag()
    assert (first.state, learned(first)["train"]) == ("success", "success"), first.log[-3000:]
    quiet = run_dag()
    assert quiet.state == "success"
    assert learned(quiet) == {"watch": "success", "train": "skipped", "score": "skipped"}


def test_a_run_whose_scoring_fails_has_loaded_recorded_and_told_its_data(
    run_dag: RunDag, system: System, s3: Any
) -> None:
    state = system.endpoints.buckets.state
    s3.put_object(Bucket=state, Key="classify/payment_settles/champion.json", Body=b"{")
    failed = run_dag()
    assert failed.state == "failed"
    assert learned(failed) == dict.fromkeys(("watch", "train", "score"), "failed")
    assert failed.tasks["record"][0] == "success"
    assert failed.states("load") == dict.fromkeys(DECLARED.star, "success")
    assert differences(system) == []
    assert failed.note
    assert s3.get_object(Bucket=state, Key="status.json")
    s3.delete_object(Bucket=state, Key="classify/payment_settles/champion.json")
    assert run_dag().state == "success"
