"""Every value of the source arrives as it is, byte for byte."""

import random
from collections.abc import Sequence
from typing import LiteralString
from uuid import uuid4

import psycopg
import pytest
from psycopg import sql

from include.lake import blocks
from include.source import landing
from local.postgres import PostgresServer
from local.totesys import Player, create_schema
from tests.system import System, open_exactly
from tests.totesys.acceptance.conftest import SMALL_SOURCE
from tests.totesys.acceptance.oracle import all_differences
from tests.totesys.acceptance.writes import REPAIRS

TEXTS = (
    "", " ", "  leading", "trailing  ", "\t", "\n", "\r", "\r\n", "two\nlines", "two\r\nlines", '"', '""', "'", "''",
    ",", 'a "quoted" one', "a,b;c|d", "\\", "\\\\", "\\.", "\\N", "\\n", "\\x41",
    "\n\\.\n", "{x}", "%s", "$1", "--", "/*",
    "NULL", "null", "None", "NA", "N/A", "nan", "NaN", "inf", "-inf", "#N/A", "true", "t", "f", "TRUE",
    "08841", "0081 009772", "1e5", "1.0", "-0", "+1", "0x10", "1_000", "2024-01-05", "12:30", "€", "Łódź", "東京都",
    "crate 📦🚚", "👩‍👩‍👧‍👦", "e\u0301", "é", "\u00a0", "\u200b", "\ufeff", "\u2028", "\u0001", "\x7f", "\U0010ffff",
    "x" * 100_000,
)  # fmt: skip

PIECES = (
    "\r\n", "\r", "\n", '"', ",", "\\", "\\.", " ", "\x01", "\u2028", "\ufeff", "é", "📦", "NULL", "x", "x" * 41,
)  # fmt: skip

TEXT_COLUMNS: tuple[tuple[LiteralString, LiteralString], ...] = (
    ("address", "address_line_1"), ("address", "address_line_2"), ("address", "district"), ("address", "city"),
    ("address", "postal_code"), ("address", "country"), ("address", "phone"),
    ("counterparty", "counterparty_legal_name"),
    ("department", "department_name"), ("department", "location"),
    ("design", "design_name"), ("design", "file_location"), ("design", "file_name"),
    ("staff", "first_name"), ("staff", "last_name"), ("staff", "email_address"),
    ("purchase_order", "item_code"),
)  # fmt: skip

NUMBERS: LiteralString = """
    UPDATE sales_order SET units_sold = (ARRAY[0, 1, -1, 2147483647, -2147483648])[1 + sales_order_id % 5],
        unit_price = (ARRAY[0, 0.01, 0.10, 1, 1.50, 100, 99999999.99, -99999999.99, -0.01])[1 + sales_order_id % 9];
    UPDATE payment SET payment_amount = (ARRAY[0.00, 0.10, 12345678.90, -0.10])[1 + payment_id % 4]"""
INSTANTS: LiteralString = """
    UPDATE sales_order SET created_at = (ARRAY['2000-01-01 00:00:00', '2100-12-31 23:59:59.999',
        '2024-02-29 12:00:00.001', '2024-01-05 10:20:30.120', '2024-01-05 10:20:30.100', '2024-12-31 23:59:59.999'
    ])[1 + sales_order_id % 6]::timestamp"""
IMPOSSIBLE_DAYS = (
    "", " ", "2024-02-30", "2024-13-01", "2023-02-29", "0000-00-00", "2024-1-5", "20240105", "2024/01/05",
    "05-01-2024", "2024-01-05 ", " 2024-01-05", "2024-01-05T00:00:00", "2024-01-05 00:00", "today", "infinity",
    "-infinity", "NaN", "\\N", "12024-01-05", "-2024-01-05", "2024-01-05 BC", "1999-12-31", "2101-01-01",
    "\uff19\uff19\uff19\uff19-01-05", "2024-01-05\n", "19720",
)  # fmt: skip
IMPOSSIBLE_INSTANTS = (
    "infinity",
    "-infinity",
    "0044-03-15 BC",
    "0001-01-01",
    "1999-12-31 23:59:59.999",
    "294276-12-31",
)


def differences(system: System) -> list[str]:
    """What the warehouse shows that the source does not say."""
    endpoints = system.endpoints
    with open_exactly(endpoints.source_url) as source, open_exactly(endpoints.warehouse_url) as warehouse:
        return all_differences(source, warehouse)


def write_texts(system: System, first: int, texts: Sequence[str] = TEXTS) -> None:
    """Put the texts into every text column, row by row, beginning with a different one in each column."""
    with psycopg.connect(system.endpoints.source_url) as connection:
        for shift, (table, column) in enumerate(TEXT_COLUMNS):
            statement = sql.SQL("UPDATE {0} SET {1} = (%s::text[])[1 + ({2} + %s) %% %s]").format(
                *map(sql.Identifier, (table, column, f"{table}_id"))
            )
            start = 80 * shift if len(texts) > len(TEXTS) else shift
            connection.execute(statement, [list(texts), start + first, len(texts)])


@pytest.fixture
def many_rows(system: System) -> System:
    """A system with more addresses, departments, staff and counterparties than there are texts."""
    system.write("""
        INSERT INTO address SELECT n, 'a', NULL, '', 'c', '0', 'd', '0', now(), now() FROM generate_series(101, 180) n;
        INSERT INTO department SELECT n, 'a', NULL, '', now(), now() FROM generate_series(101, 180) n;
        INSERT INTO staff SELECT n, 'a', 'b', n, 'c', now(), now() FROM generate_series(101, 180) n;
        INSERT INTO counterparty SELECT n, 'a', n, NULL, '', now(), now() FROM generate_series(101, 180) n""")
    return system


