"""status.json: what runs have led to, in one file that stays small, whoever else writes it or breaks it."""

import sys
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from include.common.errors import ServiceError
from include.common.slices import Progress
from include.lake.rejected import EXAMPLES, REASON_CHARACTERS, RejectedRow
from include.state import status
from include.state.history import PROBLEM_CHARACTERS, RunDocument, RunIdentity, RunSummary, TableLoad, TableOutcome
from include.state.latest import ATTEMPTS, State, update_state
from include.state.status import KEPT_ROWS, KEPT_RUNS, STATUS_KEY, Status, advance, draw, remember, show_progress
from include.tables.declarations import Declarations
from local.environment import Buckets
from tests.shop import DECLARED

NOW = datetime.now(UTC)
BOUND_BYTES = 250_000
"""The most that a page is to read, before compression."""


@pytest.fixture(autouse=True)
def _variables(pipeline_environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """The variables name this test's state bucket, and it begins now: other tests may have taken long before."""
    monkeypatch.setattr(sys.modules[__name__], "NOW", datetime.now(UTC))


def run(number: float, *tables: TableOutcome, problems: list[str] | None = None, **counts: Any) -> RunDocument:
    """The run that began so many times 20 minutes ago."""
    began = NOW - number * timedelta(minutes=20)
    numbers: dict[str, Any] = dict.fromkeys(("read", "new", "changed", "deleted", "rejected"), 0)
    identity = RunIdentity(run_id=f"scheduled__{number}", started_at=began)
    summary = RunSummary(
        run=identity, ended_at=began, seconds=12.5, lag_seconds=None, problems=problems or [], **numbers | counts
    )
    return RunDocument(summary=summary, tables=list(tables), rejected_rows=[])


def loaded(table: str, number: int, new: int = 1, rejected: int = 0) -> TableOutcome:
    at = NOW - number * timedelta(minutes=20)
    load = TableLoad(new=new, changed=0, deleted=0, rejected=rejected, seconds=1.5, lag_seconds=60, loaded_at=at)
    return TableOutcome(table=table, outcome="loaded", problem="", load=load)


def failed(table: str, problem: str) -> TableOutcome:
    return TableOutcome(table=table, outcome="failed", problem=problem, load=None)


def unchanged(table: str) -> TableOutcome:
    return TableOutcome(table=table, outcome="unchanged", problem="", load=None)


def rejecting(document: RunDocument, table: str, rows: int, reason: str = "2023-02-30 is no date") -> RunDocument:
    """The same run, with rejected rows of a table that it loaded."""
    at = next(outcome.load.loaded_at for outcome in document.tables if outcome.load and outcome.table == table)
    file = f"rejected/{table}/2024-08-22/{table}_20240822T142049.962123Z_1f0c9a3e.csv"
    added = [RejectedRow(table=table, key=key, reason=reason, file=file, at=at) for key in range(rows)]
    return document.model_copy(update={"rejected_rows": [*document.rejected_rows, *added]})


def written(s3: Any, buckets: Buckets) -> Status:
    return Status.model_validate_json(s3.get_object(Bucket=buckets.state, Key=STATUS_KEY)["Body"].read())


def test_it_tells_each_declared_table_with_its_references_and_sources() -> None:
    tables = draw(DECLARED, [run(1)]).tables
    assert list(tables) == list(DECLARED.star)
    fact = tables["fact_payment"]
    assert (fact.kind, fact.view, fact.sources) == ("fact", "current_payment", ["payment"])
    assert fact.references[:2] == ["dim_date", "dim_currency"]
    assert (tables["dim_clerk"].kind, tables["dim_clerk"].sources) == ("dimension", ["clerk", "branch"])
    assert tables["dim_date"].kind == "calendar"


def test_a_tables_last_load_stays_when_later_runs_bring_it_nothing() -> None:
    status = draw(DECLARED, [run(2, loaded("dim_product", 2, new=7)), run(1, unchanged("dim_product"))])
    table = status.tables["dim_product"]
    assert table.outcome == "unchanged"
    assert table.last_load is not None
    assert table.last_load.new == 7


def test_a_failure_is_told_until_a_later_run_succeeds() -> None:
    first = draw(DECLARED, [run(2, failed("dim_product", "not read: product"))])
    assert (first.tables["dim_product"].outcome, first.tables["dim_product"].problem) == ("failed", "not read: product")
    then = advance(DECLARED, first, run(1, unchanged("dim_product")))
    assert (then.tables["dim_product"].outcome, then.tables["dim_product"].problem) == ("unchanged", "")


def test_a_run_over_other_tables_leaves_a_tables_state_alone() -> None:
    status = draw(DECLARED, [run(2, failed("dim_product", "not loaded")), run(1, unchanged("dim_clerk"))])
    assert status.tables["dim_product"].outcome == "failed"


def test_a_run_that_is_recorded_again_is_shown_once_as_it_was_last() -> None:
    status = draw(DECLARED, [run(1, problems=["S3 did not answer"]), run(1, new=3)])
    (shown,) = status.runs
    assert (shown.new, shown.problems) == (3, [])


def test_of_two_runs_the_one_that_began_later_tells_about_a_table() -> None:
    status = draw(DECLARED, [run(1, loaded("dim_product", 1, new=2)), run(2, failed("dim_product", "not loaded"))])
    assert status.tables["dim_product"].outcome == "loaded"
    assert [shown.run.run_id for shown in status.runs] == ["scheduled__1", "scheduled__2"]


def test_quiet_runs_are_shown_too_and_those_of_yesterday_are_not() -> None:
    status = draw(DECLARED, [run(number) for number in range(100, 0, -1)])
    assert len(status.runs) == 71
    assert status.runs[0].run.run_id == "scheduled__1"
    assert all(shown.new == 0 for shown in status.runs)


def test_rejected_rows_of_a_table_are_those_of_its_last_load() -> None:
    first = rejecting(run(2, loaded("dim_clerk", 2), loaded("dim_product", 2)), "dim_clerk", 2)
    first = rejecting(first, "dim_product", 1)
    status = draw(DECLARED, [first, run(1, loaded("dim_clerk", 1))])
    assert {row.table for row in status.rejected_rows} == {"dim_product"}


def test_it_stays_small_after_a_year_of_the_worst_runs() -> None:
    """Of a year only a day can show, so the rest is told by its last days here; every text is as long as it can be."""
    status = Status()
    tables = list(DECLARED.star)
    for number in range(300, 0, -1):
        document = run(number / 20, *(loaded(name, number) for name in tables), problems=["p" * PROBLEM_CHARACTERS])
        for name in tables[:4]:
            document = rejecting(document, name, EXAMPLES, "r" * REASON_CHARACTERS)
        status = advance(DECLARED, status, document)
    assert len(status.runs) == KEPT_RUNS
    assert len(status.rejected_rows) == KEPT_ROWS
    assert len(status.model_dump_json()) < BOUND_BYTES


def test_a_run_is_kept_in_a_document_of_its_own_and_in_the_status(s3: Any, buckets: Buckets) -> None:
    remember(DECLARED, run(1, loaded("dim_product", 1), new=1))
    (kept,) = s3.list_objects_v2(Bucket=buckets.state, Prefix="runs/")["Contents"]
    document = RunDocument.model_validate_json(s3.get_object(Bucket=buckets.state, Key=kept["Key"])["Body"].read())
    assert document == run(1, loaded("dim_product", 1), new=1)
    assert written(s3, buckets).runs == [document.summary]


def test_the_status_of_another_writer_who_was_faster_is_kept(
    monkeypatch: pytest.MonkeyPatch, s3: Any, buckets: Buckets
) -> None:
    read, faster = status.read_current, iter([run(2)])

    def overtaken(*place: str) -> Any:
        answer = read(*place)
        for other in faster:
            remember(DECLARED, other)
        return answer

    remember(DECLARED, run(3))
    monkeypatch.setattr(status, "read_current", overtaken)
    remember(DECLARED, run(1))
    assert [shown.run.run_id for shown in written(s3, buckets).runs] == ["scheduled__1", "scheduled__2", "scheduled__3"]


def test_a_writer_that_is_always_too_late_gives_up_says_so_and_is_shown_by_the_next_drawing(
    monkeypatch: pytest.MonkeyPatch, s3: Any, buckets: Buckets
) -> None:
    tries: list[object] = []
    with monkeypatch.context() as patch:
        patch.setattr(status, "replace_file", lambda *_: bool(tries.append(None)))
        with pytest.raises(ServiceError, match=STATUS_KEY):
            remember(DECLARED, run(2))
    assert len(tries) == ATTEMPTS
    remember(DECLARED, run(1))
    assert [shown.run.run_id for shown in written(s3, buckets).runs] == ["scheduled__1", "scheduled__2"]


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"format": "another"}', b'{"tables": {"dim_clerk": 1}}'])
def test_a_status_that_cannot_be_read_is_drawn_anew_from_the_runs(content: bytes, s3: Any, buckets: Buckets) -> None:
    remember(DECLARED, run(2, loaded("dim_product", 2, new=5), new=5))
    s3.put_object(Bucket=buckets.state, Key="runs/" + f"{NOW:%Y-%m-%d}/by-hand.json", Body=b"no run")
    s3.put_object(Bucket=buckets.state, Key=STATUS_KEY, Body=content)
    remember(DECLARED, run(1))
    drawn = written(s3, buckets)
    assert [shown.new for shown in drawn.runs] == [0, 5]
    assert drawn.tables["dim_product"].last_load is not None
    assert drawn.tables["dim_product"].last_load.new == 5


