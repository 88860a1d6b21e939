"""A table that is truncated, rebuilt, refreshed or given other partitions while it is read is read as it then is."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any, LiteralString

import psycopg
import pytest

from include.common.errors import ServiceError
from include.source import ingest as module
from include.source.reading import ATTEMPTS
from tests.declared import replacing
from tests.shop import DECLARED
from tests.unit import conftest
from tests.unit.conftest import Reader, keys_of

Connection = psycopg.Connection[Any]

REFILL: LiteralString = """
    CREATE TEMPORARY TABLE kept AS SELECT * FROM product; TRUNCATE product CASCADE;
    INSERT INTO product SELECT * FROM kept"""

REWRITES: dict[str, LiteralString] = {
    "truncated and refilled": REFILL,
    "rewritten by ALTER": "ALTER TABLE product ALTER COLUMN label TYPE text USING label || 'x'",
    "moved to another one": "CREATE TABLE other (LIKE product INCLUDING ALL); INSERT INTO other SELECT * FROM product;"
    " ALTER TABLE product RENAME TO old; ALTER TABLE other RENAME TO product",
}


@pytest.mark.postgres_versions(16, 18)
@pytest.mark.parametrize("rewrite", REWRITES.values(), ids=REWRITES.keys())
def test_a_table_that_is_rewritten_while_a_run_waits_for_it_is_read_as_it_becomes(
    read_since: Reader, filled_url: str, rewrite: LiteralString
) -> None:
    first = read_since()
    with psycopg.connect(filled_url) as writer, ThreadPoolExecutor(1) as threads:
        writer.execute(rewrite)
        writer.execute("DELETE FROM product WHERE product_id = 424")
        going = threads.submit(read_since, first)
        wait_for_lock(filled_url)
        writer.commit()
        second = going.result(60)
    assert second.rows == 423
    assert not read_since(second).changed


def wait_for_lock(url: str) -> None:
    """Until somebody waits for a lock."""
    with psycopg.connect(url, autocommit=True) as connection:
        waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted"
        until = time.monotonic() + 30
        while connection.execute(waiting).fetchone() == (0,):
            assert time.monotonic() < until, "nobody waits"
            time.sleep(0.01)


def meanwhile(monkeypatch: pytest.MonkeyPatch, change: Callable[[], object], times: int = 1) -> list[int]:
    """Have a change made after the snapshot of each of the next readings and before they read; gives their number.

    Once it was read, a materialized view is locked until the reading ends.
    """
    real, readings = module.check_columns, [0]

    def check_columns(*arguments: Any) -> Any:
        readings[0] += 1
        if readings[0] <= times:
            change()
        return real(*arguments)

    monkeypatch.setattr(module, "check_columns", check_columns)
    return readings


@pytest.fixture
def viewed(source: Connection, monkeypatch: pytest.MonkeyPatch) -> Connection:
    """The source, in which `product` is a materialized view that is followed by last_updated."""
    source.execute("ALTER TABLE product RENAME TO product_base")
    source.execute("CREATE MATERIALIZED VIEW product AS SELECT * FROM product_base")
    table = replace(DECLARED.sources["product"], follow="stamp", overlap_seconds=60)
    monkeypatch.setattr(conftest, "DECLARED", replacing(DECLARED, table))
    return source


def test_a_materialized_view_that_is_refreshed_under_the_reading_is_read_again(
    read_since: Reader, viewed: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = read_since()
    readings = meanwhile(monkeypatch, lambda: viewed.execute("REFRESH MATERIALIZED VIEW product"))
    second = read_since(first)
    assert (readings, second.rows, second.deletions) == ([2], 424, False)


def test_a_view_of_a_materialized_view_is_read_again_as_well(
    read_since: Reader, viewed: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    viewed.execute("ALTER MATERIALIZED VIEW product RENAME TO below; CREATE VIEW product AS SELECT * FROM below")
    first = read_since()
    readings = meanwhile(monkeypatch, lambda: viewed.execute("REFRESH MATERIALIZED VIEW below"))
    second = read_since(first)
    assert (readings, second.rows, second.deletions) == ([2], 424, False)


def test_what_is_changed_under_every_reading_is_left_for_later(
    read_since: Reader, viewed: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    readings = meanwhile(monkeypatch, lambda: viewed.execute("REFRESH MATERIALIZED VIEW product"), times=99)
    with pytest.raises(ServiceError, match="product: it was changed under each"):
        read_since()
    assert readings == [ATTEMPTS]


@pytest.fixture
def partitioned(source: Connection) -> Connection:
    """The source, in which `product` has two partitions, and a table `spare` that could be the third."""
    source.execute("ALTER TABLE product RENAME TO old; CREATE TABLE product (LIKE old) PARTITION BY RANGE (product_id)")
    source.execute("CREATE TABLE low PARTITION OF product FOR VALUES FROM (1) TO (200)")
    source.execute("CREATE TABLE high PARTITION OF product FOR VALUES FROM (200) TO (1000)")
    source.execute("CREATE TABLE spare (LIKE old); INSERT INTO product SELECT * FROM old")
    source.execute("INSERT INTO spare SELECT product_id + 2000, 'n', '/', 'f', now(), now() FROM old")
    return source


def attach(source: Connection) -> None:
    source.execute("ALTER TABLE product ATTACH PARTITION spare FOR VALUES FROM (2000) TO (3000)")


@pytest.mark.postgres_versions(16, 18)
def test_a_partition_that_is_attached_under_the_reading_is_all_read(
    read_since: Reader, partitioned: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = read_since()
    readings = meanwhile(monkeypatch, lambda: attach(partitioned))
    second = read_since(first)
    assert (readings, second.rows, len(keys_of(second))) == ([2], 848, 848)


def test_a_partition_that_was_detached_is_gone_and_one_put_in_its_place_is_read(
    read_since: Reader, partitioned: Connection
) -> None:
    first = read_since()
    partitioned.execute("ALTER TABLE product DETACH PARTITION low")
    assert read_since(first).rows == 424 - 199
    partitioned.execute("CREATE TABLE changed (LIKE low); INSERT INTO changed SELECT * FROM low")
    partitioned.execute("UPDATE changed SET product_name = 'exchanged'")
    partitioned.execute("ALTER TABLE product ATTACH PARTITION changed FOR VALUES FROM (1) TO (200)")
    second = read_since(first)
    assert (second.rows, second.read_rows) == (424, 424)


def test_a_label_that_is_renamed_under_the_reading_is_not_read_in_two_ways(
    read_since: Reader, source: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = read_since(table="method")
    statement: LiteralString = "ALTER TYPE \"MethodName\" RENAME VALUE 'CARD' TO 'SALE'"
    readings = meanwhile(monkeypatch, lambda: source.execute(statement))
    second = read_since(first, table="method")
    assert (readings, second.base, second.read_rows) == ([2], None, 4)
