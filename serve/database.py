"""The warehouse, asked in bounded time: a pool of sessions that may read, and its errors as problems."""

import asyncio
import logging
import socket
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager, suppress
from os import dup
from typing import Any

import psycopg
from psycopg import errors, sql
from psycopg.adapt import Buffer, Loader
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from serve.problems import Problem, invalid, unavailable

log = logging.getLogger(__name__)

Connection = psycopg.AsyncConnection[Any]
Parameters = Callable[[], Coroutine[Any, Any, dict[str, Any]]]

WAIT_SECONDS = 2.0
"""How long a request waits for a session before it is told to come again."""

MARGIN_SECONDS = 1.0
"""How long after the server's own time-out a session is cut: the server may be gone, or stopped."""

RECONNECT_SECONDS = 5.0
"""How long the pool tries by itself; then whoever next asks makes it try again."""

STALE_SECONDS = 1.0
"""Within what time a lost session counts as one that was stale before: the request takes another one."""

NETWORK: Mapping[str, int] = {
    "connect_timeout": 3,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 5_000,
}

SESSION = sql.SQL("""
    SET default_transaction_read_only = on; SET search_path = pg_catalog, public; SET TimeZone = 'UTC';
    SET DateStyle = 'ISO, MDY'; SET IntervalStyle = 'postgres'; SET bytea_output = 'hex';
    SET client_encoding = 'UTF8'; SET idle_in_transaction_session_timeout = '60s'; SET jit = off;
    SET statement_timeout = {}""")
"""What results depend on; and no compiling, which takes longer than these statements do."""


class _Bytes(Loader):
    """A text as the server sent it: JSON passes through."""

    def load(self, data: Buffer) -> bytes:
        return bytes(data)


class Database:
    """A pool of sessions. seconds: the time-out of a statement."""

    def __init__(self, parameters: Parameters, size: int, seconds: float) -> None:
        self.seconds = seconds
        self._pool: AsyncConnectionPool[Connection] = AsyncConnectionPool(
            "",
            kwargs=parameters,
            min_size=min(2, size),
            max_size=size,
            open=False,
            timeout=WAIT_SECONDS,
            reconnect_timeout=RECONNECT_SECONDS,
            configure=self._configure,
            name="warehouse",
        )

    async def open(self) -> None:
        """Begin to connect; nothing is waited for."""
        await self._pool.open(wait=False)

    async def close(self) -> None:
        """Close every session."""
        await self._pool.close(timeout=WAIT_SECONDS)

    async def _configure(self, connection: Connection) -> None:
        await connection.set_autocommit(True)
        connection.adapters.register_loader("text", _Bytes)
        milliseconds = sql.Literal(round(self.seconds * 1000))
        with cut_after(connection, WAIT_SECONDS):
            await connection.execute(SESSION.format(milliseconds))

    async def row(self, statement: str, values: Mapping[str, Any], seconds: float | None = None) -> tuple[Any, ...]:
        """The one row of a statement, in which texts are bytes. Raises: Problem."""
        started = asyncio.get_running_loop().time()
        while True:
            try:
                async with self.session() as connection:
                    with cut_after(connection, (seconds or self.seconds) + MARGIN_SECONDS):
                        cursor = await connection.execute(statement, values)
                        row: tuple[Any, ...] | None = await cursor.fetchone()
                assert row is not None
                return row
            except errors.OperationalError as error:
                lost = asyncio.get_running_loop().time() - started < STALE_SECONDS and _is_lost(error)
                if not lost:
                    raise problem_of(error) from error
            except psycopg.Error as error:
                raise problem_of(error) from error

    async def guess(self, statement: sql.Composed, values: Mapping[str, Any]) -> int:
        """How many rows the server expects of a statement. Raises: Problem."""
        explain = sql.SQL("EXPLAIN (FORMAT JSON) {}").format(statement)
        async with self.session() as connection:
            try:
                with cut_after(connection, self.seconds + MARGIN_SECONDS):
                    text = psycopg.AsyncClientCursor(connection).mogrify(explain, values)
                    row = await (await connection.execute(text.encode())).fetchone()
            except psycopg.Error as error:
                raise problem_of(error) from error
        assert row is not None
        return int(row[0][0]["Plan"]["Plan Rows"])

    @asynccontextmanager
    async def session(self) -> AsyncIterator[Connection]:
        """A session for one request. Raises: Problem where none is free in time, or none can be had."""
        try:
            connection = await self._pool.getconn()
        except PoolTimeout as error:
            raise unavailable("no session with the warehouse came free in time") from error
        try:
            yield connection
        finally:
            await self._pool.putconn(connection)

    def spare(self) -> int:
        """How many sessions there are that nobody uses."""
        return int(self._pool.get_stats().get("pool_available", 0))


class cut_after:  # noqa: N801 - it is used as a statement
    """Ends a session that takes longer than this, whatever the server does: what waits for it then fails."""

    def __init__(self, connection: Connection, seconds: float) -> None:
        self._connection, self._seconds = connection, seconds

    def __enter__(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(self._seconds, _cut, self._connection)

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()


def _cut(connection: Connection) -> None:
    """Shut the socket down beneath a session."""
    log.warning("a session with the warehouse is cut, as it does not answer")
    with suppress(OSError, psycopg.Error), socket.socket(fileno=dup(connection.pgconn.socket)) as beneath:
        beneath.shutdown(socket.SHUT_RDWR)


def _is_lost(error: psycopg.Error) -> bool:
    """Whether it is the session that failed, and not the statement."""
    return error.sqlstate is None or error.sqlstate.startswith(("08", "57P0"))


def problem_of(error: psycopg.Error) -> Problem:
    """What a request is told of an error of the warehouse: never the warehouse's own words."""
    state = error.sqlstate or ""
    if isinstance(error, errors.QueryCanceled):
        return unavailable("it took longer than a request may: ask for less, or with other filters")
    if state.startswith("22"):
        return invalid("a value is not of its column's type, or out of its range")
    log.error("the warehouse refuses: %s: %s", state, str(error).partition("\n")[0])
    if isinstance(error, errors.OperationalError) or not state:
        return unavailable("the warehouse cannot be reached")
    if state in ("42P01", "42703", "42883", "42501", "40001", "40P01"):
        return unavailable("the warehouse is not yet what is declared: the pipeline's next run makes it that")
    return Problem(500, "the request could not be answered; its id is in the answer's X-Request-Id")
