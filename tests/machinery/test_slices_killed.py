"""Slices while the source is written to at full speed and whoever reads them is killed at any instant."""

# ruff: noqa: S311, S608 - the statements, and what chance does, are the tests' own

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from random import Random
from time import sleep

import psycopg
import pytest

from include import pipeline
from include.common.settings import aws_client
from include.warehouse import load
from tests.machinery.test_lake import database  # noqa: F401 - a fixture
from tests.machinery.test_slices import after_each_slice, assert_as_the_source, system  # noqa: F401 - a fixture
from tests.system import System, s3_at

THOROUGH = os.environ.get("HYPOTHESIS_PROFILE") == "thorough"
SEED = int(os.environ.get("PROOF_SEED", "0"))
"""CI draws one and prints it, so that it kills at other instants each time."""

ROUNDS = 20 if THOROUGH else 1
KILLS = 5
TABLES = 2
LATEST_SECONDS = 2.5
"""How long after it began a run is killed at the latest."""

PLANNED = "SELECT source_name, load_id, jsonb_array_length(plan -> 'cuts') + 1 FROM pipeline.plan"
DONE = "SELECT source_name, number, manifest FROM pipeline.slice JOIN pipeline.plan USING (load_id)"


def plans(system: System) -> dict[str, tuple[str, int]]:  # noqa: F811
    """Source table → the load that its slices make, and how many they are."""
    return {name: (load_id, count) for name, load_id, count in system.warehouse(PLANNED)}


def random_change(rng: Random) -> str:
    key, day = rng.randint(1, 1100), "2024-01-05"
    return rng.choice((
        f"UPDATE part SET label = label || '+' WHERE id BETWEEN {key} AND {key + 3}",
        f"DELETE FROM part WHERE id BETWEEN {key} AND {key + 2}",
        f"INSERT INTO part SELECT n, 'new', '{day}' FROM generate_series({key}, {key + 5}) n ON CONFLICT DO NOTHING",
        f"UPDATE part SET id = -{key} WHERE id = {key} AND NOT EXISTS (SELECT FROM part WHERE id = -{key})",
        f"UPDATE part SET id = {key} WHERE id = -{key} AND NOT EXISTS (SELECT FROM part WHERE id = {key})",
        f"DELETE FROM part WHERE id = {key}; INSERT INTO part VALUES ({key}, 'reused', '{day}')",
        f"UPDATE kept SET shelf_id = {rng.randint(1, 10)} WHERE number = {key}",
        f"DELETE FROM kept WHERE number = {key}",
        f"INSERT INTO kept VALUES ('{rng.choice('abcdefg')}', {key}, 1) ON CONFLICT DO NOTHING",
        f"UPDATE shelf SET room = room || '+' WHERE id = {rng.randint(1, 10)}",
    ))  # fmt: skip


@contextmanager
def people_writing(system: System, seed: int) -> Iterator[None]:  # noqa: F811
    """A process that changes the source as fast as it can, now and then in a long transaction."""
    child = os.fork()
    if not child:
        try:
            write_on(system.endpoints.source_url, Random(seed))
        finally:
            os._exit(1)
    try:
        yield
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def write_on(url: str, rng: Random) -> None:
    with psycopg.connect(url) as connection:
        while True:
            for _ in range(rng.choice((1, 1, 1, 30))):
                connection.execute(random_change(rng).encode())
            connection.execute("ROLLBACK" if rng.random() < 0.1 else "COMMIT")
            sleep(0.005)  # so that the run, which shares the machine, gets on


def killed_run(system: System, seconds: float) -> int:  # noqa: F811
    """A run in a fork of this process, which is killed so long after it began; gives how it ended."""
    for client in (aws_client("s3"), aws_client("glue"), s3_at(system.endpoints.aws_url)):
        client.close()
    child = os.fork()
    if not child:
        code = 1
        try:
            code = 2 if system.run().failures else 0
        finally:
            os._exit(code)
    sleep(seconds)
    os.kill(child, signal.SIGKILL)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


@pytest.mark.timeout(600)
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
@pytest.mark.parametrize("number", range(ROUNDS))
def test_slices_that_are_read_stay_read_and_all_is_as_the_source_has_it_whoever_is_killed(
    system: System, database: str, number: int, monkeypatch: pytest.MonkeyPatch  # noqa: F811
) -> None:  # fmt: skip
    rng = Random(SEED + number)
    monkeypatch.setattr(load, "FILL_ROWS", 1)
    pipeline.prepare(system.declared)
    planned, done = dict[str, tuple[str, int]](), set[tuple[object, ...]]()
    with people_writing(system, SEED + number):
        for _ in range(KILLS):
            if killed_run(system, rng.uniform(0.2, LATEST_SECONDS)) != -signal.SIGKILL:
                break  # it was faster
            recorded, found = pipeline.read_state().tables, plans(system)
            planned = {name: plan for name, plan in planned.items() if name not in recorded}
            assert planned.items() <= found.items()
            kept = set(system.warehouse(DONE))
            assert {slice_ for slice_ in done if slice_[0] not in recorded} <= kept
            planned, done = found, kept
        read_last = after_each_slice(monkeypatch, lambda *_: None)
        system.run_cleanly()
        if len(planned) == TABLES:
            assert len(read_last) <= sum(count for _, count in planned.values()) - len(done)
    while system.run_cleanly().waiting:
        pass
    assert_as_the_source(system)
    assert [audit for audit in pipeline.audit_versions(system.declared, ()) if not audit.equal] == []
