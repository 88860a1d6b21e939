"""The warehouse's logins come into being through secrets, and only where something of them is missing.

The server asks for passwords, and its master is what it is on RDS: no superuser, but owner of the database.
"""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import boto3
import psycopg
import pytest
from psycopg import sql

from include import pipeline
from include.common.errors import DeclarationError, ServiceError
from local.aws import AwsServer
from local.environment import Buckets, Endpoints
from local.postgres import PostgresServer
from tests.messages import one_line
from tests.shop import DECLARED
from tests.system import System

on_both_versions = pytest.mark.postgres_versions(16, 18)
"""What a role may do to another one changed with PostgreSQL 16."""

ACCESS = "host all postgres 127.0.0.1/32 trust\nhost all all 127.0.0.1/32 scram-sha-256\n"
MASTER_PASSWORD = "master's own"
PASSWORD = "s3cret p@ss/word"
WAIT_SECONDS = 60


@pytest.fixture(scope="session")
def guarded_servers() -> Iterator[Callable[[int], PostgresServer]]:
    """A function from a version to a running server that asks everyone but its superuser for a password."""
    servers: dict[int, PostgresServer] = {}
    with ExitStack() as running:

        def server(version: int) -> PostgresServer:
            if version not in servers:
                settings = {"log_statement": "all", "log_min_error_statement": "debug5"}
                made = PostgresServer(version, settings=settings, in_memory=True)
                servers[version] = running.enter_context(made)
                _ask_for_passwords(servers[version])
            return servers[version]

        yield server


def _ask_for_passwords(server: PostgresServer) -> None:
    (server.data_dir / "pg_hba.conf").write_text(ACCESS)
    with psycopg.connect(server.url(), autocommit=True) as connection:
        connection.execute("SELECT pg_reload_conf()")
    deadline = time.monotonic() + WAIT_SECONDS
    while "password" not in refusal(server.url().replace("postgres@", "nobody:wrong@")):
        assert time.monotonic() < deadline, "the server does not ask for passwords"
        time.sleep(0.05)


def refusal(url: str) -> str:
    """Why a server refuses a connection; empty where it does not."""
    try:
        psycopg.connect(url).close()
    except psycopg.OperationalError as error:
        return str(error)
    return ""


@dataclass
class Guarded:
    """A warehouse on RDS: its database, its master's secret, and the connection that Airflow has."""

    server: PostgresServer
    database: str
    secret: str
    aws_url: str
    monkeypatch: pytest.MonkeyPatch
    role: str = ""

    def connect_with(self, password: str) -> None:
        """Give Airflow's connection this password."""
        place = f"127.0.0.1:{self.server.port}/{self.database}"
        url = f"postgres://{self.role}:{quote(password, safe='')}@{place}?sslmode=prefer"
        self.monkeypatch.setenv("AIRFLOW_CONN_WAREHOUSE", url)

    def name_secret(self, value: str) -> None:
        """Set the variable."""
        self.monkeypatch.setenv("AIRFLOW_VAR_WAREHOUSE_MASTER_SECRET", value)

    def keep(self, text: str) -> None:
        """Replace what the secret holds."""
        self.secrets.put_secret_value(SecretId=self.secret, SecretString=text)

    def name_api(self, text: str) -> str:
        """Make the API's secret, and name it; gives what it is called."""
        secret = f"totesys-{uuid4().hex[:8]}/api"
        self.secrets.create_secret(Name=secret, SecretString=text)
        self.monkeypatch.setenv("AIRFLOW_VAR_WAREHOUSE_API_SECRET", secret)
        return secret

    def api_url(self, password: str) -> str:
        """Where the API finds the warehouse."""
        return f"postgres://totesys_api:{quote(password, safe='')}@127.0.0.1:{self.server.port}/{self.database}"

    @property
    def secrets(self) -> Any:
        """A client of Secrets Manager."""
        return boto3.client("secretsmanager", endpoint_url=self.aws_url)

    def ask(self, query: str, *parameters: object) -> list[tuple[Any, ...]]:
        """What the superuser is answered."""
        with psycopg.connect(self.server.url(self.database), autocommit=True) as connection:
            cursor = connection.execute(query, parameters or None)  # type: ignore[call-overload]
            return cursor.fetchall() if cursor.description else []


