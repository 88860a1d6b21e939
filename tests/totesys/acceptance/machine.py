"""Any history of the source, with runs in between, whole or in part, some of which fail: hypothesis plays it."""

import os
from contextlib import ExitStack
from typing import ClassVar
from unittest import mock
from uuid import uuid4

import psycopg
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule
from psycopg import sql

from include.pipeline import Options
from include.source import landing
from include.state import latest
from include.totesys import DECLARED
from include.warehouse import load
from tests.system import Servers, cloned_system
from tests.totesys.acceptance import sessions
from tests.totesys.acceptance.alterations import ALTERATIONS, NAMES
from tests.totesys.acceptance.edits import EDITS, ByHand
from tests.totesys.acceptance.faults import PLACES, Fault
from tests.totesys.acceptance.partitions import PARTED, of_partitions, part
from tests.totesys.acceptance.world import ALL, Meanwhile, World
from tests.totesys.acceptance.writes import KEYS, WRITES, Write, vacuum, write

LONG = st.integers(1, 2)
"""The writers whose transactions stay open until they are committed or rolled back."""

CHANGES = st.lists(WRITES, min_size=1, max_size=6)
FAULTS = st.builds(Fault, st.sampled_from(PLACES), st.integers(0, 40), st.booleans())
TABLE_NAMES = st.sampled_from([*DECLARED.sources, *(name for name in DECLARED.star if name != "dim_date")])
MEANWHILE = st.builds(Meanwhile, st.integers(0, 35), WRITES | ALTERATIONS)


