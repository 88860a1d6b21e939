"""Servers that the embedded ones are not: Debian's, standbys, restored ones, and a pooler before any."""

import os
import shutil
import socket
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import cached_property
from pathlib import Path

import psycopg
import pytest

from include.totesys import DECLARED
from local.aws import AwsServer
from local.environment import Buckets, Endpoints
from local.guard import start_guarded, stop_guarded
from local.installation import run_as_server_user, server_user
from local.postgres import HOST, PostgresServer, free_port
from local.totesys import create_schema, fill
from tests import conftest as services
from tests.clients import own_clients  # noqa: F401 - a fixture of all tests here
from tests.system import System, open_exactly
from tests.totesys.acceptance.oracle import all_differences

DEBIAN = Path("/usr/lib/postgresql")
PGBOUNCER = Path("/usr/sbin/pgbouncer")
WAIT_SECONDS = 30

VALIDITY_SINCE, VALIDITY = (
    16,
    """
    CREATE FUNCTION pg_input_is_valid(value text, type text) RETURNS boolean LANGUAGE plpgsql AS $$
    BEGIN
        EXECUTE format('SELECT %L::%s', value, type);
        RETURN true;
    EXCEPTION WHEN data_exception THEN
        RETURN false;
    END $$""",
)
"""A function that the comparison with the source asks, for versions that lack it."""


class DebianServer(PostgresServer):
    """A server of Debian's packages."""

    @cached_property
    def bin_dir(self) -> Path:
        folder = DEBIAN / str(self.version) / "bin"
        assert (folder / "postgres").exists(), f"apt-get install postgresql-{self.version}"
        return folder


def server_of(version: int, data_dir: Path | None = None) -> PostgresServer:
    """A server of this version, embedded or Debian's."""
    return (PostgresServer if version in (16, 18) else DebianServer)(version, data_dir)


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that servers may write to."""
    path = Path(tempfile.mkdtemp(prefix="totesys-servers-"))
    if user := server_user():
        os.chown(path, user, user)
    yield path
    shutil.rmtree(path)


Filled = Callable[[int], PostgresServer]


@pytest.fixture
def filled(folder: Path) -> Iterator[Filled]:
    """A function that starts a server of a version, whose database `totesys` is filled, and `warehouse` empty."""
    with ExitStack() as running:

        def start(version: int) -> PostgresServer:
            server = running.enter_context(server_of(version, folder / "primary"))
            for name in ("totesys", "warehouse"):
                server.create_database(name)
            with psycopg.connect(server.url("totesys")) as connection:
                create_schema(connection)
                fill(connection, sales_orders=200, seed=1)
                if version < VALIDITY_SINCE:
                    connection.execute(VALIDITY)
            return server

        yield start


def standby_of(primary: PostgresServer, data_dir: Path) -> PostgresServer:
    """A standby that follows a primary, to be started."""
    command = [primary.bin_dir / "pg_basebackup", "-h", HOST, "-p", str(primary.port), "-U", "postgres", "-D", data_dir]
    done = run_as_server_user([*command, "-R", "-X", "stream", "-c", "fast"])
    assert done.returncode == 0, done.stderr
    return server_of(primary.version, data_dir)


class Pipeline:
    """A pipeline whose source and warehouse can be led to other servers."""

    def __init__(self, system: System, patch: pytest.MonkeyPatch) -> None:
        self.system, self._patch = system, patch

    def lead(self, connection: str, url: str) -> None:
        """Point one of Airflow's connections elsewhere."""
        self._patch.setenv(f"AIRFLOW_CONN_{connection.upper()}", url)

    def differences(self, source_url: str, warehouse_url: str = "") -> object:
        """How the warehouse differs from this source. warehouse_url: where it is to be had without a pooler."""
        direct = warehouse_url or self.system.endpoints.warehouse_url
        with open_exactly(source_url) as source, open_exactly(direct) as warehouse:
            return all_differences(source, warehouse)


@pytest.fixture
def pipeline_of(
    aws: AwsServer, buckets: Buckets, warehouse_url: str, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Pipeline]:
    """A function from the URL of a source, and of a warehouse in place of an embedded one, to a pipeline."""

    def make(source_url: str, warehouse: str = "") -> Pipeline:
        home = Path(services.AIRFLOW_HOME.name)
        system = System(Endpoints(source_url, warehouse or warehouse_url, aws.endpoint_url, buckets), home, DECLARED)
        for name, value in system.variables.items():
            monkeypatch.setenv(name, value)
        return Pipeline(system, monkeypatch)

    return make


def execute(server: PostgresServer, statement: str, database: str = "totesys") -> list[tuple[object, ...]]:
    """Do something on a server, and commit."""
    with psycopg.connect(server.url(database), autocommit=True) as connection:
        cursor = connection.execute(statement)  # type: ignore[call-overload]
        return list(cursor.fetchall()) if cursor.description else []


def wait_until(holds: Callable[[], bool]) -> None:
    """Wait until something holds."""
    until = time.monotonic() + WAIT_SECONDS
    while not holds():
        assert time.monotonic() < until, "it never held"
        time.sleep(0.05)


def catch_up(primary: PostgresServer, standby: PostgresServer) -> None:
    """Wait until a standby has replayed all that its primary wrote.

    A message comes last: a log that ends with a page is counted with the next page's header on the primary alone.
    """
    execute(primary, "SELECT pg_logical_emit_message(true, 'tests', 'the last word')")
    ((position,),) = execute(primary, "SELECT pg_current_wal_insert_lsn()::text")
    wait_until(lambda: execute(standby, f"SELECT pg_last_wal_replay_lsn() >= '{position}'") == [(True,)])


def own(folder: Path, like: Path) -> None:
    """Give a folder to the user that servers run as, who has another already."""
    status = like.stat()
    for path in (folder, *folder.rglob("*")):
        shutil.chown(path, status.st_uid, status.st_gid)


CONFIGURATION = """
[databases]
* = host={host} port={port}
[pgbouncer]
listen_addr = {host}
listen_port = {listen}
unix_socket_dir =
auth_type = trust
auth_file = {folder}/users
pool_mode = transaction
default_pool_size = {size}
query_wait_timeout = 60
"""


@contextmanager
def pooler(server: PostgresServer, folder: Path, size: int) -> Iterator[str]:
    """The authority of pgbouncer's URL before a server, which gives a role and a database so many connections."""
    assert PGBOUNCER.exists(), "apt-get install pgbouncer"
    listen = free_port()
    (folder / "users").write_text('"postgres" ""\n')
    text = CONFIGURATION.format(host=HOST, port=server.port, listen=listen, folder=folder, size=size)
    (folder / "pgbouncer.ini").write_text(text)
    guard = start_guarded([PGBOUNCER, folder / "pgbouncer.ini"], log=folder / "pgbouncer.log", user=server_user())
    try:
        wait_until(lambda: _listens(listen))
        yield f"postgresql://postgres@{HOST}:{listen}"
    finally:
        stop_guarded(guard)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((HOST, port)) == 0
