"""Whatever a role, a database or a connection's extra sets, the same arrives."""

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import psycopg
import pytest
from psycopg import sql

from include.common.errors import DeclarationError
from include.tables.steps import PREPARE, Step
from include.totesys import DECLARED
from local.postgres import PostgresServer
from local.totesys import create_schema
from tests.messages import one_line
from tests.system import System, open_exactly
from tests.totesys.acceptance.oracle import all_differences

HOSTILE: Mapping[str, str] = {
    "client_encoding": "SQL_ASCII",
    "datestyle": "German, DMY",
    "intervalstyle": "sql_standard",
    "timezone": "Pacific/Chatham",
    "timezone_abbreviations": "India",
    "extra_float_digits": "-15",
    "bytea_output": "escape",
    "xmlbinary": "hex",
    "xmloption": "document",
    "quote_all_identifiers": "on",
    "standard_conforming_strings": "off",
    "escape_string_warning": "off",
    "backslash_quote": "on",
    "transform_null_equals": "on",
    "array_nulls": "off",
    "gin_fuzzy_search_limit": "1",
    "synchronize_seqscans": "on",
    "row_security": "on",
    "search_path": "hostile, information_schema",
    "statement_timeout": "200",
    "lock_timeout": "200",
    "idle_in_transaction_session_timeout": "200",
    "transaction_timeout": "200",
    "exit_on_error": "on",
    "default_transaction_isolation": "serializable",
    "default_transaction_read_only": "on",
    "default_transaction_deferrable": "on",
    "default_table_access_method": "no_such_method",
    "enable_seqscan": "off",
    "constraint_exclusion": "on",
    "cursor_tuple_fraction": "0.0001",
    "plan_cache_mode": "force_generic_plan",
}
"""Settings that any role may have, each as far from what is usual as it goes."""

UNKNOWN_BEFORE: Mapping[str, int] = {"transaction_timeout": 17}

CHECKED_WHEN_SET = {"default_table_access_method"}
"""Refused where they are set, unless by somebody who can make them."""


def hostile_role(url: str, version: int, *grants: sql.Composable) -> str:
    """The URL of a new role of a database for which everything is set otherwise, in the database and for itself."""
    role, database = f"role_{uuid4().hex[:12]}", urlsplit(url).path[1:]
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE ROLE {} LOGIN CREATEROLE").format(sql.Identifier(role)))
        for grant in grants:
            connection.execute(sql.SQL("{} TO {}").format(grant, sql.Identifier(role)))
        for name, value in HOSTILE.items():
            if version >= UNKNOWN_BEFORE.get(name, 0) and name not in CHECKED_WHEN_SET:
                names = sql.Identifier(role), sql.Identifier(database), sql.Identifier(name)
                parts = sql.SQL(", ").join(map(sql.Literal, value.split(", ") if "path" in name else [value]))
                statement = sql.SQL("ALTER ROLE {} IN DATABASE {} SET {} = {}")
                connection.execute(statement.format(*names, parts))
    return url.replace("postgres@", f"{role}@")


def differences(system: System) -> Any:
    """How the warehouse differs from its source, seen by somebody for whom nothing is set."""
    with (
        open_exactly(system.endpoints.source_url) as source,
        open_exactly(system.endpoints.warehouse_url) as warehouse,
    ):
        return all_differences(source, warehouse)


def run_twice(system: System) -> None:
    """A whole run, and one of changes: the second reads by the cursor that the first left."""
    system.run_cleanly()
    system.write("UPDATE design SET design_name = 'Ærøskøbing \U0001f600' WHERE design_id = 1")
    system.write(
        "UPDATE sales_order SET unit_price = unit_price + 1, created_at = '2023-02-03' WHERE sales_order_id < 9"
    )
    system.run_cleanly()
    assert differences(system) == []


@pytest.mark.postgres_versions(16, 18)
def test_no_setting_of_the_sources_role_changes_what_arrives(
    system: System, monkeypatch: pytest.MonkeyPatch, postgres_version: int
) -> None:
    grant = sql.SQL("GRANT SELECT ON ALL TABLES IN SCHEMA public")
    url = hostile_role(system.endpoints.source_url, postgres_version, grant)
    monkeypatch.setenv("AIRFLOW_CONN_TOTESYS", url)
    run_twice(system)


@pytest.mark.postgres_versions(16, 18)
def test_no_setting_of_the_warehouses_role_changes_what_arrives(
    system: System, monkeypatch: pytest.MonkeyPatch, postgres_version: int
) -> None:
    database = sql.Identifier(urlsplit(system.endpoints.warehouse_url).path[1:])
    grants = (
        sql.SQL("GRANT CREATE ON SCHEMA public"),
        sql.SQL("GRANT CREATE, TEMPORARY ON DATABASE {}").format(database),
    )
    with psycopg.connect(system.endpoints.warehouse_url) as connection:
        connection.execute("CREATE SCHEMA hostile")
    url = hostile_role(system.endpoints.warehouse_url, postgres_version, *grants)
    monkeypatch.setenv("AIRFLOW_CONN_WAREHOUSE", url)
    run_twice(system)


