"""Any history of servers: volumes saved and put back, standbys that follow, are cut off and take over, and runs."""

import os
import shutil
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import ClassVar
from unittest import mock

import psycopg
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from include.pipeline import Options
from local.postgres import HOST, PostgresServer
from tests.system import System, open_exactly
from tests.totesys.acceptance.alterations import ALTERATIONS
from tests.totesys.acceptance.faults import PLACES, Fault, Faults, attempt_run
from tests.totesys.acceptance.oracle import all_differences
from tests.totesys.acceptance.writes import WRITES, Write, write
from tests.totesys.servers.conftest import catch_up, execute, own, server_of, standby_of, wait_until

CHANGES = st.lists(WRITES | WRITES | ALTERATIONS, min_size=1, max_size=6)
FAULTS = st.builds(Fault, st.sampled_from(PLACES), st.integers(0, 40), st.booleans())


class ServerHistories(RuleBasedStateMachine):
    """A primary, perhaps a standby, saved volumes, and a pipeline that reads one of the two.

    prepared: the folder of a stopped server with a small source, to begin with. make_system: a new pipeline.
    """

    version: ClassVar[int]
    prepared: ClassVar[Path]
    make_system: ClassVar[Callable[[], System]]

    def __init__(self) -> None:
        super().__init__()
        self.opened, self.folders, self.saved = ExitStack(), 0, 0
        self.folder = self.prepared.parent / f"history-{os.urandom(6).hex()}"
        self.folder.mkdir()
        own(self.folder, self.prepared)
        self.opened.callback(shutil.rmtree, self.folder)
        self.primary = self._start(self._copied(self.prepared))
        self.standby: PostgresServer | None = None
        self.follows = self.read_standby = False
        self.system = self.make_system()
        self.sound = True

    def _start(self, folder: Path) -> PostgresServer:
        server = server_of(self.version, folder).start()
        self.opened.callback(server.stop)
        return server

    def _new_folder(self) -> Path:
        self.folders += 1
        return self.folder / str(self.folders)

    def _copied(self, volume: Path) -> Path:
        copy = self._new_folder()
        shutil.copytree(volume, copy)
        own(copy, self.prepared)
        return copy

    @rule(changes=CHANGES)
    def commit_changes(self, changes: list[Write]) -> None:
        with psycopg.connect(self.primary.url("totesys"), autocommit=True) as connection:
            for change in changes:
                write(connection, change, "savepoint")

    @rule(transactions=st.sampled_from([1, 40]))
    def go_on(self, transactions: int) -> None:
        """Others use transactions and the log, beyond what was read of another past."""
        with psycopg.connect(self.primary.url("totesys"), autocommit=True) as connection:
            for _ in range(transactions):
                connection.execute("SELECT pg_current_xact_id()")
            connection.execute("SELECT pg_switch_wal()")

    @rule()
    def run(self) -> None:
        self._run([])
        assert self._differences() == []

    @rule(faults=st.lists(FAULTS, min_size=1, max_size=2))
    def run_with_failures(self, faults: list[Fault]) -> None:
        self._run(faults)

    def _run(self, faults: list[Fault]) -> None:
        self.sound = False
        source = self.primary
        if self.read_standby and self.standby and self.follows:
            catch_up(self.primary, self.standby)
            source = self.standby
        met = Faults(faults)
        with mock.patch.dict(os.environ, {"AIRFLOW_CONN_TOTESYS": source.url("totesys")}):
            done = attempt_run(met, Options())
        assert (done is None or bool(done.failures)) == bool(met.fired), (met.fired, done and done.failures)
        self.sound = True

    @rule()
    def save_the_volume(self) -> None:
        self.primary.stop()
        self.saved += 1
        shutil.copytree(self.primary.data_dir, self.folder / f"saved-{self.saved}")
        self.primary.start()
        if self.standby is not None and self.follows:
            self._follow(f"host={HOST} port={self.primary.port} user=postgres")

    @precondition(lambda self: self.saved)
    @rule(data=st.data())
    def put_a_volume_back(self, data: st.DataObject) -> None:
        number = data.draw(st.integers(1, self.saved))
        self.primary.stop()
        self._leave_standby()
        self.primary = self._start(self._copied(self.folder / f"saved-{number}"))

    @precondition(lambda self: self.standby is None)
    @rule()
    def add_a_standby(self) -> None:
        self.standby = standby_of(self.primary, self._new_folder()).start()
        self.opened.callback(self.standby.stop)
        self.follows = True

    @precondition(lambda self: self.standby is not None and self.follows)
    @rule()
    def cut_the_standby_off(self) -> None:
        """It never receives what the primary writes from now on."""
        assert self.standby is not None
        catch_up(self.primary, self.standby)
        self._follow("")
        wait_until(lambda: execute(self.standby, "SELECT count(*) FROM pg_stat_wal_receiver") == [(0,)])
        self.follows = False

    @precondition(lambda self: self.standby is not None)
    @rule()
    def fail_over(self) -> None:
        """The standby takes over, with what it has received."""
        assert self.standby is not None
        promoted = self.standby
        if self.follows:
            catch_up(self.primary, promoted)
        self.primary.stop()
        execute(promoted, "SELECT pg_promote(wait => false)")
        wait_until(lambda: execute(promoted, "SELECT pg_is_in_recovery()") == [(False,)])
        self.primary, self.standby, self.follows = promoted, None, False

    @rule()
    def read_the_other(self) -> None:
        """The pipeline is led to the standby, as long as one follows, or back to the primary."""
        self.read_standby = not self.read_standby

    def _follow(self, primary: str) -> None:
        """Tell the standby where its primary is, which has another port after each start, or that there is none."""
        assert self.standby is not None
        execute(self.standby, f"ALTER SYSTEM SET primary_conninfo = '{primary}'")
        execute(self.standby, "SELECT pg_reload_conf()")

    def _leave_standby(self) -> None:
        if self.standby is not None:
            self.standby.stop()
        self.standby, self.follows = None, False

    def _differences(self) -> list[str]:
        warehouse_url = self.system.endpoints.warehouse_url
        with open_exactly(self.primary.url("totesys")) as source, open_exactly(warehouse_url) as warehouse:
            return all_differences(source, warehouse)

    def teardown(self) -> None:
        """After any history: equal after one run, and the next one changes nothing."""
        try:
            if self.sound:
                self.run()
                rows = self.system.row_versions()
                self.run()
                assert self.system.row_versions() == rows
        finally:
            self.opened.close()
