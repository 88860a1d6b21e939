"""What a transaction begins with, whatever is set for the role and the database."""

from urllib.parse import urlsplit
from uuid import uuid4

import psycopg
import pytest
from psycopg import IsolationLevel, errors, sql

from include.common.postgres import connect, copy_out
from include.common.session import settings
from include.common.settings import SOURCE_CONNECTION, WAREHOUSE_CONNECTION

CONNECTIONS = (SOURCE_CONNECTION, WAREHOUSE_CONNECTION)
OTHER = {
    "client_encoding": "SQL_ASCII", "DateStyle": "German", "IntervalStyle": "iso_8601", "TimeZone": "Asia/Tokyo",
    "timezone_abbreviations": "India", "extra_float_digits": "0", "bytea_output": "escape", "xmlbinary": "hex",
    "xmloption": "document", "quote_all_identifiers": "on", "standard_conforming_strings": "off",
    "backslash_quote": "on", "transform_null_equals": "on", "array_nulls": "off", "gin_fuzzy_search_limit": "1",
    "synchronize_seqscans": "on", "row_security": "on", "exit_on_error": "on", "statement_timeout": "200",
    "idle_in_transaction_session_timeout": "200", "transaction_timeout": "200", "search_path": "s",
    "lock_timeout": "200",
}  # fmt: skip
"""The same settings, otherwise; those that are not here can be nothing else in an embedded server."""


@pytest.fixture
def url(source_url: str, postgres_version: int) -> str:
    """A database and a role in it for which every setting is another one."""
    role, database = f"role_{uuid4().hex[:12]}", urlsplit(source_url).path[1:]
    with psycopg.connect(source_url, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE ROLE {} LOGIN").format(sql.Identifier(role)))
        for name, value in OTHER.items():
            if name != "transaction_timeout" or postgres_version >= 17:
                names = sql.Identifier(role), sql.Identifier(database), sql.Identifier(name), sql.Literal(value)
                connection.execute(sql.SQL("ALTER ROLE {} IN DATABASE {} SET {} = {}").format(*names))
    return source_url.replace("postgres@", f"{role}@")


@pytest.mark.postgres_versions(16, 18)
@pytest.mark.parametrize("name", CONNECTIONS)
def test_every_transaction_sets_all_that_results_depend_on(
    url: str, monkeypatch: pytest.MonkeyPatch, name: str, postgres_version: int
) -> None:
    monkeypatch.setenv(f"AIRFLOW_CONN_{name.upper()}", url)
    expected = settings(name, postgres_version)
    with connect(name) as connection:
        for end in (connection.commit, connection.rollback, connection.commit):
            for setting, value in expected.items():
                shown = connection.execute(sql.SQL("SHOW {}").format(sql.Identifier(setting))).fetchone()
                assert shown is not None
                assert shown[0].replace('"', "") == value.replace("60s", "1min"), setting
            end()


@pytest.mark.parametrize("name", CONNECTIONS)
def test_a_transaction_that_a_copy_begins_is_set_as_well(url: str, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(f"AIRFLOW_CONN_{name.upper()}", url)
    with connect(name) as connection:
        statement = sql.SQL("COPY (SELECT {}::date) TO STDOUT").format(sql.Literal("2024-02-01"))
        assert b"".join(copy_out(connection, statement)) == b"2024-02-01\n"


def test_a_transaction_is_what_the_connection_says_and_not_what_the_role_does(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_TOTESYS", url)
    with connect(SOURCE_CONNECTION) as connection:
        assert connection.execute("SHOW transaction_isolation").fetchone() == ("read committed",)
        connection.commit()
        connection.isolation_level, connection.read_only = IsolationLevel.REPEATABLE_READ, True
        assert connection.execute("SHOW transaction_isolation").fetchone() == ("repeatable read",)
        with pytest.raises(errors.ReadOnlySqlTransaction):
            connection.execute("CREATE TABLE t ()")


def test_what_is_not_committed_is_gone(source_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_WAREHOUSE", source_url)
    with connect(WAREHOUSE_CONNECTION) as connection:
        connection.execute("CREATE TABLE kept ()")
        connection.commit()
        connection.execute("CREATE TABLE lost ()")
    with psycopg.connect(source_url) as connection:
        assert connection.execute("SELECT relname FROM pg_class WHERE relname IN ('kept', 'lost')").fetchall() == [
            ("kept",)
        ]


def test_no_statement_is_prepared(source_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_TOTESYS", source_url)
    with connect(SOURCE_CONNECTION) as connection:
        for number in range(20):
            connection.execute("SELECT %s::integer", [number])
        assert connection.execute("SELECT count(*) FROM pg_prepared_statements").fetchone() == (0,)
