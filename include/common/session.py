"""What every transaction sets for itself, so that no setting of a role, a database or a pooler changes a result.

Nothing is asked for at start-up, since poolers refuse that and pass sessions on. `SET LOCAL` takes no snapshot, so a
table can still be locked before the transaction sees anything.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from copy import deepcopy
from functools import cache
from typing import Any, ClassVar, Self, cast

import psycopg
from airflow.sdk import Connection
from psycopg import IsolationLevel, sql
from psycopg.pq import TransactionStatus
from psycopg.rows import tuple_row

from include.common.errors import DeclarationError
from include.common.settings import SOURCE_CONNECTION
from include.common.waiting import session_name

OLDEST_VERSION = 13
"""The oldest major version of PostgreSQL that is read and written: snapshots of 64 bits came with it."""

LOCK_TIMEOUT = "60s"
"""How long a reading waits for a lock, say of a migration, before it gives way and is tried again later."""

SHARED: Mapping[str, str] = {
    "statement_timeout": "0",
    "idle_in_transaction_session_timeout": "0",
    "client_encoding": "UTF8",
    "DateStyle": "ISO, MDY",
    "IntervalStyle": "postgres",
    "TimeZone": "UTC",
    "timezone_abbreviations": "Default",
    "extra_float_digits": "3",
    "bytea_output": "hex",
    "xmlbinary": "base64",
    "xmloption": "content",
    "lc_monetary": "C",
    "lc_numeric": "C",
    "lc_time": "C",
    "default_text_search_config": "pg_catalog.simple",
    "quote_all_identifiers": "off",
    "standard_conforming_strings": "on",
    "backslash_quote": "safe_encoding",
    "transform_null_equals": "off",
    "array_nulls": "on",
    "gin_fuzzy_search_limit": "0",
    "synchronize_seqscans": "off",
    "row_security": "off",
    "exit_on_error": "off",
}
"""Settings that any session may change, on which texts, the set of rows, or success depend.

Time limits come first, as they hold for the rest. With row_security off the server refuses to read rows that a policy
would hide. Source: what pg_dump, postgres_fdw and logical replication set, and "Client Connection Defaults" in
PostgreSQL's manual.
"""

SINCE: Mapping[str, tuple[int, str]] = {"transaction_timeout": (17, "0")}
"""Settings that came with a later version: name → that version, value."""

SOURCE: Mapping[str, str] = {"search_path": "pg_catalog, pg_temp", "lock_timeout": LOCK_TIMEOUT}
"""Source tables are named with their schema; loads and readings of others are waited for, but not for ever."""

WAREHOUSE: Mapping[str, str] = {
    "search_path": "public",
    "lock_timeout": "0",
    "default_tablespace": "",
    "temp_tablespaces": "",
    "default_table_access_method": "heap",
}
"""The warehouse's tables are in `public`, also for a role that has a schema of its name, as "pipeline" would have."""

ISOLATION = {
    IsolationLevel.READ_COMMITTED: b"READ COMMITTED",
    IsolationLevel.REPEATABLE_READ: b"REPEATABLE READ",
}
"""The levels that are asked for, in SQL."""

KEPT_OUT = (
    "autocommit",
    "client_encoding",
    "context",
    "cursor",
    "cursor_factory",
    "prepare_threshold",
    "replication",
    "row_factory",
)
"""What an Airflow connection's extra may hold for others, and would change what the pipeline gets."""

DEFAULTS: Mapping[str, str | int] = {
    "connect_timeout": 30,
    "keepalives": 1,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 9,
    "tcp_user_timeout": 120_000,
}
"""How long a server may be silent: two minutes, and half of one when it is called. The extra may say otherwise."""


def plain(connection: Connection, **changes: str | int) -> Connection:
    """An Airflow connection without start-up options, or anything else in its extra that changes what is read.

    changes: parameters of libpq in place of the extra's. TLS, IAM and time limits of the extra stay.
    `options` is empty and not absent, so that PGOPTIONS does not stand in for it.
    """
    changed = deepcopy(connection)
    kept = {name: value for name, value in connection.extra_dejson.items() if name not in KEPT_OUT}
    changed.extra = json.dumps({**DEFAULTS, **kept, "options": "", **changes})
    return changed


