"""Record: latest_update.json moves on, table by table, for what is safely in the warehouse; and the run is reported."""

import logging
from dataclasses import replace
from datetime import UTC, datetime
from typing import Literal

from pydantic import Field

from include.common.keys import KeySet
from include.common.manifests import CheckResult, LoadResult, Manifest, SourceRead
from include.state.differences import healed, unexplained
from include.state.latest import LastLoad, State, TableState, update_state
from include.state.work import Work
from include.tables.declarations import is_built

log = logging.getLogger(__name__)

Count = Literal["new", "changed", "deleted", "rejected"]
COUNTS: tuple[Count, ...] = ("new", "changed", "deleted", "rejected")


class TableReport(Manifest):
    """What a run did to one warehouse table.

    seconds: of its sources' ingestion, its transform and its load.
    lag_seconds: from the oldest change at the source to its load; None for the calendar.
    """

    table: str
    new: int
    changed: int
    deleted: int
    rejected: int
    seconds: float
    lag_seconds: float | None


class RunReport(Manifest):
    """What a run did, and what is wrong with it: a sentence each.

    held: source table → why it is held back; the sentences are among the problems.
    differing: rows that did not equal the source's and nothing explains it, a sentence for each table; they are among
        the problems, too.
    healed: warehouse table → how many rows were unequal, whatever explains it, and are equal now.
    waiting: how far tables are not all of whose slices are read, a sentence each.
    """

    tables: list[TableReport]
    problems: list[str]
    newly_rejected: list[str]
    held: dict[str, str] = Field(default_factory=dict)
    differing: list[str] = Field(default_factory=list)
    healed: dict[str, int] = Field(default_factory=dict)
    waiting: list[str] = Field(default_factory=list)

    def total(self, count: Count) -> int:
        """A count over all tables."""
        return sum(getattr(table, count) for table in self.tables)

    @property
    def lag_seconds(self) -> float:
        """The longest lag of any table; 0 for a run that found no change: nothing is left unread then."""
        return max((table.lag_seconds for table in self.tables if table.lag_seconds is not None), default=0.0)

    @property
    def summary(self) -> str:
        """All of it in one line: what is wrong first, then the totals."""
        counts = ", ".join(f"{self.total(name):,} {name}" for name in COUNTS)
        tables = f"{len(self.tables)} table{'' if len(self.tables) == 1 else 's'}"
        done = [f"{counts} in {tables}; lag {self.lag_seconds:,.0f} s"] if self.tables else []
        healed = [f"{sum(self.healed.values()):,} unequal rows healed"] if self.healed else []
        return "; ".join([*self.problems, *self.waiting, *healed, *done]) or "nothing changed"


def record(work: Work) -> RunReport:
    """Write the state of every source table all of whose warehouse tables are loaded, and report the run.

    A table whose check did not hold is recorded as one to be read whole; where nothing was checked, nothing that was
    loaded is recorded. An older reading than the recorded one is left aside, so that of two runs neither undoes the
    other. It may be repeated.

    Raises: as `read_state` and `update_state`.
    """
    recordable = work if work.checked is not None else replace(work, loads={})
    complete = {name: read for name, read in work.reads.items() if not read.held and not recordable.missing(read)}
    before: State = State()

    def move_on(state: State) -> State:
        nonlocal before
        before = state
        moved = {
            name: _table_state(work, read, state.tables.get(name))
            for name, read in complete.items()
            if name not in state.tables or state.tables[name].observed_at <= read.observed_at
        }
        proofs = {star: proof.marks for name in moved for star, proof in complete[name].proofs.items()}
        others = {name: progress for name, progress in state.slicing.items() if name not in work.expected}
        return State(
            recorded_at=datetime.now(UTC),
            tables=state.tables | moved,
            proofs=state.proofs | proofs,
            slicing=others | work.waiting,
        )

    after = update_state(move_on)
    return RunReport(
        tables=[table_report(work, result) for result in work.loads.values() if not result.held],
        problems=_problems(work),
        newly_rejected=_newly_rejected(before, after),
        held=work.held,
        differing=unexplained(work),
        healed=healed(work),
        waiting=[f"{name}: {progress.told()}" for name, progress in work.waiting.items()],
    )


def _table_state(work: Work, read: SourceRead, known: TableState | None) -> TableState:
    own = [table.name for table in work.declared.built_on(read.table)]
    broken = {name for name, result in (work.checked or {}).items() if not result.held}
    rejected = dict(known.rejected) if known else {}
    rejected |= {name: work.loads[name].rejected for name in own if name in work.loads}
    return TableState(
        observed_at=read.observed_at,
        read_at=read.read_at,
        cursor=read.cursor,
        fingerprint=read.fingerprint,
        rows=read.rows,
        key_sum=read.key_sum,
        keys_key=read.keys_key,
        rejected={name: keys for name, keys in rejected.items() if keys},
        reread=bool(broken.intersection(own)),
        ignored_columns=read.ignored_columns,
        last_load=_last_load(work, read) or (known.last_load if known else None),
        held_since=read.held_since,
        wider=read.wider,
        joined=read.joined,
    )


def _last_load(work: Work, read: SourceRead) -> LastLoad | None:
    results = [work.loads[table.name] for table in work.declared.built_on(read.table) if table.name in work.loads]
    if not read.changed or not results:
        return None
    loaded_at = max(result.loaded_at for result in results)
    return LastLoad(
        new=sum(result.new for result in results),
        changed=sum(result.changed for result in results),
        deleted=sum(result.deleted for result in results),
        rejected=sum(len(result.rejected) for result in results),
        lag_seconds=lag_seconds(read, loaded_at),
        loaded_at=loaded_at,
    )


def lag_seconds(read: SourceRead, loaded_at: datetime) -> float:
    """The time from the oldest change that was read to its being in the warehouse; never negative."""
    return max((loaded_at - (read.changed_at or read.observed_at)).total_seconds(), 0.0)


def table_report(work: Work, result: LoadResult) -> TableReport:
    """What a load and what led to it did, in numbers."""
    table = work.declared.star[result.table]
    reads = [work.reads[table.source.name]] if is_built(table) and table.source.name in work.reads else []
    return TableReport(
        table=result.table,
        new=result.new,
        changed=result.changed,
        deleted=result.deleted,
        rejected=len(result.rejected),
        seconds=result.seconds + sum(read.seconds for read in reads),
        lag_seconds=max((lag_seconds(read, result.loaded_at) for read in reads if read.changed), default=None),
    )


def _problems(work: Work) -> list[str]:
    unequal = [_unequal(result) for result in (work.checked or {}).values() if not result.held]
    unchecked = work.loads if work.checked is None else {}
    told = [f"not checked and so not recorded: {', '.join(sorted(unchecked))}"] if unchecked else []
    return work.left_behind + told + unequal + unexplained(work)


def _unequal(result: CheckResult) -> str:
    how = (
        f"{len(result.unequal):,} rows that were read again still differ"
        if result.unequal
        else f"{result.warehouse_rows} rows with key sum {result.warehouse_key_sum}, "
        f"the source had {result.source_rows} with {result.source_key_sum}"
    )
    return f"{result.table} does not equal its source: {how}; the next run reads it whole"


def _newly_rejected(before: State, after: State) -> list[str]:
    """The warehouse tables with rejected rows that were not rejected before."""
    return sorted(
        name
        for source, table in after.tables.items()
        for name, keys in table.rejected.items()
        if keys - (before.tables[source].rejected.get(name, KeySet()) if source in before.tables else KeySet())
    )
