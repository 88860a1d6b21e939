"""Embedded PostgreSQL servers: several at once, of the versions that one package brings."""

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Self

import psycopg
from psycopg import sql

from local.guard import start_guarded, stop_guarded
from local.installation import UNPRIVILEGED_USER, programs, run_as_server_user, server_user

HOST = "127.0.0.1"
PORT_ATTEMPTS = 10
INITDB_OPTIONS = ("--username=postgres", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync")
START_TIMEOUT_SECONDS = 60
LOG_TAIL_LINES = 20
MEMORY = Path("/dev/shm")  # noqa: S108 - Linux's folder in memory
MEMORY_BYTES = 4 << 30
"""The room that it has at least where a cluster is to lie in it: a container's has 64 MB."""

OTHER_USER_HINT = f"the user {UNPRIVILEGED_USER} must be able to enter every folder above it"
PORT_TAKEN = b"Address already in use"

# Every server here can be made again from nothing, so none pays for surviving a power cut.
DEFAULT_SETTINGS = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
}


class PostgresStartError(RuntimeError):
    """PostgreSQL did not start. The message ends with the last lines of its log."""


class PostgresServer:
    """A PostgreSQL server on a free TCP port of this machine: superuser `postgres`, no password, UTF-8, UTC.

    It stops with `stop`, at the end of a `with`, and when the process that started it dies. As root the
    server runs as the user `nobody`, because PostgreSQL refuses root.
    """

    def __init__(
        self,
        version: int = 18,
        data_dir: Path | None = None,
        settings: Mapping[str, str] | None = None,
        in_memory: bool = False,
    ) -> None:
        """Take a major version, a folder that is kept (None: a temporary one), settings over the defaults.

        in_memory: a temporary folder lies in memory, where the system has room there. To make a database takes a fifth
            of the time then: it is several hundred files.
        """
        self.version = version
        self._in_memory = in_memory
        self.settings = {**DEFAULT_SETTINGS, **(settings or {})}
        self.port = 0
        self._kept_dir = data_dir
        self._temporary_dir: Path | None = None
        self._guard: subprocess.Popen[bytes] | None = None

    @cached_property
    def bin_dir(self) -> Path:
        """The folder of psql, pgbench, pg_dump and the server's own programs."""
        return programs(self.version)

    @property
    def data_dir(self) -> Path:
        """The folder of the cluster; while the server runs, if the folder is temporary."""
        folder = self._kept_dir or self._temporary_dir
        if folder is None:
            raise RuntimeError("the server has not been started")
        return folder.resolve()

    @property
    def log(self) -> Path:
        """The server's log file."""
        return self.data_dir / "server.log"

    def url(self, database: str = "postgres") -> str:
        """Take a database's name; return its libpq URL."""
        return f"postgresql://postgres@{HOST}:{self.port}/{database}"

    def start(self) -> Self:
        """Return the server when it accepts connections.

        Raises:
            PostgresStartError: the message says why; nothing is left running.
        """
        try:
            self._make_cluster()
            self._serve()
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        """Disconnect everyone, stop, and remove a temporary cluster. May be repeated."""
        if self._guard is not None:
            stop_guarded(self._guard)
            self._guard = None
        if self._temporary_dir is not None:
            shutil.rmtree(self._temporary_dir)
            self._temporary_dir = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def create_database(self, name: str, template: str = "template1") -> str:
        """Take a new database's name and one nobody is connected to, which it copies; return its URL."""
        statement = sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY file_copy")
        self._execute(statement.format(sql.Identifier(name), sql.Identifier(template)))
        return self.url(name)

    def drop_database(self, name: str) -> None:
        """Take a database's name; drop it, whoever is connected. May be repeated."""
        self._execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))

    def _execute(self, statement: sql.Composed) -> None:
        with psycopg.connect(self.url(), autocommit=True) as connection:
            connection.execute(statement)

    def _make_cluster(self) -> None:
        if self._kept_dir is None:
            place = MEMORY if self._in_memory and _has_room(MEMORY) else None
            self._temporary_dir = Path(tempfile.mkdtemp(prefix="totesys-postgres-", dir=place))
        self.data_dir.mkdir(parents=True, exist_ok=True)
        if (self.data_dir / "PG_VERSION").exists():
            return
        user = server_user()
        if user is not None:
            os.chown(self.data_dir, user, user)
        result = run_as_server_user([self.bin_dir / "initdb", "-D", self.data_dir, *INITDB_OPTIONS])
        if result.returncode != 0:
            hint = "" if user is None else f" ({OTHER_USER_HINT})"
            raise PostgresStartError(f"initdb failed in {self.data_dir}{hint}:\n{result.stdout}{result.stderr}")

    def _serve(self) -> None:
        for _ in range(PORT_ATTEMPTS):
            self.port = free_port()
            log_start = self.log.stat().st_size if self.log.exists() else 0
            command, folder = self._command(), self._temporary_dir
            self._guard = start_guarded(command, log=self.log, folder=folder, user=server_user())
            if self._wait_until_ready():
                return
            stop_guarded(self._guard)
            if PORT_TAKEN not in self.log.read_bytes()[log_start:]:
                break
        raise PostgresStartError(f"PostgreSQL {self.version} did not start in {self.data_dir}:\n{self._tail()}")

    def _command(self) -> list[str | Path]:
        settings = {"listen_addresses": HOST, "unix_socket_directories": "", **self.settings}
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        return [self.bin_dir / "postgres", "-D", self.data_dir, "-p", str(self.port), *options]

    def _wait_until_ready(self) -> bool:
        deadline = time.monotonic() + START_TIMEOUT_SECONDS
        while self._guard is not None and self._guard.poll() is None and time.monotonic() < deadline:
            if self._says_ready():
                return True
            time.sleep(0.02)
        return False

    def _says_ready(self) -> bool:
        # The server's own word: another server may answer on a port that this one did not get.
        try:
            lines = (self.data_dir / "postmaster.pid").read_text().split("\n")
        except FileNotFoundError:
            return False
        return len(lines) > 7 and lines[3] == str(self.port) and lines[7].strip() == "ready"

    def _tail(self) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-LOG_TAIL_LINES:])


def _has_room(folder: Path) -> bool:
    return folder.is_dir() and shutil.disk_usage(folder).free >= MEMORY_BYTES


def free_port() -> int:
    """Return a TCP port that nothing on this machine listens on at the moment."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])