@pytest.mark.postgres_versions(16, 18)
def test_every_text_arrives_in_every_column_when_tables_are_read_whole(many_rows: System) -> None:
    write_texts(many_rows, 0)
    many_rows.run_cleanly()
    assert differences(many_rows) == []


def test_every_text_arrives_in_every_column_when_only_changes_are_read(
    many_rows: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(landing, "FILE_ROWS", 30)
    many_rows.run_cleanly()
    for first in (1, 30):
        write_texts(many_rows, first)
        many_rows.run_cleanly()
        assert differences(many_rows) == []


@pytest.mark.parametrize("block_bytes", [97, 300, 701])
def test_every_text_arrives_wherever_a_parser_s_block_ends(
    many_rows: System, monkeypatch: pytest.MonkeyPatch, block_bytes: int
) -> None:
    monkeypatch.setattr(blocks, "BLOCK_BYTES", block_bytes)
    chance = random.Random(block_bytes)  # noqa: S311 - texts, no secrets
    texts = ["".join(chance.choices(PIECES, k=chance.randrange(9))) for _ in range(3000)]
    for run in range(2):
        write_texts(many_rows, run, texts)
        many_rows.run_cleanly()
        assert differences(many_rows) == []


def test_a_row_that_is_not_utf_8_is_set_aside_alone(
    system: System, postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = f"ascii_{uuid4().hex[:12]}"
    with psycopg.connect(postgres.url(), autocommit=True) as connection:
        made = "CREATE DATABASE {} ENCODING 'SQL_ASCII' LOCALE 'C' TEMPLATE template0"
        connection.execute(sql.SQL(made).format(sql.Identifier(name)))
    try:
        with psycopg.connect(postgres.url(name)) as connection:
            create_schema(connection)
            connection.execute(SMALL_SOURCE)
            connection.execute("UPDATE design SET design_name = E'caf\\xe9' WHERE design_id = 2")
            connection.execute("UPDATE design SET design_name = E'caf\\xc3\\xa9' WHERE design_id = 3")
            connection.execute("UPDATE department SET manager = E'\\xff', location = E'\\xff' WHERE department_id = 4")
        monkeypatch.setenv("AIRFLOW_CONN_TOTESYS", postgres.url(name) + "?client_encoding=utf8")
        loads = system.run_cleanly("design", "staff").of_kind("load")
        assert set(loads["dim_design"].rejected) == {2}
        assert loads["dim_design"].examples[0].reason == r"design_name 'caf\xe9' is not UTF-8"
        assert set(loads["dim_staff"].rejected) == {4}
        assert system.warehouse("SELECT design_id, design_name FROM dim_design WHERE design_id < 4") == [
            (1, "name"), (3, "café"),
        ]  # fmt: skip
    finally:
        postgres.drop_database(name)


def test_an_empty_text_and_null_stay_different_when_one_becomes_the_other(system: System) -> None:
    system.write("UPDATE address SET district = NULL, address_line_2 = ''")
    system.run_cleanly()
    system.write("UPDATE address SET district = '', address_line_2 = NULL")
    system.run_cleanly()
    shown = "SELECT DISTINCT district, address_line_2 FROM dim_location"
    assert system.warehouse(shown) == [("", None)]


@pytest.mark.postgres_versions(16, 18)
def test_every_number_and_every_instant_arrives_to_its_last_digit(system: System) -> None:
    system.write(NUMBERS)
    system.write(INSTANTS)
    system.run_cleanly()
    assert differences(system) == []


def test_impossible_days_are_set_aside_and_the_rows_beside_them_arrive(system: System) -> None:
    for number, day in enumerate(IMPOSSIBLE_DAYS, 1):
        system.write("UPDATE sales_order SET agreed_delivery_date = %s WHERE sales_order_id = %s", day, number)
    wrong = set(range(1, 1 + len(IMPOSSIBLE_DAYS)))
    assert set(system.run_cleanly().of_kind("load")["fact_sales_order"].rejected) == wrong
    assert system.warehouse("SELECT count(*) FROM current_sales_order") == [(200 - len(wrong),)]
    assert differences(system) == []


def test_instants_that_no_calendar_holds_are_set_aside_alone(system: System) -> None:
    for number, instant in enumerate(IMPOSSIBLE_INSTANTS, 1):
        system.write("UPDATE sales_order SET created_at = %s::timestamp WHERE sales_order_id = %s", instant, number)
        system.write("UPDATE payment SET last_updated = %s::timestamp WHERE payment_id = %s", instant, number)
    loads = system.run_cleanly().of_kind("load")
    assert set(loads["fact_sales_order"].rejected) == set(loads["fact_payment"].rejected) == set(range(1, 7))
    assert differences(system) == []
    system.write("UPDATE sales_order SET units_sold = 4321 WHERE sales_order_id > 10")
    system.run_cleanly()
    assert differences(system) == []


def test_a_number_that_is_none_arrives_as_that(system: System) -> None:
    system.write("UPDATE payment SET payment_amount = 'NaN' WHERE payment_id = 1")
    assert not system.run_cleanly().of_kind("load")["fact_payment"].rejected
    assert system.warehouse("SELECT payment_amount FROM current_payment WHERE payment_id = 1") == [("NaN",)]
    assert differences(system) == []


@pytest.mark.parametrize("seed", range(3))
def test_everything_that_the_simulator_writes_arrives(system: System, seed: int) -> None:
    with Player(system.endpoints.source_url, seed) as player:
        for _ in range(3):
            for _ in range(250):
                player.perform(player.choose())
            system.run_cleanly()
            assert differences(system) == []
    for repair in REPAIRS:
        system.write(repair)
    system.run_cleanly()
    assert differences(system) == []
