"""A first load in slices, and how long transactions at the source last: `python -m bench.sliced --rows 10000000`."""

import argparse
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from threading import Event, Thread
from time import monotonic

import psycopg
from rich.console import Console

from bench.measurement import WrongResultError
from bench.servers import Servers, count_rows, running_servers

ASK_SECONDS = 0.05

OPEN = """
    SELECT coalesce(max(extract(epoch FROM clock_timestamp() - xact_start)), 0) FROM pg_stat_activity
     WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()"""


def main(arguments: list[str] | None = None) -> int:
    """Measure; gives the exit status: 1 where rows are missing. Time never fails it."""
    options = parser().parse_args(arguments)
    console = Console(width=None if sys.stdout.isatty() else 140)
    try:
        with running_servers() as servers:
            source_url = servers.fill_source(f"totesys_{options.rows}", options.rows, only_sales=True)
            for slice_rows in (0, options.slice_rows):
                if slice_rows or not options.sliced_only:
                    measure(servers, console, source_url, slice_rows, options)
    except WrongResultError as error:
        console.print(f"wrong result: {error}", style="bold red", markup=False)
        return 1
    return 0


def measure(servers: Servers, console: Console, source_url: str, slice_rows: int, options: argparse.Namespace) -> None:
    """Measure one first load, at once (slice_rows 0) or in slices."""
    from include.pipeline import Options  # Airflow reads its environment when it is imported, and this imports it
    from include.runner import run
    from include.totesys import DECLARED
    from tests.declared import replacing

    lane = servers.new_lane(source_url)
    os.environ.update(lane.variables)
    declared = replacing(DECLARED, replace(DECLARED.sources["sales_order"], slice_rows=slice_rows))
    with longest_transaction(source_url) as longest:
        started = monotonic()
        done = run(declared, Options(), lambda *_: None, options.parallel)
        seconds = monotonic() - started
    if done.failures or count_rows(lane.warehouse_url, "current_sales_order") != options.rows:
        raise WrongResultError(f"not all rows are there: {done.failures}")
    how = f"slices of {slice_rows:,}, {options.parallel} at a time" if slice_rows else "at once"
    rate = f"{options.rows / seconds:,.0f} rows a second"
    console.print(
        f"{options.rows:,} rows, {how}: {seconds:.1f} s, {rate}; the longest transaction {max(longest):.1f} s"
    )
    servers.remove_lane(lane)


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


def parser() -> argparse.ArgumentParser:
    """The parser of the command line."""
    made = argparse.ArgumentParser(prog="python -m bench.sliced", description=__doc__)
    made.add_argument("--rows", type=int, default=2_000_000, metavar="N", help="sales orders (default: %(default)s)")
    made.add_argument("--slice-rows", type=int, default=250_000, metavar="N", help="of a slice (default: %(default)s)")
    made.add_argument("--parallel", type=int, default=2, metavar="N", help="slices at a time (default: %(default)s)")
    made.add_argument("--sliced-only", action="store_true", help="leave out the load at once")
    return made


if __name__ == "__main__":
    sys.exit(main())
