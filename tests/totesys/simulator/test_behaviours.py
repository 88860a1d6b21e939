"""Each behaviour of a player does what it says, and nothing else."""

from datetime import date, datetime

import pytest
from psycopg import sql

from local.totesys import Player, Rule
from local.totesys.connection import Connection
from local.totesys.texts import BAD_DATES, SPOILT_COLUMN
from tests.totesys.simulator.conftest import PLAYED_AT, SALES_ORDERS
from tests.totesys.simulator.reading import all_keys, contents, row, rows, value

FIRST = date(2022, 11, 1)
ORDER_TABLES = {"sale": "sales_order", "purchase": "purchase_order", "payment": "payment"}
SILENT = {
    "rewrite_sale_silently": "sales_order",
    "rewrite_purchase_silently": "purchase_order",
    "rewrite_design_silently": "design",
    "rewrite_payment_silently": "payment",
    "rewrite_sale_unchanged": "sales_order",
    "spoil_sale_date": "sales_order",
}
INSERTED = {
    "insert_design": "design",
    "insert_counterparty": "counterparty",
    "insert_department": "department",
    "insert_staff": "staff",
    "insert_currency": "currency",
}
DELETED = {
    "delete_payment": "payment",
    "delete_transaction": "transaction",
    "delete_sale": "sales_order",
    "delete_purchase": "purchase_order",
}


@pytest.mark.parametrize(
    ("name", "order", "type_label"),
    [("insert_sale", "sales_order", "SALE"), ("insert_purchase", "purchase_order", "PURCHASE")],
)
def test_an_order_comes_with_its_transaction_and_payment_at_one_instant(
    filled: Connection, player: Player, name: str, order: str, type_label: str
) -> None:
    (key,) = player.perform(name)
    find = sql.SQL("SELECT transaction_id FROM transaction WHERE {} = %s").format(sql.Identifier(f"{order}_id"))
    transaction_id = value(filled, find, key)
    payment_id = value(filled, "SELECT payment_id FROM payment WHERE transaction_id = %s", transaction_id)
    transaction = row(filled, "transaction", transaction_id)
    written = [row(filled, order, key), transaction, row(filled, "payment", payment_id)]
    assert {(one["created_at"], one["last_updated"]) for one in written} == {(PLAYED_AT, PLAYED_AT)}
    assert len({one["xmin"] for one in written}) == 1
    assert transaction["transaction_type"] == type_label
    assert {transaction["sales_order_id"], transaction["purchase_order_id"]} == {key, None}


@pytest.mark.parametrize("name", INSERTED)
def test_a_new_party_is_one_row_created_now(filled: Connection, player: Player, name: str) -> None:
    before = all_keys(filled, INSERTED[name])
    (key,) = player.perform(name)
    assert all_keys(filled, INSERTED[name]) - before == {key}
    assert row(filled, INSERTED[name], key)["created_at"] == PLAYED_AT


def test_currencies_run_out(filled: Connection, player: Player) -> None:
    for _ in range(11):
        player.perform("insert_currency")
    assert player.tally.idle["insert_currency"] == 1
    assert value(filled, "SELECT count(DISTINCT currency_code) FROM currency") == 13


def test_a_batch_pays_what_is_due_that_day_many_in_one_millisecond(filled: Connection, player: Player) -> None:
    filled.execute("UPDATE payment SET paid = payment_id > 60, payment_date = '2025-03-04'")
    paid = player.perform("pay_batch")
    assert paid == list(range(1, 61))
    batches = rows(
        filled,
        "SELECT last_updated, count(*), bool_and(paid) FROM payment"
        " WHERE last_updated >= %s GROUP BY last_updated ORDER BY last_updated",
        PLAYED_AT,
    )
    assert [(size, done) for _, size, done in batches] == [(37, True), (23, True)]
    assert batches[0][0] == PLAYED_AT
    assert player.perform("pay_batch") == []
    assert player.tally.idle["pay_batch"] == 1


def test_a_batch_leaves_what_is_due_on_another_day_or_was_created_today(filled: Connection, player: Player) -> None:
    filled.execute("UPDATE payment SET paid = false, payment_date = '2025-03-04'")
    filled.execute("UPDATE payment SET payment_date = '2025-03-03' WHERE payment_id = 1")
    filled.execute("UPDATE payment SET payment_date = '2025-03-05' WHERE payment_id = 2")
    filled.execute("UPDATE payment SET created_at = '2025-03-04 08:00' WHERE payment_id = 3")
    filled.execute("UPDATE payment SET payment_date = '' WHERE payment_id = 4")
    assert player.perform("pay_batch")[:2] == [5, 6]


def test_no_batch_runs_at_a_weekend_or_on_a_day_that_it_misses(filled: Connection) -> None:
    filled.execute("UPDATE payment SET paid = false, payment_date = '2025-03-08'")
    saturday, url = datetime(2025, 3, 8, 7, 55, 11), filled.info.dsn
    with Player(url, now=lambda: saturday) as player:
        assert player.perform("pay_batch") == []
    with Player(url, now=lambda: saturday, rule=Rule(missed=frozenset({saturday.date()}), changes_on=FIRST)) as player:
        assert player.perform("pay_batch") == []
    with Player(url, now=lambda: saturday, rule=Rule(changes_on=FIRST)) as player:
        assert len(player.perform("pay_batch")) > SALES_ORDERS


