"""What tells that rows may hold other values though no version of them is newer than what was read."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, LiteralString

import psycopg
import pytest

from include.common.errors import DataError, ServiceError
from include.common.manifests import Cursor
from include.common.postgres import connect
from include.source.observe import Observation, follows, suspicions
from include.source.reading import begin_reading
from include.source.server import KNOWN_STARTS, Recorded, Server, remembered_starts, require_not_behind
from tests.shop import DECLARED
from tests.unit.conftest import Reader

Connection = psycopg.Connection[Any]
PRODUCT = DECLARED.sources["product"]

SILENT: dict[str, LiteralString] = {
    "a column dropped and added with a default": "ALTER TABLE product DROP label;"
    " ALTER TABLE product ADD label text NOT NULL DEFAULT 'new'",
    "two columns swapped": "ALTER TABLE product RENAME label TO t;"
    " ALTER TABLE product RENAME shelf TO label; ALTER TABLE product RENAME t TO shelf",
    "an heir": "CREATE TABLE heir () INHERITS (product)",
}


@pytest.mark.postgres_versions(16, 18)
@pytest.mark.parametrize("change", SILENT.values(), ids=SILENT.keys())
def test_what_changes_values_without_a_row_version_has_everything_read(
    read_since: Reader, source: Connection, change: LiteralString
) -> None:
    first = read_since()
    source.execute(change)
    second = read_since(first)
    assert (second.base, second.read_rows) == (None, 424)
    assert not read_since(second).changed


def test_an_enums_label_that_is_renamed_has_its_table_read(read_since: Reader, source: Connection) -> None:
    first, other = read_since(table="method"), read_since()
    source.execute("ALTER TYPE \"MethodName\" RENAME VALUE 'CARD' TO 'SALE'")
    assert read_since(first, table="method").read_rows == 4
    assert not read_since(other).changed


def test_a_generated_column_with_another_expression_has_its_table_read(read_since: Reader, source: Connection) -> None:
    source.execute("ALTER TABLE product DROP label")
    source.execute("ALTER TABLE product ADD label text GENERATED ALWAYS AS (product_name || 'a') VIRTUAL")
    first = read_since()
    source.execute("ALTER TABLE product ALTER label SET EXPRESSION AS (product_name || 'b')")
    assert read_since(first).read_rows == 424


HARMLESS: dict[str, LiteralString] = {
    "rewritten by VACUUM": "VACUUM FULL product",
    "sorted": "CLUSTER product USING product_pkey",
    "analyzed": "ANALYZE product",
    "vacuumed": "VACUUM (FREEZE) product",
    "indexed": "CREATE INDEX ON product (label)",
    "a column that is not declared": "ALTER TABLE product ADD colour text DEFAULT 'red'",
    "another default": "ALTER TABLE product ALTER label SET DEFAULT 'x'",
    "granted": "GRANT SELECT ON product TO PUBLIC",
    "an undeclared column gone": "ALTER TABLE product DROP created_at_too",
}


@pytest.mark.parametrize("change", HARMLESS.values(), ids=HARMLESS.keys())
def test_what_changes_no_value_has_nothing_read(read_since: Reader, source: Connection, change: LiteralString) -> None:
    source.execute("ALTER TABLE product DROP label, ADD created_at_too text")
    source.execute("ALTER TABLE product ADD label text NOT NULL DEFAULT 'missing in older rows'")
    first = read_since()
    source.execute(change)
    second = read_since(first)
    assert (second.base, second.changed) == (first.read_at, False)


VIEWS: dict[str, LiteralString] = {
    "another definition": "CREATE OR REPLACE VIEW product AS SELECT product_id, product_name, shelf,"
    " shelf AS label, created_at, last_updated FROM middle",
    "another one below": "CREATE OR REPLACE VIEW middle AS SELECT product_id, upper(product_name) AS product_name,"
    " shelf, label, created_at, last_updated FROM base",
    "a column of its table": "ALTER TABLE base ADD more text",
    "a function": "CREATE OR REPLACE FUNCTION shown(text) RETURNS text LANGUAGE sql AS 'SELECT lower($1)'",
}


@pytest.mark.parametrize("change", VIEWS.values(), ids=VIEWS.keys())
def test_the_shape_of_a_view_is_that_of_all_it_stands_on(source: Connection, change: LiteralString) -> None:
    viewed = replace(PRODUCT, follow="stamp")
    source.execute("ALTER TABLE product RENAME TO base; CREATE VIEW middle AS SELECT * FROM base")
    source.execute("CREATE FUNCTION shown(text) RETURNS text LANGUAGE sql AS 'SELECT $1'")
    source.execute(
        "CREATE VIEW product AS SELECT product_id, product_name, shelf, shown(label) AS label, created_at,"
        " last_updated FROM middle"
    )
    before = begin(viewed)
    source.execute(change)
    after = begin(viewed)
    assert suspicions(before.cursor, after) == ["its columns, enum labels, partitions or views changed"]


def begin(table: Any) -> Observation:
    with connect("totesys") as connection:
        return begin_reading(connection, table)


def moved(seen: Observation, **server: Any) -> Observation:
    """The same, as it would have been seen on a server that differs in this."""
    now = replace(seen.server, **server)
    cursor = seen.cursor.model_copy(update={"cluster": now.cluster, "starts": [now.started_at]})
    return replace(seen, server=now, cursor=cursor)


SUSPECT: dict[str, tuple[dict[str, Any], str]] = {
    "another start": ({"started_at": datetime(2020, 1, 1, tzinfo=UTC)}, "started since"),
    "another timeline": ({"timeline": 7}, "timeline"),
    "a log that is shorter": ({"position": 4096}, "earlier state"),
}


@pytest.mark.parametrize(("server", "reason"), SUSPECT.values(), ids=SUSPECT.keys())
def test_another_history_is_suspect(source: Connection, server: dict[str, Any], reason: str) -> None:
    seen = begin(PRODUCT)
    known = seen.cursor.model_copy(update={"position": seen.server.position})
    assert suspicions(known, seen) == []
    (sentence,) = suspicions(known, moved(seen, **server))
    assert reason in sentence
    assert follows(known, moved(seen, **server))


def test_a_clock_that_was_set_back_is_suspect(source: Connection) -> None:
    seen = begin(PRODUCT)
    assert seen.cursor.clock is not None
    known = seen.cursor.model_copy(update={"clock": seen.cursor.clock + timedelta(days=1)})
    assert suspicions(known, seen) == ["the server's clock was set back"]


def test_a_cursor_of_an_earlier_version_is_not_suspect(source: Connection) -> None:
    seen = begin(PRODUCT)
    old = Cursor.model_validate(seen.cursor.model_dump(include={"xid", "cluster", "relation", "last_updated"}))
    assert suspicions(old, seen) == []


def test_a_server_that_was_read_before_is_known_again() -> None:
    servers = [Server("1", 1, datetime(2020, 1, day, tzinfo=UTC), True, 0) for day in range(1, 32)]
    known = Cursor(xid="1", cluster="1/1", relation=1, last_updated=None)
    for server in [*servers, servers[0], servers[0]]:
        known = known.model_copy(update={"starts": remembered_starts(known, server)})
    assert known.starts == [server.started_at for server in [*servers[-KNOWN_STARTS + 1 :], servers[0]]]


READ_AT = datetime(2024, 1, 1, 12, tzinfo=UTC)


def compare(standby: bool, position: int, minutes: int, known: int | None = 100_000, next_xid: int = 50) -> None:
    cursor = Cursor(xid="40", cluster="1/1", relation=1, last_updated=None, position=known)
    server = Server("1", 1, READ_AT, standby, position)
    clock = READ_AT + timedelta(minutes=minutes)
    require_not_behind("product", Recorded(cursor, READ_AT), server, next_xid, clock)


def test_a_replica_behind_what_was_read_is_waited_for_and_after_an_hour_named() -> None:
    with pytest.raises(ServiceError, match=r"product: the replica has not replayed .* 2024-01-01 12:00:00 UTC"):
        compare(standby=True, position=99_999, minutes=59)
    with pytest.raises(DataError, match=r"product: .* restored.*--full-refresh"):
        compare(standby=True, position=99_999, minutes=61)
    compare(standby=True, position=100_000, minutes=61)
    compare(standby=False, position=99_999, minutes=1)


def test_a_replica_whose_transactions_went_back_is_behind_where_no_position_was_recorded() -> None:
    compare(standby=True, position=1, minutes=1, known=None)
    with pytest.raises(ServiceError):
        compare(standby=True, position=1, minutes=1, known=None, next_xid=39)
