"""The warehouse's roles, made with the master secret that RDS keeps: nobody has to reach the database for it."""

import json
import logging
import re

import psycopg
from psycopg import sql

from include.common.errors import DeclarationError, ServiceError
from include.common.postgres import Credentials, connect, own_credentials, postgres_errors
from include.common.settings import WAREHOUSE_CONNECTION, WAREHOUSE_MASTER, aws_client, aws_errors, optional_variable
from include.warehouse.ddl import READER
from include.warehouse.tables import ADVISORY_LOCK

log = logging.getLogger(__name__)

UNKNOWN = re.compile(r'password authentication failed|role ".*" does not exist|is not permitted to log in')
"""How a server refuses a role that is missing, has another password or may not log in; the driver gives no code."""

REFUSAL = "the warehouse refuses its password; RDS may be changing it. If that stays so, correct the variable"

GRANTS = sql.SQL("""
    GRANT CONNECT, CREATE, TEMPORARY ON DATABASE {database} TO {login};
    GRANT USAGE, CREATE ON SCHEMA public TO {login};
    GRANT USAGE ON SCHEMA public TO {reader}""")


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
        subject = f"variable {WAREHOUSE_MASTER!r}, {secret}"
        master = _read(secret, subject)
        try:
            with connect(WAREHOUSE_CONNECTION, master) as connection:
                _make(connection, role, subject)
        except DeclarationError as error:
            if UNKNOWN.search(str(error)):
                raise ServiceError(f"{subject}: {REFUSAL}") from error
            raise
        log.info("made the warehouse's role %s, or gave it its new password", role.login)


def _welcome() -> bool:
    try:
        with connect(WAREHOUSE_CONNECTION):
            return True
    except DeclarationError as error:
        if UNKNOWN.search(str(error)):
            return False
        raise


def _read(secret: str, subject: str) -> Credentials:
    """The user and password in a secret that RDS manages."""
    with aws_errors(subject):
        text = aws_client("secretsmanager").get_secret_value(SecretId=secret)["SecretString"]
    try:
        document = json.loads(text)
        return Credentials(document["username"], document["password"])
    except (ValueError, KeyError, TypeError) as error:
        raise DeclarationError(f"{subject}: it is not a secret of RDS, JSON with username and password") from error


def _make(connection: psycopg.Connection, role: Credentials, subject: str) -> None:
    """Make both roles, whichever is missing, give one its password, and grant what the first run takes.

    The server, and so its log, is sent what it keeps to compare passwords with, not the password.
    """
    login = sql.Identifier(role.login)
    verifier = connection.pgconn.encrypt_password(role.password.encode(), role.login.encode(), b"scram-sha-256")
    with postgres_errors(subject, f"CREATEROLE, ADMIN on {role.login} and the database"):
        connection.execute("SELECT pg_advisory_xact_lock(%s)", [ADVISORY_LOCK])
        for name in (role.login, READER):
            if connection.execute("SELECT FROM pg_roles WHERE rolname = %s", [name]).fetchone() is None:
                connection.execute(sql.SQL("CREATE ROLE {}").format(sql.Identifier(name)))
        password = sql.Literal(verifier.decode())
        connection.execute(sql.SQL("ALTER ROLE {} LOGIN PASSWORD {}").format(login, password))
        database = sql.Identifier(connection.info.dbname)
        connection.execute(GRANTS.format(database=database, login=login, reader=sql.Identifier(READER)))
        connection.commit()
