"""Who may: the key or token of a request as rights, and how many requests a minute they have."""

import logging
import math
from asyncio import Task, create_task, get_running_loop, shield, to_thread
from collections.abc import Mapping

from include.common.errors import DataError
from serve.keys import Key, KeyStore, Rights, find
from serve.problems import Problem, unavailable
from serve.settings import Settings
from serve.tokens import Tokens

log = logging.getLogger(__name__)

KEPT_SECONDS = 30.0
"""After what time a key that was taken away is good for nothing."""

WINDOW_SECONDS = 60
CHALLENGE = {"WWW-Authenticate": 'Bearer realm="warehouse"'}
MOST_NAMES = 100_000


class Access:
    """The keys that are known, and what each has used of its minute. It counts what it refuses."""

    def __init__(self, settings: Settings, store: KeyStore) -> None:
        self._store, self._rate = store, settings.rate
        self._tokens = Tokens(settings.issuer, settings.audience) if settings.issuer else None
        self._keys: dict[str, Key] | None = None
        self._reading: Task[None] | None = None
        self._read_at = -math.inf
        self._used: dict[str, int] = {}
        self._window = 0
        self.rejected = 0

    async def rights(self, headers: Mapping[bytes, bytes]) -> Rights:
        """Whose request it is. Raises: Problem 401 where that is nobody."""
        try:
            return await self._find(_credential(headers))
        except Problem as problem:
            if problem.status == 401:
                problem.headers = CHALLENGE
                self.rejected += 1
            raise

    def require(self, rights: Rights, route: str) -> None:
        """Refuse a route that the key does not name. Raises: Problem 403."""
        if not rights.may(route):
            self.rejected += 1
            raise Problem(403, f"the key does not name the route {route}", rights.routes)

    async def _find(self, text: str) -> Rights:
        if self._tokens and text.count(".") == 2:
            return await self._tokens.rights(text)
        await self._refresh()
        key = find(self._keys or {}, text)
        if key is None:
            raise Problem(401, "the key is not known" if text else "give a key: Authorization: Bearer …, or X-API-Key")
        if key.has_expired():
            raise Problem(401, f"the key {key.name} has expired")
        return key.rights

    async def _refresh(self) -> None:
        """Have the keys read anew from time to time; nobody waits for that but the first."""
        if get_running_loop().time() - self._read_at > KEPT_SECONDS and self._reading is None:
            self._reading = create_task(self._read())
        if self._keys is None and self._reading:
            await shield(self._reading)
        if self._keys is None:
            raise unavailable("the keys cannot be read")

    async def _read(self) -> None:
        """Read the keys; where that fails those that are known stay good."""
        try:
            self._keys = {key.id: key for key in await to_thread(self._store.read)}
            self._read_at = get_running_loop().time()
        except Exception as error:  # noqa: BLE001 - whatever the store raises
            log.error("the keys cannot be read: %s", error if isinstance(error, DataError) else type(error).__name__)
        finally:
            self._reading = None

    def count(self, rights: Rights) -> dict[str, str]:
        """Count a request; gives the headers that tell what is left. Raises: Problem 429 where nothing is."""
        now = get_running_loop().time()
        window, most = int(now // WINDOW_SECONDS), rights.rate or self._rate
        if window != self._window or len(self._used) > MOST_NAMES:
            self._window, self._used = window, {}
        used = self._used[rights.name] = self._used.get(rights.name, 0) + 1
        reset = math.ceil((window + 1) * WINDOW_SECONDS - now)
        headers = {
            "RateLimit-Policy": f'"minute";q={most};w={WINDOW_SECONDS}',
            "RateLimit": f'"minute";r={max(0, most - used)};t={reset}',
        }
        if used > most:
            raise Problem(429, f"the key has {most} requests a minute", headers=headers | {"Retry-After": str(reset)})
        return headers


def _credential(headers: Mapping[bytes, bytes]) -> str:
    given = headers.get(b"authorization", b"")
    scheme, _, text = given.partition(b" ")
    if scheme.lower() == b"bearer":
        return text.strip().decode("latin-1")
    return headers.get(b"x-api-key", b"").strip().decode("latin-1")