@pytest.fixture
def guarded(
    pipeline_environment: dict[str, str],
    guarded_servers: Callable[[int], PostgresServer],
    postgres_version: int,
    aws: AwsServer,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Guarded]:
    """A warehouse whose pipeline has no role yet."""
    server, name = guarded_servers(postgres_version), uuid4().hex[:8]
    warehouse = Guarded(server, f"warehouse_{name}", "", aws.endpoint_url, monkeypatch, f"pipeline_{name}")
    master = f"master_{name}"
    with psycopg.connect(server.url(), autocommit=True) as connection:
        password = sql.Literal(MASTER_PASSWORD)
        create = sql.SQL("CREATE ROLE {} LOGIN CREATEROLE CREATEDB PASSWORD {}")
        connection.execute(create.format(sql.Identifier(master), password))
        connection.execute("DROP ROLE IF EXISTS totesys_reader, totesys_api")
        own = sql.SQL("CREATE DATABASE {} OWNER {}")
        connection.execute(own.format(sql.Identifier(warehouse.database), sql.Identifier(master)))
    text = json.dumps({"username": master, "password": MASTER_PASSWORD})
    warehouse.secret = warehouse.secrets.create_secret(Name=f"rds!{name}", SecretString=text)["ARN"]
    warehouse.connect_with(PASSWORD)
    warehouse.name_secret(warehouse.secret)
    yield warehouse
    server.drop_database(warehouse.database)


@on_both_versions
def test_the_first_run_makes_the_role_and_loads_as_it(
    guarded: Guarded, filled_url: str, aws: AwsServer, buckets: Buckets
) -> None:
    system = System(
        Endpoints(filled_url, guarded.server.url(guarded.database), aws.endpoint_url, buckets), Path(), DECLARED
    )
    system.run_cleanly("product")
    assert system.warehouse("SELECT count(*) > 0 FROM dim_product") == [(True,)]
    owners = system.warehouse("SELECT DISTINCT tableowner FROM pg_tables WHERE schemaname IN ('public', 'pipeline')")
    assert owners == [(guarded.role,)]


@on_both_versions
def test_the_role_may_do_no_more_than_the_pipeline_needs(guarded: Guarded) -> None:
    pipeline.prepare(DECLARED)
    rights = "SELECT rolsuper, rolcreaterole, rolcreatedb, rolcanlogin FROM pg_roles WHERE rolname = %s"
    assert guarded.ask(rights, guarded.role) == [(False, False, False, True)]
    assert guarded.ask("SELECT count(*) FROM pg_auth_members WHERE member = %s::regrole", guarded.role) == [(0,)]
    assert guarded.ask("SELECT rolcanlogin FROM pg_roles WHERE rolname = 'totesys_reader'") == [(False,)]


def test_the_password_is_sent_to_the_server_only_as_what_it_keeps(guarded: Guarded) -> None:
    pipeline.prepare(DECLARED)
    log = guarded.server.log.read_text()
    assert f'ALTER ROLE "{guarded.role}" LOGIN PASSWORD \'SCRAM-SHA-256$' in log
    assert PASSWORD not in log


@on_both_versions
def test_members_of_the_reader_read_the_tables_and_views(guarded: Guarded) -> None:
    guarded.ask("REVOKE ALL ON SCHEMA public FROM PUBLIC")
    pipeline.prepare(DECLARED)
    rights = guarded.ask(
        "SELECT has_schema_privilege('totesys_reader', 'public', 'USAGE'),"
        " has_table_privilege('totesys_reader', 'current_sale', 'SELECT'),"
        " has_table_privilege('totesys_reader', 'dim_clerk', 'INSERT')"
    )
    assert rights == [(True, True, False)]


@on_both_versions
def test_a_changed_password_is_given_to_the_role_by_the_next_run(guarded: Guarded) -> None:
    pipeline.prepare(DECLARED)
    guarded.connect_with("later one")
    pipeline.prepare(DECLARED)
    place = f"127.0.0.1:{guarded.server.port}/{guarded.database}"
    assert refusal(f"postgres://{guarded.role}:later%20one@{place}") == ""


