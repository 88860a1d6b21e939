"""Sessions that a process keeps which does step after step: to open one costs as much as to read a small table."""

from collections import defaultdict
from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from threading import Lock

import psycopg
from psycopg.pq import TransactionStatus

from include.common.waiting import PatientConnection, note_session

UNUSED = (TransactionStatus.IDLE, TransactionStatus.INTRANS, TransactionStatus.INERROR)
"""In what states a connection can be brought back to where a new one begins."""


class Kept:
    """Sessions that nobody uses, by what they were opened with, as long as somebody keeps them."""

    def __init__(self) -> None:
        self._idle, self._keepers, self._lock = defaultdict[Hashable, list[PatientConnection]](list), 0, Lock()

    @contextmanager
    def keeping(self) -> Iterator[None]:
        """Inside it sessions are kept; the last who leaves it closes them."""
        with self._lock:
            self._keepers += 1
        try:
            yield
        finally:
            with self._lock:
                self._keepers -= 1
                if not self._keepers:
                    self._close()

    def _close(self) -> None:
        for idle in self._idle.values():
            while idle:
                idle.pop().close()

    def take(self, opened_with: Hashable) -> PatientConnection | None:
        """A session that was opened with this, as if it were new; None where none is kept."""
        with self._lock:
            idle = self._idle[opened_with]
            while idle:
                connection = idle.pop()
                if connection.is_silent():
                    note_session(connection)
                    return connection
                connection.close()
        return None

    def give_back(self, opened_with: Hashable, connection: PatientConnection) -> bool:
        """Take a session back for others; False where that cannot be, and its user has to close it."""
        if not self._keepers or not _renew(connection):
            return False
        with self._lock:
            if self._keepers:
                self._idle[opened_with].append(connection)
            return bool(self._keepers)


KEPT = Kept()
"""The sessions of this process."""


def _renew(connection: PatientConnection) -> bool:
    """Bring a session to where a new one begins, as far as it can be."""
    if connection.ended_by or connection.pgconn.transaction_status not in UNUSED:
        return False
    try:
        connection.rollback()
        psycopg.Cursor(connection).execute("DISCARD ALL")
    except psycopg.Error:
        return False
    connection.isolation_level = connection.read_only = None
    return True
