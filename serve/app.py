"""The application: what is below /v1, and what tells of it and of itself."""

import gc
from asyncio import create_task
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from mimetypes import guess_type
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import BaseRoute, Match
from starlette.types import ASGIApp, Receive, Scope, Send

from include.declared import DECLARED
from include.tables.declarations import Declarations
from serve import openapi
from serve.access import Access
from serve.bulk import note_ending
from serve.cursors import Signer
from serve.database import Database
from serve.files import Files
from serve.freshness import Freshness
from serve.guide import POLICY, page
from serve.keys import KeyStore
from serve.problems import TITLES, Problem
from serve.relations import fingerprint, relations
from serve.routes import Routes, Services
from serve.settings import Settings, cursor_key, read_settings, warehouse
from serve.watch import Meter, Watch, tell_in_lines

READY_SECONDS = 1.0
START = Path(__file__).parent / "page"
"""The start page, and what it loads."""

START_POLICY = "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; object-src 'none'"


def create() -> FastAPI:
    """The application as the environment says. Raises: DeclarationError."""
    tell_in_lines()
    return make_app(read_settings(), DECLARED)


def make_app(settings: Settings, declared: Declarations) -> FastAPI:
    """The application that serves these declarations."""
    served = relations(declared)
    parameters = partial(warehouse, settings)
    database, signer = Database(parameters, settings.pool, settings.statement_seconds), Signer(cursor_key(settings))
    services = Services(
        database,
        Database(parameters, settings.bulk, settings.bulk_seconds),
        Access(settings, KeyStore(settings)),
        Freshness(settings),
        signer,
        Files(settings, database, signer),
    )
    meter = Meter(settings, lambda: services.access.rejected)
    app = FastAPI(
        title="Warehouse",
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        lifespan=partial(_lifespan, services, meter),
        redirect_slashes=False,
    )
    app.router.routes.append(Below("/v1", Routes(served, services)))
    app.add_exception_handler(HTTPException, _refuse)
    app.add_exception_handler(Problem, _refuse)
    _tell(app, openapi.document(served, fingerprint(served)), page(served))
    _look_after(app, services)
    app.add_middleware(Watch, meter=meter)
    return app


class Below(BaseRoute):
    """All that is below a path, whatever its characters: what is there reads it as it was sent."""

    def __init__(self, path: str, app: ASGIApp) -> None:
        self._path, self._app = path, app

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Whether a request is below it."""
        found = scope["type"] == "http" and f"{scope['path']}/".startswith(f"{self._path}/")
        return (Match.FULL if found else Match.NONE), {}

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Have it answered."""
        await self._app(scope, receive, send)


@asynccontextmanager
async def _lifespan(services: Services, meter: Meter, _: FastAPI) -> AsyncIterator[None]:
    note_ending()
    await services.database.open()
    await services.bulk.open()
    following = [create_task(services.freshness.follow()), create_task(meter.follow())]
    gc.freeze()  # what is there by now stays, and is not gone over again and again while everybody waits
    yield
    for task in following:
        task.cancel()
    meter.flush()
    await services.database.close()
    await services.bulk.close()


def _refuse(_: Request, error: Exception) -> Response:
    """What is refused, as a problem."""
    if isinstance(error, Problem):
        return error.response()
    status = error.status_code if isinstance(error, HTTPException) else 500
    headers = error.headers if isinstance(error, HTTPException) else None
    return Problem(status, TITLES.get(status, "refused"), headers=headers).response()


def _tell(app: FastAPI, described: dict[str, Any], guide: str) -> None:
    """The description of the API, and the start page."""
    assets = {file.name: file.read_bytes() for file in START.iterdir()} if START.is_dir() else {}

    @app.get("/openapi.json")
    async def description() -> Response:
        return JSONResponse(described)

    @app.get("/docs")
    async def docs() -> Response:
        return HTMLResponse(guide, headers={"Content-Security-Policy": POLICY})

    @app.get("/")
    async def start() -> Response:
        return asset("index.html")

    @app.get("/page/{name}")
    async def loaded(name: str) -> Response:
        return asset(name)

    def asset(name: str) -> Response:
        if name not in assets:
            raise Problem(404, "there is no such page", ["/docs", "/openapi.json"])
        kind = guess_type(name)[0] or "application/octet-stream"
        return Response(assets[name], media_type=kind, headers={"Content-Security-Policy": START_POLICY})


def _look_after(app: FastAPI, services: Services) -> None:
    """Whether it lives, and whether it can answer."""

    @app.get("/health")
    async def health() -> Response:
        return JSONResponse({"status": "lives"})

    @app.get("/ready")
    async def ready() -> Response:
        await services.database.row("SELECT 1", {}, READY_SECONDS)
        return JSONResponse({"status": "ready"})
