"""What the server is told by its environment, and by secrets on AWS."""

import json
import os
from asyncio import to_thread
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from hashlib import sha256
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from include.common.errors import DeclarationError
from serve.database import NETWORK

CONNECTION = "AIRFLOW_CONN_WAREHOUSE_READER"
SECRET = "TOTESYS_API_SECRET"  # noqa: S105 - the name of a variable
KEYS_SECRET = "TOTESYS_API_KEYS_SECRET"  # noqa: S105
KEYS_FILE = "TOTESYS_API_KEYS_FILE"

APPLICATION = "totesys-api"
KEPT_OUT = ("options", "__extra__")
"""What a connection's extra may hold for others."""

AWS_WAITS: Mapping[str, Any] = {"connect_timeout": 3, "read_timeout": 5, "retries": {"total_max_attempts": 2}}


@dataclass(frozen=True)
class Settings:
    """What the server is told.

    pool, bulk: how many sessions a process has for requests, and for whole tables. statement_seconds, bulk_seconds: how
    long those may take. rate: how many requests a key has in a minute, unless it says otherwise. issuer, audience: of
    tokens; none are taken without. namespace, environment: of the metrics.
    """

    secret: str = ""
    connection: str = field(default="", repr=False)
    keys_secret: str = ""
    keys_file: str = ""
    state_bucket: str = ""
    processed_bucket: str = ""
    issuer: str = ""
    audience: str = ""
    namespace: str = "ToteSys"
    environment: str = "local"
    pool: int = 10
    bulk: int = 4
    statement_seconds: float = 10.0
    bulk_seconds: float = 1800.0
    rate: int = 6_000


def read_settings(environment: Mapping[str, str] = os.environ) -> Settings:
    """What the environment says. Raises: DeclarationError that names what is missing."""
    get = environment.get
    if not get(CONNECTION) and not get(SECRET):
        raise DeclarationError(f"set {CONNECTION} to the warehouse, or {SECRET} to the name of a secret that has it")
    texts = {
        "secret": SECRET,
        "connection": CONNECTION,
        "keys_secret": KEYS_SECRET,
        "keys_file": KEYS_FILE,
        "state_bucket": "TOTESYS_STATE_BUCKET",
        "processed_bucket": "TOTESYS_PROCESSED_BUCKET",
        "issuer": "TOTESYS_API_ISSUER",
        "audience": "TOTESYS_API_AUDIENCE",
        "namespace": "TOTESYS_METRICS_NAMESPACE",
        "environment": "TOTESYS_ENVIRONMENT",
    }
    said: dict[str, Any] = {name: get(variable) for name, variable in texts.items() if get(variable)}
    numbers = {"pool": int, "bulk": int, "statement_seconds": float, "bulk_seconds": float, "rate": int}
    for name, kind in numbers.items():
        variable = f"TOTESYS_API_{name.upper()}"
        if get(variable):
            said[name] = _number(kind, variable, environment[variable])
    return Settings(**said)


def _number(kind: type, variable: str, value: str) -> Any:
    try:
        number = kind(value)
    except ValueError:
        number = 0
    if number <= 0:
        raise DeclarationError(f"{variable}: {value!r} is no number above 0")
    return number


async def warehouse(settings: Settings) -> dict[str, Any]:
    """Parameters of a new session with the warehouse; of a secret that may have changed since the last one."""
    if settings.secret:
        own = await to_thread(lambda: read_secret(settings.secret)["warehouse"])
    else:
        own = parse_connection(settings.connection)
    return {**NETWORK, "application_name": APPLICATION, **own}


def cursor_key(settings: Settings) -> bytes:
    """What cursors are signed with: the secret's, or without one what this connection comes to."""
    if settings.secret:
        return str(read_secret(settings.secret)["cursor_key"]).encode()
    return sha256(b"cursors of " + settings.connection.encode()).digest()


def read_secret(name: str) -> Any:
    """A secret, which is JSON; as `warehouse` names a user what libpq calls it. Raises: as boto3."""
    document = json.loads(aws_client("secretsmanager").get_secret_value(SecretId=name)["SecretString"])
    if isinstance(document, dict) and "warehouse" in document:
        own = dict(document["warehouse"])
        own["user"] = own.pop("username", None) or own.get("user")
        document["warehouse"] = {"sslmode": "require"} | own
    return document


@cache
def aws_client(service: str) -> Any:
    """A boto3 client, as boto3's own variables say. It may be shared by threads."""
    import boto3  # not at import: without AWS there is none
    from botocore.config import Config

    return boto3.client(service, config=Config(**AWS_WAITS))


def parse_connection(text: str) -> dict[str, Any]:
    """Parameters of libpq from a connection as Airflow has it, a URI or JSON. Raises: DeclarationError."""
    try:
        said = _from_json(json.loads(text)) if text.startswith("{") else _from_uri(text)
    except (ValueError, TypeError) as error:
        raise DeclarationError(f"{CONNECTION} is neither a URI nor JSON: {type(error).__name__}") from error
    return {name: value for name, value in said.items() if value not in (None, "") and name not in KEPT_OUT}


def _from_uri(text: str) -> dict[str, Any]:
    parts = urlsplit(text)
    own = {"host": parts.hostname, "port": parts.port, "user": parts.username, "password": parts.password}
    named = {"dbname": parts.path.removeprefix("/"), **own}
    return {
        **dict(parse_qsl(parts.query)),
        **{name: unquote(value) if isinstance(value, str) else value for name, value in named.items()},
    }


def _from_json(document: dict[str, Any]) -> dict[str, Any]:
    extra = document.get("extra") or {}
    names = {"host": "host", "port": "port", "login": "user", "password": "password", "schema": "dbname"}
    own = {ours: document.get(theirs) for theirs, ours in names.items()}
    return {**(json.loads(extra) if isinstance(extra, str) else extra), **own}
