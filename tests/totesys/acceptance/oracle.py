"""What the warehouse must hold, as plain SQL asked of the source: nothing here comes from the pipeline's declarations.

Each query gives the key first, the other columns in the warehouse's order, and last whether the row can be right.
"""

from typing import LiteralString

from psycopg import Connection

Row = tuple[object, ...]

CURRENCIES: LiteralString = """(VALUES
    ('GBP', 'Pound Sterling'), ('USD', 'US Dollar'), ('EUR', 'Euro'), ('JPY', 'Yen'), ('CHF', 'Swiss Franc'),
    ('SEK', 'Swedish Krona'), ('PLN', 'Zloty'), ('AUD', 'Australian Dollar'), ('CAD', 'Canadian Dollar'),
    ('INR', 'Indian Rupee'), ('BRL', 'Brazilian Real'), ('TRY', 'Turkish Lira'), ('NOK', 'Norwegian Krone')
) AS iso (code, name)"""
"""Source: ISO 4217."""

STAMPS: LiteralString = "created_at::date, created_at::time, last_updated::date, last_updated::time"
STAMPS_FIT: LiteralString = """created_at::date BETWEEN '2000-01-01' AND '2100-12-31'
    AND last_updated::date BETWEEN '2000-01-01' AND '2100-12-31'"""


def day_fits(column: LiteralString) -> LiteralString:
    """The condition that a text is a day of the calendar, written YYYY-MM-DD."""
    return (
        column + " ~ '^[0-9]{4}-[0-9]{2}-[0-9]{2}$' AND pg_input_is_valid(" + column + ", 'date')"
        " AND " + column + " BETWEEN '2000-01-01' AND '2100-12-31'"
    )


# ruff: noqa: S608 - put together from what is written in this file
FACTS: dict[str, LiteralString] = {
    "fact_sales_order": "SELECT sales_order_id, " + STAMPS + ", staff_id, counterparty_id, units_sold, unit_price,"
    " currency_id, design_id, agreed_payment_date, agreed_delivery_date, agreed_delivery_location_id, "
    + STAMPS_FIT + " AND " + day_fits("agreed_payment_date") + " AND " + day_fits("agreed_delivery_date")
    + " FROM sales_order",
    "fact_purchase_order": "SELECT purchase_order_id, " + STAMPS + ", staff_id, counterparty_id, item_code,"
    " item_quantity, item_unit_price, currency_id, agreed_delivery_date, agreed_payment_date,"
    " agreed_delivery_location_id, "
    + STAMPS_FIT + " AND " + day_fits("agreed_payment_date") + " AND " + day_fits("agreed_delivery_date")
    + " FROM purchase_order",
    "fact_payment": "SELECT payment_id, " + STAMPS + ", transaction_id, counterparty_id, payment_amount, currency_id,"
    " payment_type_id, paid, payment_date, " + STAMPS_FIT + " AND " + day_fits("payment_date") + " FROM payment",
}  # fmt: skip

CURRENCY_AT = {"fact_sales_order": 9, "fact_purchase_order": 10, "fact_payment": 8}
"""The position of currency_id in a fact's row."""

DIMENSIONS: dict[str, LiteralString] = {
    "dim_staff": "SELECT staff_id, first_name, last_name, department_name, location, email_address, true"
    " FROM staff JOIN department USING (department_id)",
    "dim_location": "SELECT address_id, address_line_1, address_line_2, district, city, postal_code, country, phone,"
    " true FROM address",
    "dim_currency": "SELECT currency_id, currency_code, iso.name, iso.code IS NOT NULL"
    " FROM currency LEFT JOIN " + CURRENCIES + " ON code = currency_code",
    "dim_design": "SELECT design_id, design_name, file_location, file_name, true FROM design",
    "dim_counterparty": "SELECT counterparty_id, counterparty_legal_name, address_line_1, address_line_2, district,"
    " city, postal_code, country, phone, true FROM counterparty JOIN address ON address_id = legal_address_id",
    "dim_payment_type": "SELECT payment_type_id, payment_type_name::text, true FROM payment_type",
    "dim_transaction": "SELECT transaction_id, transaction_type::text, sales_order_id, purchase_order_id, true"
    " FROM transaction",
}

