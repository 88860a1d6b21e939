"""Measurement 8: a first load in slices, beside the baseline; by one worker and by two; the memory of its tasks."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from threading import Event, Thread

import psycopg

from bench.in_slices import declare
from bench.loads import SalesOrders
from bench.measurement import Comparison, Cost, TaskMemory, median_seconds
from bench.memory import MOVING, Load, measure_memory
from bench.workers import SHARE, Slices

TRANSACTION_SECONDS = 60.0
SECONDS_OF_100_000 = 1.0
ASK_SECONDS = 0.05

OPEN = """
    SELECT coalesce(max(extract(epoch FROM clock_timestamp() - xact_start)), 0) FROM pg_stat_activity
     WHERE datname = current_database() AND backend_type = 'client backend' AND application_name <> 'psql'
       AND pid <> pg_backend_pid()"""
"""For how long the pipeline's longest transaction has been open: the baseline is psql's."""


def measure_slices(
    orders: SalesOrders, rounds: int, slice_rows: int, *, short: bool
) -> tuple[Comparison, list[Cost], list[TaskMemory]]:
    """Load all sales orders in slices of so many rows. The warehouse of `orders` is gone afterwards."""
    in_slices = replace(orders, declared=declare(slice_rows), how=f", in slices of {slice_rows:,}")
    with longest_transaction(orders.source_url) as longest:
        compared = in_slices.compare_first_loads(rounds)
    in_slices.servers.remove_lane(in_slices.lane)
    slices = Slices(orders.servers, orders.console, orders.source_url, slice_rows)
    costs = [
        Cost(f"100,000 of {orders.rows:,} rows, in slices", median_seconds(compared.pipeline) * 1e5 / orders.rows,
             "s", SECONDS_OF_100_000),
        Cost(f"the longest transaction at the source, {orders.rows:,} rows in slices", max(longest), "s",
             TRANSACTION_SECONDS),
        *(slices.compare_workers(share) for share in ((SHARE,) if short else (SHARE, 1.0))),
    ]  # fmt: skip
    return compared, costs, [] if short else _measure_memory(orders, slice_rows, in_slices.how)


def _measure_memory(orders: SalesOrders, slice_rows: int, how: str) -> list[TaskMemory]:
    """The peaks of the tasks of such a load, each slice a task."""
    os.environ.update({"DECLARATIONS": "bench.in_slices", "BENCH_SLICE_ROWS": str(slice_rows)})
    load = Load(MOVING, declare(slice_rows), how)
    found = measure_memory(orders.servers, orders.console, orders.source_url, orders.rows, load)
    del os.environ["DECLARATIONS"]
    return found


@contextmanager
def longest_transaction(url: str) -> Iterator[list[float]]:
    """While inside, ask the source how long its transactions are open; gives a list that the answers are added to."""
    over, found = Event(), [0.0]

    def watch() -> None:
        with psycopg.connect(url, autocommit=True) as connection:
            while not over.wait(ASK_SECONDS):
                row = connection.execute(OPEN).fetchone()
                found.append(float(row[0]) if row else 0.0)

    watching = Thread(target=watch, daemon=True)
    watching.start()
    try:
        yield found
    finally:
        over.set()
        watching.join()
