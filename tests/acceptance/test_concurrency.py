"""Runs while the source is written to at full speed, and runs at the same time as each other."""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from itertools import pairwise
from threading import Event

import psycopg
import pytest

from include.errors import DataError, ServiceError
from local.totesys import Player
from tests.acceptance.history import shown_versions
from tests.acceptance.oracle import all_differences
from tests.acceptance.system import System, open_exactly
from tests.acceptance.writes import REPAIRS

WRITERS = 3
RUNS = 20
PAIRS = 8


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
