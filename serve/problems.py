"""What a request is told when it cannot be answered: problem documents (RFC 9457), with what would be allowed."""

from collections.abc import Iterable, Mapping
from typing import Any

from starlette.responses import JSONResponse

MEDIA_TYPE = "application/problem+json"

TITLES = {
    400: "The request cannot be read",
    401: "A key is needed",
    403: "The key does not name this",
    404: "There is no such thing",
    405: "The method is not allowed",
    406: "There is no such format",
    410: "What was pinned is gone",
    422: "The request is not what this route takes",
    429: "Too many requests",
    500: "A defect of the server",
    503: "The warehouse does not answer in time",
}
"""Status → what it means here."""

RETRY_SECONDS = 5


class Problem(Exception):
    """A request cannot be answered. allowed: what would be, for whoever asks. headers: of the answer."""

    def __init__(
        self, status: int, detail: str, allowed: Iterable[str] = (), headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(detail)
        self.status, self.detail, self.allowed = status, detail, list(allowed)
        self.headers = dict(headers or {})

    def document(self) -> dict[str, Any]:
        """As JSON."""
        told = {"type": "about:blank", "title": TITLES[self.status], "status": self.status, "detail": self.detail}
        return told | ({"allowed": self.allowed} if self.allowed else {})

    def response(self) -> JSONResponse:
        """As an answer, which nobody keeps."""
        headers = {"Cache-Control": "no-store"} | self.headers
        return JSONResponse(self.document(), self.status, headers, MEDIA_TYPE)


def invalid(detail: str, allowed: Iterable[str] = ()) -> Problem:
    """A parameter is not what the route takes."""
    return Problem(422, detail, allowed)


def unavailable(detail: str) -> Problem:
    """The warehouse, or a service, did not answer: it may later."""
    return Problem(503, detail, headers={"Retry-After": str(RETRY_SECONDS)})
