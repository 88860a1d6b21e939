"""One pipeline with a source, a warehouse and buckets of its own, and what a test reads of them."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, LiteralString
from unittest import mock
from uuid import uuid4

import psycopg
from psycopg import sql
from psycopg.adapt import Loader

from include.pipeline import Options
from include.runner import Run, run
from include.tables.declarations import Declarations
from include.tables.source import SourceTable
from include.tables.star import StarTable
from local.environment import Buckets, Endpoints, s3_client
from local.postgres import PostgresServer
from tests.declared import replacing

Rows = list[tuple[Any, ...]]

STATE_KEY = "latest_update.json"
EXACT_TYPES = ("numeric", "date", "time", "timestamp")
"""Types whose values are compared as PostgreSQL writes them, scale and milliseconds included."""
PLAIN_SESSION = " ".join(
    f"-c {setting}"
    for setting in (
        "timezone=UTC",
        "datestyle=ISO",
        "client_encoding=UTF8",
        "extra_float_digits=1",
        "search_path=public",
        "statement_timeout=0",
        "default_transaction_read_only=off",
        "default_transaction_isolation=read\\ committed",
    )
)


@cache
def s3_at(endpoint_url: str) -> Any:
    """A client of the S3 API at this endpoint for the tests themselves; one for all, as each takes long to make."""
    return s3_client(endpoint_url)


class _AsText(Loader):
    def load(self, data: Any) -> str:
        return bytes(data).decode()


def open_exactly(url: str) -> psycopg.Connection:
    """A connection in autocommit, in UTC, that gives numbers with a scale, days and times as their text.

    Settings of the role and the database do not matter.
    """
    connection = psycopg.connect(url, autocommit=True, options=PLAIN_SESSION)
    for name in EXACT_TYPES:
        connection.adapters.register_loader(name, _AsText)
    return connection


@dataclass(frozen=True)
class Servers:
    """Where databases are made from templates, and where the AWS endpoint is."""

    postgres: PostgresServer
    aws_url: str
    home: Path


@dataclass
class System:
    """What one pipeline reads and writes, and the declarations that it follows."""

    endpoints: Endpoints
    home: Path
    declared: Declarations

    @property
    def variables(self) -> dict[str, str]:
        return self.endpoints.variables(self.home)

    def run(self, *tables: str, full_refresh: bool = False, accept: tuple[str, ...] = ()) -> Run:
        return run(self.declared, Options(tables, full_refresh, accept), lambda *_: None)

    def declare(self, *tables: SourceTable | StarTable) -> None:
        """Have these tables declared in place of those of the same names."""
        self.declared = replacing(self.declared, *tables)

    def run_cleanly(self, *tables: str, full_refresh: bool = False, accept: tuple[str, ...] = ()) -> Run:
        """A run none of whose steps may fail."""
        done = self.run(*tables, full_refresh=full_refresh, accept=accept)
        assert not done.failures, done.failures
        return done

    def write(self, statement: LiteralString, *parameters: object) -> None:
        """Change the source, and commit."""
        with psycopg.connect(self.endpoints.source_url) as connection:
            connection.execute(statement, parameters or None)

    def edit_warehouse(self, statement: LiteralString) -> None:
        """Somebody changes the warehouse by hand, and commits."""
        with psycopg.connect(self.endpoints.warehouse_url) as connection:
            connection.execute(statement)

    def source(self, query: LiteralString) -> Rows:
        with open_exactly(self.endpoints.source_url) as connection:
            return connection.execute(query).fetchall()

    def warehouse(self, query: LiteralString) -> Rows:
        with open_exactly(self.endpoints.warehouse_url) as connection:
            return connection.execute(query).fetchall()

    def data_files(self) -> set[str]:
        """The key of every file in the two data buckets."""
        buckets = self.endpoints.buckets
        return self._keys(buckets.ingestion) | self._keys(buckets.processed)

    def _keys(self, bucket: str) -> set[str]:
        pages = s3_at(self.endpoints.aws_url).get_paginator("list_objects_v2").paginate(Bucket=bucket)
        return {f"{bucket}/{entry['Key']}" for page in pages for entry in page.get("Contents", [])}

    def row_versions(self) -> dict[str, Rows]:
        """Every row of every warehouse table with the transaction that wrote it: a rewritten row is a different one."""
        tables = "SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'dim_date'"
        with open_exactly(self.endpoints.warehouse_url) as connection:
            names = [name for (name,) in connection.execute(tables)]
            query = sql.SQL("SELECT xmin::text, ctid::text, * FROM {} ORDER BY ctid")
            return {name: connection.execute(query.format(sql.Identifier(name))).fetchall() for name in names}


@contextmanager
def cloned_system(
    servers: Servers, declared: Declarations, source_template: str, warehouse_template: str = "template1"
) -> Iterator[System]:
    """A system on copies of two databases and new buckets, that this process's environment names until the end."""
    suffix, postgres = uuid4().hex[:12], servers.postgres
    buckets = Buckets(*(f"{name}-{suffix}" for name in ("ingestion", "processed", "state"))).create(servers.aws_url)
    names = f"source_{suffix}", f"warehouse_{suffix}"
    try:
        source, warehouse = map(postgres.create_database, names, (source_template, warehouse_template))
        system = System(Endpoints(source, warehouse, servers.aws_url, buckets), servers.home, declared)
        with mock.patch.dict(os.environ, system.variables):
            yield system
    finally:
        for name in names:
            postgres.drop_database(name)
