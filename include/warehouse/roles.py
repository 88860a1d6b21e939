"""The warehouse's logins, the pipeline's and the API's: nobody has to reach the database to make them."""

import json
import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg import sql

from include.common.errors import DeclarationError, ServiceError
from include.common.postgres import Credentials, connect, own_credentials, postgres_errors
from include.common.settings import (
    WAREHOUSE_API,
    WAREHOUSE_CONNECTION,
    WAREHOUSE_MASTER,
    aws_client,
    aws_errors,
    optional_variable,
)
from include.warehouse.ddl import API, READER
from include.warehouse.tables import ADVISORY_LOCK

log = logging.getLogger(__name__)

UNKNOWN = re.compile(r'password authentication failed|role ".*" does not exist|is not permitted to log in')
"""How a server refuses a role that is missing, has another password or may not log in; the driver gives no code."""

REFUSAL = "the warehouse refuses its password; RDS may be changing it. If that stays so, correct the variable"

GRANTS = sql.SQL("""
    GRANT CONNECT, CREATE, TEMPORARY ON DATABASE {database} TO {login};
    GRANT USAGE, CREATE ON SCHEMA public TO {login};
    GRANT USAGE ON SCHEMA public TO {reader}""")


API_SESSIONS = 100
"""Two instances with two workers each, twelve sessions a worker, twice while they are replaced."""

API_SETTINGS = {
    "default_transaction_read_only": "on",
    "statement_timeout": "60s",
    "idle_in_transaction_session_timeout": "60s",
}
"""What a session of the API begins with, whoever opens it."""

API_ROLE = sql.SQL("""
    ALTER ROLE {login} LOGIN INHERIT CONNECTION LIMIT {sessions} PASSWORD {password};
    GRANT {reader} TO {login};
    GRANT CONNECT ON DATABASE {database} TO {login}""")

API_IS = """
    SELECT rolconnlimit, coalesce(rolconfig, '{}'),
           ARRAY(SELECT roleid::regrole::text FROM pg_auth_members WHERE member = pg_roles.oid)
      FROM pg_roles WHERE rolname = %s"""


def ensure_role() -> None:
    """Make the role of the connection `warehouse` where the warehouse refuses it. It may be repeated.

    It does nothing without the variable `warehouse_master_secret`, and reads that secret only when it is needed: in the
    first run, and after the password in the connection was changed.

    Raises: DeclarationError that names the variable, where its secret cannot be used or its role may not do this;
        ServiceError where the warehouse refuses the secret's password, which RDS may be changing.
    """
    secret = optional_variable(WAREHOUSE_MASTER)
    if secret and not _welcome():
        role = own_credentials(WAREHOUSE_CONNECTION)
        with _master(secret) as (connection, subject):
            _make(connection, role, subject)
        log.info("made the warehouse's role %s, or gave it its new password", role.login)


def ensure_api_login() -> None:
    """Make the API's login, which may read and nothing else, or what is missing of it. It may be repeated.

    It does nothing without the variable `warehouse_api_secret`, which names the API's secret. It is made with the
    master secret, and by the pipeline's own role where there is none.

    Raises: DeclarationError that names the variable, where its secret cannot be used or no role may do this; others as
        `ensure_role`.
    """
    secret = optional_variable(WAREHOUSE_API)
    if not secret:
        return
    subject = f"variable {WAREHOUSE_API!r}, {secret}"
    with _told_as(subject, f"the API's, JSON with warehouse: username {API} and its password"):
        named = _read(secret, subject)["warehouse"]
        login = {API: Credentials(API, named["password"])}[named["username"]]
    if _is_made() and _welcome(login):
        return
    master = optional_variable(WAREHOUSE_MASTER)
    if master:
        with _master(master) as (connection, subject):
            _make_api(connection, login, subject)
    else:
        with connect(WAREHOUSE_CONNECTION) as connection:
            _make_api(connection, login, f"connection {WAREHOUSE_CONNECTION!r}")
    log.info("made the warehouse's login %s, or what was missing of it", API)


