"""Tables read in slices: all of them together are what the source held when the last reading looked."""

# ruff: noqa: S608 - the statements are the tests' own

from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest
from psycopg import sql

from include import pipeline
from include.common.errors import ServiceError
from include.common.slices import Progress
from include.pipeline import Options
from include.runner import run
from include.source.cuts import within
from include.source.known import Known
from include.source.plans import plan_slices
from include.state import status
from include.tables.declarations import Declarations
from include.tables.source import SourceColumn, SourceTable
from include.tables.star import Column, Dimension, Fact, Join
from include.tables.steps import Step
from include.warehouse import load, slicing
from tests.machinery.conftest import MakeSystem, declare, mirror
from tests.machinery.test_lake import database  # noqa: F401 - a fixture
from tests.system import System

PART = SourceTable(
    "part", "id", (SourceColumn("id", "integer"), SourceColumn("label", "text"), SourceColumn("day", "text")),
    slice_rows=100,
)  # fmt: skip
SHELF = SourceTable("shelf", "id", (SourceColumn("id", "integer"), SourceColumn("room", "text")))
KEPT = SourceTable(
    "kept",
    ("place", "number"),
    (SourceColumn("place", "text"), SourceColumn("number", "bigint"), SourceColumn("shelf_id", "integer")),
    slice_rows=100,
)
DIM_PART = Dimension(
    "dim_part",
    "id",
    PART,
    (Column("id", "integer", "id"), Column("label", "text", "label"), Column("day", "date", "day")),
)
FACT_PART = Fact("fact_part", "record_id", "id", PART, DIM_PART.columns)
FACT_KEPT = Fact(
    "fact_kept",
    "record_id",
    ("place", "number"),
    KEPT,
    (
        Column("place", "text", "place"),
        Column("number", "bigint", "number"),
        Column("room", "text", ("shelf_id", "room"), nullable=True),
    ),
    joins=(Join(SHELF, "shelf_id"),),
)
MADE = """
    CREATE TABLE part (id integer PRIMARY KEY, label text NOT NULL, day text NOT NULL);
    INSERT INTO part SELECT n, 'part ' || n, '2024-01-05' FROM generate_series(1, 1000) n;
    CREATE TABLE shelf (id integer PRIMARY KEY, room text NOT NULL);
    INSERT INTO shelf SELECT n, 'room ' || n FROM generate_series(1, 10) n;
    CREATE TABLE kept (place text, number bigint, shelf_id integer NOT NULL, PRIMARY KEY (place, number));
    INSERT INTO kept SELECT chr(97 + n % 7), n, n % 10 + 1 FROM generate_series(1, 1000) n"""

SHOWN = {
    "fact_part": "SELECT id, label, day::text FROM current_part ORDER BY 1",
    "dim_part": "SELECT id, label, day::text FROM dim_part p WHERE NOT EXISTS (SELECT FROM pipeline.deleted d"
    " WHERE table_name = 'dim_part' AND key = p.id) ORDER BY 1",
    "fact_kept": 'SELECT place COLLATE "C", number, room FROM current_kept ORDER BY 1, 2',
}
HELD = {
    "fact_part": "SELECT id, label, day FROM part WHERE day = '2024-01-05' ORDER BY 1",
    "dim_part": "SELECT id, label, day FROM part WHERE day = '2024-01-05' ORDER BY 1",
    "fact_kept": 'SELECT place COLLATE "C", number, room FROM kept JOIN shelf ON shelf.id = shelf_id ORDER BY 1, 2',
}

Between = Callable[[str, int], object]


@pytest.fixture
def system(system_of: MakeSystem) -> System:
    return system_of(declare(PART, SHELF, KEPT, DIM_PART, FACT_PART, FACT_KEPT), MADE)


def assert_as_the_source(system: System) -> None:
    for name, query in SHOWN.items():
        assert system.warehouse(query) == system.source(HELD[name]), name


def after_each_slice(monkeypatch: pytest.MonkeyPatch, do: Between) -> list[int]:
    """Do something after each slice, with its table and how many were read; gives which were.

    What is to be there at once is changed after slices of the same table alone: others may have been read to their end.
    """
    real, read = pipeline.slice_table, list[int]()

    def slice_table(declared: Any, name: str, load_id: str, number: int) -> bool:
        done = real(declared, name, load_id, number)
        read.append(number)
        do(name, len(read))
        return done

    monkeypatch.setattr(pipeline, "slice_table", slice_table)
    return read


