"""A bare FastAPI route with the same SQL and nothing else: what the API is held against."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI, Response
from psycopg import AsyncConnection
from psycopg.adapt import Buffer, Loader
from psycopg_pool import AsyncConnectionPool

from include.declared import DECLARED
from serve.query import Reader
from serve.relations import relations
from serve.statements import Statements

SERVED = relations(DECLARED)
TABLE = SERVED["fact_sales_order"]


class _Bytes(Loader):
    def load(self, data: Buffer) -> bytes:
        return bytes(data)


async def _configure(connection: AsyncConnection[Any]) -> None:
    await connection.set_autocommit(True)
    connection.adapters.register_loader("text", _Bytes)


def create() -> FastAPI:
    """The application: one row by its key, and a page of 100 after a key."""
    pool = AsyncConnectionPool(os.environ["BARE_URL"], min_size=10, max_size=10, open=False, configure=_configure)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with pool:
            yield

    app = FastAPI(lifespan=lifespan)
    statements, read = Statements(SERVED), Reader(SERVED, TABLE, True).read
    one = statements.one(read(b"sales_order_id=eq.1").shape)
    page = statements.page(read(b"sales_order_id=gt.1").shape)

    async def answer(statement: str, values: dict[str, Any]) -> Response:
        async with pool.connection() as connection:
            found = await (await connection.execute(statement, values)).fetchone()
        assert found is not None
        return Response(found[2], media_type="application/json")

    @app.get("/row/{key}")
    async def row(key: int) -> Response:
        return await answer(one, {"f0": str(key), "rows": 1})

    @app.get("/page/{key}")
    async def rows(key: int) -> Response:
        return await answer(page, {"f0": str(key), "rows": 100})

    return app
