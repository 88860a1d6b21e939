"""A silent server ends the attempt, wherever it falls silent; one that works, however long, does not."""

import os
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic, sleep
from types import FrameType
from typing import LiteralString

import psycopg
import pytest
from psycopg import sql

from include.common import waiting
from include.common.errors import ServiceError
from include.common.postgres import connect, copy_in, copy_out, postgres_errors
from include.common.threads import Threads, side_by_side
from local.postgres import HOST, PostgresServer
from tests.proxy import Direction, StallingProxy

LIMIT = 1.0
ROWS = 300_000
COPY_OUT = sql.SQL("COPY (SELECT n, repeat('x', 100) FROM generate_series(1, {}) n) TO STDOUT").format(
    sql.Literal(ROWS)
)
COPY_IN = sql.SQL("COPY taken (n) FROM STDIN").format()


@pytest.fixture(autouse=True)
def short_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "SILENT_SECONDS", LIMIT)
    monkeypatch.setattr("include.common.postgres.ANSWER_SECONDS", 2)
    monkeypatch.setattr(waiting, "ANSWER_SECONDS", 2)


@pytest.fixture
def proxy(
    postgres: PostgresServer, pipeline_environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[StallingProxy]:
    """Between the pipeline and its warehouse."""
    with StallingProxy(HOST, postgres.port) as proxy:
        url = pipeline_environment["AIRFLOW_CONN_WAREHOUSE"]
        assert f":{postgres.port}/" in url
        monkeypatch.setenv("AIRFLOW_CONN_WAREHOUSE", url.replace(f":{postgres.port}/", f":{proxy.port}/"))
        yield proxy


@contextmanager
def connection() -> Iterator[psycopg.Connection]:
    with connect("warehouse") as opened, postgres_errors("a_table"):
        opened.execute("CREATE TEMPORARY TABLE taken (n text)")
        yield opened


@contextmanager
def ends_within(seconds: float, *words: str) -> Iterator[None]:
    """Inside it a service error is raised, soon, that names what was worked on."""
    started = monotonic()
    with pytest.raises(ServiceError) as raised:
        yield
    assert monotonic() - started < seconds
    assert all(word in str(raised.value) for word in words), raised.value


def read_all(opened: psycopg.Connection) -> int:
    return sum(block.count(b"\n") for block in copy_out(opened, COPY_OUT))


def blocks(stop: Callable[[], None]) -> Iterator[bytes]:
    yield b"first\n" * 100_000
    stop()
    for _ in range(200):
        yield b"later\n" * 100_000


@pytest.mark.parametrize("direction", ["to server", "to client"])
def test_a_statement_whose_answer_does_not_come_ends(proxy: StallingProxy, direction: Direction) -> None:
    with ends_within(6, "a_table", "silent for"), connection() as opened:
        proxy.stall(direction)
        opened.execute("SELECT 1")


@pytest.mark.parametrize("direction", ["to server", "to client"])
def test_a_commit_whose_answer_does_not_come_ends(proxy: StallingProxy, direction: Direction) -> None:
    with ends_within(6, "a_table", "silent for"), connection() as opened:
        proxy.stall(direction)
        opened.commit()


def test_a_server_that_accepts_and_never_answers_ends_the_connecting(
    proxy: StallingProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("include.common.session.DEFAULTS", {"connect_timeout": 2})
    proxy.stall("to client")
    with ends_within(6, "warehouse"), connection():
        pass


@pytest.mark.parametrize("after_bytes", [0, 1, 100, 5_000, 5_000_000])
def test_a_copy_out_that_stops_flowing_ends(proxy: StallingProxy, after_bytes: int) -> None:
    with ends_within(8, "a_table", "silent for"), connection() as opened:
        proxy.stall("to client", after_bytes)
        read_all(opened)


def test_a_copy_in_that_stops_flowing_ends(proxy: StallingProxy) -> None:
    with ends_within(6, "a_table", "silent for"), connection() as opened:
        copy_in(opened, COPY_IN, blocks(lambda: proxy.stall("to server", 10_000)))


def test_a_copy_in_whose_end_is_not_answered_ends(proxy: StallingProxy) -> None:
    def last() -> Iterator[bytes]:
        yield b"first\n"
        proxy.stall("to client")

    with ends_within(6, "a_table", "silent for"), connection() as opened:
        copy_in(opened, COPY_IN, last())


@contextmanager
def stopped(pid: int) -> Iterator[None]:
    """A server process that is stopped, and goes on afterwards."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def test_a_server_process_that_is_stopped_ends_a_copy_out(pipeline_environment: dict[str, str]) -> None:
    with connection() as opened:
        rows = copy_out(opened, COPY_OUT)
        next(rows)
        with stopped(opened.info.backend_pid), ends_within(6, "a_table", "silent for"), postgres_errors("a_table"):
            list(rows)


def test_a_server_process_that_is_stopped_ends_a_copy_in(pipeline_environment: dict[str, str]) -> None:
    with connection() as opened:
        pid = opened.info.backend_pid
        try:
            with ends_within(6, "a_table", "silent for"), postgres_errors("a_table"):
                copy_in(opened, COPY_IN, blocks(lambda: os.kill(pid, signal.SIGSTOP)))
        finally:
            os.kill(pid, signal.SIGCONT)


def test_a_statement_that_works_without_sending_goes_on(pipeline_environment: dict[str, str]) -> None:
    with connection() as opened:
        assert opened.execute("SELECT 1 FROM pg_sleep(3.5)").fetchone() == (1,)


def test_a_copy_that_looks_for_its_first_row_goes_on(pipeline_environment: dict[str, str]) -> None:
    statement = sql.SQL("COPY (SELECT 1 FROM pg_sleep(3)) TO STDOUT").format()
    with connection() as opened:
        assert list(copy_out(opened, statement)) == [b"1\n"]


def test_a_sparse_copy_may_be_silent_between_two_rows(pipeline_environment: dict[str, str]) -> None:
    # the server sends what it has when its buffer of 8 kB is full
    statement = sql.SQL(
        "COPY (SELECT repeat('x', 9000) FROM generate_series(1, 3) n "
        "WHERE n = 1 OR pg_sleep(1.5) IS NOT NULL) TO STDOUT"
    ).format()
    with connection() as opened:
        assert sum(map(len, copy_out(opened, statement, sparse=True))) == 3 * 9001


def test_a_server_that_refuses_the_question_is_taken_to_be_at_work(
    pipeline_environment: dict[str, str], warehouse_url: str
) -> None:
    database = sql.Identifier(psycopg.conninfo.conninfo_to_dict(warehouse_url)["dbname"])
    elsewhere = warehouse_url.rpartition("/")[0] + "/postgres"
    with connection() as opened, psycopg.connect(elsewhere, autocommit=True) as other:
        other.execute(sql.SQL("ALTER DATABASE {} WITH ALLOW_CONNECTIONS false").format(database))
        assert opened.execute("SELECT 1 FROM pg_sleep(2.5)").fetchone() == (1,)


@contextmanager
def interrupted_after(seconds: float) -> Iterator[None]:
    """Airflow ends a task that takes too long as this does: from a signal, in the main thread."""

    def interrupt(_: int, __: FrameType | None) -> None:
        raise SystemExit("too long")

    before = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


SLEEPERS = "SELECT count(*) FROM pg_stat_activity WHERE query ~ '^(SELECT 1 FROM|COPY .*)pg_sleep' AND state = 'active'"


def sleepers(url: str) -> int:
    with psycopg.connect(url) as other:
        row = other.execute(SLEEPERS + " AND datname = current_database()").fetchone()
        assert row
        return int(row[0])


def assert_nobody_sleeps(url: str) -> None:
    """A server that is asked to cancel takes a moment."""
    deadline = monotonic() + 5
    while sleepers(url) and monotonic() < deadline:
        sleep(0.05)
    assert sleepers(url) == 0


def sleep_in_statement() -> None:
    with connection() as opened:
        opened.execute("SELECT 1 FROM pg_sleep(60)")


def sleep_in_copy() -> None:
    with connection() as opened:
        list(copy_out(opened, sql.SQL("COPY (SELECT pg_sleep(60)) TO STDOUT").format()))


def sleep_in_copy_in() -> None:
    def blocks() -> Iterator[bytes]:
        yield b"first\n"
        with connection() as other:
            other.execute("SELECT 1 FROM pg_sleep(60)")

    with connection() as opened:
        copy_in(opened, COPY_IN, blocks())


def sleep_before_copy_in() -> None:
    with connection() as opened:
        opened.execute(
            "CREATE FUNCTION pg_temp.wait() RETURNS trigger LANGUAGE plpgsql AS "
            "$$BEGIN EXECUTE 'SELECT 1 FROM pg_sleep(60)'; RETURN new; END$$"
        )
        opened.execute("CREATE TRIGGER wait BEFORE INSERT ON taken EXECUTE FUNCTION pg_temp.wait()")
        copy_in(opened, COPY_IN, [b"x\n" * 1_000_000] * 20)


def sleep_in_threads() -> None:
    with Threads(2) as threads:
        futures = [threads.submit(sleep_in_statement), threads.submit(sleep_in_copy)]
        for future in futures:
            future.result()


@pytest.mark.parametrize(
    "sleep", [sleep_in_statement, sleep_in_copy, sleep_in_copy_in, sleep_before_copy_in, sleep_in_threads]
)
def test_an_interruption_ends_any_wait_at_once_and_what_the_server_does(
    pipeline_environment: dict[str, str], warehouse_url: str, sleep: Callable[[], None]
) -> None:
    started = monotonic()
    with pytest.raises(SystemExit), interrupted_after(1.0):
        sleep()
    assert monotonic() - started < 4
    assert_nobody_sleeps(warehouse_url)


def test_an_interruption_between_two_waits_ends_what_the_server_does(
    pipeline_environment: dict[str, str], warehouse_url: str
) -> None:
    def work() -> None:
        with connection() as opened:
            opened.pgconn.send_query(b"SELECT 1 FROM pg_sleep(60)")
            raise SystemExit("too long")

    with pytest.raises(SystemExit):
        work()
    assert_nobody_sleeps(warehouse_url)


def test_a_silent_server_is_no_obstacle_to_an_interruption(proxy: StallingProxy) -> None:
    def work() -> None:
        with connection() as opened:
            proxy.stall("to client")
            opened.execute("SELECT 1")

    started = monotonic()
    with pytest.raises(SystemExit), interrupted_after(0.5):
        work()
    assert monotonic() - started < 4


def test_an_error_in_one_thread_ends_the_others(pipeline_environment: dict[str, str], warehouse_url: str) -> None:
    def work(statement: LiteralString) -> None:
        with connection() as opened:
            opened.execute(statement)

    started = monotonic()
    with ends_within(4, "a_table"):
        side_by_side(2, work, ["SELECT 1 FROM pg_sleep(60)", "SELECT pg_terminate_backend(pg_backend_pid())"])
    assert monotonic() - started < 4
    assert_nobody_sleeps(warehouse_url)


def test_threads_that_are_stuck_elsewhere_are_left_behind() -> None:
    with socket.create_server((HOST, 0)) as silent:

        def work(wait: bool) -> None:
            if wait:
                silent.accept()
            raise LookupError("soon")

        started = monotonic()
        with pytest.raises(LookupError):
            side_by_side(2, work, [True, False])
        assert monotonic() - started < 4