def test_a_table_that_is_no_longer_declared_is_no_longer_told(s3: Any, buckets: Buckets) -> None:
    remember(DECLARED, run(2))
    kept = [table for name, table in DECLARED.star.items() if name != "fact_payment"]
    remember(Declarations.of(DECLARED.sources.values(), kept), run(1))
    assert "fact_payment" not in written(s3, buckets).tables


def test_a_table_that_is_read_in_slices_tells_how_far_that_is_and_when_it_will_be_read(
    s3: Any, buckets: Buckets
) -> None:
    began = NOW - timedelta(minutes=10)
    update_state(lambda _: State(slicing={"sale": Progress(done=1, slices=4, began_at=began)}))
    remember(DECLARED, run(1))
    tables = written(s3, buckets).tables
    shown = tables["fact_sale"].progress
    assert shown is not None
    assert (shown.done, shown.slices) == (1, 4)
    assert shown.ends_at is not None
    assert timedelta(minutes=29) < shown.ends_at - NOW < timedelta(minutes=35)
    assert not any(table.progress for name, table in tables.items() if name != "fact_sale")


def test_a_run_in_progress_shows_how_far_a_table_is_until_its_end_tells_anew(s3: Any, buckets: Buckets) -> None:
    began = NOW - timedelta(minutes=10)
    show_progress(DECLARED, "sale", Progress(done=1, slices=4, began_at=began))
    assert written(s3, buckets).tables.keys() == DECLARED.star.keys()
    remember(DECLARED, run(2))
    known = written(s3, buckets)
    assert not any(table.progress for table in known.tables.values())
    show_progress(DECLARED, "sale", Progress(done=2, slices=4, began_at=began))
    status = written(s3, buckets)
    shown = status.tables["fact_sale"].progress
    assert shown is not None
    assert (shown.done, shown.slices) == (2, 4)
    assert shown.ends_at is not None
    assert timedelta(minutes=9) < shown.ends_at - NOW < timedelta(minutes=15)
    tables = status.tables | {"fact_sale": known.tables["fact_sale"]}
    assert status.model_copy(update={"tables": tables}) == known
