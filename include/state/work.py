"""What a run was to do and did: what its record, its history and its alerts are drawn from."""

from dataclasses import dataclass, field

from include.common.manifests import CheckResult, LoadResult, Proof, SourceRead
from include.common.slices import Progress
from include.tables.declarations import Declarations, is_built, referenced_by


@dataclass(frozen=True)
class Work:
    """What the steps of a run gave.

    declared: the tables. expected: the source tables that it was to bring up to date.
    checked: None where the loads were not compared with the source.
    waiting: source tables not all of whose slices are read.
    """

    declared: Declarations
    expected: set[str] = field(default_factory=set)
    reads: dict[str, SourceRead] = field(default_factory=dict)
    loads: dict[str, LoadResult] = field(default_factory=dict)
    checked: dict[str, CheckResult] | None = None
    waiting: dict[str, Progress] = field(default_factory=dict)

    def missing(self, read: SourceRead) -> list[str]:
        """The warehouse tables that a reading has changes for and that do not show it."""
        if not read.changed:
            return []
        built = [table.name for table in self.declared.built_on(read.table)]
        return [name for name in built if name not in self.loads or not self.loads[name].done]

    @property
    def held(self) -> dict[str, str]:
        """Source table → why it is held back, by its reading or by the load of what it feeds."""
        star = self.declared.star
        by_load = {star[name].source_names[0]: result.held for name, result in self.loads.items() if result.held}
        return by_load | {name: read.held for name, read in self.reads.items() if read.held}

    def waits(self, table: str) -> bool:
        """Whether a warehouse table is not to be loaded yet: it, or what it refers to, is still read in slices."""
        needed = [self.declared.star[table], *referenced_by(self.declared.star[table])]
        return any(is_built(other) and other.source.name in self.waiting for other in needed)

    @property
    def left_behind(self) -> list[str]:
        """What the run was to bring up to date and did not, a sentence each: held back, not read, not loaded."""
        unread = sorted(self.expected - self.reads.keys() - self.waiting.keys())
        missing = {table for read in self.reads.values() for table in self.missing(read) if not self.waits(table)}
        left = {"not read": unread, "not loaded": sorted(missing - self.loads.keys())}
        return [*self.held.values(), *(f"{what}: {', '.join(names)}" for what, names in left.items() if names)]

    @property
    def disproven(self) -> dict[str, Proof]:
        """Warehouse table → the proof that found rows of it to differ from the source's."""
        return {name: proof for read in self.reads.values() for name, proof in read.proofs.items() if proof.differing}
