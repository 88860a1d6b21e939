"""A source table read in slices: how it is cut, what each slice left, and how far the work is."""

from datetime import UTC, datetime, timedelta

from pydantic import AwareDatetime, Field

from include.common.keys import JsonKeys, KeySet
from include.common.manifests import Cursor, FileEntry, JoinedRead, Manifest, RejectedExample

MOST_SLICES = 512
"""Airflow maps 1,024 tasks at most where nobody sets it otherwise, and suffers beyond some thousands."""


class Since(Manifest):
    """The recorded reading since which slices have what changed: its instant, and how far it had read each table."""

    read_at: AwareDatetime
    cursor: Cursor
    joined: dict[str, JoinedRead]


class SlicePlan(Manifest):
    """How a source table is read in slices of its keys.

    load_id: what the load is known by that they make. run_id: the run that began it, at the instant `began_at`.
    observed_at, cursor, joined, wider: as in `SourceRead`, of a reading before all slices: what changed since is read
        again after them.
    by_number: whether slices are cut by the number of the key, or by its columns' own values.
    cuts: where the second slice begins and each that follows, as texts; before the first and after the last nothing
        is left out. rows: about how many there are.
    since: None where all rows are read.
    """

    load_id: str
    run_id: str
    began_at: AwareDatetime
    table: str
    fingerprint: str
    observed_at: AwareDatetime
    cursor: Cursor
    joined: dict[str, JoinedRead]
    wider: dict[str, str]
    by_number: bool
    cuts: list[list[str]]
    rows: int
    since: Since | None = None

    @property
    def numbers(self) -> range:
        """The numbers of its slices."""
        return range(len(self.cuts) + 1)

    @property
    def all_wider(self) -> dict[str, dict[str, str]]:
        """Source table → its columns that hold more than is declared, of all that are read."""
        return {self.table: self.wider} | {name: other.wider for name, other in self.joined.items()}


class Planned(Manifest):
    """The slices that a run is to read of a table: of the plan with this load's id; empty where it is read at once.

    done: how many earlier runs have read.
    """

    load_id: str = ""
    numbers: list[int] = Field(default_factory=list)
    done: int = 0


class SlicePart(Manifest):
    """What a slice gives one warehouse table: Parquet files, and rows that were set aside."""

    files: list[FileEntry] = Field(default_factory=list)
    rejected: JsonKeys = Field(default_factory=KeySet)
    rejected_files: list[str] = Field(default_factory=list)
    examples: list[RejectedExample] = Field(default_factory=list)


class SliceRead(Manifest):
    """What a slice left.

    observed_at: the instant of the source's clock that it shows. cursor: of its reading.
    rows, keys_key: how many rows it has, and where their keys are. parts: warehouse table → what it gives.
    """

    load_id: str
    number: int
    observed_at: AwareDatetime
    cursor: Cursor
    rows: int
    keys_key: str
    parts: dict[str, SlicePart]


class Progress(Manifest):
    """How far a table is that is read in slices and not loaded yet.

    done, slices: how many of how many are read. began_at: when the first of them was to be, without those that were
        read before.
    """

    done: int
    slices: int
    began_at: AwareDatetime
    before: int = 0

    def ends_at(self, now: datetime) -> datetime | None:
        """When the last will be read, if it goes on as it went; None as long as nobody can tell."""
        if self.done == self.before:
            return None
        return now + (now - self.began_at) * (self.slices - self.done) / (self.done - self.before)

    def told(self, now: datetime | None = None) -> str:
        """For people."""
        at = now or datetime.now(UTC)
        ends = self.told_end(at)
        return f"{self.done} of {self.slices} slices are read{f', the last {ends}' if ends else ''}"

    def told_end(self, now: datetime) -> str:
        """For people, when the last will be read; empty as long as nobody can tell."""
        ends = self.ends_at(now)
        return f"by about {ends:%d %b %H:%M} UTC" if ends and ends - now < timedelta(days=365) else ""