@on_both_versions
def test_a_role_that_may_not_log_in_may_after_the_next_run(guarded: Guarded) -> None:
    pipeline.prepare(DECLARED)
    guarded.ask(f"ALTER ROLE {guarded.role} NOLOGIN")
    pipeline.prepare(DECLARED)


def test_the_secret_is_not_read_while_the_role_is_welcome(guarded: Guarded) -> None:
    pipeline.prepare(DECLARED)
    guarded.name_secret("arn:aws:secretsmanager:eu-west-2:123456789012:secret:no-such")
    pipeline.prepare(DECLARED)


def test_without_the_variable_a_refused_role_is_an_error(guarded: Guarded) -> None:
    guarded.name_secret("")
    with pytest.raises(DeclarationError) as raised:
        pipeline.prepare(DECLARED)
    one_line(raised.value, "'warehouse'", "password authentication failed", "correct the Airflow connection")


def test_another_refusal_is_an_error_and_no_reason_to_read_the_secret(guarded: Guarded) -> None:
    pipeline.prepare(DECLARED)
    replace(guarded, database="elsewhere").connect_with(PASSWORD)
    guarded.name_secret("arn:aws:secretsmanager:eu-west-2:123456789012:secret:no-such")
    with pytest.raises(DeclarationError) as raised:
        pipeline.prepare(DECLARED)
    one_line(raised.value, "'warehouse'", "elsewhere", "does not exist")


def test_a_secret_that_is_missing_is_named_with_the_variable(guarded: Guarded) -> None:
    guarded.name_secret("rds!no-such")
    with pytest.raises(DeclarationError) as raised:
        pipeline.prepare(DECLARED)
    one_line(raised.value, "warehouse_master_secret", "rds!no-such")


@pytest.mark.parametrize("text", ["no JSON", "[]", "{}", '"text"'])
def test_a_secret_of_something_else_is_named_with_what_it_should_hold(guarded: Guarded, text: str) -> None:
    guarded.keep(text)
    with pytest.raises(DeclarationError) as raised:
        pipeline.prepare(DECLARED)
    one_line(raised.value, "warehouse_master_secret", guarded.secret, "username and password")


def test_a_refused_master_is_tried_again_and_named(guarded: Guarded) -> None:
    guarded.keep(json.dumps({"username": f"master_{guarded.database[-8:]}", "password": "former"}))
    with pytest.raises(ServiceError) as raised:
        pipeline.prepare(DECLARED)
    one_line(raised.value, "warehouse_master_secret", guarded.secret, "RDS may be changing it")


@on_both_versions
def test_a_master_that_may_not_alter_the_role_is_told_what_to_grant(guarded: Guarded) -> None:
    guarded.ask(f"CREATE ROLE {guarded.role}")
    with pytest.raises(DeclarationError) as raised:
        pipeline.prepare(DECLARED)
    one_line(raised.value, "warehouse_master_secret", "permission denied", f"ADMIN on {guarded.role}")


def api_secret(password: str, **others: object) -> str:
    return json.dumps({"warehouse": {"username": "totesys_api", "password": password, **others}, "cursor_key": "x"})


API_RIGHTS = """
    SELECT rolsuper, rolcreaterole, rolcreatedb, rolconnlimit, rolconfig,
           ARRAY(SELECT roleid::regrole::text FROM pg_auth_members WHERE member = pg_roles.oid)
      FROM pg_roles WHERE rolname = 'totesys_api'"""

API_IS = (
    False, False, False, 100,
    ["default_transaction_read_only=on", "statement_timeout=60s", "idle_in_transaction_session_timeout=60s"],
    ["totesys_reader"],
)  # fmt: skip