def test_a_role_whose_foreign_keys_do_not_work_gets_them_back(system: System) -> None:
    names = sql.Identifier(urlsplit(system.endpoints.warehouse_url).path[1:])
    with psycopg.connect(system.endpoints.warehouse_url, autocommit=True) as connection:
        connection.execute(sql.SQL("ALTER DATABASE {} SET session_replication_role = replica").format(names))
    system.write("ALTER TABLE sales_order DROP CONSTRAINT sales_order_design_id_fkey")
    system.run_cleanly()
    system.write("UPDATE sales_order SET design_id = 99999 WHERE sales_order_id = 1")
    system.run_cleanly()
    assert system.warehouse("SELECT count(*) FROM current_sales_order WHERE design_id = 99999") == [(0,)]


EXTRAS: Mapping[str, Any] = {
    "options": "-c timezone=Asia/Tokyo -c client_encoding=LATIN1 -c search_path=information_schema",
    "cursor": "dictcursor",
    "autocommit": True,
    "prepare_threshold": 0,
    "client_encoding": "LATIN1",
    "row_factory": "dict_row",
    "replication": "database",
    "cursor_factory": "ServerCursor",
}


@pytest.mark.parametrize("connection", ["totesys", "warehouse"])
@pytest.mark.parametrize("extra", [*EXTRAS, "all"])
def test_no_extra_of_the_connection_changes_what_arrives(
    system: System, monkeypatch: pytest.MonkeyPatch, connection: str, extra: str
) -> None:
    url = urlsplit(os.environ[f"AIRFLOW_CONN_{connection.upper()}"])
    given = EXTRAS if extra == "all" else {extra: EXTRAS[extra]}
    parts = {"conn_type": "postgres", "host": url.hostname, "port": url.port, "login": url.username}
    document = {**parts, "schema": url.path[1:], "extra": {**given, "connect_timeout": 20}}
    monkeypatch.setenv(f"AIRFLOW_CONN_{connection.upper()}", json.dumps(document))
    run_twice(system)


def test_an_unknown_extra_is_still_named(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_TOTESYS", os.environ["AIRFLOW_CONN_TOTESYS"] + "?sslmood=require")
    error = system.run("design").failures[Step("ingest", "design")]
    one_line(error, "connection 'totesys'", "sslmood")


def test_options_of_the_environment_are_not_asked_for(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setenv("PGOPTIONS", "-c no_such_setting=1")
        system.run_cleanly("design")


@pytest.fixture
def encoded(system: System, postgres: PostgresServer, request: pytest.FixtureRequest) -> Iterator[System]:
    """A system whose source is in another encoding."""
    name = f"source_{uuid4().hex[:12]}"
    with psycopg.connect(postgres.url(), autocommit=True) as connection:
        statement = sql.SQL("CREATE DATABASE {} ENCODING {} TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'")
        connection.execute(statement.format(sql.Identifier(name), sql.Literal(request.param)))
    url = postgres.url(name)
    with psycopg.connect(url, client_encoding="UTF8") as connection:
        create_schema(connection)
        connection.execute("INSERT INTO design VALUES (1, 'name', '/', 'file', now(), now())")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AIRFLOW_CONN_TOTESYS", url)
        yield replace(system, endpoints=replace(system.endpoints, source_url=url))
    postgres.drop_database(name)


@pytest.mark.parametrize("encoded", ["LATIN1", "SQL_ASCII", "EUC_JP", "WIN1252"], indirect=True)
def test_a_source_in_another_encoding_arrives_as_it_is(encoded: System) -> None:
    text = "日本語" if encoded.source("SHOW server_encoding") == [("EUC_JP",)] else "Ærø, naïve"
    with psycopg.connect(encoded.endpoints.source_url, client_encoding="UTF8") as connection:
        connection.execute("UPDATE design SET design_name = %s WHERE design_id = 1", [text])
    encoded.run_cleanly("design")
    assert encoded.warehouse("SELECT design_name FROM dim_design WHERE design_id = 1") == [(text,)]
    proofs = encoded.run_cleanly("design").results[Step("ingest", "design")].proofs
    proven = [(proof.rows, proof.left_out, len(proof.differing)) for proof in proofs.values()]
    assert proven == ([] if text == "日本語" else [(1, 0, 0)])


@pytest.fixture
def moved(system: System) -> System:
    """A system whose source has `design` in a schema of its own, and another in every place that a path leads to."""
    system.write("CREATE SCHEMA shop; ALTER TABLE design SET SCHEMA shop")
    system.write("CREATE TABLE public.design (LIKE shop.design INCLUDING ALL)")
    system.write("CREATE SCHEMA postgres; CREATE TABLE postgres.design (LIKE shop.design INCLUDING ALL)")
    system.declare(replace(DECLARED.sources["design"], schema="shop"))
    return system


def test_a_table_is_read_in_the_schema_that_is_declared(moved: System) -> None:
    moved.run_cleanly("design")
    assert moved.warehouse("SELECT count(*) FROM dim_design") == moved.source("SELECT count(*) FROM shop.design")


@pytest.mark.parametrize("connection", ["totesys", "warehouse"])
def test_a_server_that_is_too_old_is_named(system: System, monkeypatch: pytest.MonkeyPatch, connection: str) -> None:
    url = os.environ[f"AIRFLOW_CONN_{connection.upper()}"]
    real = psycopg.ConnectionInfo.server_version

    def version(info: psycopg.ConnectionInfo) -> int:
        return 120_022 if info.dbname == urlsplit(url).path[1:] else real.__get__(info)

    monkeypatch.setattr(psycopg.ConnectionInfo, "server_version", property(version))
    error = system.run("design").failures[PREPARE if connection == "warehouse" else Step("ingest", "design")]
    assert type(error) is DeclarationError
    one_line(error, f"connection {connection!r}", "PostgreSQL 12", "13")
