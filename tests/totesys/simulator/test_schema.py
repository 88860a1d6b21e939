"""The schema is what the owner of ToteSys declares."""

import pytest
from psycopg import sql

from local.totesys import SimulatorError, connect, create_schema, fill
from local.totesys.connection import Connection
from tests.totesys.simulator.reading import constraints, rows, value

COLUMNS = {
    "address": "address_id integer, address_line_1 text, address_line_2 text?, district text?, city text,"
    " postal_code text, country text, phone text",
    "counterparty": "counterparty_id integer, counterparty_legal_name text, legal_address_id integer,"
    " commercial_contact text?, delivery_contact text?",
    "currency": "currency_id integer, currency_code character varying(3)",
    "department": "department_id integer, department_name text, location text?, manager text?",
    "design": "design_id integer, design_name text, file_location text, file_name text",
    "staff": "staff_id integer, first_name text, last_name text, department_id integer, email_address text",
    "sales_order": "sales_order_id integer, design_id integer, staff_id integer, counterparty_id integer,"
    " units_sold integer, unit_price numeric(10,2), currency_id integer, agreed_delivery_date text,"
    " agreed_payment_date text, agreed_delivery_location_id integer",
    "purchase_order": "purchase_order_id integer, staff_id integer, counterparty_id integer, item_code text,"
    " item_quantity integer, item_unit_price numeric(10,2), currency_id integer, agreed_delivery_date text,"
    " agreed_payment_date text, agreed_delivery_location_id integer",
    "payment_type": 'payment_type_id integer, payment_type_name "PaymentTypeName"',
    "transaction": 'transaction_id integer, transaction_type "TransactionType", sales_order_id integer?,'
    " purchase_order_id integer?",
    "payment": "payment_id integer, transaction_id integer, counterparty_id integer,"
    " payment_amount numeric(10,2), currency_id integer, payment_type_id integer, paid boolean,"
    " payment_date text, company_ac_number integer, counterparty_ac_number integer",
}
TIMESTAMPS = ", created_at timestamp(3) without time zone, last_updated timestamp(3) without time zone"
REFERENCES = """
counterparty.legal_address_id address
payment.counterparty_id counterparty
payment.currency_id currency
payment.payment_type_id payment_type
payment.transaction_id transaction
purchase_order.agreed_delivery_location_id address
purchase_order.counterparty_id counterparty
purchase_order.currency_id currency
purchase_order.staff_id staff
sales_order.agreed_delivery_location_id address
sales_order.counterparty_id counterparty
sales_order.currency_id currency
sales_order.design_id design
sales_order.staff_id staff
staff.department_id department
transaction.purchase_order_id purchase_order
transaction.sales_order_id sales_order
"""


@pytest.mark.parametrize("table", COLUMNS)
def test_table_has_the_columns_of_totesys(source: Connection, table: str) -> None:
    found = value(
        source,
        "SELECT string_agg(attname || ' ' || format_type(atttypid, atttypmod)"
        " || CASE WHEN attnotnull THEN '' ELSE '?' END, ', ' ORDER BY attnum)"
        " FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0",
        table,
    )
    assert found == COLUMNS[table] + TIMESTAMPS


def test_there_are_eleven_tables_and_that_of_prisma(source: Connection) -> None:
    tables = rows(source, "SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    assert {name for (name,) in tables} == {*COLUMNS, "_prisma_migrations"}


def test_only_keys_and_created_at_have_defaults(source: Connection) -> None:
    defaults = rows(
        source,
        "SELECT table_name, column_name, column_default FROM information_schema.columns"
        " WHERE table_schema = 'public' AND column_default IS NOT NULL"
        " AND table_name <> '_prisma_migrations'",
    )
    expected = [(name, f"{name}_id", f"nextval('{name}_{name}_id_seq'::regclass)") for name in COLUMNS]
    expected += [(name, "created_at", "CURRENT_TIMESTAMP") for name in COLUMNS]
    assert sorted(defaults) == sorted(expected)


def test_references_cascade_updates_and_only_those_of_transaction_become_null(source: Connection) -> None:
    actions = rows(
        source,
        "SELECT conrelid::regclass || '.' || attname || ' ' || confrelid::regclass, confupdtype, confdeltype"
        " FROM pg_constraint JOIN pg_attribute ON attrelid = conrelid AND attnum = conkey[1]"
        " WHERE contype = 'f' ORDER BY 1",
    )
    assert [reference for reference, _, _ in actions] == REFERENCES.split("\n")[1:-1]
    assert {update for _, update, _ in actions} == {"c"}
    assert {ref.split(".")[0] for ref, _, delete in actions if delete == "n"} == {"transaction"}
    assert {delete for ref, _, delete in actions if not ref.startswith("transaction.")} == {"r"}


def test_only_orders_of_transactions_and_transactions_of_payments_are_unique(source: Connection) -> None:
    unique = [(table, name) for table, name, definition in constraints(source) if definition.startswith("UNIQUE")]
    assert unique == [
        ("payment", "payment_transaction_id_key"),
        ("transaction", "transaction_purchase_order_id_key"),
        ("transaction", "transaction_sales_order_id_key"),
    ]


def test_nothing_watches_or_indexes_last_updated(source: Connection) -> None:
    assert value(source, "SELECT count(*) FROM pg_trigger WHERE NOT tgisinternal") == 0
    indexed = "SELECT count(*) FROM pg_indexes WHERE schemaname = 'public' AND indexdef LIKE '%last_updated%'"
    assert value(source, indexed.replace("%", "%%")) == 0


def test_enum_types_have_their_labels_in_order(source: Connection) -> None:
    types = 'SELECT enum_range(NULL::"PaymentTypeName")::text, enum_range(NULL::"TransactionType")::text'
    assert rows(source, types) == [("{SALES_RECEIPT,SALES_REFUND,PURCHASE_PAYMENT,PURCHASE_REFUND}", "{SALE,PURCHASE}")]


def test_created_at_defaults_to_utc_whatever_the_server_thinks(source: Connection, source_url: str) -> None:
    database = sql.Identifier(source.info.dbname)
    source.execute(sql.SQL("ALTER DATABASE {} SET timezone = 'Asia/Tokyo'").format(database))
    with connect(source_url) as connection:
        assert value(connection, "SELECT CURRENT_TIMESTAMP::timestamp = now() AT TIME ZONE 'UTC'")


def test_an_existing_schema_is_refused_and_left_alone(source: Connection) -> None:
    fill(source, 3)
    with pytest.raises(SimulatorError, match="already there"):
        create_schema(source)
    assert value(source, "SELECT count(*) FROM sales_order") == 3


def test_replace_leaves_an_empty_schema(source: Connection) -> None:
    fill(source, 3)
    before = constraints(source)
    create_schema(source, replace=True)
    assert constraints(source) == before
    assert value(source, "SELECT count(*) FROM sales_order") == 0
