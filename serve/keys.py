"""API keys: who has which rights. They are kept hashed; a key itself is shown once, when it is made."""

import json
import secrets
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from functools import cached_property
from hashlib import sha256
from hmac import compare_digest
from pathlib import Path
from typing import Any

from include.common.errors import DataError, DeclarationError
from serve.settings import KEYS_FILE, KEYS_SECRET, Settings, aws_client

PREFIX = "tsk"
"""What every key begins with, for scanners that look for keys that got out."""

NOBODY = sha256(b"").hexdigest()
"""What a key is compared with whose name nobody has: that takes as long."""


@dataclass(frozen=True)
class Rights:
    """What somebody may: routes as patterns, personal data or not; requests a minute, 0 for the usual number."""

    name: str
    routes: tuple[str, ...] = ("*",)
    personal: bool = False
    rate: int = 0

    def may(self, route: str) -> bool:
        """Whether a route is among them."""
        return "*" in self.routes or any(fnmatchcase(route, pattern) for pattern in self.routes)


@dataclass(frozen=True)
class Key:
    """A key as it is kept. hash: of the whole key; it has 256 random bits, which no slow hash makes safer."""

    id: str
    name: str
    hash: str
    routes: list[str] = field(default_factory=lambda: ["*"])
    personal: bool = False
    expires: str | None = None
    rate: int = 0

    @cached_property
    def rights(self) -> Rights:
        """What it is good for."""
        return Rights(self.name, tuple(self.routes), self.personal, self.rate)

    def has_expired(self) -> bool:
        """Whether its time is over."""
        return self.expires is not None and datetime.fromisoformat(self.expires) <= datetime.now(UTC)


class KeyStore:
    """Where keys are kept: a secret on AWS, else a file."""

    def __init__(self, settings: Settings) -> None:
        if not settings.keys_secret and not settings.keys_file:
            raise DeclarationError(f"set {KEYS_FILE} to a file for keys, or {KEYS_SECRET} to the name of a secret")
        self._secret, self._file = settings.keys_secret, Path(settings.keys_file)

    def read(self) -> list[Key]:
        """The keys; none where nothing was ever kept. Raises: DataError where it is no list of keys; as boto3."""
        try:
            return [Key(**document) for document in json.loads(self._text() or "[]")]
        except (ValueError, TypeError) as error:
            raise DataError(f"{self._secret or self._file}: it is no list of keys") from error

    def _text(self) -> str:
        if self._secret:
            return str(aws_client("secretsmanager").get_secret_value(SecretId=self._secret)["SecretString"])
        return self._file.read_text() if self._file.exists() else ""

    def write(self, keys: Iterable[Key]) -> None:
        """Keep these in place of all others. Raises: as boto3, or OSError."""
        text = json.dumps([asdict(key) for key in keys], indent=1)
        if self._secret:
            aws_client("secretsmanager").put_secret_value(SecretId=self._secret, SecretString=text)
            return
        beside = self._file.with_name(f".{self._file.name}.{secrets.token_hex(4)}")
        beside.touch(mode=0o600)
        beside.write_text(text)
        beside.replace(self._file)


def make(name: str, **said: Any) -> tuple[str, Key]:
    """A new key, and as it is kept. said: fields of it."""
    identity = secrets.token_hex(6)
    text = f"{PREFIX}_{identity}_{secrets.token_urlsafe(32)}"
    return text, Key(identity, name, hashed(text), **said)


def hashed(text: str) -> str:
    """What is kept of a key."""
    return sha256(text.encode(errors="surrogateescape")).hexdigest()


def find(keys: dict[str, Key], text: str) -> Key | None:
    """The key that this is, by its id; whether there is one shows in no time that it takes."""
    parts = text.split("_", 2)
    known = keys.get(parts[1]) if len(parts) == len(("prefix", "id", "secret")) else None
    same = compare_digest(hashed(text), known.hash if known else NOBODY)
    return known if known and same else None
