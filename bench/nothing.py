"""Measurement 3: a run that finds nothing, beside counting the rows of every source table."""

import psycopg
from psycopg import sql
from rich.console import Console

from bench.clock import Clock
from bench.measurement import Comparison, Timed, WrongResultError
from bench.pipeline_run import run_pipeline
from bench.servers import Lane, Servers
from include.tables.sources import SOURCES


def compare_nothing(servers: Servers, console: Console, rows: int, rounds: int) -> Comparison:
    """Load a whole database, all tables in proportion to `rows` sales orders, then measure runs without changes."""
    console.print(f"filling a whole source in proportion to {rows:,} sales orders, and loading it")
    source_url = servers.fill_source(f"totesys_whole_{rows}", rows, only_sales=False)
    lane, clock = servers.new_lane(source_url), Clock(servers.environment)
    run_pipeline(lane)
    servers.settle()
    by_pipeline, baseline = [], []
    for number in range(rounds + 1):
        sides = [(lambda: _run(lane, clock), by_pipeline), (lambda: _count(source_url, clock), baseline)]
        for measure, results in sides if number % 2 else reversed(sides):
            results.append(measure())
    servers.remove_lane(lane)
    # The first of each warms the caches that the load has emptied.
    name = f"nothing changed, {rows:,} sales orders and the rest"
    return Comparison(name, "SELECT count(*) of every source table", 3.0, by_pipeline[1:], baseline[1:])


def _run(lane: Lane, clock: Clock) -> Timed:
    def work() -> dict[str, float]:
        done, seconds = run_pipeline(lane)
        if done.of_kind("load"):
            raise WrongResultError(f"nothing changed, yet these were loaded: {', '.join(done.of_kind('load'))}")
        return seconds

    return clock.time(work)


def _count(source_url: str, clock: Clock) -> Timed:
    def work() -> dict[str, float]:
        with psycopg.connect(source_url) as connection:
            for name in SOURCES:
                connection.execute(sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(name))).fetchone()
        return {}

    return clock.time(work)
