"""The page's application. Whoever may read the DAG may read it; nobody else, and nobody unknown."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import PurePosixPath
from typing import Any

from airflow.api_fastapi.core_api.security import requires_access_dag
from fastapi import APIRouter, Depends, FastAPI, HTTPException, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse

from totesys_status import buckets

DAG_ID = "totesys_warehouse"
PAGE = "page.html"
MEDIA_TYPES = {
    ".html": "text/html",
    ".css": "text/css",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
}
HEADERS = {
    "Content-Security-Policy": "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'; "
    "object-src 'none'",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}
CHUNK_BYTES = 1 << 16

router = APIRouter(dependencies=[Depends(requires_access_dag(method="GET", param_dag_id=DAG_ID))])


def make_app() -> FastAPI:
    """The application, without the descriptions of itself that FastAPI would serve to anybody."""
    app = FastAPI(title="ToteSys warehouse", docs_url=None, redoc_url=None, openapi_url=None)
    app.include_router(router)
    app.middleware("http")(_add_headers)
    return app


async def _add_headers(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
    """Nothing from elsewhere is loaded, and only Airflow's own pages may frame this one."""
    response = await call_next(request)
    response.headers.update(HEADERS)
    response.headers.setdefault("Cache-Control", "no-store")
    return response


@router.get("/status")
def status() -> JSONResponse:
    """What the pipeline recorded, and the server's time; a problem where it cannot be read."""
    return _answer("status", buckets.read_status)


@router.get("/classification")
def classification() -> JSONResponse:
    """What the models say, how they did, and the server's time; a problem where it cannot be read."""
    return _answer("classification", buckets.read_classification)


def _answer(name: str, read: Callable[[], Any]) -> JSONResponse:
    now = datetime.now(UTC).isoformat()
    try:
        return JSONResponse({"now": now, name: read()})
    except buckets.UnreadableError as error:
        return JSONResponse({"now": now, "problem": str(error)}, status_code=503)


@router.get("/rejected")
def rejected(file: str) -> StreamingResponse:
    """A file of rejected rows that the page lists, as a download."""
    try:
        body = buckets.open_rejected(file)
    except buckets.UnlistedError as error:
        raise HTTPException(404, "The page lists no such file.") from error
    except buckets.UnreadableError as error:
        raise HTTPException(503, str(error)) from error
    name = {"Content-Disposition": f'attachment; filename="{PurePosixPath(file).name}"'}
    return StreamingResponse(body.iter_chunks(CHUNK_BYTES), media_type="text/csv", headers=name)


def _read_assets() -> dict[str, bytes]:
    folder = files("totesys_status") / "static"
    return {asset.name: asset.read_bytes() for asset in folder.iterdir()}


ASSETS = _read_assets()
"""The page and what it loads, by name; read once, so that no request names a path."""


@router.get("/")
def page() -> Response:
    """The page itself."""
    return asset(PAGE)


@router.get("/{name}")
def asset(name: str) -> Response:
    """A file that the page loads."""
    content: Any = ASSETS.get(name)
    if content is None:
        raise HTTPException(404, "There is no such file.")
    return Response(
        content,
        media_type=MEDIA_TYPES[PurePosixPath(name).suffix],
        headers={"Cache-Control": "private, max-age=60"},
    )
