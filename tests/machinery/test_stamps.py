"""Stamps are optional, and may be called and typed otherwise; without anything that tells of changes all is read."""

from datetime import UTC, datetime, timedelta

import pytest

from include.common.keys import KeySet
from include.state.latest import read_state
from include.tables.source import SourceColumn, SourceTable
from include.tables.star import Dimension, Fact
from tests.machinery.conftest import MakeSystem, assert_equal, declare, mirror
from tests.system import System

KEY, NAME = SourceColumn("id", "integer"), SourceColumn("name", "text")


def item(**fields: object) -> SourceTable:
    columns = (KEY, NAME, SourceColumn("changed", "timestamptz", nullable=True))
    return SourceTable("item", "id", columns, **fields)  # type: ignore[arg-type]


MADE = """
    CREATE TABLE item (id integer PRIMARY KEY, name text NOT NULL, changed timestamptz);
    INSERT INTO item SELECT n, 'item ' || n, timestamptz '2024-01-01' + n * interval '1 day'
      FROM generate_series(1, 9) AS n"""


def lag(system: System) -> float:
    last = read_state().tables["item"].last_load
    assert last is not None
    return last.lag_seconds


@pytest.mark.parametrize("stamp", ["", "changed"])
def test_changes_are_found_whether_a_stamp_is_declared_or_not(system_of: MakeSystem, stamp: str) -> None:
    source = item(stamp=stamp)
    fact = mirror(Fact, source, "fact_item")
    system = system_of(declare(source, fact), MADE)
    system.run_cleanly()
    system.write("UPDATE item SET name = 'other', changed = NULL WHERE id = 2; DELETE FROM item WHERE id = 4")
    system.run_cleanly()
    assert_equal(system, fact)


def test_without_a_stamp_lag_counts_from_the_reading_before(system_of: MakeSystem) -> None:
    source = item()
    system = system_of(declare(source, mirror(Dimension, source, "dim_item")), MADE)
    system.run_cleanly()
    before = read_state().tables["item"].observed_at
    system.write("UPDATE item SET name = 'other' WHERE id = 2")
    system.run_cleanly()
    elapsed = (datetime.now(UTC) - before).total_seconds()
    assert elapsed - 5 < lag(system) <= elapsed


def test_with_a_stamp_lag_counts_from_the_oldest_change(system_of: MakeSystem) -> None:
    source = item(stamp="changed")
    system = system_of(declare(source, mirror(Dimension, source, "dim_item")), MADE)
    system.run_cleanly()
    system.write("UPDATE item SET name = 'other', changed = clock_timestamp() WHERE id = 2")
    changed = datetime.now(UTC)
    system.run_cleanly()
    assert lag(system) <= (datetime.now(UTC) - changed + timedelta(seconds=1)).total_seconds()


@pytest.mark.parametrize("kind", ["VIEW", "MATERIALIZED VIEW"])
def test_a_view_without_a_stamp_is_followed_whole(system_of: MakeSystem, kind: str) -> None:
    source = item(follow="whole", relation="shown")
    fact = mirror(Fact, source, "fact_item")
    system = system_of(declare(source, fact), MADE, f"CREATE {kind} shown AS TABLE item")
    assert system.run_cleanly().of_kind("load")["fact_item"].new == 9
    assert_equal(system, fact)
    refresh = "REFRESH MATERIALIZED VIEW shown" if kind != "VIEW" else "SELECT 1"
    system.write("UPDATE item SET name = 'other' WHERE id = 2; DELETE FROM item WHERE id = 4")
    system.write(refresh)
    load = system.run_cleanly().of_kind("load")["fact_item"]
    assert (load.new, load.changed, load.deleted) == (0, 1, 1)
    assert_equal(system, fact)
    assert not system.run_cleanly().of_kind("load")


def test_a_stamp_of_another_name_and_type_is_followed(system_of: MakeSystem) -> None:
    source = item(stamp="changed", follow="stamp", overlap_seconds=0, relation="shown")
    fact = mirror(Fact, source, "fact_item")
    system = system_of(declare(source, fact), MADE, "CREATE VIEW shown AS TABLE item")
    system.run_cleanly()
    system.write("UPDATE item SET name = 'other', changed = now() WHERE id = 2")
    assert system.run_cleanly().of_kind("ingest")["item"].read_rows < 9
    assert_equal(system, fact)


@pytest.mark.parametrize("kind", ["timestamptz", "timestamp"])
def test_a_table_that_had_no_stamp_yet_is_followed_by_those_that_come(system_of: MakeSystem, kind: str) -> None:
    columns = (KEY, NAME, SourceColumn("changed", kind, nullable=True))
    source = SourceTable("item", "id", columns, follow="stamp", stamp="changed")
    fact = mirror(Fact, source, "fact_item")
    made = f"CREATE TABLE item (id integer PRIMARY KEY, name text NOT NULL, changed {kind})"
    system = system_of(declare(source, fact), made)
    system.run_cleanly()
    system.write("INSERT INTO item VALUES (1, 'first', NULL)")
    system.run_cleanly()
    system.write("UPDATE item SET name = 'other', changed = '0001-01-01 00:30:00' WHERE id = 1")
    system.run_cleanly()
    assert_equal(system, fact)
    system.run_cleanly()


def test_stamps_may_lie_before_the_year_2000(system_of: MakeSystem) -> None:
    source = item(stamp="changed", follow="stamp", overlap_seconds=60)
    fact = mirror(Fact, source, "fact_item")
    system = system_of(declare(source, fact), MADE, "UPDATE item SET changed = changed - interval '30 years'")
    system.run_cleanly()
    system.write("UPDATE item SET name = 'other', changed = '1996-05-05' WHERE id = 2")
    read = system.run_cleanly().of_kind("ingest")["item"]
    assert (read.read_rows, read.proofs["fact_item"].differing) == (2, KeySet())  # the newest one, too
    assert_equal(system, fact)
