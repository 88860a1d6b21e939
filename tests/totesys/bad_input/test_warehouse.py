"""A warehouse that is not ours to change, or was changed by others: one error that names the column or the grant."""

from typing import LiteralString
from urllib.parse import urlsplit

import psycopg
import pytest

from include.common.errors import DataError, DeclarationError
from include.tables.steps import PREPARE, Step
from tests.messages import one_line
from tests.system import System
from tests.totesys.bad_input.conftest import Recorded

LOAD_DESIGN = Step("load", "dim_design")

DROP_VIEWS = """
    DO $$DECLARE name text; BEGIN
        FOR name IN SELECT viewname FROM pg_views WHERE schemaname = 'public' LOOP
            EXECUTE format('DROP VIEW %I CASCADE', name);
        END LOOP;
    END$$"""
"""What whoever alters a column by hand does first: the pipeline's views keep columns as they are, and come back."""


def change_warehouse(system: System, statement: LiteralString) -> None:
    with psycopg.connect(system.endpoints.warehouse_url) as warehouse:
        warehouse.execute(statement)


def test_a_column_of_another_type_is_named_with_both_types(system: System, recorded: Recorded) -> None:
    system.run_cleanly("design")
    known = recorded.table("design")
    change_warehouse(system, "ALTER TABLE dim_design ALTER file_name TYPE integer USING 1")
    system.write("UPDATE design SET design_name = 'Later'")
    error = system.run("design").failures[PREPARE]
    assert type(error) is DataError
    one_line(error, "warehouse", "dim_design.file_name", "integer", "declared as text", "ALTER")
    assert recorded.table("design") == known


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ("ALTER TABLE dim_design ALTER design_id TYPE bigint", "dim_design.design_id"),
        ("ALTER TABLE fact_sales_order ALTER unit_price TYPE numeric(12,4)", "fact_sales_order.unit_price"),
    ],
    ids=["wider key", "other scale"],
)
def test_a_column_whose_width_or_scale_is_another_is_named_or_still_loads(
    system: System, change: LiteralString, named: str
) -> None:
    system.run_cleanly("sales_order")
    change_warehouse(system, DROP_VIEWS)
    change_warehouse(system, change)
    system.write("UPDATE sales_order SET unit_price = unit_price + 1")
    done = system.run("sales_order")
    if done.failures:
        one_line(next(iter(done.failures.values())), *named.split("."))
    else:
        changed = "SELECT count(*) FROM fact_sales_order WHERE valid_to IS NOT NULL"
        assert system.warehouse(changed) == [(200,)]


def test_a_user_without_create_is_told_what_to_grant(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    url = system.endpoints.warehouse_url
    role = "loader_" + urlsplit(url).path[-8:]
    change_warehouse(system, f'CREATE ROLE "{role}" LOGIN CREATEROLE')  # type: ignore[arg-type]
    monkeypatch.setenv("AIRFLOW_CONN_WAREHOUSE", url.replace("postgres@", f"{role}@"))
    error = system.run("design").failures[PREPARE]
    assert type(error) is DeclarationError
    one_line(error, "warehouse", "permission denied for database", "CREATE")


def test_a_schema_of_the_roles_name_does_not_catch_the_tables(system: System) -> None:
    change_warehouse(system, "CREATE SCHEMA AUTHORIZATION CURRENT_USER")
    system.run_cleanly("design")
    system.run_cleanly("design")
    assert system.warehouse("SELECT count(*) > 0 FROM public.dim_design") == [(True,)]


def test_a_table_of_somebody_elses_in_the_way_is_named(system: System) -> None:
    change_warehouse(system, "CREATE VIEW dim_design AS SELECT 1 AS design_id")
    error = system.run("design").failures[PREPARE]
    assert type(error) in {DataError, DeclarationError}
    one_line(error, "dim_design")


def test_an_undeclared_column_that_must_have_a_value_costs_the_new_rows_and_is_named(system: System) -> None:
    system.run_cleanly("design")
    change_warehouse(system, "ALTER TABLE dim_design ADD colour text NOT NULL DEFAULT 'red'")
    change_warehouse(system, "ALTER TABLE dim_design ALTER colour DROP DEFAULT")
    system.write("INSERT INTO design VALUES (999, 'new', '/usr', 'file', now(), now())")
    (example,) = system.run_cleanly("design").results[LOAD_DESIGN].examples
    assert example.key == 999
    assert "colour" in example.reason


def test_an_undeclared_constraint_that_refuses_a_row_is_named(system: System) -> None:
    system.run_cleanly("design")
    change_warehouse(system, "ALTER TABLE dim_design ADD CONSTRAINT short_names CHECK (length(design_name) < 100)")
    system.write("UPDATE design SET design_name = repeat('x', 100) WHERE design_id = 1")
    (example,) = system.run_cleanly("design").results[LOAD_DESIGN].examples
    assert example.key == 1
    assert "short_names" in example.reason


def test_a_row_that_somebody_deleted_from_the_warehouse_fails_the_run_and_comes_back(system: System) -> None:
    system.run_cleanly("design")
    change_warehouse(system, "DELETE FROM dim_design WHERE design_id = 3")
    system.write("UPDATE design SET design_name = 'Later' WHERE design_id = 1")
    one_line(system.run("design").failures[Step("record")], "dim_design", "1 rows did not equal", "design_id 3")
    assert system.warehouse("SELECT count(*) FROM dim_design") == [(424,)]
    system.run_cleanly("design")


def test_a_dropped_table_is_made_anew_and_filled(system: System) -> None:
    system.run_cleanly("design")
    change_warehouse(system, "DROP TABLE dim_design CASCADE")
    system.run_cleanly("design")
    assert system.warehouse("SELECT count(*) FROM dim_design") == [(424,)]


def test_an_emptied_table_is_filled_by_a_full_refresh(system: System) -> None:
    system.run_cleanly("design")
    change_warehouse(system, "TRUNCATE dim_design CASCADE")
    system.run_cleanly("design", full_refresh=True)
    assert system.warehouse("SELECT count(*) FROM dim_design") == [(424,)]