def _welcome(login: Credentials | None = None) -> bool:
    """Whether the warehouse lets in the connection's own role, or another login."""
    try:
        with connect(WAREHOUSE_CONNECTION, login):
            return True
    except DeclarationError as error:
        if UNKNOWN.search(str(error)):
            return False
        raise


def _is_made() -> bool:
    """Whether the API's login has its settings, and the reader's rights."""
    with connect(WAREHOUSE_CONNECTION) as connection, postgres_errors(f"the login {API}"):
        found = connection.execute(API_IS, [API]).fetchone()
    wanted = {READER, *(f"{name}={value}" for name, value in API_SETTINGS.items())}
    return found is not None and found[0] == API_SESSIONS and wanted <= {*found[1], *found[2]}


@contextmanager
def _master(secret: str) -> Iterator[tuple[psycopg.Connection, str]]:
    """A connection as the role in a secret that RDS manages, and what to call it."""
    subject = f"variable {WAREHOUSE_MASTER!r}, {secret}"
    with _told_as(subject, "a secret of RDS, JSON with username and password"):
        document = _read(secret, subject)
        master = Credentials(document["username"], document["password"])
    try:
        with connect(WAREHOUSE_CONNECTION, master) as connection:
            yield connection, subject
    except DeclarationError as error:
        if UNKNOWN.search(str(error)):
            raise ServiceError(f"{subject}: {REFUSAL}") from error
        raise


@contextmanager
def _told_as(subject: str, what: str) -> Iterator[None]:
    try:
        yield
    except (ValueError, KeyError, TypeError) as error:
        raise DeclarationError(f"{subject}: it is not {what}") from error


def _read(secret: str, subject: str) -> Any:
    """The document in a secret. Raises: ValueError where it is none; others as `aws_errors`."""
    with aws_errors(subject):
        text = aws_client("secretsmanager").get_secret_value(SecretId=secret)["SecretString"]
    return json.loads(text)


def _make(connection: psycopg.Connection, role: Credentials, subject: str) -> None:
    """Make both roles, whichever is missing, give one its password, and grant what the first run takes."""
    login = sql.Identifier(role.login)
    with postgres_errors(subject, f"CREATEROLE, ADMIN on {role.login} and the database"):
        _ensure_roles(connection, role.login, READER)
        alter = sql.SQL("ALTER ROLE {} LOGIN PASSWORD {}")
        connection.execute(alter.format(login, _verifier(connection, role)))
        database = sql.Identifier(connection.info.dbname)
        connection.execute(GRANTS.format(database=database, login=login, reader=sql.Identifier(READER)))
        connection.commit()


def _make_api(connection: psycopg.Connection, role: Credentials, subject: str) -> None:
    """Make the API's login what it should be, whatever it was."""
    login = sql.Identifier(role.login)
    with postgres_errors(subject, f"CREATEROLE, ADMIN on {READER} and {API}, and the database"):
        _ensure_roles(connection, role.login)
        statement = API_ROLE.format(
            login=login,
            sessions=sql.Literal(API_SESSIONS),
            password=_verifier(connection, role),
            reader=sql.Identifier(READER),
            database=sql.Identifier(connection.info.dbname),
        )
        connection.execute(statement)
        for name, value in API_SETTINGS.items():
            setting = sql.SQL("ALTER ROLE {} SET {} = {}")
            connection.execute(setting.format(login, sql.Identifier(name), sql.Literal(value)))
        connection.commit()


def _ensure_roles(connection: psycopg.Connection, *names: str) -> None:
    """Create the roles that are missing; two runs may want to at once."""
    connection.execute("SELECT pg_advisory_xact_lock(%s)", [ADVISORY_LOCK])
    for name in names:
        if connection.execute("SELECT FROM pg_roles WHERE rolname = %s", [name]).fetchone() is None:
            connection.execute(sql.SQL("CREATE ROLE {}").format(sql.Identifier(name)))


def _verifier(connection: psycopg.Connection, role: Credentials) -> sql.Literal:
    """What the server keeps to compare passwords with: it, and so its log, is not sent the password."""
    made = connection.pgconn.encrypt_password(role.password.encode(), role.login.encode(), b"scram-sha-256")
    return sql.Literal(made.decode())
