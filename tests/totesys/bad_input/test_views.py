"""A view as a source: followed by last_updated, with a key that must be unique."""

from dataclasses import replace

import pytest

from include.common.errors import DataError, DeclarationError
from include.tables.steps import Step
from include.totesys import DECLARED
from tests.messages import one_line
from tests.system import System

INGEST_DESIGN = Step("ingest", "design")


@pytest.fixture
def viewed(system: System) -> System:
    """A system whose source `design` is a view, declared as one to follow by its stamp."""
    system.write("ALTER TABLE design RENAME TO design_base")
    system.write("UPDATE design_base SET last_updated = '2024-01-01', created_at = '2024-01-01'")
    system.write("CREATE VIEW design AS SELECT * FROM design_base")
    system.declare(replace(DECLARED.sources["design"], follow="stamp", overlap_seconds=60))
    return system


def names(system: System, *keys: int) -> list[str]:
    rows = dict(system.warehouse("SELECT design_id, design_name FROM dim_design"))
    return [rows[key] for key in keys]


def test_a_stamped_change_in_a_view_arrives(viewed: System) -> None:
    viewed.run_cleanly("design")
    viewed.write("UPDATE design_base SET design_name = 'New', last_updated = '2024-01-02' WHERE design_id = 5")
    viewed.run_cleanly("design")
    assert names(viewed, 5) == ["New"]


def test_a_change_stamped_within_the_overlap_arrives(viewed: System) -> None:
    viewed.write("UPDATE design_base SET last_updated = '2024-06-01 12:00:00' WHERE design_id = 4")
    viewed.run_cleanly("design")
    viewed.write("UPDATE design_base SET design_name = 'New', last_updated = '2024-06-01 11:59:30' WHERE design_id = 5")
    viewed.run_cleanly("design")
    assert names(viewed, 5) == ["New"]


def test_a_stamp_in_the_future_does_not_hide_what_follows(viewed: System) -> None:
    viewed.write("UPDATE design_base SET last_updated = '2999-01-01' WHERE design_id = 4")
    viewed.run_cleanly("design")
    viewed.write("UPDATE design_base SET design_name = 'New', last_updated = now() WHERE design_id = 5")
    viewed.run_cleanly("design")
    assert names(viewed, 5) == ["New"]


def test_a_deletion_and_an_insertion_that_is_stamped_too_early_are_both_seen(viewed: System) -> None:
    viewed.run_cleanly("design")
    viewed.write(
        "DELETE FROM design_base WHERE design_id = (SELECT max(design_id) FROM design_base WHERE design_id NOT IN "
        "(SELECT design_id FROM sales_order))"
    )
    viewed.write(
        "INSERT INTO design_base (design_id, design_name, file_location, file_name, created_at, last_updated)"
        " VALUES (9001, 'Late', '/usr', 'file', '2020-01-01', '2020-01-01')"
    )
    viewed.run_cleanly("design")
    assert names(viewed, 9001) == ["Late"]


def test_a_key_that_is_not_unique_is_named(viewed: System) -> None:
    viewed.write(
        "CREATE OR REPLACE VIEW design AS SELECT * FROM design_base UNION ALL "
        "SELECT * FROM design_base WHERE design_id < 3"
    )
    error = viewed.run("design").failures[INGEST_DESIGN]
    assert type(error) is DataError
    one_line(error, "design", "design_id", "unique", "426", "424")


def test_a_key_that_is_null_is_named(viewed: System) -> None:
    viewed.write(
        "CREATE OR REPLACE VIEW design AS SELECT nullif(design_id, 3) AS design_id, design_name, file_location, "
        "file_name, created_at, last_updated FROM design_base"
    )
    error = viewed.run("design").failures[INGEST_DESIGN]
    assert type(error) is DataError
    one_line(error, "design", "design_id", "NULL")


def test_a_view_that_follows_xmin_is_told_to_follow_its_stamp(viewed: System) -> None:
    viewed.run_cleanly("design")
    viewed.declare(replace(DECLARED.sources["design"], follow="xmin"))
    viewed.run("design")
    error = viewed.run("design").failures[INGEST_DESIGN]
    assert type(error) is DeclarationError
    one_line(error, "design", 'follow="stamp"')
