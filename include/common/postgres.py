"""Connections to PostgreSQL, rows streamed out of it by COPY, and its errors in the pipeline's words."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple, cast

import numpy as np
import numpy.typing as npt
import psycopg
from airflow.providers.postgres.hooks.postgres import PostgresHook
from airflow.sdk import Connection
from psycopg import errors, sql
from psycopg.pq import ExecStatus
from psycopg.pq.abc import PGresult
from psycopg.waiting import Ready, Wait

from include.common import kept
from include.common.errors import DataError, DeclarationError, ServiceError
from include.common.keys import KeySet
from include.common.session import SessionCursor, plain, prepare_session
from include.common.settings import optional_connection, secret_name
from include.common.waiting import ANSWER_SECONDS, PatientConnection, make_patient, wait_for

BLOCK_BYTES = 1 << 20
"""How much of a COPY is gathered before it is handed on: one call a block instead of one a row."""

BINARY_HEADER_BYTES = 19
"""Signature, flags and length of the extension. Source: "Binary Format" in PostgreSQL's manual on COPY."""

REFUSED = (
    "authentication failed",
    "does not exist",
    "is not permitted to log in",
    "no password supplied",
    "no pg_hba.conf entry",
)
"""How servers refuse a connection that no retry will make welcome; the driver gives no code for these, only text."""

TRANSIENT = (
    errors.OperationalError,
    errors.DeadlockDetected,
    errors.SerializationFailure,
    errors.LockNotAvailable,
)


@contextmanager
def postgres_errors(subject: str, needed: str = "it") -> Iterator[None]:
    """Name what was worked on in whatever PostgreSQL refuses.

    subject: a table or a connection. needed: the privileges that the work takes.

    Raises: DeclarationError where a privilege is missing; ServiceError where a retry can help; DataError where
        the database is not what was declared.
    """
    try:
        yield
    except errors.InsufficientPrivilege as error:
        raise DeclarationError(
            f"{subject}: {_first_line(error)}; grant {needed} to the role of the connection"
        ) from error
    except (
        errors.InvalidPassword,
        errors.InvalidCatalogName,
        errors.InvalidAuthorizationSpecification,
    ) as error:
        raise DeclarationError(f"{subject}: {_first_line(error)}; correct the Airflow connection") from error
    except TRANSIENT as error:
        raise ServiceError(f"{subject}: {_first_line(error)}") from error
    except psycopg.Error as error:
        raise DataError(f"{subject}: {_first_line(error)}; compare the database with the declarations") from error


def _first_line(error: BaseException) -> str:
    return str(error).strip().partition("\n")[0]


class Credentials(NamedTuple):
    """A role and its password."""

    login: str
    password: str


@contextmanager
def connect(
    connection_id: str, credentials: Credentials | None = None, at: Mapping[str, str | int] | None = None
) -> Iterator[psycopg.Connection]:
    """A connection that Airflow knows by this id, closed or kept at the end; nothing is committed by itself.

    The first statement begins a transaction, which sets all that results depend on (`session`); so no
    `connection.transaction()` outside of one.

    credentials: those to connect with in place of the connection's own. at: parameters of libpq in place of its own,
        such as the address of one of several servers.

    Raises: DeclarationError where Airflow has no such connection or the server refuses it; ServiceError where the
        server cannot be reached. Either names the connection.
    """
    with postgres_errors(f"connection {connection_id!r}"):
        parameters = _parameters(connection_id, credentials, at or {})
        opened_with = (connection_id, parameters.get_uri())
        patient = kept.KEPT.take(opened_with) or _new_session(connection_id, parameters, credentials)
    renewed = False
    try:
        yield patient
        renewed = credentials is None and kept.KEPT.give_back(opened_with, patient)
    finally:
        if not renewed:
            patient.leave()


def _new_session(connection_id: str, parameters: Connection, credentials: Credentials | None) -> PatientConnection:
    """A connection whose transactions begin with their settings. Raises: as `prepare_session`."""
    connection = _open(connection_id, parameters)

    def ask() -> psycopg.Connection:
        there = _parameters(connection_id, credentials, _same_server(connection))
        return make_patient(_open(connection_id, there))

    patient = make_patient(connection, ask)
    try:
        prepare_session(connection, connection_id, SessionCursor)
    except BaseException:
        patient.leave()
        raise
    return patient


def _same_server(connection: psycopg.Connection) -> dict[str, str | int]:
    """Parameters that lead to the server that a connection has, of which its name may have several."""
    info = connection.info
    return {"host": info.host, "hostaddr": info.hostaddr, "port": info.port, "connect_timeout": ANSWER_SECONDS}


def _parameters(connection_id: str, credentials: Credentials | None, at: Mapping[str, str | int]) -> Connection:
    """What Airflow knows by this id, with these in its place."""
    changed = plain(_look_up(connection_id), **at)
    if credentials:
        changed.login, changed.password = credentials
    return changed


