"""What ingestion finds: every change, however it was made, and nothing where nothing changed."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC
from typing import Any, LiteralString
from unittest import mock

import psycopg
import pytest
from psycopg import sql

from include.common.keys import KeySet
from include.common.manifests import Cursor
from include.source import observe as observing
from include.source.ingest import ingest
from include.source.known import Known
from include.source.observe import LISTED_XIDS, MAX_CURSOR_AGE, changed_since, count_rows, follows, observe
from include.source.server import find_server
from local.environment import Buckets
from local.postgres import PostgresServer
from tests.shop import DECLARED
from tests.unit.conftest import Reader, keys_of, loaded, recorded

PRODUCT = DECLARED.sources["product"]
NEW_PRODUCT: LiteralString = (
    "INSERT INTO product (product_id, product_name, shelf, label, last_updated)"
    " VALUES (%s, 'n', '/', 'f', '2020-01-01')"
)
Connection = psycopg.Connection[Any]


@pytest.fixture
def other(filled_url: str, source: Connection) -> Iterator[Connection]:
    """A second connection to the source, in a transaction of its own."""
    with psycopg.connect(filled_url) as connection:
        yield connection


def test_a_first_reading_is_whole(read_since: Reader) -> None:
    read = read_since()
    assert (read.changed, read.base, read.rows, read.read_rows) == (True, None, 424, 424)
    assert sum(keys_of(read)) == read.key_sum


def test_an_unchanged_table_writes_no_file(read_since: Reader, s3: Any, buckets: Buckets) -> None:
    first = read_since()
    before = [s3.list_objects_v2(Bucket=bucket)["KeyCount"] for bucket in (buckets.ingestion, buckets.state)]
    second = read_since(first)
    assert (second.changed, second.read_rows, second.keys_key) == (False, 0, first.keys_key)
    assert [s3.list_objects_v2(Bucket=bucket)["KeyCount"] for bucket in (buckets.ingestion, buckets.state)] == before


CHANGES: dict[str, tuple[LiteralString, int]] = {
    "with its stamp": ("UPDATE product SET label = 'x', last_updated = now() WHERE product_id = 1", 1),
    "silently": ("UPDATE product SET label = 'x' WHERE product_id = 1", 1),
    "with an older stamp": ("UPDATE product SET last_updated = '1999-01-01' WHERE product_id = 1", 1),
    "as an insertion": ("INSERT INTO product VALUES (900, 'n', '/', 'f', now(), now())", 1),
    "with a negative key": ("INSERT INTO product VALUES (-5, 'n', '/', 'f', now(), now())", 1),
    "under another key": (
        "UPDATE product SET product_id = 901 WHERE product_id = (SELECT max(product_id) FROM product)",
        1,
    ),
    "many at once": ("UPDATE product SET label = 'x' WHERE product_id <= 100", 100),
}


@pytest.mark.parametrize(("change", "rows"), CHANGES.values(), ids=CHANGES.keys())
def test_a_row_that_changed_is_read_however_it_changed(
    read_since: Reader, source: Connection, change: LiteralString, rows: int
) -> None:
    first = read_since()
    source.execute(change)
    second = read_since(first)
    assert (second.changed, second.read_rows) == (True, rows)
    assert not read_since(second).changed


def test_a_deletion_is_seen_and_reads_no_row(read_since: Reader, source: Connection) -> None:
    first = read_since()
    source.execute("INSERT INTO product VALUES (900, 'n', '/', 'f', now(), now())")
    second = read_since(first)
    source.execute("DELETE FROM product WHERE product_id = 900")
    third = read_since(second)
    assert (third.changed, third.deletions, third.read_rows, third.rows) == (True, True, 0, 424)


def test_a_deletion_and_an_insertion_at_once_are_both_seen(read_since: Reader, source: Connection) -> None:
    source.execute(NEW_PRODUCT, [900])
    first = read_since()
    source.execute("DELETE FROM product WHERE product_id = 900")
    source.execute(NEW_PRODUCT, [901])
    second = read_since(first)
    assert second.deletions
    assert set(keys_of(first) - keys_of(second)) == {900}
    assert set(keys_of(second) - keys_of(first)) == {901}


def test_a_transaction_that_commits_after_the_reading_is_read_by_the_next(
    read_since: Reader, source: Connection, other: Connection
) -> None:
    other.execute(NEW_PRODUCT, [900])
    source.execute(NEW_PRODUCT, [901])
    first = read_since()
    other.commit()
    second = read_since(first)
    assert set(keys_of(second) - keys_of(first)) == {900}


def test_a_transaction_open_over_many_readings_is_still_read(
    read_since: Reader, source: Connection, other: Connection
) -> None:
    other.execute(NEW_PRODUCT, [900])
    read = read_since()
    for key in (901, 902, 903):
        source.execute(NEW_PRODUCT, [key])
        read = read_since(read)
    other.commit()
    assert read_since(read).rows == 424 + 4


def test_a_subtransaction_that_began_before_the_reading_is_read(
    read_since: Reader, source: Connection, other: Connection
) -> None:
    other.execute("UPDATE product SET label = 'outer' WHERE product_id = 1")
    with other.transaction():
        other.execute("UPDATE product SET label = 'inner' WHERE product_id = 2")
    first = read_since()
    with other.transaction():
        other.execute("UPDATE product SET label = 'later' WHERE product_id = 3")
    other.commit()
    assert read_since(first).read_rows == 3


def test_a_rolled_back_subtransaction_is_not_read(read_since: Reader, source: Connection, other: Connection) -> None:
    first = read_since()
    with other.transaction(force_rollback=True):
        other.execute("UPDATE product SET label = 'never' WHERE product_id = 2")
    other.commit()
    assert not read_since(first).changed


def test_a_reading_is_one_snapshot_whatever_is_written_meanwhile(
    read_since: Reader, source: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    from include.source import ingest as module

    real = module.survey

    def survey(*arguments: Any) -> Any:
        found = real(*arguments)
        source.execute("DELETE FROM product WHERE product_id = 1 AND false OR product_id = 900")
        source.execute(NEW_PRODUCT, [901])
        return found

    source.execute(NEW_PRODUCT, [900])
    with monkeypatch.context() as patch:
        patch.setattr(module, "survey", survey)
        first = read_since()
    assert (first.rows, first.read_rows) == (425, 425)
    second = read_since(first)
    assert (second.deletions, second.read_rows, second.rows) == (True, 1, 425)


def test_a_prepared_transaction_is_read_once_it_commits() -> None:
    with (
        PostgresServer(settings={"max_prepared_transactions": "2"}) as server,
        psycopg.connect(server.url(), autocommit=True) as connection,
    ):
        connection.execute("CREATE TABLE t (k integer)")
        connection.execute("BEGIN; INSERT INTO t VALUES (1); PREPARE TRANSACTION 'held'")
        connection.execute("INSERT INTO t VALUES (2)")
        first = connection.execute("SELECT pg_snapshot_xmin(pg_current_snapshot())::text").fetchone()
        assert first is not None
        connection.execute("COMMIT PREPARED 'held'")
        last = connection.execute("SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint").fetchone()
        cursor = Cursor(xid=first[0], cluster="", relation=1, last_updated=None)
        for next_xid in (None, last[0] if last else None):
            condition = changed_since(PRODUCT, cursor, next_xid)
            rows = connection.execute(sql.SQL("SELECT k FROM t WHERE {}").format(condition))
            assert (1,) in rows.fetchall()


def test_a_row_that_was_rejected_is_read_again_and_is_no_change(read_since: Reader, source: Connection) -> None:
    first = read_since()
    state = recorded(first).model_copy(update={"rejected": {"dim_product": KeySet.of([7, 9_999])}})
    second = ingest(PRODUCT, Known(DECLARED, state, loaded(first)))
    assert (second.changed, second.read_rows, second.deletions, second.changed_at) == (True, 1, False, None)
    source.execute("UPDATE product SET label = 'x' WHERE product_id = 7")
    third = ingest(PRODUCT, Known(DECLARED, state, loaded(first)))
    assert (third.read_rows, third.changed_at) == (1, first.observed_at)


def test_the_oldest_change_counts_however_old_a_rejected_row_is(read_since: Reader, source: Connection) -> None:
    first = read_since()
    state = recorded(first).model_copy(update={"rejected": {"dim_product": KeySet.of([7])}})
    stamp = source.execute(
        "UPDATE product SET last_updated = now() WHERE product_id < 3 RETURNING last_updated"
    ).fetchone()
    assert stamp is not None
    second = ingest(PRODUCT, Known(DECLARED, state, loaded(first)))
    assert (second.read_rows, second.changed_at) == (3, stamp[0].replace(tzinfo=UTC))


MOVED: dict[str, Callable[[Cursor], Cursor]] = {
    "another cluster": lambda cursor: cursor.model_copy(update={"cluster": "1/1"}),
    "another table": lambda cursor: cursor.model_copy(update={"relation": 1}),
    "a counter that went back": lambda cursor: cursor.model_copy(update={"xid": str(int(cursor.xid) + 10_000_000)}),
    "a cursor too old": lambda cursor: cursor.model_copy(update={"xid": str(int(cursor.xid) - MAX_CURSOR_AGE - 100)}),
}


@pytest.mark.parametrize("move", MOVED.values(), ids=MOVED.keys())
def test_a_source_that_cannot_tell_what_changed_is_read_whole(
    read_since: Reader, move: Callable[[Cursor], Cursor]
) -> None:
    first = read_since()
    state = recorded(first).model_copy(update={"cursor": move(first.cursor)})
    read = ingest(PRODUCT, Known(DECLARED, state, loaded(first)))
    assert (read.base, read.read_rows) == (None, 424)


def test_a_table_that_was_made_anew_is_read_whole(read_since: Reader, source: Connection) -> None:
    first = read_since()
    source.execute("ALTER TABLE product RENAME TO old; CREATE TABLE product (LIKE old INCLUDING ALL)")
    source.execute("INSERT INTO product SELECT * FROM old WHERE product_id <= 10")
    second = read_since(first)
    assert (second.base, second.rows) == (None, 10)


def test_the_age_of_a_cursor_is_counted_in_64_bits(source: Connection) -> None:
    now = observe(source, PRODUCT, find_server(source))
    old = now.cursor.model_copy(update={"xid": str(2**32 + 5)})
    later = replace(now, cursor=now.cursor.model_copy(update={"xid": str(2**32 + 10)}), next_xid=2**32 + 20)
    assert follows(old, later)
    assert not follows(old.model_copy(update={"xid": "5"}), later)


def test_the_condition_holds_over_the_wraparound_of_row_versions(source: Connection) -> None:
    current = source.execute("SELECT pg_current_xact_id()::text::bigint").fetchone()
    assert current is not None
    wrapped = current[0] + 3 * 2**32
    cursor = Cursor(xid=str(wrapped), cluster="", relation=1, last_updated=None)
    source.execute("UPDATE product SET label = 'x' WHERE product_id = 1")
    for next_xid in (None, wrapped + 2, wrapped + 10, wrapped + LISTED_XIDS, wrapped + LISTED_XIDS + 1):
        condition = changed_since(PRODUCT, cursor, next_xid)
        assert count_rows(source, PRODUCT, condition) == (424, 1), next_xid
    assert count_rows(source, PRODUCT, changed_since(PRODUCT, cursor, wrapped + 1)) == (424, 0)


@pytest.mark.parametrize(
    ("first", "after", "listed"),
    [(2**32 - 2, 2**32 + 5, "4294967294,4294967295,3,4"), (5 * 2**32 + 7, 5 * 2**32 + 9, "7,8"), (9, 9, "")],
)
def test_numbers_that_stand_for_no_transaction_are_not_listed(
    source: Connection, first: int, after: int, listed: str
) -> None:
    cursor = Cursor(xid=str(first), cluster="", relation=1, last_updated=None)
    assert changed_since(PRODUCT, cursor, after).as_string(source) == f"xmin = ANY('{{{listed}}}'::xid[])"


def test_changes_are_found_where_transactions_are_too_many_to_be_listed(read_since: Reader, source: Connection) -> None:
    first = read_since()
    source.execute("UPDATE product SET label = 'x' WHERE product_id IN (3, 5)")
    by_list = read_since(first)
    with mock.patch.object(observing, "LISTED_XIDS", 0):
        by_age = read_since(first)
    assert by_age.read_rows == by_list.read_rows == 2


def test_a_full_refresh_reads_everything_and_looks_for_no_keys(read_since: Reader) -> None:
    first = read_since()
    lost = recorded(first).model_copy(update={"keys_key": "keys/no/such/file"})
    assert ingest(PRODUCT, Known(DECLARED, lost, loaded(first), full_refresh=True)).read_rows == 424


def test_rejected_rows_are_read_again_until_they_load(read_since: Reader) -> None:
    first = read_since()
    rejected = {"dim_product": KeySet.of([3, 5, 99_999])}
    state = recorded(first).model_copy(update={"rejected": rejected})
    read = ingest(PRODUCT, Known(DECLARED, state, loaded(first)))
    assert (read.changed, read.read_rows) == (True, 2)


def test_a_source_clock_that_was_set_back_still_gives_a_later_reading(read_since: Reader) -> None:
    first = read_since()
    future = first.observed_at.replace(year=2090)
    state = recorded(first).model_copy(update={"observed_at": future, "read_at": future})
    read = ingest(PRODUCT, Known(DECLARED, state, {"dim_product": {"product": "2090-01-01T00:00:00.000000+00:00"}}))
    assert read.observed_at > future


def test_every_reading_is_read_only(read_since: Reader, source: Connection) -> None:
    from include.common.postgres import connect
    from include.source.reading import begin_reading

    with connect("totesys") as connection:
        begin_reading(connection, PRODUCT)
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            connection.execute("CREATE TABLE t ()")