def settings(connection_id: str, version: int) -> Mapping[str, str]:
    """What a transaction sets first, on a server of this major version: name → value."""
    own = SOURCE if connection_id == SOURCE_CONNECTION else WAREHOUSE
    later = {name: value for name, (since, value) in SINCE.items() if version >= since}
    return {**later, **SHARED, **own}


class SessionCursor(psycopg.Cursor[Any]):
    """A cursor whose first statement in a transaction comes after `settings`.

    guarded: a transaction that writes must find foreign keys and triggers at work.
    """

    settings: ClassVar[bytes] = b""
    guarded: ClassVar[bool] = False

    def execute(self, *arguments: Any, **options: Any) -> Self:
        """As psycopg's."""
        self._begin()
        return super().execute(*arguments, **options)

    @contextmanager
    def copy(self, *arguments: Any, **options: Any) -> Iterator[psycopg.Copy]:
        """As psycopg's."""
        self._begin()
        with super().copy(*arguments, **options) as copy:
            yield copy

    def _begin(self) -> None:
        if self.connection.info.transaction_status == TransactionStatus.IDLE:
            cursor = psycopg.Cursor(self.connection)
            cursor.execute(b"; ".join([_begin(self.connection), self.settings]))
            writes = self.guarded and not self.connection.read_only
            if writes and cursor.execute("SHOW session_replication_role").fetchone() != ("origin",):
                cursor.execute("SET LOCAL session_replication_role = origin")  # a privilege that few have


def _begin(connection: psycopg.Connection[Any]) -> bytes:
    """The statement that begins a transaction as the connection's attributes say, whatever the role's defaults are."""
    level = IsolationLevel(connection.isolation_level or IsolationLevel.READ_COMMITTED)
    access = b"READ ONLY" if connection.read_only else b"READ WRITE"
    return b"BEGIN ISOLATION LEVEL %b, %b, NOT DEFERRABLE" % (ISOLATION[level], access)


def prepare_session(connection: psycopg.Connection, connection_id: str, cursor: type[SessionCursor]) -> None:
    """Have every transaction of a new connection begin with its settings.

    It is read committed, and may write, where the connection's `isolation_level` and `read_only` say nothing else.

    No statement is prepared: in a pooler the next transaction may meet another server process.

    Raises: DeclarationError where the server is too old.
    """
    version = connection.info.server_version // 10_000
    if version < OLDEST_VERSION:
        raise DeclarationError(
            f"connection {connection_id!r}: PostgreSQL {version} is too old; it takes {OLDEST_VERSION} or later"
        )
    own = {
        "settings": _shared(connection_id, version) + _statements({"application_name": session_name(connection)}),
        "guarded": connection_id != SOURCE_CONNECTION,
    }
    connection.cursor_factory = cast("type[psycopg.Cursor[Any]]", type("SessionCursor", (cursor,), own))
    connection.row_factory = tuple_row
    connection.prepare_threshold = None
    connection.autocommit = True  # the cursor begins transactions, in one message with the settings


@cache
def _shared(connection_id: str, version: int) -> bytes:
    """What all sessions of a connection set, composed once: a run has many sessions, of several transactions each."""
    return _statements(settings(connection_id, version))


def _statements(values: Mapping[str, str]) -> bytes:
    """One query of several statements."""
    each = sql.SQL("SET LOCAL {} = {};")
    return b"".join(
        each.format(sql.Identifier(name), sql.SQL(", ").join(map(sql.Literal, _parts(name, value)))).as_bytes()
        for name, value in values.items()
    )


def _parts(name: str, value: str) -> list[str]:
    """A setting's value, or the list that it holds."""
    return value.split(", ") if name in ("search_path", "DateStyle") else [value]
