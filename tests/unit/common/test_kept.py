"""Sessions that are kept for the next step: each is as a new one, and none outlives the run."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest
from psycopg import IsolationLevel

from include.common.kept import KEPT
from include.common.postgres import Credentials, connect
from include.common.waiting import session_name, sessions


@pytest.fixture(autouse=True)
def _warehouse(pipeline_environment: dict[str, str]) -> None:
    """The connections lead to this test's databases."""


@pytest.fixture
def keeping() -> Iterator[None]:
    with KEPT.keeping():
        yield


@pytest.fixture
def beside(warehouse_url: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(warehouse_url, autocommit=True) as connection:
        yield connection


def pid(connection_id: str = "warehouse", **options: Any) -> int:
    with connect(connection_id, **options) as connection:
        return connection.info.backend_pid


def others(beside: psycopg.Connection) -> int:
    counted = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    ((number,),) = beside.execute(counted)
    return int(number)


def test_each_connection_is_one_of_its_own_where_nobody_keeps_any() -> None:
    assert pid() != pid()


def test_who_keeps_them_is_given_the_same_one_again_and_two_at_a_time_where_two_are_asked_for(keeping: None) -> None:
    first = pid()
    assert pid() == first
    with connect("warehouse") as one:
        assert one.info.backend_pid == first
        second = pid()
        assert second != first
    assert {pid(), pid()} == {first}
    with connect("warehouse"), connect("warehouse") as other:
        assert other.info.backend_pid == second


def test_nothing_of_what_was_done_in_it_is_left(keeping: None, beside: psycopg.Connection) -> None:
    with connect("warehouse") as connection:
        connection.isolation_level, connection.read_only = IsolationLevel.REPEATABLE_READ, False
        connection.execute("CREATE TEMPORARY TABLE kept (n integer)")
        connection.execute("SELECT pg_advisory_lock(1), set_config('work_mem', '1MB', false)")
        connection.commit()
        connection.execute("CREATE TABLE never_committed (n integer)")
        first = connection.info.backend_pid
    with connect("warehouse") as connection:
        assert connection.info.backend_pid == first
        assert (connection.isolation_level, connection.read_only) == (None, None)
        left = "SELECT to_regclass('kept'), to_regclass('never_committed'), current_setting('work_mem')"
        assert connection.execute(left).fetchone() == (None, None, "4MB")
        assert connection.execute("SHOW search_path").fetchone() == ("public",)
    assert beside.execute("SELECT pg_try_advisory_lock(1)").fetchone() == (True,)


def test_one_that_failed_or_that_the_server_ended_is_not_given_again(keeping: None, beside: psycopg.Connection) -> None:
    first = pid()
    with pytest.raises(ZeroDivisionError), connect("warehouse"):
        raise ZeroDivisionError
    second = pid()
    assert second != first
    assert beside.execute("SELECT pg_terminate_backend(%s, 10000)", [second]).fetchone() == (True,)
    assert pid() not in (first, second)


def test_one_is_given_to_nobody_who_asks_for_another_place_or_role(
    keeping: None, warehouse_url: str, beside: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = pid()
    assert pid("totesys") != first
    assert pid(at={"application_name": "other"}) != first
    mine = Credentials("postgres", "")
    assert pid(credentials=mine) != pid(credentials=mine), "whether a password is right is seen by logging in"
    monkeypatch.setenv(
        "AIRFLOW_CONN_WAREHOUSE", warehouse_url.replace(urlsplit(warehouse_url).hostname or "", "localhost")
    )
    assert pid() != first


def test_all_are_closed_by_the_last_who_keeps_them(beside: psycopg.Connection) -> None:
    with KEPT.keeping():
        with KEPT.keeping():
            first = pid()
        assert pid() == first
        assert others(beside) == 1
    beside.execute("SELECT pg_sleep(0.2)")
    assert others(beside) == 0
    assert pid() != first


def test_one_that_is_used_again_is_among_the_sessions_of_who_asks_for_them(keeping: None) -> None:
    with connect("warehouse") as connection:
        name = session_name(connection)
    with connect("totesys") as source, sessions(source) as names, connect("warehouse"):
        assert names == [session_name(source), name]
