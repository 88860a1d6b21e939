"""How long a change takes from the source to the warehouse: `python -m bench.lag`, beside what `make up` runs.

It plays business hours at the source, has Airflow do one run after another, and watches the warehouse for the orders
and payments that come up there. A row's lag runs from its `created_at` to the moment at which it was seen: rows of
transactions that commit late count from long before their commit.
"""

import argparse
import statistics
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from threading import Event, Thread
from typing import Any, LiteralString

import psycopg

from bench.stack import TICKS_PER_HOUR, Airflow, add_options, play
from local.totesys.desk import utc_now

LOOK_SECONDS = 0.25
"""How often the warehouse is looked at: no lag is more exact than that."""

CAME: LiteralString = """
    SELECT 'sales_order', sales_order_id, created_date + created_time FROM current_sales_order
     WHERE created_date + created_time >= %(since)s
    UNION ALL SELECT 'purchase_order', purchase_order_id, created_date + created_time FROM current_purchase_order
     WHERE created_date + created_time >= %(since)s
    UNION ALL SELECT 'payment', payment_id, created_date + created_time FROM current_payment
     WHERE created_date + created_time >= %(since)s"""


class Watch:
    """When each new row was first seen in the warehouse."""

    def __init__(self, url: str, since: datetime) -> None:
        """Take the warehouse's URL, and from which `created_at` on rows are new."""
        self.lags: dict[tuple[str, int], float] = {}
        self._url = url
        self._since = since

    def watch(self, stop: Event) -> None:
        """Look until told to stop, and once more."""
        with psycopg.connect(self._url, autocommit=True) as warehouse:
            while not stop.wait(LOOK_SECONDS):
                self._look(warehouse)
            self._look(warehouse)

    def _look(self, warehouse: psycopg.Connection) -> None:
        rows = warehouse.execute(CAME, {"since": self._since}).fetchall()
        seen_at = datetime.now(UTC).replace(tzinfo=None)
        for table, key, created_at in rows:
            self.lags.setdefault((table, key), (seen_at - created_at).total_seconds())


@contextmanager
def in_background(work: Any, *arguments: object) -> Iterator[Thread]:
    """Do something in a thread of its own, and wait for its end."""
    thread = Thread(target=work, args=arguments, daemon=True)
    thread.start()
    yield thread
    thread.join()


def main(arguments: list[str] | None = None) -> int:
    """Measure and print; the exit status is 1 where nothing came up."""
    options = parser().parse_args(arguments)
    airflow = Airflow(options.airflow, options.user, options.password)
    airflow.run()
    durations: list[float] = []
    watch, stop = Watch(options.warehouse, utc_now()), Event()
    with in_background(watch.watch, stop):
        with in_background(play, options.source, round(options.hours * TICKS_PER_HOUR), options.speed) as playing:
            while playing.is_alive():
                durations.append(airflow.run()["duration"])
        durations.append(airflow.run()["duration"])
        stop.set()
    if not watch.lags:
        print("nothing came up in the warehouse", file=sys.stderr)
        return 1
    report(list(watch.lags.values()), durations)
    return 0


def report(lags: list[float], durations: list[float]) -> None:
    """Print the distribution of the lags, and how long the runs took."""
    percentiles = statistics.quantiles(lags, n=100, method="inclusive") if len(lags) > 1 else lags * 99
    print(f"rows {len(lags)}: lag p50 {percentiles[49]:.1f} s, p99 {percentiles[98]:.1f} s, most {max(lags):.1f} s")
    print(f"runs {len(durations)}: median {statistics.median(durations):.1f} s, most {max(durations):.1f} s")


def parser() -> argparse.ArgumentParser:
    """The command's options."""
    command = argparse.ArgumentParser(prog="python -m bench.lag", description=__doc__)
    command.add_argument("--hours", type=float, default=2, help="business hours to play (default: %(default)s)")
    command.add_argument(
        "--speed", type=float, default=60, help="business seconds per real second; 0 waits never (default: %(default)s)"
    )
    add_options(command)
    command.add_argument("--warehouse", default="postgresql://totesys_pipeline:pipeline@localhost:5434/warehouse")
    return command


if __name__ == "__main__":
    sys.exit(main())