def test_unruly_payments_do_the_opposite_and_are_the_same_ones_whenever_asked(filled: Connection) -> None:
    filled.execute("UPDATE payment SET paid = false, payment_date = '2025-03-08', created_at = '2025-03-06'")
    unruly, url = Rule(unruly=0.3), filled.info.dsn
    monday = datetime(2025, 3, 10, 7, 55, 11)
    with Player(url, now=lambda: monday, rule=unruly) as player:
        by_hand = player.perform("pay_by_hand")
        assert player.perform("pay_by_hand") == []
    assert 0.15 < len(by_hand) / len(all_keys(filled, "payment")) < 0.45
    assert rows(filled, "SELECT DISTINCT last_updated FROM payment WHERE paid") == [(datetime(2025, 3, 8, 19, 0, 11),)]
    filled.execute("UPDATE payment SET paid = false, payment_date = '2025-03-10'")
    with Player(url, now=lambda: monday, rule=unruly) as player:
        assert set(player.perform("pay_batch")) == all_keys(filled, "payment") - set(by_hand)


@pytest.mark.parametrize("name", SILENT)
def test_a_silent_change_writes_the_row_and_not_its_timestamps(filled: Connection, player: Player, name: str) -> None:
    before = {key: row(filled, SILENT[name], key) for key in all_keys(filled, SILENT[name])}
    (key,) = player.perform(name)
    after = row(filled, SILENT[name], key)
    assert after["xmin"] != before[key]["xmin"]
    assert after["last_updated"] == before[key]["last_updated"]
    changed = {column for column in after if after[column] != before[key][column]}
    assert len(changed) == (1 if name == "rewrite_sale_unchanged" else 2)


@pytest.mark.parametrize("name", ["amend_sale", "amend_purchase", "touch_sale"])
def test_an_open_change_stamps_last_updated(filled: Connection, player: Player, name: str) -> None:
    (key,) = player.perform(name)
    after = row(filled, ORDER_TABLES[name.split("_")[1]], key)
    assert after["last_updated"] == PLAYED_AT
    assert after["created_at"] < PLAYED_AT


@pytest.mark.parametrize("table", ["department", "address", "staff", "counterparty"])
def test_parties_are_edited_with_and_without_a_stamp(filled: Connection, player: Player, table: str) -> None:
    before = contents(filled)
    stamps = {row(filled, table, *player.perform(f"edit_{table}"))["last_updated"] for _ in range(12)}
    after = contents(filled)
    assert PLAYED_AT in stamps
    assert len(stamps) > 1
    assert {name for name in after if after[name] != before[name]} == {table}


def test_optional_text_becomes_null_and_empty(filled: Connection, player: Player) -> None:
    contacts = []
    for _ in range(60):
        written = row(filled, "counterparty", *player.perform("edit_counterparty"))
        contacts += [written["commercial_contact"], written["delivery_contact"]]
    assert None in contacts
    assert "" in contacts


def test_a_new_number_cascades_to_the_transaction(filled: Connection, player: Player) -> None:
    old, new = player.perform("renumber_sale")
    assert row(filled, "sales_order", old) == {}
    (references,) = rows(
        filled,
        "SELECT sales_order_id FROM transaction WHERE transaction_id IN"
        " (SELECT transaction_id FROM transaction WHERE sales_order_id = %s)",
        new,
    )
    assert references == (new,)
    assert row(filled, "sales_order", new)["last_updated"] < PLAYED_AT


@pytest.mark.parametrize("kind", ORDER_TABLES)
def test_a_date_is_spoilt_and_repaired(filled: Connection, player: Player, kind: str) -> None:
    table = ORDER_TABLES[kind]
    (key,) = player.perform(f"spoil_{kind}_date")
    assert row(filled, table, key)[SPOILT_COLUMN[table]] in BAD_DATES
    assert player.perform(f"repair_{kind}_date") == [key]
    assert row(filled, table, key)[SPOILT_COLUMN[table]].startswith("2025-03-")
    assert player.perform(f"repair_{kind}_date") == []


@pytest.mark.parametrize("name", DELETED)
def test_a_deletion_removes_one_row(filled: Connection, player: Player, name: str) -> None:
    before = all_keys(filled, DELETED[name])
    (key,) = player.perform(name)
    assert before - all_keys(filled, DELETED[name]) == {key}


@pytest.mark.parametrize(("name", "order"), [("delete_sale", "sales_order"), ("delete_purchase", "purchase_order")])
def test_deleting_an_order_silently_nulls_the_reference_to_it(
    filled: Connection, player: Player, name: str, order: str
) -> None:
    column = sql.Identifier(f"{order}_id")
    references = dict(rows(filled, sql.SQL("SELECT {0}, transaction_id FROM transaction WHERE {0} > 0").format(column)))
    (key,) = player.perform(name)
    transaction = row(filled, "transaction", references[key])
    assert transaction["sales_order_id"] is None
    assert transaction["purchase_order_id"] is None
    assert transaction["last_updated"] == transaction["created_at"]


def test_deleting_a_transaction_takes_its_payment_and_leaves_its_order(filled: Connection, player: Player) -> None:
    before = contents(filled)
    (key,) = player.perform("delete_transaction")
    after = contents(filled)
    assert value(filled, "SELECT count(*) FROM payment WHERE transaction_id = %s", key) == 0
    assert {name for name in after if after[name] != before[name]} == {"transaction", "payment"}


def test_only_a_design_that_no_order_uses_is_deleted(filled: Connection, player: Player) -> None:
    (key,) = player.perform("insert_design")
    assert player.perform("delete_design") == [key]
    filled.execute("DELETE FROM design WHERE design_id NOT IN (SELECT design_id FROM sales_order)")
    assert player.perform("delete_design") == []


def test_a_deleted_id_is_used_again(filled: Connection, player: Player) -> None:
    assert player.perform("reinsert_sale") == []
    (key,) = player.perform("delete_sale")
    assert player.perform("reinsert_sale") == [key]
    assert row(filled, "sales_order", key)["created_at"] == PLAYED_AT
    assert value(filled, "SELECT count(*) FROM transaction WHERE sales_order_id = %s", key) == 1
