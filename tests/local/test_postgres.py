"""Embedded PostgreSQL servers start, stay apart, fail clearly, and end with their parent."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import LiteralString

import psutil
import psycopg
import pytest

from local.postgres import PostgresServer, PostgresStartError, free_port

ROOT = Path(__file__).parents[2]
PARENT = """
import signal, time
from local.postgres import PostgresServer
signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job's is ignored
server = PostgresServer().start()
print(server.url(), server.data_dir, flush=True)
time.sleep(600)
"""


def answer(url: str, query: LiteralString, *parameters: str) -> object:
    """Return the only value of a query's only row."""
    with psycopg.connect(url) as connection:
        row = connection.execute(query, parameters).fetchone()
    assert row is not None
    return row[0]


def stops_answering(url: str, within_seconds: float = 20) -> bool:
    """Whether nothing answers at the URL any more before the time is over."""
    deadline = time.monotonic() + within_seconds
    while time.monotonic() < deadline:
        try:
            psycopg.connect(url, connect_timeout=2).close()
        except psycopg.OperationalError:
            return True
        time.sleep(0.1)
    return False


def is_removed(folder: Path, within_seconds: float = 20) -> bool:
    """Whether the folder goes before the time is over."""
    deadline = time.monotonic() + within_seconds
    while folder.exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    return not folder.exists()


@pytest.mark.postgres_versions(16, 18)
def test_the_server_is_of_the_version_asked_for(postgres: PostgresServer, postgres_version: int) -> None:
    assert answer(postgres.url(), "SELECT current_setting('server_version_num')::int / 10000") == postgres_version


@pytest.mark.postgres_versions(16, 18)
@pytest.mark.parametrize(
    ("setting", "value"),
    [("TimeZone", "UTC"), ("server_encoding", "UTF8"), ("fsync", "off"), ("unix_socket_directories", "")],
)
def test_the_server_has_the_settings_tests_rely_on(postgres: PostgresServer, setting: str, value: str) -> None:
    assert answer(postgres.url(), "SELECT current_setting(%s)", setting) == value


def test_a_version_that_is_not_embedded_is_refused() -> None:
    with pytest.raises(ValueError, match=r"PostgreSQL 12 is not embedded; choose from \[16, 18\]"):
        PostgresServer(12).start()


def test_two_servers_run_at_once_and_share_nothing() -> None:
    with PostgresServer() as one, PostgresServer() as other:
        one.create_database("only_here")
        databases = "SELECT count(*) FROM pg_database WHERE datname = 'only_here'"
        assert (answer(one.url(), databases), answer(other.url(), databases)) == (1, 0)


def test_a_database_copies_its_template(postgres: PostgresServer) -> None:
    url = postgres.create_database("original")
    with psycopg.connect(url) as connection:
        connection.execute("CREATE TABLE leading_zeros AS SELECT '08841' AS postal_code")
    copy = postgres.create_database("copy", template="original")
    assert answer(copy, "SELECT postal_code FROM leading_zeros") == "08841"
    postgres.drop_database("copy")
    postgres.drop_database("original")


def test_a_database_is_dropped_though_someone_is_connected(postgres: PostgresServer) -> None:
    with psycopg.connect(postgres.create_database("in_use")):
        postgres.drop_database("in_use")
    assert answer(postgres.url(), "SELECT count(*) FROM pg_database WHERE datname = 'in_use'") == 0


def test_programs_of_the_same_version_are_at_hand(postgres: PostgresServer) -> None:
    for program in ("psql", "pgbench", "pg_dump"):
        version = subprocess.check_output([postgres.bin_dir / program, "--version"], text=True)
        assert f"(PostgreSQL) {postgres.version}." in version


def test_a_given_folder_is_kept_and_served_again(open_folder: Path) -> None:
    folder = open_folder / "cluster"
    with PostgresServer(data_dir=folder) as server:
        server.create_database("kept")
    with PostgresServer(data_dir=folder) as server:
        assert answer(server.url("kept"), "SELECT current_database()") == "kept"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root's servers run as another user")
def test_a_folder_that_the_servers_user_cannot_enter_is_named(open_folder: Path) -> None:
    open_folder.chmod(0o700)
    with pytest.raises(PostgresStartError, match="the user nobody must be able to enter every folder above"):
        PostgresServer(data_dir=open_folder / "cluster").start()


@pytest.mark.parametrize("in_memory", [False, True])
def test_a_temporary_folder_is_removed(in_memory: bool) -> None:
    with PostgresServer(in_memory=in_memory) as server:
        folder = server.data_dir
        assert folder.exists()
    assert not folder.exists()


def test_a_port_in_use_is_followed_by_another(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as occupant:
        occupant.bind(("127.0.0.1", 0))
        occupant.listen()
        taken = occupant.getsockname()[1]
        ports = iter([taken, free_port()])
        monkeypatch.setattr("local.postgres.free_port", lambda: next(ports))
        with PostgresServer() as server:
            assert server.port != taken
            assert answer(server.url(), "SELECT 1") == 1


def test_a_failed_start_tells_the_end_of_the_log_and_leaves_nothing() -> None:
    server = PostgresServer(settings={"shared_buffers": "no size at all"})
    with pytest.raises(PostgresStartError, match='invalid value for parameter "shared_buffers"') as failure:
        server.start()
    folder = Path(str(failure.value).split("did not start in ")[1].split(":\n")[0])
    assert not folder.exists()


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_the_server_ends_with_its_parent(end: signal.Signals) -> None:
    with subprocess.Popen([sys.executable, "-c", PARENT], cwd=ROOT, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        url, folder = parent.stdout.readline().split()
        assert answer(url, "SELECT 1") == 1
        parent.send_signal(end)
    assert stops_answering(url)
    assert is_removed(Path(folder))


def test_the_server_outlives_the_thread_that_started_it() -> None:
    with PostgresServer() as server:
        server.stop()
        starter = threading.Thread(target=server.start)
        starter.start()
        starter.join()
        time.sleep(0.5)
        assert answer(server.url(), "SELECT 1") == 1


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process that its parent was killed")
def test_the_server_ends_when_everything_above_it_is_killed_at_once() -> None:
    with subprocess.Popen([sys.executable, "-c", PARENT], cwd=ROOT, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        url, folder = parent.stdout.readline().split()
        parent.send_signal(signal.SIGSTOP)
        for guard in psutil.Process(parent.pid).children():
            guard.kill()
        parent.kill()
    assert stops_answering(url)
    assert is_removed(Path(folder, "postmaster.pid"))  # the server's last act
    shutil.rmtree(folder)
