"""A system with people who write to its source, and the model of what its warehouse must hold."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from time import monotonic, sleep
from typing import Any

import psycopg

from include import pipeline
from include.common.errors import DataError
from include.common.manifests import StarFiles
from include.common.slices import Progress
from include.pipeline import Options
from include.runner import Run
from include.tables.steps import RECORD, Step
from include.totesys import DECLARED
from tests.system import STATE_KEY, System, open_exactly, s3_at
from tests.totesys.acceptance.edits import ByHand
from tests.totesys.acceptance.faults import Fault, Faults, attempt_run
from tests.totesys.acceptance.history import (
    BESIDE,
    OWN_SOURCE,
    History,
    States,
    shown_dimensions,
    shown_versions,
    snapshot,
)
from tests.totesys.acceptance.oracle import all_differences
from tests.totesys.acceptance.sessions import hidden_tables, show_all
from tests.totesys.acceptance.verdict import Circumstances, judge
from tests.totesys.acceptance.writes import REPAIRS, Write, write

ALL = Options()
LOCK_TIMEOUT = "-c lock_timeout=10ms -c timezone=UTC"

SESSION_SECONDS = 30
OTHER_SESSIONS = """
    SELECT FROM pg_stat_activity
     WHERE backend_type = 'client backend' AND datname = ANY (%s) AND pid <> ALL (%s) AND state <> ALL (%s)"""


@dataclass(frozen=True)
class Loaded:
    """What was given to a load that was committed, with the states of the source that it shows."""

    files: StarFiles
    states: States
    inputs: dict[str, datetime]


@dataclass(frozen=True)
class Meanwhile:
    """What happens while a run goes on, before its n-th step: a change of the source, or (None) another whole run."""

    number: int
    change: Write | None


@dataclass
class World:
    """Opens its connections when it is made; close it at the end.

    touched: warehouse table → keys whose rows somebody changed by hand, as long as no load was seen to heal them.
    """

    system: System
    history: History = field(default_factory=History)
    touched: dict[str, set[int]] = field(default_factory=dict)
    loads: list[Loaded] = field(default_factory=list)
    records: list[tuple[Any, ...]] = field(default_factory=list)
    saved_states: list[bytes] = field(default_factory=list)
    sound: bool = True

    def __post_init__(self) -> None:
        url = self.system.endpoints.source_url
        self.source = open_exactly(url)
        self.warehouse = open_exactly(self.system.endpoints.warehouse_url)
        self.writers = [psycopg.connect(url, options=LOCK_TIMEOUT, autocommit=number == 0) for number in range(3)]
        self.states: dict[tuple[str, datetime], States] = {}
        self.s3 = s3_at(self.system.endpoints.aws_url)

    def close(self) -> None:
        for connection in (self.source, self.warehouse, *self.writers):
            connection.close()

    def run(
        self, options: Options = ALL, faults: Sequence[Fault] = (), meanwhile: Meanwhile | None = None
    ) -> Run | None:
        """One run; its failures are those that were planned, and its effects those of the model."""
        self.sound = False
        watch = _Watch(self, Faults(list(faults)), meanwhile)
        hidden, touched = hidden_tables(self.source), self._touched()
        done = attempt_run(watch.faults, options, watch.around)
        if meanwhile is None or meanwhile.change is not None:
            maybe = hidden ^ hidden_tables(self.source)
            judge(done, watch.faults.fired, Circumstances(hidden - maybe, maybe, touched | self._touched()))
        self.wait_for_sessions_to_end()
        self._save_state()
        self.verify()
        if not (touched or options.tables or meanwhile or done is None or done.failures or done.waiting):
            assert all_differences(self.source, self.warehouse) == []
        self.sound = True
        return done

    def run_to_end(self) -> None:
        """Runs until no table is left whose slices are still to be read."""
        while (done := self.run()) and done.waiting:
            pass

    def wait_for_sessions_to_end(self, *but: str) -> None:
        """A session ends, and gives back its locks, some time after its client hung up. but: those in this state."""
        own = [connection.info.backend_pid for connection in (self.source, self.warehouse, *self.writers)]
        names = [connection.info.dbname for connection in (self.source, self.warehouse)]
        until = monotonic() + SESSION_SECONDS
        while self.source.execute(OTHER_SESSIONS, [names, own, list(but)]).fetchone():
            assert monotonic() < until, "a session was left open"
            sleep(0.002)

    def _touched(self) -> set[str]:
        return {table for table, keys in self.touched.items() if keys}

    def verify(self) -> None:
        """The warehouse holds exactly the dimensions and the versions of the model."""
        assert shown_dimensions(self.warehouse) == self.history.dimensions
        assert shown_versions(self.warehouse) == self.history.facts

    def replay_load(self, loaded: Loaded) -> None:
        """Somebody clears a task of an old run, and it loads its files again."""
        with suppress(DataError):  # another run loaded it from partly older, partly newer readings
            pipeline.load_table(DECLARED, loaded.files.table, loaded.files)
            self.keep_load(loaded)
        self.verify()

    def replay_record(self, record: tuple[Any, ...]) -> None:
        """Somebody clears the last task of an old run."""
        with suppress(DataError):  # something of that run was not loaded
            pipeline.record_run(*record)
        self._save_state()

    def keep_load(self, loaded: Loaded) -> None:
        """A load was committed. Rows that were changed by hand it may have healed, or not have known of."""
        source, table = loaded.files.source, loaded.files.table
        assert source is not None
        touched = self.touched.get(table, set())
        before = self.history.rows(table, touched)
        self.history.load(table, loaded.states, loaded.inputs, source.observed_at)
        healed = {key: row for key, row in self.history.rows(table, touched).items() if row != before[key]}
        shown = self._shown(table) if healed else {}
        for key in healed:
            if shown.get(key) == before[key]:
                self.history.adopt(table, key, before[key])
            else:
                touched.discard(key)

    def edit_by_hand(self, edit: ByHand) -> None:
        """Somebody changes the warehouse; the model takes over what it shows then."""
        if edit.apply(self.warehouse):
            shown = self._shown(edit.table)
            for key in edit.keys:
                self.history.adopt(edit.table, key, shown.get(key))
            self.touched.setdefault(edit.table, set()).update(edit.keys)

    def _shown(self, table: str) -> dict[int, Any]:
        return {**shown_dimensions(self.warehouse), **shown_versions(self.warehouse)}[table]

    def restore_state(self, content: bytes | None) -> None:
        """Somebody puts an earlier latest_update.json back, or moves it away."""
        place = {"Bucket": self.system.endpoints.buckets.state, "Key": STATE_KEY}
        if content is None:
            self.s3.delete_object(**place)
        else:
            self.s3.put_object(**place, Body=content)

    def _save_state(self) -> None:
        with suppress(self.s3.exceptions.NoSuchKey):
            answer = self.s3.get_object(Bucket=self.system.endpoints.buckets.state, Key=STATE_KEY)
            self.saved_states.append(answer["Body"].read())

    def settle(self) -> None:
        """Everything is committed: a run brings it all; with bad rows or without, the next one changes nothing."""
        for writer in self.writers[1:]:
            writer.commit()
        show_all(self.writers[0])
        if self._touched():
            self._prove_all()
        self._run_twice()
        for repair in REPAIRS:
            self.writers[0].execute(repair)
        files, done = self._run_twice()
        assert not any(done.of_kind("transform")), done.results
        assert self.system.data_files() == files

    def _prove_all(self) -> None:
        """A full round of proofs: what the run before left unrecorded cannot be compared, what is recorded is."""
        self.run_to_end()
        self.run(Options(prove_all=True))
        self.touched.clear()

    def _run_twice(self) -> tuple[set[str], Run]:
        self.run_to_end()
        rows, files = self.system.row_versions(), self.system.data_files()
        done = self.system.run_cleanly()
        assert self.system.row_versions() == rows
        return files, done


@dataclass
class _Watch:
    """What surrounds the steps of one run: it sees what the run reads and loads."""

    world: World
    faults: Faults
    meanwhile: Meanwhile | None
    steps: int = 0

    def around(self, step: Step, going: Run, do: Any) -> object:
        if self.meanwhile and self.meanwhile.number == self.steps:
            self._pause(self.meanwhile.change)
        self.steps += 1
        if step.kind == "ingest":
            return self._ingest(step, do)
        if step.kind == "load" and step.table != "dim_date":
            return self._load(step, going, do)
        if step == RECORD:
            self.world.records.append((going.identity, going.work))
        return do()

    def _pause(self, change: Write | None) -> None:
        if change:
            self.world.wait_for_sessions_to_end("idle")  # which a run keeps
            write(self.world.writers[0], change, "savepoint")
            return
        self.faults.paused = True
        self.world.run()
        self.faults.paused = False

    def _ingest(self, step: Step, do: Any) -> object:
        seen = (step.table, *BESIDE.get(step.table, ()))
        states = {name: snapshot(self.world.source, name) for name in seen}
        read = do()
        if not isinstance(read, Progress):
            self.world.states[step.table, read.observed_at] = states
        return read

    def _load(self, step: Step, going: Run, do: Any) -> object:
        try:
            return do()
        finally:
            files = going.results[Step("transform", step.table)]
            if self.faults.committed and files:
                own = OWN_SOURCE[step.table]
                read = going.results[Step("ingest", own)]
                loaded = Loaded(files, self.world.states[own, read.observed_at], {own: read.read_at})
                self.world.keep_load(loaded)
                self.world.loads.append(loaded)
