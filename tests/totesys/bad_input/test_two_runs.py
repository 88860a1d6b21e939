"""Two runs at once: each succeeds or fails cleanly, no update is lost, and the next run finds all in order."""

import json
from concurrent.futures import ThreadPoolExecutor

from include.common.errors import DataError, ServiceError
from include.runner import Run
from tests.system import System
from tests.totesys.bad_input.conftest import Recorded


def run_at_once(system: System, runs: int) -> list[Run]:
    with ThreadPoolExecutor(runs) as threads:
        return list(threads.map(lambda _: system.run(), range(runs)))


def assert_clean(done: Run) -> None:
    """A run's failures are the pipeline's own: no exception of a library came through."""
    assert {type(error) for error in done.failures.values()} <= {DataError, ServiceError}, done.failures


def assert_equal(system: System) -> None:
    assert system.warehouse("SELECT sales_order_id, units_sold FROM current_sales_order ORDER BY 1") == system.source(
        "SELECT sales_order_id, units_sold FROM sales_order ORDER BY 1"
    )


def test_two_first_runs_at_once_load_everything_once(system: System) -> None:
    for done in run_at_once(system, 2):
        assert_clean(done)
    system.run_cleanly()
    assert_equal(system)
    assert system.warehouse("SELECT count(*) FROM fact_sales_order") == [(200,)]


def test_changes_between_runs_at_once_are_never_lost(system: System, recorded: Recorded) -> None:
    system.run_cleanly()
    for number in range(4):
        system.write("UPDATE sales_order SET units_sold = units_sold + 1 WHERE sales_order_id %% 4 = %s", number)
        system.write("UPDATE department SET location = %s", str(number))
        for done in run_at_once(system, 3):
            assert_clean(done)
    system.run_cleanly()
    assert_equal(system)
    assert system.warehouse("SELECT DISTINCT location FROM dim_staff") == [("3",)]
    assert json.loads(recorded.content())["tables"].keys() >= {"sales_order", "department", "staff"}


def test_runs_of_different_tables_at_once_both_keep_what_they_recorded(system: System, recorded: Recorded) -> None:
    with ThreadPoolExecutor(2) as threads:
        runs = list(threads.map(system.run_cleanly, ["design", "payment_type"]))
    assert len(runs) == 2
    assert json.loads(recorded.content())["tables"].keys() == {"design", "payment_type"}