@on_both_versions
def test_the_apis_login_reads_and_does_nothing_else(guarded: Guarded) -> None:
    guarded.name_api(api_secret(PASSWORD))
    pipeline.prepare(DECLARED)
    assert guarded.ask(API_RIGHTS) == [API_IS]
    with psycopg.connect(guarded.api_url(PASSWORD), autocommit=True) as connection:
        assert connection.execute("SELECT count(*) FROM current_sale").fetchone() == (0,)
        assert connection.execute("SELECT count(*) FROM metric_owed").fetchone() == (0,)
        assert connection.execute("SELECT count(*) FROM pipeline.load").fetchone() == (0,)
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            connection.execute("DELETE FROM dim_clerk")
        connection.execute("SET default_transaction_read_only = off")
        for statement in ("DELETE FROM dim_clerk", "CREATE TABLE mine ()", "SET ROLE pg_monitor"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(statement.encode())
    log = guarded.server.log.read_text()
    assert 'ALTER ROLE "totesys_api" LOGIN INHERIT CONNECTION LIMIT 100 PASSWORD \'SCRAM-SHA-256$' in log
    assert PASSWORD not in log


@on_both_versions
def test_without_a_master_secret_the_pipelines_own_role_makes_the_apis_login(guarded: Guarded) -> None:
    pipeline.prepare(DECLARED)
    guarded.name_secret("")
    guarded.ask(f"ALTER ROLE {guarded.role} CREATEROLE; ALTER DATABASE {guarded.database} OWNER TO {guarded.role}")
    guarded.ask(f"GRANT totesys_reader TO {guarded.role} WITH ADMIN OPTION")
    guarded.name_api(api_secret(PASSWORD))
    pipeline.prepare(DECLARED)
    assert guarded.ask(API_RIGHTS) == [API_IS]
    assert refusal(guarded.api_url(PASSWORD)) == ""


@on_both_versions
def test_what_is_missing_of_the_apis_login_comes_back(guarded: Guarded) -> None:
    guarded.name_api(api_secret(PASSWORD))
    pipeline.prepare(DECLARED)
    for spoilt in ("NOLOGIN", "CONNECTION LIMIT 1", "RESET ALL", "SET statement_timeout = 0"):
        guarded.ask(f"ALTER ROLE totesys_api {spoilt}")
        pipeline.prepare(DECLARED)
        assert [(row[3], sorted(row[4])) for row in guarded.ask(API_RIGHTS)] == [(100, sorted(API_IS[4]))]
        assert refusal(guarded.api_url(PASSWORD)) == ""
    guarded.ask("REVOKE totesys_reader FROM totesys_api")
    pipeline.prepare(DECLARED)
    assert guarded.ask(API_RIGHTS)[0][5] == ["totesys_reader"]


def test_a_changed_password_is_given_to_the_apis_login_by_the_next_run(guarded: Guarded) -> None:
    secret = guarded.name_api(api_secret("former"))
    pipeline.prepare(DECLARED)
    guarded.secrets.put_secret_value(SecretId=secret, SecretString=api_secret("later"))
    pipeline.prepare(DECLARED)
    assert "password" in refusal(guarded.api_url("former"))
    assert refusal(guarded.api_url("later")) == ""


def test_an_apis_login_that_is_as_it_should_be_is_not_made_again(guarded: Guarded) -> None:
    guarded.name_api(api_secret(PASSWORD))
    pipeline.prepare(DECLARED)
    guarded.name_secret("arn:aws:secretsmanager:eu-west-2:123456789012:secret:no-such")
    pipeline.prepare(DECLARED)


def test_without_the_variable_there_is_no_login_of_an_api(guarded: Guarded) -> None:
    pipeline.prepare(DECLARED)
    assert guarded.ask(API_RIGHTS) == []


@pytest.mark.parametrize("text", ["no JSON", "{}", '{"warehouse": 1}', api_secret("x", username="totesys_pipeline")])
def test_an_apis_secret_of_something_else_is_named_with_what_it_should_hold(guarded: Guarded, text: str) -> None:
    secret = guarded.name_api(text)
    with pytest.raises(DeclarationError) as raised:
        pipeline.prepare(DECLARED)
    one_line(raised.value, "warehouse_api_secret", secret, "username totesys_api")


@on_both_versions
def test_a_role_that_may_not_make_the_apis_login_is_told_what_to_grant(guarded: Guarded) -> None:
    pipeline.prepare(DECLARED)
    guarded.name_secret("")
    guarded.name_api(api_secret(PASSWORD))
    with pytest.raises(DeclarationError) as raised:
        pipeline.prepare(DECLARED)
    one_line(raised.value, "'warehouse'", "permission denied", "CREATEROLE", "totesys_reader")
