"""Cursors: where a page ended and which state it is of, signed, so that nobody makes one up."""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from hmac import compare_digest

from serve.problems import Problem, invalid
from serve.query import pairs

SIGNATURE_BYTES = 16
_as_json = json.JSONEncoder(separators=(",", ":")).encode
FREE = ("cursor", "limit", "count")
"""Parameters that may differ from page to page."""

Pins = dict[str, tuple[str | None, str | None]]
"""Table → the instant that is shown of it, and when it was made anew."""


@dataclass(frozen=True)
class Cursor:
    """request: of which request it is. pins: of which state. ends: the values that the page ended with."""

    request: str
    pins: Pins
    ends: list[str | None]


class Signer:
    """Writes cursors, and reads those that it wrote."""

    def __init__(self, key: bytes) -> None:
        self._key = blake2b(key).digest()

    def write(self, cursor: Cursor) -> str:
        """A cursor as text for a URL."""
        content = _as_json([cursor.request, cursor.pins, cursor.ends]).encode()
        return urlsafe_b64encode(self._sign(content) + content).decode().rstrip("=")

    def read(self, text: str, request: str) -> Cursor:
        """The cursor of this request. Raises: Problem where it is none, or another's."""
        try:
            signed = urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4))
        except (Error, ValueError):
            raise invalid("the cursor is none of this server's") from None
        signature, content = signed[:SIGNATURE_BYTES], signed[SIGNATURE_BYTES:]
        if not compare_digest(signature, self._sign(content)):
            raise invalid("the cursor is none of this server's")
        of, pins, ends = json.loads(content)
        if of != request:
            raise invalid("the cursor is of another request: take the link of the page before as it is")
        return Cursor(of, {name: (at, restated) for name, (at, restated) in pins.items()}, ends)

    def _sign(self, content: bytes) -> bytes:
        return blake2b(content, key=self._key, digest_size=SIGNATURE_BYTES).digest()


@lru_cache(1_000)
def request_of(route: str, query: bytes, about: object) -> str:
    """What makes a request the same on every page. about: what else it depends on."""
    kept = sorted(pair for pair in pairs(query) if pair[0] not in FREE)
    return blake2b(repr((route, kept, about)).encode(), digest_size=9).hexdigest()


def require_pins(pins: Pins, now: Mapping[str, tuple[str | None, str | None]]) -> None:
    """Refuse to go on with a state that is not there any more.

    The table was filled anew, or the warehouse is a copy of before. Raises: Problem 410.
    """
    for name, (at, restated) in pins.items():
        shown, restated_now = now.get(name, (None, None))
        if restated != restated_now or (at or "") > (shown or ""):
            raise Problem(410, f"{name} was made anew since the first page was read: begin again without the cursor")