class Histories(RuleBasedStateMachine):
    """A source, its pipeline, and all that can happen to both."""

    servers: ClassVar[Servers]
    source_template: ClassVar[str]
    warehouse_template: ClassVar[str]

    def __init__(self) -> None:
        super().__init__()
        self.opened = ExitStack()
        self.role = f"reader_{uuid4().hex[:12]}"
        self.parted = ""
        postgres = self.opened.enter_context(psycopg.connect(self.servers.postgres.url(), autocommit=True))
        self.opened.enter_context(sessions.reader(postgres, self.role))
        clone = cloned_system(self.servers, DECLARED, self.source_template, self.warehouse_template)
        system = self.opened.enter_context(clone)
        as_reader = system.endpoints.source_url.replace("postgres@", f"{self.role}@")
        self.opened.enter_context(mock.patch.dict(os.environ, {"AIRFLOW_CONN_TOTESYS": as_reader}))
        self.world = World(system)
        self.opened.callback(self.world.close)

    @initialize(
        file_rows=st.sampled_from([2, 131_072]),
        fill_rows=st.sampled_from([1, 10_000]),
        small_bytes=st.sampled_from([0, 4_096]),
        parted=st.sampled_from(["", *PARTED]),
    )
    def choose_sizes(self, file_rows: int, fill_rows: int, small_bytes: int, parted: str) -> None:
        """Many small files or one; the fast first load or the merge; keys in files or not; a table in parts or none."""
        sizes = (landing, "FILE_ROWS", file_rows), (load, "FILL_ROWS", fill_rows), (latest, "SMALL_BYTES", small_bytes)
        for module, name, value in sizes:
            self.opened.enter_context(mock.patch.object(module, name, value))
        self.parted = parted
        if parted:
            with self.world.writers[0].transaction():
                part(self.world.writers[0], parted)

    @rule(changes=CHANGES)
    def commit_changes(self, changes: list[Write]) -> None:
        for change in changes:
            write(self.world.writers[0], change, "savepoint")

    @rule(changes=CHANGES, writer=LONG, nesting=st.sampled_from(["direct", "savepoint", "nested", "rolled back"]))
    def change_without_commit(self, changes: list[Write], writer: int, nesting: str) -> None:
        for change in changes:
            write(self.world.writers[writer], change, nesting)

    @rule(writer=LONG)
    def commit(self, writer: int) -> None:
        self.world.writers[writer].commit()

    @rule(writer=LONG)
    def roll_back(self, writer: int) -> None:
        self.world.writers[writer].rollback()

    @rule(changes=st.lists(ALTERATIONS, min_size=1, max_size=3), nesting=st.sampled_from(["savepoint", "rolled back"]))
    def alter_tables(self, changes: list[Write], nesting: str) -> None:
        for change in changes:
            write(self.world.writers[0], change, nesting)

    @rule(table=NAMES)
    def vacuum_full(self, table: str) -> None:
        vacuum(self.world.writers[0], table)

    @precondition(lambda self: self.parted)
    @rule(data=st.data())
    def move_partitions(self, data: st.DataObject) -> None:
        for change in data.draw(st.lists(of_partitions(self.parted), min_size=1, max_size=3)):
            write(self.world.writers[0], change, "savepoint")

    @rule(whose=st.sampled_from(["role", "source", "warehouse"]), setting=sessions.NAMES)
    def change_a_setting(self, whose: str, setting: str | None) -> None:
        databases = {"source": self.world.source.info.dbname, "warehouse": self.world.warehouse.info.dbname}
        kind = sql.SQL("DATABASE {}" if whose in databases else "ROLE {}")
        named = kind.format(sql.Identifier(databases.get(whose, self.role)))
        sessions.set_for(self.world.writers[0], named, setting)

    @precondition(lambda self: not sessions.hidden_tables(self.world.source))
    @rule(table=NAMES, least=KEYS, from_owner=st.booleans())
    def hide_rows(self, table: str, least: int, from_owner: bool) -> None:
        if from_owner:
            sessions.hide_from_owner(self.world.writers[0], table, self.role)
        else:
            sessions.hide(self.world.writers[0], table, least)

    @precondition(lambda self: sessions.hidden_tables(self.world.source))
    @rule()
    def show_rows(self) -> None:
        sessions.show_all(self.world.writers[0])

    @rule(edits=st.lists(EDITS, min_size=1, max_size=3))
    def edit_the_warehouse_by_hand(self, edits: list[ByHand]) -> None:
        for edit in edits:
            self.world.edit_by_hand(edit)

    @rule()
    def run(self) -> None:
        self.world.run()

    @rule(faults=st.lists(FAULTS, min_size=1, max_size=2))
    def run_with_failures(self, faults: list[Fault]) -> None:
        self.world.run(ALL, faults)

    @rule(meanwhile=MEANWHILE, faults=st.lists(FAULTS, max_size=1))
    def run_while_somebody_writes(self, meanwhile: Meanwhile, faults: list[Fault]) -> None:
        self.world.run(ALL, faults, meanwhile)

    @rule(step=st.integers(0, 35), faults=st.lists(FAULTS, max_size=1))
    def run_while_another_overtakes_it(self, step: int, faults: list[Fault]) -> None:
        self.world.run(ALL, faults, Meanwhile(step, None))

    @rule(tables=st.lists(TABLE_NAMES, max_size=2), full_refresh=st.booleans(), faults=st.lists(FAULTS, max_size=1))
    def run_in_part(self, tables: list[str], full_refresh: bool, faults: list[Fault]) -> None:
        self.world.run(Options(tuple(tables), full_refresh), faults)

    @precondition(lambda self: self.world.loads)
    @rule(data=st.data())
    def load_old_files_again(self, data: st.DataObject) -> None:
        self.world.replay_load(data.draw(st.sampled_from(self.world.loads[-20:])))

    @precondition(lambda self: self.world.records)
    @rule(data=st.data())
    def record_an_old_run_again(self, data: st.DataObject) -> None:
        self.world.replay_record(data.draw(st.sampled_from(self.world.records[-4:])))

    @precondition(lambda self: self.world.saved_states)
    @rule(data=st.data())
    def put_an_old_state_back(self, data: st.DataObject) -> None:
        self.world.restore_state(data.draw(st.sampled_from([None, *self.world.saved_states[-3:]])))

    def teardown(self) -> None:
        """After any history: equal, complete, and still. A failure before is not hidden by one of this."""
        try:
            if self.world.sound:
                self.world.settle()
        finally:
            self.opened.close()
