"""Runs while the source is written to at full speed, and runs at the same time as each other."""

import os
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from itertools import pairwise
from threading import Event
from time import monotonic, sleep
from typing import Any, LiteralString

import psycopg
import pytest

from include import pipeline
from include.common.errors import DataError, ServiceError
from include.totesys import DECLARED
from include.warehouse import load
from local.totesys import Player
from tests.system import System, open_exactly
from tests.totesys.acceptance.history import shown_versions
from tests.totesys.acceptance.oracle import all_differences
from tests.totesys.acceptance.writes import REPAIRS

WRITERS = 3
RUNS, PAIRS = (40, 16) if os.environ.get("HYPOTHESIS_PROFILE") == "thorough" else (8, 3)
SECONDS = 60
"""How long a test waits for what must happen: only where it fails."""

WAITING: LiteralString = """
    SELECT count(*) FROM pg_locks JOIN pg_stat_activity USING (pid)
     WHERE NOT granted AND datname = current_database()"""
LOCKED_BY_WAITING: LiteralString = """
    SELECT relation::regclass::text FROM pg_locks
     WHERE pid IN (SELECT pid FROM pg_locks WHERE NOT granted AND locktype = 'advisory')
       AND locktype = 'relation' AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"""


@contextmanager
def people_writing(system: System) -> Iterator[list[Future[int]]]:
    """Players who change the source as fast as they can, each with long and nested transactions, until the end.

    Gives the futures of the numbers of their changes; whatever they left open is rolled back.
    """
    stop = Event()

    def play(seed: int) -> int:
        with Player(system.endpoints.source_url, seed) as player:
            while not stop.is_set():
                player.perform(player.choose())
            for name in ("commit_late_transaction", "roll_back_late_transaction"):
                player.perform(name)
            return player.tally.done.total()

    with ThreadPoolExecutor(WRITERS) as threads:
        players = [threads.submit(play, seed) for seed in range(WRITERS)]
        try:
            yield players
        finally:
            stop.set()


def assert_equal(system: System) -> None:
    """After a last run the warehouse equals the source, before bad rows are repaired and after."""
    endpoints = system.endpoints
    with open_exactly(endpoints.source_url) as source, open_exactly(endpoints.warehouse_url) as warehouse:
        system.run_cleanly()
        assert all_differences(source, warehouse) == []
        for repair in REPAIRS:
            source.execute(repair)
        system.run_cleanly()
        assert all_differences(source, warehouse) == []
        assert_versions_follow_each_other(warehouse)
    before = system.row_versions(), system.data_files()
    system.run_cleanly()
    assert (system.row_versions(), system.data_files()) == before


def assert_versions_follow_each_other(warehouse: psycopg.Connection) -> None:
    """No two versions of a key hold at the same time, and none repeats the one that it replaced."""
    for versions in (found for facts in shown_versions(warehouse).values() for found in facts.values()):
        for earlier, later in pairwise(versions):
            assert earlier.valid_to is not None
            assert earlier.valid_from < earlier.valid_to <= later.valid_from
            assert earlier.valid_to < later.valid_from or earlier.row != later.row


@pytest.mark.postgres_versions(16, 18)
def test_nothing_is_lost_while_people_write(system: System) -> None:
    with people_writing(system) as players:
        for _ in range(RUNS):
            system.run_cleanly()
    assert all(player.result() > RUNS for player in players)
    assert_equal(system)


@pytest.mark.postgres_versions(16, 18)
def test_of_two_runs_at_once_neither_loses_what_the_other_brought(system: System) -> None:
    with people_writing(system), ThreadPoolExecutor(2) as threads:
        for _ in range(PAIRS):
            for done in [one.result() for one in [threads.submit(system.run) for _ in range(2)]]:
                assert all(isinstance(error, (DataError, ServiceError)) for error in done.failures.values())
    assert_equal(system)


def wait_until_waiting(system: System) -> None:
    """Until a load waits for a lock in the warehouse."""
    end = monotonic() + SECONDS
    while system.warehouse(WAITING) == [(0,)]:
        assert monotonic() < end, "no load waits"
        sleep(0.02)


def test_a_first_load_beside_a_merge_that_reads_the_same_dimensions_is_no_deadlock(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The merge has read some of the dimensions, and is about to refer to others, when the fill begins."""
    reading, whole_load, refuse = Event(), pipeline.load, load.refuse_unreferenced
    system.run_cleanly("purchase_order")
    system.write("UPDATE purchase_order SET item_quantity = item_quantity + 1")

    def begin_load(declared: Any, table: Any, files: Any) -> Any:
        if table.name == "fact_sales_order":
            assert reading.wait(SECONDS)
        return whole_load(declared, table, files)

    def refuse_then_wait(connection: Any, table: Any, *rest: Any) -> Any:
        refused = refuse(connection, table, *rest)
        if table.name == "fact_purchase_order":
            reading.set()
            wait_until_waiting(system)
        return refused

    monkeypatch.setattr(load, "FILL_ROWS", 1)
    monkeypatch.setattr(load, "refuse_unreferenced", refuse_then_wait)
    monkeypatch.setattr(pipeline, "load", begin_load)
    done = system.run_cleanly("purchase_order", "sales_order")
    assert reading.is_set()
    assert done.of_kind("load")["fact_sales_order"].new == 200
    assert done.of_kind("load")["fact_purchase_order"].changed > 0


def test_a_load_that_waits_for_a_fill_locks_no_table_of_the_warehouse(system: System) -> None:
    system.run_cleanly()
    system.write("UPDATE design SET design_name = 'Later' WHERE design_id = 1")
    with psycopg.connect(system.endpoints.warehouse_url) as filling, ThreadPoolExecutor(1) as threads:
        filling.execute("SELECT pg_advisory_xact_lock(%s)", [load.LOAD_LOCK])
        done = threads.submit(system.run_cleanly, "design")
        wait_until_waiting(system)
        locked = {name for (name,) in system.warehouse(LOCKED_BY_WAITING)}
        filling.commit()
        assert done.result().of_kind("load")["dim_design"].changed == 1
    assert locked & DECLARED.star.keys() == set()