def _open(connection_id: str, parameters: Connection) -> psycopg.Connection:
    try:
        return cast(psycopg.Connection, PostgresHook(connection=parameters).get_conn())
    except psycopg.OperationalError as error:
        if any(text in str(error) for text in REFUSED):
            told = f"connection {connection_id!r}: {_first_line(error)}; correct the Airflow connection"
            raise DeclarationError(told) from error
        raise


def own_credentials(connection_id: str) -> Credentials:
    """The role and the password of the connection that Airflow knows by this id.

    Raises: DeclarationError where Airflow has no such connection, or either is missing in it.
    """
    connection = _look_up(connection_id)
    if not connection.login or not connection.password:
        raise DeclarationError(f"connection {connection_id!r} has no login or no password; give it both")
    return Credentials(connection.login, connection.password)


def _look_up(connection_id: str) -> Any:
    found = optional_connection(connection_id)
    if found is None:
        secret = secret_name("connections", connection_id)
        where = f"AIRFLOW_CONN_{connection_id.upper()}, or {secret} in Secrets Manager"
        raise DeclarationError(f"connection {connection_id!r} is not defined: set {where}")
    return found


def copy_out(connection: psycopg.Connection, statement: sql.Composed, sparse: bool = False) -> Iterator[bytes]:
    """The bytes that a `COPY … TO STDOUT` sends, in blocks of about BLOCK_BYTES, cut between rows.

    It reads with the driver's libpq call rather than its row-by-row loop, which takes over twice as long.
    sparse: long may pass between two rows, as the server looks for them.

    Raises: SilentServer where the server stops sending.
    """
    with connection.cursor() as cursor, cursor.copy(statement):
        pgconn, block, flowing = connection.pgconn, bytearray(), False
        size, row = pgconn.get_copy_data(1)
        while size >= 0:
            while size > 0 and len(block) < BLOCK_BYTES:
                block += row
                size, row = pgconn.get_copy_data(1)
            flowing = flowing or (not sparse and len(block) > 0)
            if len(block) >= BLOCK_BYTES:
                yield bytes(block)
                block.clear()
            elif size == 0:
                wait_for(connection, Wait.R, flowing)
                pgconn.consume_input()
                size, row = pgconn.get_copy_data(1)
        _end_copy(connection)
    if block:
        yield bytes(block)


def _end_copy(connection: psycopg.Connection) -> None:
    """Take what the server says of a COPY that it has ended."""
    results = []
    while result := _result(connection):
        results.append(result)
    if not results:
        raise psycopg.OperationalError("the server closed the COPY")
    if results[0].status != ExecStatus.COMMAND_OK:
        raise errors.error_from_result(results[0])


def _result(connection: psycopg.Connection) -> PGresult | None:
    while connection.pgconn.is_busy():
        wait_for(connection, Wait.R)
        connection.pgconn.consume_input()
    return connection.pgconn.get_result()


def binary_row(**fields: str) -> np.dtype[np.void]:
    """How a row of a binary COPY lies in memory: columns that are never NULL, each a name and a big-endian type."""
    columns = [
        (part, kind) for name, type_ in fields.items() for part, kind in ((f"{name}_size", ">i4"), (name, type_))
    ]
    return np.dtype([("fields", ">i2"), *columns])


KEY_ROW = binary_row(key=">i8")


def copy_rows(
    connection: psycopg.Connection, statement: sql.Composed, row: np.dtype[np.void]
) -> Iterator[npt.NDArray[np.void]]:
    """The rows of a `COPY … TO STDOUT (FORMAT binary)` as arrays of `row`, a block at a time.

    Source: "Binary Format" in PostgreSQL's manual on COPY.
    """
    skip = BINARY_HEADER_BYTES
    for block in copy_out(connection, statement, sparse=True):
        count = (len(block) - skip) // row.itemsize
        if count:
            yield np.frombuffer(block, row, count, skip)
        skip = 0


def key_set(connection: psycopg.Connection, query: sql.Composable) -> KeySet:
    """The numbers that a query gives, one `bigint` a row and never NULL, in bounded memory beside the set."""
    statement = sql.SQL("COPY ({}) TO STDOUT (FORMAT binary)").format(query)
    return KeySet.gather(rows["key"] for rows in copy_rows(connection, statement, KEY_ROW))


def copy_in(connection: psycopg.Connection, statement: sql.Composed, blocks: Iterable[bytes]) -> None:
    """Send blocks to a `COPY … FROM STDIN`. Raises: SilentServer where the server stops taking them."""
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        for block in blocks:
            copy.write(block)
            _drain(connection)


def _drain(connection: psycopg.Connection) -> None:
    """Wait until what was written is sent: of a server that is slower, libpq would hold all that it is behind."""
    while connection.pgconn.flush():
        if wait_for(connection, Wait.RW) & Ready.R:
            connection.pgconn.consume_input()


def identifiers(names: Iterable[str]) -> sql.Composed:
    """Column names as a list for a statement: `"a", "b"`."""
    return sql.SQL(", ").join(map(sql.Identifier, names))