def failing_for(number: int) -> Callable[..., Any]:
    """`read_slice` that cannot read one of them."""
    real = slicing.read_slice

    def read_slice(declared: Any, plan: Any, asked: int) -> Any:
        if asked == number:
            raise ServiceError("no answer")
        return real(declared, plan, asked)

    return read_slice


CHANGES = {
    "part": """
    UPDATE part SET label = label || '+' WHERE id % 97 = {0};
    DELETE FROM part WHERE id % 101 = {0};
    INSERT INTO part SELECT n, 'new', '2024-01-05' FROM generate_series({0} * 3, {0} * 3 + 20) n ON CONFLICT DO NOTHING;
    UPDATE part SET id = id + 5000 WHERE id = 900 - {0};
    UPDATE part SET id = id - 5000 WHERE id = 5901 - {0}""",
    "kept": """
    UPDATE kept SET shelf_id = {0} % 10 + 1 WHERE number % 97 = {0};
    UPDATE shelf SET room = room || '+' WHERE id = {0} % 5 + 1;
    DELETE FROM kept WHERE number % 101 = {0}""",
}


def test_a_first_load_equals_the_source_that_is_changed_under_it(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(load, "FILL_ROWS", 1)
    read = after_each_slice(monkeypatch, lambda name, number: system.write(CHANGES[name].format(number)))
    system.run_cleanly()
    assert len(read) == 20
    assert_as_the_source(system)
    instants = system.warehouse("SELECT DISTINCT valid_from, valid_to FROM fact_part")
    assert len(instants) == 1
    assert system.warehouse("SELECT count(*) FROM pg_tables WHERE tablename LIKE 'sliced%'") == [(0,)]
    system.run_cleanly()
    before = system.row_versions(), system.data_files()
    system.run_cleanly()
    assert (system.row_versions(), system.data_files()) == before


@pytest.fixture
def lake(system: System, database: str) -> Callable[[], None]:  # noqa: F811
    """A function that holds every version in the warehouse against the lake."""

    def assert_told() -> None:
        assert [audit for audit in pipeline.audit_versions(system.declared, ()) if not audit.equal] == []

    return assert_told


def bad_days(number: int) -> str:
    """Rows that cannot be right, in slices that were read and those to come, and rows that were wrong and are right."""
    return (
        f"UPDATE part SET day = 'never' WHERE id % 89 = {number};"
        f"UPDATE part SET day = '2024-01-05' WHERE id % 89 = {number} - 1"
    )


def test_rejected_rows_are_those_of_the_last_reading_in_the_lake_too(
    system: System, lake: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    system.write("UPDATE part SET day = 'never' WHERE id IN (5, 500, 995)")

    def change(name: str, number: int) -> None:
        if name == "part":
            system.write(bad_days(number))
        system.write(CHANGES[name].format(number))

    after_each_slice(monkeypatch, change)
    done = system.run_cleanly()
    assert_as_the_source(system)
    bad = system.source("SELECT id FROM part WHERE day = 'never' ORDER BY 1")
    assert {(key,) for key in done.of_kind("load")["fact_part"].rejected} == set(bad)
    lake()
    system.write("UPDATE part SET day = '2024-01-05' WHERE day = 'never'; DELETE FROM part WHERE id < 10")
    system.run_cleanly()
    assert_as_the_source(system)
    lake()


def test_a_table_that_has_rows_is_read_again_in_slices_and_keeps_its_versions(
    system: System, lake: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    system.run_cleanly()
    system.write("UPDATE part SET label = 'second' WHERE id <= 150; DELETE FROM part WHERE id > 950")
    versions = system.warehouse("SELECT count(*) FROM fact_part")
    read = after_each_slice(monkeypatch, lambda name, number: system.write(CHANGES[name].format(number)))
    system.run_cleanly(full_refresh=True)
    assert len(read) == 20
    assert_as_the_source(system)
    assert system.warehouse("SELECT count(*) FROM fact_part WHERE valid_to IS NOT NULL") > [(150,)]
    assert system.warehouse("SELECT count(*) FROM fact_part") > versions
    lake()


def test_a_load_that_was_not_recorded_is_repeated_without_reading_slices_again(
    system: System, lake: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    read = after_each_slice(monkeypatch, lambda name, number: system.write(CHANGES[name].format(number)))
    with monkeypatch.context() as failing:
        failing.setattr(pipeline, "record", lambda _: (_ for _ in ()).throw(ServiceError("no answer")))
        assert list(map(str, system.run().failures)) == ["record"]
    assert len(read) == 20
    system.write(CHANGES["kept"].format(3))
    system.write(f"{CHANGES['part'].format(3)};DELETE FROM part WHERE id IN (33, 444)".encode())
    system.run_cleanly()
    assert len(read) == 20
    assert_as_the_source(system)
    lake()


def test_slices_that_are_read_are_not_read_again_by_the_next_run(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as failing:
        failing.setattr(slicing, "read_slice", failing_for(3))
        assert {str(step) for step in system.run().failures} == {"slice part", "slice kept", "record"}
    read = after_each_slice(monkeypatch, lambda name, number: system.write(CHANGES[name].format(number)))
    system.run_cleanly()
    assert 0 < len(read) < 20
    assert_as_the_source(system)


def test_the_page_shows_each_slice_that_is_read(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    shown, real = list[tuple[str, int]](), status.show_progress

    def show(declared: Declarations, name: str, progress: Progress) -> None:
        real(declared, name, progress)
        shown.append((name, progress.done))
        if progress.done == 3:
            raise ServiceError("no answer")

    monkeypatch.setattr(status, "show_progress", show)
    system.run_cleanly()
    for name in ("part", "kept"):
        done = sorted(number for table, number in shown if table == name)
        assert len(done) == 10
        assert done[-1] == 10


def test_a_run_tells_of_each_slice_how_far_the_table_is_those_of_earlier_runs_included(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as failing:
        failing.setattr(slicing, "read_slice", failing_for(3))
        system.run()
    read = after_each_slice(monkeypatch, lambda *_: None)
    told = list[tuple[Step, int, Progress | None]]()
    done = run(system.declared, Options(), lambda *given: told.append(given))
    assert not done.failures
    assert Counter(step for step, _, slices in told if slices is None) == Counter(done.results.keys())
    found = {name: [at for step, _, at in told if at and step == Step("slice", name)] for name in ("part", "kept")}
    for slices in found.values():
        before = slices[0].before
        assert [at.done for at in slices] == list(range(before, 11))
        assert {(at.before, at.slices) for at in slices} == {(before, 10)}
        assert slices[0].ends_at(datetime.now(UTC)) is None
        assert all(at.ends_at(datetime.now(UTC)) for at in slices[1:])
    assert sum(len(slices) - 1 for slices in found.values()) == len(read)
    assert 0 < len(read) < 20


@pytest.mark.parametrize("change", [
    "ALTER TABLE part RENAME label TO o; ALTER TABLE part RENAME day TO label; ALTER TABLE part RENAME o TO day",
    "CREATE TABLE again AS TABLE part; ALTER TABLE again ADD PRIMARY KEY (id); DROP TABLE part;"
    " ALTER TABLE again RENAME TO part",
])  # fmt: skip
def test_slices_of_what_is_another_table_by_now_are_of_no_use(
    system: System, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    with monkeypatch.context() as failing:
        failing.setattr(slicing, "read_slice", failing_for(3))
        system.run()
    system.write(change.encode())
    if "RENAME label" in change:
        system.write("UPDATE part SET day = '2024-01-05'; UPDATE part SET label = 'x' WHERE id < 9")
    read = after_each_slice(monkeypatch, lambda *_: None)
    done = system.run_cleanly()
    assert len(read) > 10
    assert not done.waiting
    assert_as_the_source(system)


def test_slices_that_are_void_in_the_middle_are_planned_anew_by_the_next_run(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    def widen(_: str, number: int) -> None:
        if number == 6:
            system.write("ALTER TABLE part ALTER id TYPE bigint; ALTER TABLE kept ALTER shelf_id TYPE bigint")

    after_each_slice(monkeypatch, widen)
    done = system.run_cleanly()
    assert done.waiting.keys() == {"part", "kept"}
    assert not system.run_cleanly().waiting
    assert_as_the_source(system)


def test_what_changed_is_read_in_slices_too_where_it_is_much(
    system: System, lake: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    system.run_cleanly()
    system.write("UPDATE part SET label = 'second' WHERE id <= 350; DELETE FROM part WHERE id > 950")
    system.write("UPDATE part SET day = 'never' WHERE id IN (3, 300)")
    system.write("UPDATE shelf SET room = 'hall' WHERE id <= 3; UPDATE kept SET shelf_id = 7 WHERE number = 77")
    assert system.run_cleanly().waiting.keys() == {"part", "kept"}
    read = after_each_slice(monkeypatch, lambda name, number: system.write(CHANGES[name].format(number)))
    done = system.run_cleanly()
    assert not done.waiting
    assert len(read) == 4 + 4
    reads = done.of_kind("ingest")
    assert reads["part"].base is not None
    assert reads["part"].read_rows < 700
    system.write("UPDATE part SET day = '2024-01-05' WHERE day = 'never'")
    system.run_cleanly()
    assert_as_the_source(system)
    lake()


def test_rows_that_the_warehouse_refuses_are_set_aside_whether_they_came_with_a_slice_or_after_it(
    system: System, lake: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline.prepare(system.declared)
    system.edit_warehouse(
        "ALTER TABLE fact_part ADD CHECK (label <> 'bad'); ALTER TABLE dim_part ADD CHECK (id <> 700)"
    )
    system.write("UPDATE part SET label = 'bad' WHERE id IN (13, 15, 16)")

    def change(_: str, number: int) -> None:
        if number == 6:
            system.write("UPDATE part SET label = 'bad' WHERE id = 14; UPDATE part SET label = 'good' WHERE id = 15")
            system.write("DELETE FROM part WHERE id IN (16, 17); UPDATE part SET label = 'bad' WHERE id = 990")

    after_each_slice(monkeypatch, change)
    done = system.run_cleanly()
    assert set(done.of_kind("load")["fact_part"].rejected) == {13, 14, 990}
    assert set(done.of_kind("load")["dim_part"].rejected) == {700}
    assert system.warehouse("SELECT count(*) FROM current_part") == [(998 - 3,)]
    lake()
    system.edit_warehouse("ALTER TABLE fact_part DROP CONSTRAINT fact_part_label_check")
    system.edit_warehouse("ALTER TABLE dim_part DROP CONSTRAINT dim_part_id_check")
    system.run_cleanly()
    assert_as_the_source(system)
    lake()


def test_a_slice_that_cannot_be_copied_beside_the_table_is_loaded_from_its_files(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = list[Any]()

    def refuse(name: str, number: int) -> None:
        if number == 2:
            system.edit_warehouse("ALTER TABLE pipeline.sliced_fact_part ADD CHECK (id <> 500)")
        system.write(CHANGES[name].format(number))
        refused.extend(system.warehouse("SELECT count(*) FROM pipeline.slice WHERE NOT copied"))

    after_each_slice(monkeypatch, refuse)
    system.run_cleanly()
    assert refused[-1] == (1,)
    assert system.warehouse("SELECT count(*) FROM pipeline.plan") == [(0,)]
    assert_as_the_source(system)


KEYS = {
    "bigint": "(n - 500) * 18446744073709551::bigint",
    "uuid": "md5(n::text)::uuid",
    "text": "chr(64 + n % 90) || CASE WHEN n % 3 = 0 THEN '''\"\\' ELSE 'é' END || n",
    "numeric": "n / 7.0 - 50",
    "timestamptz": "CASE WHEN n = 1 THEN 'infinity' ELSE now() - n * interval '1.1 seconds' END",
    '"Colour"': "('c' || n)::\"Colour\"",
    "integer[]": "ARRAY[n % 10, n]",
}
"""Type of a key → the n-th of 900 values."""


@pytest.mark.parametrize("kind", [*KEYS, "several"])
def test_every_row_is_in_one_slice_whatever_the_key_is(system_of: MakeSystem, kind: str) -> None:
    kinds = ["text", "numeric", "bigint"] if kind == "several" else [kind]
    names = [f"k{number}" for number, _ in enumerate(kinds)]
    keyed = SourceTable(
        "keyed", tuple(names), tuple(map(SourceColumn, names, kinds)), slice_rows=90
    )  # fmt: skip
    columns = ", ".join(f"{KEYS[each]} AS {name}" for each, name in zip(kinds, names, strict=True))
    labels = ", ".join(f"'c{n}'" for n in range(1, 901))
    system = system_of(
        declare(keyed, mirror(Fact, keyed, "fact_keyed")),
        f'CREATE TYPE "Colour" AS ENUM ({labels})',
        f"CREATE TABLE keyed AS SELECT {columns} FROM generate_series(1, 900) n",
    )
    plan = plan_slices(keyed, Known(system.declared, None, {}), "run", None)
    assert plan is not None
    assert len(plan.numbers) == 10
    found = list[tuple[Any, ...]]()
    with psycopg.connect(system.endpoints.source_url) as source:
        for number in plan.numbers:
            rows = source.execute(
                sql.SQL("SELECT k::text FROM keyed k WHERE {}").format(within(plan, keyed, number))
            ).fetchall()
            assert 0 < len(rows) < 180
            found += rows
    assert len(found) == 900
    assert len({repr(row) for row in found}) == 900
