"""Record: latest_update.json moves on, table by table, for what is safely in the warehouse; and the run is reported."""

import logging
from datetime import UTC, datetime
from typing import Literal

from pydantic import Field

from include.common.keys import KeySet
from include.common.manifests import CheckResult, LoadResult, Manifest, SourceRead
from include.state.differences import healed, unexplained
from include.state.latest import LastLoad, State, TableState, update_state
from include.tables.lineage import fed_by, is_joined
from include.tables.star import STAR

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
    """

    tables: list[TableReport]
    problems: list[str]
    newly_rejected: list[str]
    held: dict[str, str] = Field(default_factory=dict)
    differing: list[str] = Field(default_factory=list)
    healed: dict[str, int] = Field(default_factory=dict)

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
        return "; ".join([*self.problems, *healed, *done]) or "nothing changed"


def record(
    expected: set[str],
    reads: dict[str, SourceRead],
    loads: dict[str, LoadResult],
    checked: dict[str, CheckResult] | None,
) -> RunReport:
    """Write the state of every source table all of whose warehouse tables are loaded, and report the run.

    A table whose check did not hold is recorded as one to be read whole; without a check (`checked` None) nothing that
    was loaded is recorded. An older reading than the recorded one is
    left aside, so that of two runs neither undoes the other. It may be repeated.

    Raises: as `read_state` and `update_state`.
    """
    recordable = loads if checked is not None else {}
    complete = {name: read for name, read in reads.items() if not read.held and not _missing(read, recordable)}
    broken = {name for name, result in (checked or {}).items() if not result.held}
    before: State = State()

    def move_on(state: State) -> State:
        nonlocal before
        before = state
        moved = {
            name: _table_state(read, state.tables.get(name), loads, broken)
            for name, read in complete.items()
            if name not in state.tables or state.tables[name].observed_at <= read.observed_at
        }
        proofs = {star: proof.marks for name in moved for star, proof in complete[name].proofs.items()}
        return State(recorded_at=datetime.now(UTC), tables=state.tables | moved, proofs=state.proofs | proofs)

    after = update_state(move_on)
    return RunReport(
        tables=[table_report(result, reads) for result in loads.values() if not result.held],
        problems=_problems(expected, reads, loads, checked),
        newly_rejected=_newly_rejected(before, after),
        held=held_back(reads, loads),
        differing=unexplained(reads, loads),
        healed=healed(reads, loads, checked),
    )


def _missing(read: SourceRead, loads: dict[str, LoadResult]) -> list[str]:
    """The warehouse tables that a reading has changes for and that do not show it."""
    if not read.changed:
        return []
    return [table.name for table in fed_by(read.table) if table.name not in loads or not loads[table.name].done]


def _table_state(
    read: SourceRead, known: TableState | None, loads: dict[str, LoadResult], broken: set[str]
) -> TableState:
    own = [table.name for table in fed_by(read.table) if table.sources[0] == read.table]
    rejected = dict(known.rejected) if known else {}
    rejected |= {name: loads[name].rejected for name in own if name in loads}
    return TableState(
        observed_at=read.observed_at,
        read_at=read.read_at,
        cursor=read.cursor,
        fingerprint=read.fingerprint,
        rows=read.rows,
        key_sum=read.key_sum,
        keys_key=read.keys_key,
        snapshot=read.files if is_joined(read.table) else [],
        rejected={name: keys for name, keys in rejected.items() if keys},
        reread=bool(broken.intersection(own)),
        ignored_columns=read.ignored_columns,
        last_load=_last_load(read, own, loads) or (known.last_load if known else None),
        held_since=read.held_since,
    )


def _last_load(read: SourceRead, own: list[str], loads: dict[str, LoadResult]) -> LastLoad | None:
    results = [loads[name] for name in own or [table.name for table in fed_by(read.table)] if name in loads]
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


def table_report(result: LoadResult, reads: dict[str, SourceRead]) -> TableReport:
    """What a load and what led to it did, in numbers."""
    table = STAR[result.table]
    changed = [reads[name] for name in table.sources if name in reads and reads[name].changed]
    return TableReport(
        table=table.name,
        new=result.new,
        changed=result.changed,
        deleted=result.deleted,
        rejected=len(result.rejected),
        seconds=result.seconds + sum(reads[name].seconds for name in table.sources if name in reads),
        lag_seconds=max((lag_seconds(read, result.loaded_at) for read in changed), default=None),
    )


def _problems(
    expected: set[str],
    reads: dict[str, SourceRead],
    loads: dict[str, LoadResult],
    checked: dict[str, CheckResult] | None,
) -> list[str]:
    unequal = [_unequal(result) for result in (checked or {}).values() if not result.held]
    unchecked = [f"not checked and so not recorded: {', '.join(sorted(loads))}"] if loads and checked is None else []
    return left_behind(expected, reads, loads) + unchecked + unequal + unexplained(reads, loads)


def _unequal(result: CheckResult) -> str:
    how = (
        f"{len(result.unequal):,} rows that were read again still differ"
        if result.unequal
        else f"{result.warehouse_rows} rows with key sum {result.warehouse_key_sum}, "
        f"the source had {result.source_rows} with {result.source_key_sum}"
    )
    return f"{result.table} does not equal its source: {how}; the next run reads it whole"


def left_behind(expected: set[str], reads: dict[str, SourceRead], loads: dict[str, LoadResult]) -> list[str]:
    """What a run was to bring up to date and did not, a sentence each: held back, not read, not loaded."""
    unread = sorted(expected - reads.keys())
    unloaded = sorted({table for read in reads.values() for table in _missing(read, loads) if table not in loads})
    left = {"not read": unread, "not loaded": unloaded}
    sentences = [f"{what}: {', '.join(names)}" for what, names in left.items() if names]
    return [*held_back(reads, loads).values(), *sentences]


def held_back(reads: dict[str, SourceRead], loads: dict[str, LoadResult]) -> dict[str, str]:
    """Source table → why it is held back, by its reading or by the load of what it feeds."""
    by_load = {STAR[name].sources[0]: result.held for name, result in loads.items() if result.held}
    return by_load | {name: read.held for name, read in reads.items() if read.held}


def _newly_rejected(before: State, after: State) -> list[str]:
    """The warehouse tables with rejected rows that were not rejected before."""
    return sorted(
        name
        for source, table in after.tables.items()
        for name, keys in table.rejected.items()
        if keys - (before.tables[source].rejected.get(name, KeySet()) if source in before.tables else KeySet())
    )
