"""Whole tables, streamed in bounded memory: CSV as the warehouse writes it, Arrow and Parquet made of that."""

import signal
from asyncio import create_task, to_thread
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from threading import current_thread, main_thread
from types import FrameType
from typing import Any

import psycopg
from psycopg import sql
from psycopg.generators import execute
from psycopg.pq import ExecStatus
from psycopg.waiting import Wait
from starlette.types import Receive, Scope, Send

from serve.database import MARGIN_SECONDS, Connection, Database, cut_after, problem_of
from serve.marks import Marks
from serve.relations import Field

BLOCK_BYTES = 1 << 18
"""How much is gathered of a COPY, which the server sends row by row, before it is handed on."""

SILENCE_SECONDS = 60.0
"""How long the warehouse may send nothing."""

MEDIA_TYPES = {
    "csv": "text/csv; charset=utf-8",
    "arrow": "application/vnd.apache.arrow.stream",
    "parquet": "application/vnd.apache.parquet",
}
Made = AsyncIterator[bytes]


class _Ending:
    """A flag without a lock: a signal that comes while another one is noted would wait for that lock for ever."""

    def __init__(self) -> None:
        self._is_set = False

    def set(self) -> None:
        self._is_set = True

    def is_set(self) -> bool:
        return self._is_set


SNAPSHOT = sql.SQL("BEGIN ISOLATION LEVEL REPEATABLE READ; LOCK TABLE {} IN ACCESS SHARE MODE")

ENDING = _Ending()
"""The server is to end: it then tells who sends that whoever asked is gone, and waits for what is sent nevertheless."""


def note_ending() -> None:
    """Have ENDING set by the signals that end the server, before the server's own handlers of them."""
    if current_thread() is main_thread():
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, partial(_note, signal.getsignal(number)))


def _note(handler: Any, number: int, frame: FrameType | None) -> None:
    ENDING.set()
    if callable(handler):
        handler(number, frame)


class BrokenOffError(Exception):
    """An answer that has begun cannot be ended: the connection is closed, and what was sent is seen not to be whole."""


class Export:
    """A table on its way out: begun in a snapshot, of which `marks` tells, then sent as blocks."""

    def __init__(self, database: Database) -> None:
        self._database, self._held = database, AsyncExitStack()
        self._connection: Connection | None = None
        self._over = False

    async def begin(self, tables: Iterable[str], marks: sql.Composed, values: Mapping[str, Any]) -> Marks:
        """Take a snapshot of tables; gives of which state it is. Raises: Problem, and then nothing is to be closed.

        They are locked before: a load that puts another table in the place of one has ended then, or waits.
        """
        async with self._beginning() as connection:
            places = sql.SQL(", ").join(sql.Identifier("public", table) for table in tables)
            await connection.execute(SNAPSHOT.format(places))
            row = await (await connection.execute(marks, values)).fetchone()
        assert row is not None
        return Marks.of(row[0], row[1])

    async def look(self, query: sql.Composed, values: Mapping[str, Any]) -> list[bool]:
        """What a query tells of the snapshot before it is copied. Raises: as `begin`."""
        async with self._beginning() as connection:
            text = psycopg.AsyncClientCursor(connection).mogrify(query, values)
            row = await (await connection.execute(text.encode())).fetchone()
        assert row is not None
        return list(row[0])

    async def copy(self, table: sql.Composed, values: Mapping[str, Any], header: bool) -> None:
        """Begin to copy. header: a line with the columns' names comes first. Raises: as `begin`."""
        options = "COPY ({}) TO STDOUT (FORMAT csv, HEADER)" if header else "COPY ({}) TO STDOUT (FORMAT csv)"
        async with self._beginning() as connection:
            text = psycopg.AsyncClientCursor(connection).mogrify(sql.SQL(options).format(table), values)
            await connection.wait(_begin(connection, text))

    @asynccontextmanager
    async def _beginning(self) -> AsyncIterator[Connection]:
        """The session, as long as its statement may take; where that fails it is given back."""
        try:
            if self._connection is None:
                self._connection = await self._held.enter_async_context(self._database.session())
            with cut_after(self._connection, self._database.seconds + MARGIN_SECONDS):
                yield self._connection
        except psycopg.Error as error:
            await self.close()
            raise problem_of(error) from error
        except BaseException:
            await self.close()
            raise

    async def blocks(self) -> Made:
        """The rows, some at a time. Raises: BrokenOffError where the warehouse fails."""
        assert self._connection is not None
        ended = False
        try:
            while not ended:
                with cut_after(self._connection, SILENCE_SECONDS):
                    block, ended = await self._connection.wait(_block(self._connection))
                if block:
                    yield block
            await self._end()
        except psycopg.Error as error:
            raise BrokenOffError(problem_of(error).detail) from error

    async def leave(self) -> None:
        """Give the session back of which nothing is to be copied. Raises: as `begin`."""
        async with self._beginning():
            await self._end()
        await self.close()

    async def _end(self) -> None:
        assert self._connection is not None
        await self._connection.execute("COMMIT")
        self._over = True

    async def close(self) -> None:
        """Give the session back; one in the midst of a copy is of no use any more."""
        if self._connection is not None and not self._over:
            await self._connection.close()
        await self._held.aclose()


def _begin(connection: Connection, statement: str) -> Any:
    """Send a COPY, and wait until it begins."""
    connection.pgconn.send_query(statement.encode())
    (result,) = yield from execute(connection.pgconn)
    if result.status != ExecStatus.COPY_OUT:
        raise psycopg.errors.error_from_result(result)


def _block(connection: Connection) -> Any:
    """Whole rows of a COPY, about a block of them, and whether they are the last."""
    block, pgconn = bytearray(), connection.pgconn
    while len(block) < BLOCK_BYTES:
        size, row = pgconn.get_copy_data(1)
        if size > 0:
            block += row
        elif size == 0:
            yield Wait.R
            pgconn.consume_input()
        else:
            (result,) = yield from execute(pgconn)
            if result.status != ExecStatus.COMMAND_OK:
                raise psycopg.errors.error_from_result(result)
            return bytes(block), True
    return bytes(block), False


def form(kind: str, fields: Mapping[str, Field], beside: Mapping[str, str]) -> Callable[[Made], Made]:
    """What makes of blocks of CSV the format that is wanted. fields: the columns, by name. beside: as of `Writer`."""
    if kind == "csv":
        return lambda blocks: blocks
    from serve.arrow import Writer  # which takes half a second and 60 MB

    async def written(blocks: Made) -> Made:
        writer = Writer(kind, fields, beside)
        async for block in blocks:
            yield await to_thread(writer.write, block)
        yield await to_thread(writer.end)

    return written


class Stream:
    """An answer of blocks. When whoever asked is gone, it ends; when the warehouse fails, it breaks off."""

    def __init__(self, export: Export, blocks: Made, headers: Mapping[str, str]) -> None:
        self._export, self._blocks, self._headers = export, blocks, headers

    async def __call__(self, _: Scope, receive: Receive, send: Send) -> None:
        """Send it."""
        gone = create_task(_disconnected(receive))
        try:
            headers = [(name.lower().encode(), value.encode("latin-1")) for name, value in self._headers.items()]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            async for block in self._blocks:
                if gone.done() and not ENDING.is_set():
                    return
                if block:
                    await send({"type": "http.response.body", "body": block, "more_body": True})
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            gone.cancel()
            await self._export.close()


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
