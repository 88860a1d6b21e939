"""When a table last changed is noted exactly: whoever keeps a copy asks for that alone."""

from datetime import datetime

import psycopg

from tests.system import System


def changed(system: System) -> dict[str, tuple[datetime | None, datetime | None]]:
    with psycopg.connect(system.endpoints.warehouse_url) as connection:
        rows = connection.execute("SELECT table_name, changed_at, restated_at FROM pipeline.load").fetchall()
    return {name: (changed_at, restated_at) for name, changed_at, restated_at in rows}


def moved(before: dict[str, tuple[datetime | None, ...]], after: dict[str, tuple[datetime | None, ...]]) -> set[str]:
    return {name for name in after if after[name] != before[name]}


def test_a_tables_change_is_noted_when_rows_come_change_or_go_and_at_nothing_else(system: System) -> None:
    system.run_cleanly()
    first = changed(system)
    assert all(at and restated for at, restated in first.values())

    system.write("UPDATE sale SET last_updated = last_updated")  # read again, and equal
    system.run_cleanly("sale")
    assert moved(first, changed(system)) == set()

    system.write("UPDATE sale SET units_sold = 7 WHERE sale_id = 3")
    system.run_cleanly()
    second = changed(system)
    assert moved(first, second) == {"fact_sale"}

    system.write("DELETE FROM payment WHERE payment_id = 5")
    system.run_cleanly()
    third = changed(system)
    assert moved(second, third) == {"fact_payment"}
    assert [third[name][1] for name in third] == [first[name][1] for name in third], "nothing was restated"
    assert third["fact_payment"][0] > second["fact_payment"][0]


def test_a_row_that_is_rejected_again_and_again_changes_nothing(system: System) -> None:
    system.run_cleanly()
    system.write("UPDATE sale SET delivery_date = '2023-02-30' WHERE sale_id = 3")
    system.run_cleanly()
    before = changed(system)
    system.run_cleanly()
    assert moved(before, changed(system)) == set()


def test_a_row_that_the_warehouse_refuses_again_and_again_changes_nothing(system: System) -> None:
    system.run_cleanly()
    system.edit_warehouse("ALTER TABLE fact_sale ADD CHECK (units_sold <> 7777)")
    system.write("UPDATE sale SET units_sold = 7777 WHERE sale_id = 3")
    system.run_cleanly()
    before = changed(system)
    for _ in range(2):
        system.run_cleanly()
        assert moved(before, changed(system)) == set()
    system.edit_warehouse("ALTER TABLE fact_sale DROP CONSTRAINT fact_sale_units_sold_check")
    system.run_cleanly()
    assert moved(before, changed(system)) == {"fact_sale"}


def test_a_dimensions_row_that_goes_is_a_change_and_its_reading_is_told_in_one_small_query(system: System) -> None:
    system.run_cleanly()
    before = changed(system)
    system.write("INSERT INTO method (method_id, method_name) VALUES (9, 'CASH')")
    system.run_cleanly()
    added = changed(system)
    assert moved(before, added) == {"dim_method"}
    system.write("DELETE FROM method WHERE method_id = 9")
    system.run_cleanly()
    assert moved(added, changed(system)) == {"dim_method"}
    read = "SELECT (inputs ->> 'sale')::timestamptz::text FROM pipeline.load WHERE table_name = 'fact_sale'"
    system.write("UPDATE sale SET units_sold = 8 WHERE sale_id = 4")
    system.run_cleanly()
    assert system.warehouse(read) == system.warehouse("SELECT max(valid_from)::text FROM fact_sale")


def test_a_table_that_is_filled_anew_is_restated(system: System) -> None:
    system.run_cleanly()
    before = changed(system)
    system.edit_warehouse("TRUNCATE fact_sale")
    system.run_cleanly("sale", full_refresh=True)
    after = changed(system)
    assert after["fact_sale"][1] > before["fact_sale"][1]


def test_a_warehouse_of_an_earlier_version_learns_when_its_tables_changed(system: System) -> None:
    system.run_cleanly()
    system.edit_warehouse("ALTER TABLE pipeline.load DROP changed_at, DROP restated_at")
    system.run_cleanly()
    assert all(at and restated for at, restated in changed(system).values())
