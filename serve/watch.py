"""Every request seen: an id, a line in the log, and metrics as CloudWatch takes them from a log (EMF)."""

import json
import logging
import re
import sys
import time
from asyncio import sleep
from collections.abc import Callable
from os import urandom
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serve.bulk import BrokenOffError
from serve.problems import Problem
from serve.settings import Settings

log = logging.getLogger(__name__)

EVERY_SECONDS = 10
MOST_VALUES = 100
"""The most values of a metric in one document. Source: "Embedded metric format" in the guide to CloudWatch Logs."""

REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")
HEADERS = [(b"x-content-type-options", b"nosniff"), (b"referrer-policy", b"no-referrer")]
_as_json = json.JSONEncoder(separators=(",", ":")).encode
QUIET = {"/health", "/ready"}
"""What is asked every few seconds, and told only where it fails."""


class Meter:
    """Counts requests, and writes the counts as metrics. rejected: how many keys were refused so far."""

    def __init__(self, settings: Settings, rejected: Callable[[], int]) -> None:
        self._settings, self._rejected = settings, rejected
        self._milliseconds: list[float] = []
        self._errors = self._told = 0

    def see(self, milliseconds: float, failed: bool) -> None:
        """Count a request."""
        self._milliseconds.append(milliseconds)
        self._errors += failed
        if len(self._milliseconds) == MOST_VALUES:
            self.flush()  # and not all at once: whoever asks just then would wait for it

    async def follow(self) -> None:
        """Write what there is of metrics, for ever."""
        while True:
            for _ in range(EVERY_SECONDS):
                await sleep(1)
                sys.stdout.flush()
            self.flush()

    def flush(self) -> None:
        """Write what there is of metrics."""
        taken, self._milliseconds = self._milliseconds, []
        rejected = self._rejected()
        if not taken and rejected == self._told:
            return
        values: dict[str, Any] = {"requests": len(taken), "errors_5xx": self._errors}
        values |= {"rejected_keys": rejected - self._told}
        self._errors, self._told = 0, rejected
        write(self._document(values | ({"latency_ms": [round(value, 2) for value in taken]} if taken else {})))

    def _document(self, values: dict[str, Any]) -> dict[str, Any]:
        units = {"latency_ms": "Milliseconds"}
        metrics = [{"Name": name, "Unit": units.get(name, "Count")} for name in values]
        directive = {"Namespace": self._settings.namespace, "Dimensions": [["environment"]], "Metrics": metrics}
        about = {"Timestamp": round(time.time() * 1000), "CloudWatchMetrics": [directive]}
        return {"_aws": about, "environment": self._settings.environment, **values}


class Watch:
    """Stands around the application."""

    def __init__(self, app: ASGIApp, meter: Meter) -> None:
        self._app, self._meter = app, meter

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Have the application answer, and tell of it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        seen = _Seen(scope, send)
        try:
            await self._app(scope, receive, seen.send)
        except Exception as error:
            if isinstance(error, BrokenOffError):
                log.warning("request %s breaks off: %s", seen.id, error)
            elif not isinstance(error, Problem):
                log.exception("a defect of the server in request %s", seen.id)
            if seen.status:
                raise  # the answer breaks off, and is seen not to be whole
            problem = error if isinstance(error, Problem) else Problem(500, f"a defect; its id is {seen.id}")
            await problem.response()(scope, receive, seen.send)
        finally:
            self._tell(scope, seen)

    def _tell(self, scope: Scope, seen: "_Seen") -> None:
        took = (time.perf_counter() - seen.started) * 1000
        if scope["path"] in QUIET and seen.status == 200:
            return
        self._meter.see(took, seen.status >= 500 or not seen.status)
        names = {part.partition(b"=")[0].decode("latin-1") for part in scope["query_string"].split(b"&") if part}
        write(
            {
                "at": time.time(),
                "request": seen.id,
                "method": scope["method"],
                "path": scope["path"],
                "asked": sorted(names),
                "status": seen.status,
                "milliseconds": round(took, 2),
                "bytes": seen.size,
                "key": scope["state"].get("key", ""),
            }
        )


class _Seen:
    """What is seen of one request."""

    def __init__(self, scope: Scope, send: Send) -> None:
        given = next((value for name, value in scope["headers"] if name == b"x-request-id"), b"")
        self.id = (given if REQUEST_ID.fullmatch(given) else urandom(8).hex().encode()).decode()
        self.started, self.status, self.size = time.perf_counter(), 0, 0
        self._send = send
        scope.setdefault("state", {})["request"] = self.id

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            message["headers"] = [*message["headers"], *HEADERS, (b"x-request-id", self.id.encode())]
        else:
            self.size += len(message.get("body", b""))
        await self._send(message)


def write(document: dict[str, Any]) -> None:
    """A line of the log, which is sent on within a second."""
    sys.stdout.write(_as_json(document) + "\n")


class _Told(logging.Handler):
    """Has what the server says stand in the same log."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write a line."""
        said = {"at": record.created, "level": record.levelname, "logger": record.name, "message": record.getMessage()}
        if record.exc_info:
            said["traceback"] = logging.Formatter().formatException(record.exc_info)
        write(said)
        sys.stdout.flush()


def tell_in_lines() -> None:
    """Have all that this process says be lines of the one log."""
    logging.basicConfig(level=logging.INFO, handlers=[_Told()])
