"""A stand-in for the API that serves the start page: the declared metrics, with figures that are made up."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from mimetypes import guess_type
from pathlib import Path
from threading import Thread
from typing import Any

from include.tables.metrics import Metric
from include.totesys import DECLARED

FOLDER = Path(__file__).parents[2] / "serve" / "page"
POLICY = "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; object-src 'none'"
KEY = "a-good-key"
READ_AT = "2026-11-27T00:10:00Z"
NASTY = "O'Brien <b>Sons</b> & Partners of the North"
EMPTY, FORBIDDEN = "purchases_by_counterparty", "settlement_by_type"
CURRENCIES = ("GBP", "USD", "EUR")
DAYS = [date(2024, 1, 1) + timedelta(number) for number in range(90)]
PAGE_ROWS = 50


def rows_of(metric: Metric) -> list[dict[str, Any]]:
    """Rows such as the warehouse has: of each day or number, in each currency."""
    if metric.name == EMPTY:
        return []
    groups: list[Any] = DAYS if "date" in metric.columns.values() else list(range(1, 21))
    return [_row(metric, group, number) for group in groups for number in range(len(CURRENCIES))]


def _row(metric: Metric, group: Any, number: int) -> dict[str, Any]:
    place = group.toordinal() % 17 + 1 if isinstance(group, date) else group
    made: dict[str, Any] = {"date": str(group), "integer": place, "text": f"{NASTY} {place}", "bigint": place * 100}
    row = {name: made.get(kind, place * 1000.25) for name, kind in metric.columns.items()}
    shares = {name: place / 20 for name, kind in metric.columns.items() if kind == "numeric(38,4)"}
    return row | shares | {"currency_id": number + 1, "currency_code": CURRENCIES[number]}


class _Answers(BaseHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        """Answer as the API does."""
        path, _, query = self.path.partition("?")
        name = path.rpartition("/")[2]
        if path == "/" or path.startswith("/page/"):
            self._file(FOLDER / (name or "index.html"))
        elif path == "/openapi.json":
            told = {
                f"/v1/metrics/{metric.name}": {"get": {"x-metric": metric.tile}} for metric in DECLARED.metrics.values()
            }
            self._json(200, {"paths": {"/v1/dim_date": {"get": {}}, **told}})
        elif self.headers.get("Authorization") != f"Bearer {KEY}":
            self._json(401, {"detail": "no such key"})
        elif name == FORBIDDEN:
            self._json(403, {"detail": "not this one"})
        else:
            self._page(path, rows_of(DECLARED.metrics[name]), "cursor" in query)

    def _page(self, path: str, rows: list[dict[str, Any]], second: bool) -> None:
        more = {} if second or len(rows) <= PAGE_ROWS else {"Link": f'<{path}?cursor=x>; rel="next"'}
        self._json(200, rows[PAGE_ROWS:] if second else rows[:PAGE_ROWS], {"Source-Read-At": READ_AT, **more})

    def _json(self, status: int, document: object, headers: dict[str, str] | None = None) -> None:
        self._send(status, json.dumps(document).encode(), {"Content-Type": "application/json", **(headers or {})})

    def _file(self, file: Path) -> None:
        kind = guess_type(file.name)[0] or "application/octet-stream"
        self._send(200, file.read_bytes(), {"Content-Type": kind, "Content-Security-Policy": POLICY})

    def _send(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@contextmanager
def served() -> Iterator[str]:
    """The address of the stand-in, as long as it is wanted."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Answers) as server:
        Thread(target=partial(server.serve_forever, 0.05), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
