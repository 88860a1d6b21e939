"""A source or a warehouse that cannot be reached, or refuses: the error names the connection and says what to do."""

from collections.abc import Iterator
from urllib.parse import urlsplit

import psycopg
import pytest

from include.common.errors import DeclarationError, ServiceError
from include.tables.steps import PREPARE, Step
from local.postgres import PostgresServer, free_port
from tests.messages import one_line
from tests.system import System
from tests.totesys.bad_input.conftest import Recorded, standstill

INGEST_DESIGN = Step("ingest", "design")


@pytest.fixture(scope="module")
def locked_server() -> Iterator[PostgresServer]:
    """A server that asks everyone for a password."""
    with PostgresServer() as server:
        with psycopg.connect(server.url(), autocommit=True) as connection:
            connection.execute("CREATE ROLE reader LOGIN PASSWORD 'right'")
            (server.data_dir / "pg_hba.conf").write_text("host all reader 127.0.0.1/32 scram-sha-256\n")
            connection.execute("SELECT pg_reload_conf()")
        yield server


def reroute(monkeypatch: pytest.MonkeyPatch, connection: str, url: str) -> None:
    """Point one of Airflow's connections elsewhere."""
    monkeypatch.setenv(f"AIRFLOW_CONN_{connection.upper()}", url)


def test_a_table_without_select_is_named_with_the_grant_that_it_needs(
    system: System, recorded: Recorded, monkeypatch: pytest.MonkeyPatch, postgres: PostgresServer
) -> None:
    system.run_cleanly("design", "currency")
    known = recorded.table("design")
    role = "reader_" + urlsplit(system.endpoints.source_url).path[-8:]
    with psycopg.connect(system.endpoints.source_url) as source:
        source.execute(f'CREATE ROLE "{role}" LOGIN')  # type: ignore[arg-type]
        source.execute(f'GRANT SELECT ON currency TO "{role}"')  # type: ignore[arg-type]
    reroute(monkeypatch, "totesys", system.endpoints.source_url.replace("postgres@", f"{role}@"))
    done = system.run("design", "currency")
    assert {str(step) for step in done.failures} == {"ingest design", "record"}
    error = done.failures[INGEST_DESIGN]
    assert type(error) is DeclarationError
    one_line(error, "design", "permission denied", "grant")
    assert recorded.table("design") == known


@pytest.mark.parametrize("connection", ["totesys", "warehouse"])
def test_an_unreachable_server_is_a_service_that_may_come_back(
    system: System, recorded: Recorded, monkeypatch: pytest.MonkeyPatch, connection: str
) -> None:
    system.run_cleanly("design")
    port = free_port()
    reroute(monkeypatch, connection, f"postgresql://postgres@127.0.0.1:{port}/gone")
    before = recorded.table("design")
    done = system.run("design")
    error = done.failures[PREPARE if connection == "warehouse" else INGEST_DESIGN]
    assert type(error) is ServiceError
    one_line(error, f"connection {connection!r}", str(port))
    assert recorded.table("design") == before


@pytest.mark.parametrize("password", [":wrong", ""], ids=["wrong", "none"])
def test_a_wrong_password_is_for_whoever_keeps_the_connection(
    system: System, monkeypatch: pytest.MonkeyPatch, locked_server: PostgresServer, password: str
) -> None:
    reroute(monkeypatch, "totesys", f"postgresql://reader{password}@127.0.0.1:{locked_server.port}/postgres")
    error = system.run("design").failures[INGEST_DESIGN]
    assert type(error) is DeclarationError
    one_line(error, "connection 'totesys'", "password", "correct the Airflow connection")


def test_a_server_that_takes_nobody_from_here_is_for_whoever_keeps_the_connection(
    system: System, monkeypatch: pytest.MonkeyPatch, locked_server: PostgresServer
) -> None:
    reroute(monkeypatch, "totesys", f"postgresql://postgres@127.0.0.1:{locked_server.port}/postgres")
    error = system.run("design").failures[INGEST_DESIGN]
    assert type(error) is DeclarationError
    one_line(error, "connection 'totesys'", "no pg_hba.conf entry")


@pytest.mark.parametrize("connection", ["totesys", "warehouse"])
def test_a_missing_database_is_named(system: System, monkeypatch: pytest.MonkeyPatch, connection: str) -> None:
    url = system.endpoints.source_url.rpartition("/")[0] + "/no_such_database"
    reroute(monkeypatch, connection, url)
    error = system.run("design").failures[PREPARE if connection == "warehouse" else INGEST_DESIGN]
    assert type(error) is DeclarationError
    one_line(error, f"connection {connection!r}", "no_such_database", "correct the Airflow connection")


@pytest.mark.parametrize("connection", ["totesys", "warehouse"])
def test_a_missing_connection_is_named_with_where_to_set_it(
    system: System, monkeypatch: pytest.MonkeyPatch, connection: str
) -> None:
    monkeypatch.delenv(f"AIRFLOW_CONN_{connection.upper()}")
    error = system.run("design").failures[PREPARE if connection == "warehouse" else INGEST_DESIGN]
    assert type(error) is DeclarationError
    one_line(
        error, f"connection {connection!r}", f"AIRFLOW_CONN_{connection.upper()}", f"airflow/connections/{connection}"
    )


def test_a_connection_of_another_kind_is_named(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    reroute(monkeypatch, "totesys", "not a url at all")
    error = system.run("design").failures[INGEST_DESIGN]
    one_line(error, "connection 'totesys'")


@pytest.mark.parametrize("connection", ["totesys", "warehouse"])
def test_nothing_is_recorded_while_a_connection_is_missing(
    system: System, recorded: Recorded, monkeypatch: pytest.MonkeyPatch, connection: str
) -> None:
    system.run_cleanly("design")
    system.write("UPDATE design SET design_name = 'Later'")
    known = recorded.table("design")
    with monkeypatch.context() as patch:
        patch.delenv(f"AIRFLOW_CONN_{connection.upper()}")
        system.run("design")
    assert recorded.table("design") == known
    system.run_cleanly("design")
    assert system.warehouse("SELECT DISTINCT design_name FROM dim_design") == [("Later",)]
    with standstill(system, recorded), monkeypatch.context() as patch:
        patch.delenv("AIRFLOW_VAR_STATE_BUCKET")
        with pytest.raises(DeclarationError, match="state_bucket"):
            system.run("design")
