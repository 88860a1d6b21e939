"""A transaction that stays open at the source is told with its age, whatever the role may see of it."""

import logging
from collections.abc import Iterator
from datetime import timedelta
from typing import Any, LiteralString

import psycopg
import pytest

from include.common.manifests import SourceRead
from include.source.ingest import ingest
from include.source.known import Known
from include.state.latest import LONG_SECONDS, held_seconds
from tests.shop import DECLARED
from tests.unit.conftest import Reader, loaded, recorded

Connection = psycopg.Connection[Any]
ROLE = "reads_only"
TOUCH: LiteralString = "UPDATE currency SET currency_code = currency_code"


@pytest.fixture
def other(filled_url: str, source: Connection) -> Iterator[Connection]:
    """A transaction that has changed something and stays open, while others come and go."""
    with psycopg.connect(filled_url) as connection:
        connection.execute("CREATE TABLE held ()")
        source.execute(TOUCH)
        yield connection


@pytest.fixture
def plain_role(source: Connection, filled_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The pipeline reads as a role that may read the tables, and nothing of others' sessions."""
    source.execute(f"CREATE ROLE {ROLE} LOGIN PASSWORD 'p'; GRANT SELECT ON ALL TABLES IN SCHEMA public TO {ROLE}")
    monkeypatch.setenv("AIRFLOW_CONN_TOTESYS", filled_url.replace("postgres@", f"{ROLE}:p@", 1))
    yield
    source.execute(f"DROP OWNED BY {ROLE}; DROP ROLE {ROLE}")


def read_after(earlier: SourceRead) -> SourceRead:
    state = recorded(earlier).model_copy(update={"held_since": earlier.held_since})
    return ingest(DECLARED.sources["product"], Known(DECLARED, state, loaded(earlier)))


@pytest.mark.postgres_versions(16, 18)
def test_its_age_is_what_the_source_says_where_it_may_be_seen(read_since: Reader, other: Connection) -> None:
    (began,) = other.execute("SELECT now()").fetchone() or (None,)
    assert read_since().held_since == began


@pytest.mark.postgres_versions(16, 18)
def test_its_age_is_that_of_the_first_reading_where_it_may_not(
    read_since: Reader, plain_role: None, other: Connection
) -> None:
    first = read_since()
    assert first.held_since == first.observed_at
    second = read_after(read_after(first))
    assert second.held_since == first.observed_at < second.observed_at
    other.commit()
    assert read_after(second).held_since is None


def test_another_transaction_is_younger_than_the_one_before(
    read_since: Reader, plain_role: None, source: Connection, other: Connection, filled_url: str
) -> None:
    first = read_since()
    with psycopg.connect(filled_url) as later:
        later.execute("CREATE TABLE later ()")
        other.commit()
        source.execute(TOUCH)
        second = read_after(first)
        assert second.held_since == second.observed_at


def test_without_one_nothing_is_held_back_however_quiet_the_source_is(read_since: Reader) -> None:
    first = read_since()
    assert (first.held_since, read_after(first).held_since) == (None, None)


def test_it_is_told_in_the_log_from_a_quarter_of_an_hour_on(
    read_since: Reader, plain_role: None, other: Connection, caplog: pytest.LogCaptureFixture
) -> None:
    first = read_since()
    for seconds, told in ((LONG_SECONDS - 60, False), (LONG_SECONDS + 1, True), (7200, True)):
        caplog.clear()
        began = first.model_copy(update={"held_since": first.observed_at - timedelta(seconds=seconds)})
        with caplog.at_level(logging.WARNING, "include"):
            read = read_after(began)
        assert ("a transaction has been open at the source" in caplog.text) == told
        assert (held_seconds(read.held_since, read.observed_at) is not None) == told
    assert "at least 120 minutes" in caplog.text
