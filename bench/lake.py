"""Measurement 7: what a commit to the lake costs, for each table that a run changed, and after a thousand of them."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import median
from time import perf_counter
from typing import Any
from uuid import uuid4

import psycopg
from psycopg import sql
from pyiceberg.table import Table
from rich.console import Console

from bench.measurement import Cost, WrongResultError
from bench.pipeline_run import run_pipeline
from bench.servers import Lane, Servers
from include.common.settings import PROCESSED_BUCKET, required_variable
from include.lake import iceberg
from include.tables.star import Calendar
from include.totesys import DECLARED
from local.environment import s3_client

SALES_ORDERS = 10_000
ROUNDS = 5
LAST = 10
"""Of so many commits, the last, the median counts."""

FACT = "fact_sales_order"


def measure_lake(servers: Servers, console: Console, commits: int) -> list[Cost]:
    """Have runs change every table with a source, then add so many snapshots to one table."""
    source_url = servers.fill_source("totesys_lake", SALES_ORDERS, only_sales=False)
    lane = servers.new_lane(source_url, lake=True)
    run_pipeline(lane)
    per_table = _commit_changes(lane)
    console.print(f"committing to {FACT} {commits:,} times")
    return [
        Cost("the lake's commit, for each changed table", median(per_table), "s", 0.5),
        *_commit_often(lane, commits),
    ]


def _commit_changes(lane: Lane) -> list[float]:
    """Seconds a table of the commits of runs that found a row changed in every source table."""
    found = []
    for _ in range(ROUNDS):
        _change_every_table(lane.source_url)
        with _timed_commits() as seconds:
            run_pipeline(lane)
        if len(seconds) != sum(not isinstance(table, Calendar) for table in DECLARED.star.values()):
            raise WrongResultError(f"every table was to change, and these were committed: {', '.join(seconds)}")
        found.append(sum(seconds.values()) / len(seconds))
    return found


def _change_every_table(source_url: str) -> None:
    with psycopg.connect(source_url, options="-c timezone=UTC") as connection:
        for table in DECLARED.sources.values():
            change = sql.SQL("UPDATE {0} SET last_updated = clock_timestamp() WHERE {1} = (SELECT max({1}) FROM {0})")
            connection.execute(change.format(sql.Identifier(table.name), sql.Identifier(*table.key_columns)))


@contextmanager
def _timed_commits() -> Iterator[dict[str, float]]:
    """Inside it commits note their seconds by the table's name."""
    original, seconds = iceberg.append, dict[str, float]()

    def timed(database: str, table: Any, loads: Any) -> None:
        started = perf_counter()
        original(database, table, loads)
        seconds[table.name] = perf_counter() - started

    iceberg.append = timed
    try:
        yield seconds
    finally:
        iceberg.append = original


@dataclass(frozen=True)
class Files:
    """Copies of one Parquet file, as loads would bring them."""

    client: Any
    bucket: str
    key: str

    def copy(self) -> str:
        """A new copy's key."""
        key = f"{FACT}/copies/{uuid4()}.parquet"
        self.client.copy_object(Bucket=self.bucket, Key=key, CopySource={"Bucket": self.bucket, "Key": self.key})
        return key


def _commit_often(lane: Lane, commits: int) -> list[Cost]:
    """What the last of so many commits to one table took, and what reading its metadata takes then."""
    database, table = lane.variables["AIRFLOW_VAR_LAKE_DATABASE"], DECLARED.star[FACT]
    files = _first_file(iceberg.open_table(database, table))
    seconds = []
    for number in range(commits):
        load = iceberg.Loaded(f"load-{number}", {"sales_order": "2026-01-01T00:00:00+00:00"}, [files.copy()])
        seconds.append(_seconds(lambda load=load: iceberg.append(database, table, [load])))
    found = iceberg.open_table(database, table)
    planning = median(_seconds(lambda: _plan(found, commits)) for _ in range(ROUNDS))
    after = f"after {commits:,} commits"
    return [
        Cost(f"a commit, {after}", median(seconds[-LAST:]), "s", 0.3),
        Cost(f"planning a scan, {after}", planning, "s", 0.2),
        Cost(f"metadata that a reader takes, {after}", _metadata_bytes(found) / 1e6, "MB", 1),
    ]


def _first_file(found: Table) -> Files:
    bucket = required_variable(PROCESSED_BUCKET)
    place = next(iter(found.scan().plan_files())).file.file_path
    return Files(s3_client(os.environ["AWS_ENDPOINT_URL"]), bucket, place.removeprefix(f"s3://{bucket}/"))


def _seconds(work: Any) -> float:
    started = perf_counter()
    work()
    return perf_counter() - started


def _plan(found: Table, commits: int) -> None:
    planned = len(list(found.scan().plan_files()))
    if planned < commits:
        raise WrongResultError(f"{FACT}: {commits:,} files were committed, and a scan reads {planned:,}")


def _metadata_bytes(found: Table) -> int:
    """What a reader of the present state takes: the table's document, the list of manifests, the manifests."""
    snapshot = found.current_snapshot()
    assert snapshot is not None
    manifests = [manifest.manifest_path for manifest in snapshot.manifests(found.io)]
    return sum(
        len(found.io.new_input(place)) for place in (found.metadata_location, snapshot.manifest_list, *manifests)
    )
