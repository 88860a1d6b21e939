"""Tokens of an OpenID Connect issuer: RS256, with keys that the issuer changes when it likes."""

import json
from asyncio import Lock, get_running_loop, to_thread
from typing import Any
from urllib.error import URLError
from urllib.request import Request, urlopen

import jwt

from serve.keys import Rights
from serve.problems import Problem, unavailable

LEEWAY_SECONDS = 60
"""How far clocks may be apart."""

AGAIN_SECONDS = 10.0
"""How often an unknown key's name may have the issuer asked: who invents names asks it no more often."""

KEPT_SECONDS = 3600.0
TIMEOUT_SECONDS = 3
MOST_BYTES = 1 << 20

SCOPE, PERSONAL = "warehouse", "warehouse.personal"
"""Scopes that a token must have, and must have for personal data."""

ROUTES = "warehouse_routes"
"""The claim that names routes, where a token is good for some alone."""


class Tokens:
    """Checks tokens of one issuer. Its keys are read when they are first needed, and when one is new."""

    def __init__(self, issuer: str, audience: str) -> None:
        self._issuer, self._audience = issuer.rstrip("/"), audience
        self._keys: dict[str, Any] = {}
        self._read_at = -KEPT_SECONDS
        self._lock = Lock()

    async def rights(self, token: str) -> Rights:
        """What a token is good for. Raises: Problem 401 where it is not; 403 where it lacks the scope."""
        try:
            header = jwt.get_unverified_header(token)
            if header.get("alg") != "RS256":
                raise jwt.InvalidAlgorithmError
            key = await self._key(str(header.get("kid", "")))
            claims = jwt.decode(
                token,
                key,
                algorithms=["RS256"],
                audience=self._audience or None,
                issuer=[self._issuer, f"{self._issuer}/"],
                leeway=LEEWAY_SECONDS,
                options={"require": ["exp", "sub"], "verify_aud": bool(self._audience)},
            )
        except jwt.ExpiredSignatureError:
            raise Problem(401, "the token has expired") from None
        except jwt.PyJWTError:
            raise Problem(401, "the token is not valid") from None
        return _rights(claims)

    async def _key(self, name: str) -> Any:
        now = get_running_loop().time()
        known = self._keys.get(name)
        if known is None or now - self._read_at > KEPT_SECONDS:
            async with self._lock:
                if now - self._read_at > AGAIN_SECONDS:
                    self._keys = await to_thread(self._read)
                    self._read_at = get_running_loop().time()
        if name not in self._keys:
            raise jwt.InvalidKeyError
        return self._keys[name]

    def _read(self) -> dict[str, Any]:
        try:
            place = _get(f"{self._issuer}/.well-known/openid-configuration")["jwks_uri"]
            found = jwt.PyJWKSet.from_dict(_get(place)).keys
        except (URLError, OSError, ValueError, KeyError, TypeError, jwt.PyJWTError) as error:
            raise unavailable("the issuer of tokens does not give its keys") from error
        return {key.key_id: key.key for key in found if key.key_id and key.key_type == "RSA"}


def _get(url: str) -> Any:
    if not url.startswith(("https://", "http://")):
        raise ValueError(url)
    with urlopen(Request(url), timeout=TIMEOUT_SECONDS) as answer:  # noqa: S310 - the scheme was looked at
        return json.loads(answer.read(MOST_BYTES))


def _rights(claims: dict[str, Any]) -> Rights:
    scopes = str(claims.get("scope", "")).split()
    if SCOPE not in scopes and PERSONAL not in scopes:
        raise Problem(403, f"the token lacks the scope {SCOPE}", [SCOPE, PERSONAL])
    named = claims.get(ROUTES)
    routes = tuple(map(str, named)) if isinstance(named, list) else ("*",)
    return Rights(f"token:{claims['sub']}", routes, PERSONAL in scopes)
