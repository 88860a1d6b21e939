"""A reading that others wait for gives way; one that nobody waits for, or not for long, goes on."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Thread
from time import monotonic
from typing import Any

import psycopg
import pytest

from include.common.errors import ServiceError
from include.source import ingest as ingesting
from include.source import yielding
from tests.unit.conftest import Reader

Connection = psycopg.Connection[Any]


@pytest.fixture(autouse=True)
def short_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(yielding, "GIVE_WAY_SECONDS", 1.0)
    monkeypatch.setattr(yielding, "ASK_SECONDS", 0.3)


def slow_statement(connection: Connection) -> None:
    connection.execute("SELECT pg_sleep(8)")


def slow_elsewhere(_: Connection) -> None:
    time.sleep(8)


@contextmanager
def beginning_slowly(monkeypatch: pytest.MonkeyPatch, delay: Callable[[Connection], None]) -> Iterator[None]:
    """Readings take long after they have their lock and their snapshot."""
    survey = ingesting.survey

    def slowly(connection: Connection, *arguments: Any) -> Any:
        delay(connection)
        return survey(connection, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(ingesting, "survey", slowly)
        yield


def migrate(source: Connection, waited: list[float], lasting: float = 30) -> None:
    time.sleep(1)
    source.execute("SELECT set_config('lock_timeout', %s, false)", [f"{int(lasting * 1000)}ms"])
    started = monotonic()
    try:
        source.execute("ALTER TABLE product ADD COLUMN note text")
    except psycopg.errors.LockNotAvailable:
        return
    waited.append(monotonic() - started)


@pytest.mark.parametrize("delay", [slow_statement, slow_elsewhere])
def test_a_reading_that_a_migration_waits_for_gives_way(
    read_since: Reader, source: Connection, monkeypatch: pytest.MonkeyPatch, delay: Callable[[Connection], None]
) -> None:
    waited: list[float] = []
    migration = Thread(target=migrate, args=(source, waited))
    migration.start()
    with beginning_slowly(monkeypatch, delay), pytest.raises(ServiceError, match="product: the reading gave way"):
        read_since()
    migration.join()
    assert waited[0] < 6
    assert read_since().rows == 424


@pytest.mark.parametrize("lasting", [0.0, 0.5], ids=["nobody waits", "somebody waits shortly"])
def test_a_reading_that_holds_nobody_up_for_long_goes_on(
    read_since: Reader, source: Connection, monkeypatch: pytest.MonkeyPatch, lasting: float
) -> None:
    migration = Thread(target=migrate, args=(source, [], lasting))
    if lasting:
        migration.start()
    with beginning_slowly(monkeypatch, lambda connection: slow_for(connection, 4)):
        assert read_since().rows == 424
    if lasting:
        migration.join()


def slow_for(connection: Connection, seconds: float) -> None:
    connection.execute("SELECT pg_sleep(%s)", [seconds])
