"""What tasks tell each other, and what a run leaves behind: small documents, valid JSON, checked when they are read."""

from datetime import datetime
from typing import Annotated

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from include.common.keys import JsonKeys, KeySet

Inputs = dict[str, str]
"""Which state of its sources a warehouse table was built from: source table → the instant it was read, as ISO 8601 in
UTC with microseconds, so that later is greater."""


def instant_text(instant: datetime) -> str:
    """An instant as `Inputs` holds it."""
    return instant.isoformat(timespec="microseconds")


class Manifest(BaseModel):
    """A frozen document that refuses what it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)


class FileEntry(Manifest):
    """A file in a bucket. as_text: it is Parquet with values that only their text tells, in columns of their own."""

    key: str
    rows: int
    size_bytes: int
    as_text: bool = False


class Cursor(Manifest):
    """How far a source table has been read.

    xid: the oldest transaction still open at the reading (64 bits, as text).
    cluster: which server wrote it: its system identifier and timeline.
    relation: the table's oid.
    last_updated: the newest stamp seen, no later than the reading itself; for tables that follow it.
    shape: the digest of what values depend on beside row versions.
    position: how far the server's log went after the reading, in bytes. clock: the server's own, at the reading.
    starts: when the servers that were read started.
    """

    xid: Annotated[str, Field(pattern=r"^\d+$")]
    cluster: str
    relation: int
    last_updated: AwareDatetime | None
    shape: str = ""
    position: int | None = None
    clock: AwareDatetime | None = None
    starts: list[AwareDatetime] = []


class Mark(Manifest):
    """When the values of some of a table's rows were last proven equal to the source's.

    to: the greatest of their keys; they begin after the mark before. None: all that are greater, too.
    at: None where they never were. rows: how many they are.
    """

    to: int | None
    at: AwareDatetime | None
    rows: int


class Proof(Manifest):
    """How rows of a warehouse table compared with the source, value by value, before this run loaded anything.

    marks: when which rows were last proven, this time included, in the order of their keys.
    rows: how many were compared. left_out: those of them that differ as they wait for a change that is known, or were
        rejected. differing: keys whose rows were not equal, though no change is known that they wait
        for; they are read again, and their digests are those that the source's rows have (None where the source has
        no such row), of the first of them. named: the keys of the very first, for people.
    explained: why such differences were to be expected; empty where nothing explains them.
    """

    marks: list[Mark]
    rows: int
    left_out: int = 0
    differing: JsonKeys = KeySet()
    digests: dict[int, int | None] = {}
    named: list[str] = []
    explained: str = ""


class JoinedRead(Manifest):
    """What a reading saw of a source table that it joins.

    cursor: how far it has been read. rows: how many it has. wider: as in `SourceRead`.
    """

    cursor: Cursor
    rows: int
    wider: dict[str, str] = {}


class Slices(Manifest):
    """Slices of a source table that were read before the reading that makes them one state.

    load_id: what the load is known by that they make together. manifests: their files in the state bucket, each a
        `SliceRead`. rows: how many they are.
    replaced_key: where the keys are whose rows in slices do not count: that reading brings them, or they are gone.
    """

    load_id: str
    manifests: list[str]
    rows: int
    replaced_key: str


class SourceRead(Manifest):
    """What ingestion found in one source table.

    observed_at: the instant of the source's clock that the reading shows.
    read_at: the instant at which the newest files were read: observed_at, or earlier where nothing changed since.
    changed_at: when the oldest change among those read was made, as far as the source tells. None without change.
    base: the instant up to which the changes had been loaded and recorded before; None for a whole read.
    changed, deletions: whether anything is to be loaded; whether known keys are gone.
    rows, key_sum, keys_key: all keys of the source at observed_at: their number, sum, and where `write_keys` put them.
    files: CSV of the changes, or of the whole table for a whole read.
    read_rows: rows that this reading wrote.
    proofs: warehouse table → how its rows compared with this reading.
    accepted: whether deletions are believed however many they are.
    held: why the table is held back, in a sentence; the reading then is the recorded one, and nothing is to be loaded.
    held_since: since when a transaction has been open at the source that holds the cursor back; None for none.
    wider: column → its type, of those that hold more than is declared.
    joined: the tables that were read beside it.
    slices: those that were read before; `files` then hold what has changed since.
    """

    table: str
    observed_at: AwareDatetime
    read_at: AwareDatetime
    changed_at: AwareDatetime | None
    base: AwareDatetime | None
    changed: bool
    deletions: bool
    cursor: Cursor
    fingerprint: str
    rows: int
    key_sum: int
    keys_key: str
    files: list[FileEntry]
    read_rows: int
    ignored_columns: list[str]
    seconds: float
    proofs: dict[str, Proof] = {}
    accepted: bool = False
    held: str = ""
    held_since: AwareDatetime | None = None
    wider: dict[str, str] = {}
    joined: dict[str, JoinedRead] = {}
    slices: Slices | None = None

    @property
    def all_wider(self) -> dict[str, dict[str, str]]:
        """Source table → its columns that hold more than is declared, of all that were read."""
        return {self.table: self.wider} | {name: other.wider for name, other in self.joined.items()}


class RejectedExample(Manifest):
    """A row that was set aside: its key, why, and the file in the processed bucket that holds it.

    A key that is no integer is told as the texts of its parts.
    """

    key: int | str
    reason: str
    file: str


class StarFiles(Manifest):
    """What the transform made for one warehouse table.

    load_id: what their load is known by, in the files as well.
    source: the reading of the table's own source; None for the calendar.
    rejected: keys of source rows that cannot be right; rejected_files hold them with the reasons, and examples are the
        first of them.
    differing: in a sentence, what of the calendar was other than it is; empty where nothing was.
    wider: column → the type that it has to have, where that holds more than is declared.
    slices: what was read, and transformed, in slices before `files`, into `sliced`; `rejected` has theirs too.
    """

    table: str
    load_id: str
    inputs: Inputs
    source: SourceRead | None
    files: list[FileEntry]
    rejected: JsonKeys
    rejected_files: list[str]
    examples: list[RejectedExample] = []
    seconds: float
    differing: str = ""
    wider: dict[str, str] = {}
    slices: Slices | None = None
    sliced: list[FileEntry] = []

    @property
    def rows(self) -> int:
        """How many it has, those of slices that are read again counted twice."""
        return sum(file.rows for file in self.files) + (self.slices.rows if self.slices else 0)


class LoadResult(Manifest):
    """What a load did to one warehouse table.

    superseded: a later reading was there already, and nothing was done. seconds: of its transform and its load.
    held: why the table is held back as it was, in a sentence; nothing was done.
    """

    table: str
    inputs: Inputs
    superseded: bool = False
    held: str = ""
    new: int = 0
    changed: int = 0
    deleted: int = 0
    rejected: JsonKeys = KeySet()
    rejected_files: list[str] = []
    examples: list[RejectedExample] = []
    loaded_at: AwareDatetime
    seconds: float
    differing: str = ""

    @property
    def done(self) -> bool:
        """Whether the table was brought to what its files say."""
        return not self.superseded and not self.held


class CheckResult(Manifest):
    """How a loaded warehouse table compares with its source, by number and sum of keys.

    unequal: keys of rows that were read again as they differed, and still do. held: whether all is equal.
    """

    table: str
    held: bool
    source_rows: int
    source_key_sum: int
    warehouse_rows: int
    warehouse_key_sum: int
    unequal: JsonKeys = KeySet()
