"""The two PostgreSQL servers and the S3 API that every measurement runs between, and lanes through them."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory

import psycopg
from psycopg import sql

from local.environment import Buckets, Endpoints, LocalEnvironment, s3_client
from local.totesys import connect, create_schema, fill

SETTINGS = {"shared_buffers": "512MB", "max_wal_size": "4GB", "checkpoint_timeout": "30min", "autovacuum": "off"}
"""For both servers. Ordinary sizes; checkpoints and autovacuum would fall on whichever side happens to be running."""


@dataclass(frozen=True)
class Lane:
    """Where one pipeline reads and writes: a source database, a warehouse database, buckets of its own."""

    source_url: str
    warehouse_url: str
    buckets: Buckets
    variables: dict[str, str]


class Servers:
    """The running servers, with as many source databases, warehouses and buckets as are asked for."""

    def __init__(self, environment: LocalEnvironment, airflow_home: Path) -> None:
        self.environment = environment
        self._airflow_home = airflow_home
        self._numbers = count(1)

    def fill_source(self, database: str, sales_orders: int, only_sales: bool) -> str:
        """Create a source database of this size, vacuumed, and give its URL."""
        url = self.environment.source.create_database(database)
        with connect(url) as connection:
            create_schema(connection)
            fill(connection, sales_orders, only_sales=only_sales)
            connection.execute("VACUUM (ANALYZE)")
            connection.execute("CHECKPOINT")
        return url

    def new_lane(self, source_url: str, *, lake: bool = False) -> Lane:
        """An empty warehouse and empty buckets for this source; and a lake, where one is wanted."""
        number = next(self._numbers)
        warehouse_url = self.environment.warehouse.create_database(f"warehouse_{number}")
        buckets = Buckets(*(f"bench-{number}-{name}" for name in ("ingestion", "processed", "state")))
        buckets.create(self.environment.aws.endpoint_url)
        endpoints = Endpoints(source_url, warehouse_url, self.environment.aws.endpoint_url, buckets)
        database = {"AIRFLOW_VAR_LAKE_DATABASE": f"bench_{number}" if lake else ""}
        return Lane(source_url, warehouse_url, buckets, endpoints.variables(self._airflow_home) | database)

    def remove_lane(self, lane: Lane) -> None:
        """Drop a lane's warehouse and delete its files; S3's stand-in holds them in memory."""
        self.drop_database(lane.warehouse_url)
        s3 = s3_client(self.environment.aws.endpoint_url)
        for bucket in (lane.buckets.ingestion, lane.buckets.processed, lane.buckets.state):
            for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket):
                keys = [{"Key": found["Key"]} for found in page.get("Contents", [])]
                if keys:
                    s3.delete_objects(Bucket=bucket, Delete={"Objects": keys})

    def drop_database(self, warehouse_url: str) -> None:
        """Drop a database of the warehouse's server."""
        self.environment.warehouse.drop_database(warehouse_url.rpartition("/")[2])

    def copy_warehouse(self, database: str, template_url: str) -> str:
        """Copy a warehouse that nobody is connected to, and give the copy's URL."""
        return self.environment.warehouse.create_database(database, template_url.rpartition("/")[2])

    def settle(self) -> None:
        """Write out what earlier rounds left, so that the next does not pay for it."""
        for server in (self.environment.source, self.environment.warehouse):
            with psycopg.connect(server.url(), autocommit=True) as connection:
                connection.execute("CHECKPOINT")


@contextmanager
def running_servers() -> Iterator[Servers]:
    """The servers, started; this process's environment leads Airflow to a folder of their own."""
    for name in [name for name in os.environ if name.startswith(("AIRFLOW_", "AWS_", "PG"))]:
        del os.environ[name]
    with (
        TemporaryDirectory(prefix="totesys-bench-") as home,
        LocalEnvironment(settings=SETTINGS, airflow_home=Path(home)) as environment,
    ):
        os.environ.update({**environment.variables(), "AIRFLOW__LOGGING__LOGGING_LEVEL": "ERROR"})
        yield Servers(environment, Path(home))


def count_rows(url: str, relation: str) -> int:
    """How many rows a relation has."""
    with psycopg.connect(url) as connection:
        row = connection.execute(sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(relation))).fetchone()
    assert row is not None
    return int(row[0])
