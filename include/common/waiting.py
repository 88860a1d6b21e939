"""Waiting for a database server: never for ever, and never longer than the work that waits for it is wanted."""

import select
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from time import monotonic
from typing import Any, TypeVar, cast
from uuid import uuid4

import psycopg
from psycopg import errors
from psycopg.abc import PQGen
from psycopg.pq import TransactionStatus
from psycopg.waiting import Ready, Wait

from include.common.errors import DeclarationError
from include.common.threads import is_given_up

SILENT_SECONDS = 120.0
"""How long a server may send nothing, or take nothing, where bytes are due."""

ANSWER_SECONDS = 10
"""Within what time a server must answer who asks whether a session of its is at work."""

TICK_SECONDS = 0.2
CANCEL_SECONDS = 2.0

ACTIVITY = """
    SELECT state IN ('active', 'fastpath function call', 'disabled') AND wait_event_type IS DISTINCT FROM 'Client'
      FROM pg_stat_activity WHERE application_name = %s"""
"""Whether a session is at work, as far as the server tells (track_activities may be off).

One that waits for its client, which is us, has been cut off from it."""

BROKEN = select.POLLHUP | select.POLLERR | select.POLLNVAL

Value = TypeVar("Value")


class SilentServer(errors.OperationalError):
    """The server sent nothing, and took nothing, for as long as it may."""


class PatientConnection(psycopg.Connection[Any]):
    """A connection on which no call waits for a silent server for ever, and that an interruption ends at once.

    Where the server is to take bytes, or a COPY has begun to flow, SILENT_SECONDS without any end it. A statement
    may work without sending for as long as a second connection sees its session active.

    session_name: what its transactions call themselves (application_name), so that others find the session, also behind
        a pooler, and though asking for the process would take a snapshot.
    ask: opens the second connection. None: this is one, and has ANSWER_SECONDS in all.
    """

    session_name: str
    ask: Callable[[], psycopg.Connection[Any]] | None
    ended_by: BaseException | None

    def wait(self, gen: PQGen[Value], interval: float = TICK_SECONDS) -> Value:  # noqa: ARG002
        """As psycopg's, by which it does all that takes a connection.

        Once a wait was ended, whoever tidies up on the connection meets what ended it, and hides nothing.
        """
        if self.ended_by:
            raise self.ended_by
        try:
            wanted = next(gen)
            while True:
                wanted = gen.send(self.until_ready(wanted))
        except StopIteration as done:
            return cast(Value, done.value)

    def until_ready(self, wanted: Wait, flowing: bool = False) -> Ready:
        """Wait until the socket can be read or written, as wanted, and say which.

        flowing: bytes are due, whatever the session is at.

        Raises: SilentServer; the connection is closed then.
        """
        poll = select.poll()
        poll.register(self.pgconn.socket, _events(wanted))
        strict = flowing or bool(wanted & Wait.W)
        try:
            while True:
                found = self._poll(poll)
                if found:
                    return _ready(found, wanted)
                if strict or not (self._is_at_work() or _poll_once(poll, TICK_SECONDS)):
                    raise SilentServer(f"the server was silent for {self._silent_seconds():g} seconds")
        except BaseException as error:
            self.ended_by = error
            self.leave(answering=not isinstance(error, SilentServer))
            raise

    def _silent_seconds(self) -> float:
        return SILENT_SECONDS if self.ask else ANSWER_SECONDS

    def _poll(self, poll: select.poll) -> int:
        """What there is to do for the socket; 0 where there was nothing for as long as there may be."""
        deadline = monotonic() + self._silent_seconds()
        while (left := deadline - monotonic()) > 0:
            if is_given_up():
                raise KeyboardInterrupt("nobody waits for this thread any longer")
            if found := _poll_once(poll, min(left, TICK_SECONDS)):
                return found
        return 0

    def _is_at_work(self) -> bool:
        """Whether the server says so. One that refuses the question lives, and gets the benefit of the doubt."""
        if self.ask is None:
            return False
        try:
            with self.ask() as second:
                row = second.execute(ACTIVITY, [self.session_name]).fetchone()
        except DeclarationError:
            return True
        except psycopg.Error as error:
            return "FATAL" in str(error)  # the driver has no code for what a server answers to who would connect
        return row is not None and row[0] is not False

    def is_silent(self) -> bool:
        """Whether the server has sent nothing that was not asked for, such as that it ends."""
        poll = select.poll()
        poll.register(self.pgconn.socket, select.POLLIN)
        return not _poll_once(poll, 0)

    def leave(self, answering: bool = True) -> None:
        """Close the connection; have the server cancel what it is still at, unless it does not answer."""
        working = self.pgconn.transaction_status == TransactionStatus.ACTIVE
        if working and self.ask and answering:
            with suppress(psycopg.Error):
                self.cancel_safe(timeout=CANCEL_SECONDS)
        self.close()


def make_patient(
    connection: psycopg.Connection[Any], ask: Callable[[], psycopg.Connection[Any]] | None = None
) -> PatientConnection:
    """Have a new connection, however it was made, be a PatientConnection."""
    connection.__class__ = PatientConnection
    patient = cast(PatientConnection, connection)
    patient.ask, patient.ended_by = ask, None
    patient.session_name = f"totesys warehouse {uuid4().hex[:12]}"
    note_session(patient)
    return patient


_SESSIONS: ContextVar[list[str] | None] = ContextVar("sessions", default=None)


def note_session(connection: PatientConnection) -> None:
    """Tell those who ask for `sessions` of one that is used from now on."""
    used = _SESSIONS.get()
    if used is not None:
        used.append(connection.session_name)


@contextmanager
def sessions(connection: psycopg.Connection[Any]) -> Iterator[list[str]]:
    """The names of this connection's session and of all that are used inside the block: a list that grows."""
    names = [session_name(connection)]
    token = _SESSIONS.set(names)
    try:
        yield names
    finally:
        _SESSIONS.reset(token)


def ask(connection: psycopg.Connection[Any]) -> psycopg.Connection[Any]:
    """A second connection to the server of this one, for short questions; the caller closes it."""
    opened = cast(PatientConnection, connection).ask
    assert opened is not None
    return opened()


def session_name(connection: psycopg.Connection[Any]) -> str:
    """The name by which another connection finds this one's session."""
    return cast(PatientConnection, connection).session_name


def wait_for(connection: psycopg.Connection[Any], wanted: Wait, flowing: bool = False) -> Ready:
    """See `PatientConnection.until_ready`."""
    return cast(PatientConnection, connection).until_ready(wanted, flowing)


def _events(wanted: Wait) -> int:
    return (select.POLLIN if wanted & Wait.R else 0) | (select.POLLOUT if wanted & Wait.W else 0)


def _poll_once(poll: select.poll, seconds: float) -> int:
    found = poll.poll(seconds * 1000)
    return found[0][1] if found else 0


def _ready(found: int, wanted: Wait) -> Ready:
    """A socket that is broken is ready for all: reading or writing tells what is wrong."""
    readable = found & (select.POLLIN | BROKEN) and wanted & Wait.R
    writable = found & (select.POLLOUT | BROKEN) and wanted & Wait.W
    return Ready((Ready.R if readable else 0) | (Ready.W if writable else 0))