SHOWN: dict[str, LiteralString] = {
    "fact_sales_order": "SELECT sales_order_id, created_date, created_time, last_updated_date, last_updated_time,"
    " sales_staff_id, counterparty_id, units_sold, unit_price, currency_id, design_id, agreed_payment_date,"
    " agreed_delivery_date, agreed_delivery_location_id FROM current_sales_order",
    "fact_purchase_order": "SELECT purchase_order_id, created_date, created_time, last_updated_date,"
    " last_updated_time, staff_id, counterparty_id, item_code, item_quantity, item_unit_price, currency_id,"
    " agreed_delivery_date, agreed_payment_date, agreed_delivery_location_id FROM current_purchase_order",
    "fact_payment": "SELECT payment_id, created_date, created_time, last_updated_date, last_updated_time,"
    " transaction_id, counterparty_id, payment_amount, currency_id, payment_type_id, paid, payment_date"
    " FROM current_payment",
    "dim_staff": "SELECT staff_id, first_name, last_name, department_name, location, email_address FROM dim_staff",
    "dim_location": "SELECT location_id, address_line_1, address_line_2, district, city, postal_code, country, phone"
    " FROM dim_location",
    "dim_currency": "SELECT currency_id, currency_code, currency_name FROM dim_currency",
    "dim_design": "SELECT design_id, design_name, file_location, file_name FROM dim_design",
    "dim_counterparty": "SELECT counterparty_id, counterparty_legal_name, counterparty_legal_address_line_1,"
    " counterparty_legal_address_line_2, counterparty_legal_district, counterparty_legal_city,"
    " counterparty_legal_postal_code, counterparty_legal_country, counterparty_legal_phone_number"
    " FROM dim_counterparty",
    "dim_payment_type": "SELECT payment_type_id, payment_type_name FROM dim_payment_type",
    "dim_transaction": "SELECT transaction_id, transaction_type, sales_order_id, purchase_order_id"
    " FROM dim_transaction",
}


def by_key(rows: list[Row]) -> dict[int, Row]:
    """Rows by their first column; a key that comes twice is a failure."""
    found = {int(str(row[0])): row for row in rows}
    assert len(found) == len(rows), f"keys come twice: {sorted(str(row[0]) for row in rows)}"
    return found


def expected(source: Connection, table: str) -> tuple[dict[int, Row], set[int]]:
    """What a warehouse table must show of the source's rows that can be right, and the keys of the others."""
    rows = source.execute((FACTS | DIMENSIONS)[table]).fetchall()
    return by_key([row[:-1] for row in rows if row[-1]]), {row[0] for row in rows if not row[-1]}


def shown(warehouse: Connection, table: str) -> dict[int, Row]:
    """What a warehouse table shows as current."""
    return by_key(warehouse.execute(SHOWN[table]).fetchall())


def unknown_currencies(source: Connection, warehouse: Connection) -> set[int]:
    """The keys of currencies that cannot be right and never were."""
    return expected(source, "dim_currency")[1] - shown(warehouse, "dim_currency").keys()


def differences(source: Connection, warehouse: Connection, table: str) -> list[str]:
    """A sentence for each key that the warehouse misses, shows wrongly, or shows though the source has it no longer.

    Rows that cannot be right may be shown, in an earlier state; dimensions may show rows that are gone.
    """
    wanted, unfit = expected(source, table)
    found = shown(warehouse, table)
    if table in FACTS:
        unknown, at = unknown_currencies(source, warehouse), CURRENCY_AT[table]
        unfit |= {key for key, row in wanted.items() if row[at] in unknown}
        wanted = {key: row for key, row in wanted.items() if key not in unfit}
    wrong = [f"{table}: {found.get(key, key)} is {row}" for key, row in wanted.items() if found.get(key) != row]
    if table in FACTS:
        wrong += [f"{table}: {found[key]} is gone" for key in found.keys() - wanted.keys() - unfit]
    return wrong


def all_differences(source: Connection, warehouse: Connection) -> list[str]:
    """`differences` of every table."""
    return [line for table in SHOWN for line in differences(source, warehouse, table)]
