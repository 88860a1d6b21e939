"""How long the page in Airflow's UI takes with a year of runs behind it: `python -m bench.page`.

It measures what a browser waits for before it can draw: the page and then the recorded state, over one connection.
"""

import argparse
import os
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from http.client import HTTPConnection
from pathlib import Path
from statistics import median, quantiles
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import TYPE_CHECKING, Any

from local.api_server import ApiServer
from local.aws import AwsServer
from local.environment import Buckets, Endpoints

if TYPE_CHECKING:  # Airflow reads its environment when it is imported
    from include.state.history import RunDocument

DAY = 72
YEAR = 365 * DAY
EVERY = timedelta(minutes=20)
REJECTED_ROWS = 25
TARGET_MILLISECONDS = 200


def main() -> int:
    """Measure, and print the result; the exit status is 0 whatever it is."""
    parser = argparse.ArgumentParser(prog="python -m bench.page", description=__doc__)
    parser.add_argument("--runs", type=int, default=YEAR, help="runs behind it (default: %(default)s, a year)")
    parser.add_argument("--rounds", type=int, default=100, help="how often it is loaded (default: %(default)s)")
    options = parser.parse_args()
    with TemporaryDirectory(prefix="totesys-page-") as folder, AwsServer() as aws:
        home, buckets = Path(folder), Buckets().create(aws.endpoint_url)
        variables = Endpoints("", "", aws.endpoint_url, buckets).variables(home)
        variables = {name: value for name, value in variables.items() if value}
        os.environ.update(variables | {"AIRFLOW__LOGGING__LOGGING_LEVEL": "ERROR"})
        size = seed(options.runs)
        with ApiServer(home, variables, {"viewer": "viewer"}) as server:
            report(options.runs, size, [load(server) * 1000 for _ in range(options.rounds)])
    return 0


def report(runs: int, size: int, milliseconds: list[float]) -> None:
    """Print the median and the slowest twentieth; the first load, which opens everything, is told apart."""
    first, rest = milliseconds[0], milliseconds[1:]
    print(
        f"{runs:,} runs, status.json of {size:,} bytes: median {median(rest):.0f} ms, "
        f"p95 {quantiles(rest, n=20)[-1]:.0f} ms, first {first:.0f} ms (target {TARGET_MILLISECONDS} ms)"
    )


def load(server: ApiServer) -> float:
    """The seconds from asking for the page to having the recorded state."""
    connection = HTTPConnection("127.0.0.1", server.port)
    headers = {"Cookie": f"_token={server.cookie('viewer')}"}
    started = perf_counter()
    for path in ("/totesys/", "/totesys/status"):
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        body = answer.read()
        if answer.status != 200 or not body:
            raise RuntimeError(f"{path}: {answer.status} {body[:200]!r}")
    seconds = perf_counter() - started
    connection.close()
    return seconds


def seed(runs: int) -> int:
    """Write the documents of so many busy runs, and status.json as the last of them leave it; gives its size."""
    from include.common.settings import STATE_BUCKET, aws_client, required_variable
    from include.state.history import write_run
    from include.state.status import STATUS_KEY, remember
    from include.totesys import DECLARED

    with ThreadPoolExecutor(4) as threads:
        for _ in threads.map(lambda number: write_run(document(number)), range(runs - 1, 0, -1)):
            pass
    remember(DECLARED, document(0))
    return int(aws_client("s3").head_object(Bucket=required_variable(STATE_BUCKET), Key=STATUS_KEY)["ContentLength"])


def document(number: int) -> "RunDocument":
    """The run that began so many times 20 minutes ago. It loaded every table, and on the last day rejected rows."""
    from include.state.history import RunDocument, RunIdentity, RunSummary, TableLoad, TableOutcome
    from include.totesys import DECLARED

    began = datetime.now(UTC) - number * EVERY
    counts: dict[str, Any] = {
        "new": 40,
        "changed": 12,
        "deleted": 1,
        "rejected": 1,
        "seconds": 12.5,
        "lag_seconds": 631.2,
    }
    load = TableLoad(**counts, loaded_at=began)
    identity = RunIdentity(run_id=f"scheduled__{began:%Y-%m-%dT%H:%M:%S}+00:00", started_at=began)
    return RunDocument(
        summary=RunSummary(run=identity, ended_at=began, read=600, problems=[], **counts),
        tables=[TableOutcome(table=name, outcome="loaded", problem="", load=load) for name in DECLARED.star],
        rejected_rows=[
            row for name in list(DECLARED.star)[: 4 if number < DAY else 0] for row in rejected(name, began)
        ],
    )


def rejected(table: str, at: datetime) -> Iterator[Any]:
    """As many rejected rows as are kept of a table."""
    from include.lake.rejected import RejectedRow

    file = f"rejected/{table}/{at:%Y-%m-%d}/{table}_{at:%Y%m%dT%H%M%S.%fZ}_1f0c9a3e.csv"
    for key in range(REJECTED_ROWS):
        yield RejectedRow(
            table=table, key=key, reason="agreed_delivery_date '2023-02-30' is not a date", file=file, at=at
        )


if __name__ == "__main__":
    sys.exit(main())
