"""What a reading in which nothing changed costs: round trips to the source, to the warehouse and to S3."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

from include.common import postgres
from include.common.session import SessionCursor
from include.common.settings import aws_client
from include.common.waiting import PatientConnection
from include.pipeline import Options, ingest_table
from include.state.latest import read_state
from include.warehouse.tables import prepare
from tests.system import System

REAL_MAKE_PATIENT = postgres.make_patient

READING = ["BEGIN", "sight", "server", "COMMIT", "BEGIN", "LOCK", "snapshot", "footing", "columns", "count", "blocks",
           "COMMIT", "BEGIN", "footing", "server", "COMMIT"]  # fmt: skip
"""What a reading asks of the source: who sees the table, what it is, what changed, how it compares, if it moved."""

PROOF = ["BEGIN", "LOCK", "loaded", "blocks"]
"""What the comparison asks of the warehouse."""

KINDS = {
    "LOCK TABLE": "LOCK",
    "seen (": "sight",
    "pg_is_in_recovery() AS standby": "server",
    "pg_snapshot_xmin": "snapshot",
    "stands_on (": "footing",
    "resolved (": "columns",
    "FILTER": "count",
    "hashtextextended": "blocks",
    "pipeline.load": "loaded",
}


@contextmanager
def asked() -> Iterator[tuple[dict[str, list[str]], Counter[str]]]:
    """Inside it, what each database is asked, by its name, and how often S3's operations are called."""
    statements, calls = dict[str, list[str]](), Counter[str]()

    def note(connection: Any, told: str) -> None:
        statements.setdefault(connection.info.dbname.partition("_")[0], []).append(told)

    class Cursor(SessionCursor):
        def execute(self, query: Any, *arguments: Any, **options: Any) -> Any:
            text = query if isinstance(query, str) else query.as_string(self.connection)
            self._begin()
            note(self.connection, next((kind for mark, kind in KINDS.items() if mark in text), text))
            return super().execute(query, *arguments, **options)

        def _begin(self) -> None:
            if self.connection.info.transaction_status == 0:
                note(self.connection, "BEGIN")
            super()._begin()

    class Connection(PatientConnection):
        def commit(self) -> None:
            note(self, "COMMIT")
            super().commit()

    def make_patient(*arguments: Any) -> PatientConnection:
        patient = REAL_MAKE_PATIENT(*arguments)
        patient.__class__ = Connection
        return patient

    def called(model: Any, **_: object) -> None:
        calls.update([model.name])

    aws_client("s3").meta.events.register("before-call.s3", called)
    with (
        mock.patch.object(postgres, "SessionCursor", Cursor),
        mock.patch.object(postgres, "make_patient", make_patient),
    ):
        yield statements, calls
    aws_client("s3").meta.events.unregister("before-call.s3", called)


def test_a_quiet_reading_asks_each_thing_once(system: System) -> None:
    system.run_cleanly()
    declared, state, loaded = system.declared, read_state(), prepare(system.declared)
    with asked() as (statements, calls):
        read = ingest_table(declared, "product", state, loaded, Options())
    assert not read.changed
    assert read.proofs["dim_product"].rows == 424
    assert statements == {"filled": READING, "warehouse": PROOF}
    assert not calls, "its keys are in the state"
