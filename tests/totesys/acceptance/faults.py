"""Failures at chosen points of a run: at a step, at a call of S3, at a statement, a COPY or a commit of PostgreSQL."""

from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from threading import current_thread, main_thread
from typing import Any, ClassVar
from unittest import mock

import psycopg
from botocore.exceptions import ReadTimeoutError

from include import pipeline, runner
from include.common import kept, postgres, threads
from include.common.errors import ServiceError
from include.common.session import SessionCursor
from include.common.settings import aws_client
from include.common.threads import Threads
from include.common.waiting import PatientConnection
from include.pipeline import Options
from include.runner import Run
from include.source import landing
from include.tables.steps import Step
from include.totesys import DECLARED
from include.warehouse import wire

PLACES = (
    "before a step",
    "after a step",
    "before a request to S3",
    "after a request to S3",
    "before a statement",
    "before a COPY",
    "in a COPY",
    "after a COPY",
    "before a commit",
    "after a commit",
)

REAL_DO, REAL_FIRST = runner._do, Run.largest_first
REAL_JOIN, REAL_MAKE_PATIENT, REAL_SHOW = landing._join, postgres.make_patient, pipeline._show_progress


class PowerCut(BaseException):
    """An end that the pipeline knows nothing of: the run stops where it is."""


@dataclass(frozen=True)
class Fault:
    """A failure at the n-th time (from 0) that a run comes to this place. `cut`: the whole run ends with it."""

    place: str
    number: int
    cut: bool = False


@dataclass
class Faults:
    """The failures that a run is to meet, and how far it has come.

    committed: whether the current step has committed to a database. paused: another run goes on meanwhile.
    """

    planned: list[Fault] = field(default_factory=list)
    reached: Counter[str] = field(default_factory=Counter)
    fired: list[Fault] = field(default_factory=list)
    committed: bool = False
    paused: bool = False

    def reach(self, place: str, error: Callable[[], Exception]) -> None:
        """Come to a place; raises the error where a failure is planned for it.

        Other threads only ask whether anybody waits, once a reading takes long: they are not part of the plan.
        """
        if self.paused or current_thread() is not main_thread():
            return
        number = self.reached[place]
        self.reached[place] += 1
        for fault in self.planned:
            if (fault.place, fault.number) == (place, number):
                self.fired.append(fault)
                raise PowerCut if fault.cut else error()


def connection_lost() -> Exception:
    """What psycopg raises when the server is gone."""
    return psycopg.OperationalError("the connection is lost (a test's failure)")


def answer_lost() -> Exception:
    """What botocore raises when it has no answer."""
    return ReadTimeoutError(endpoint_url="a test's failure")


def step_failed() -> Exception:
    """What a step raises when a service is unavailable."""
    return ServiceError("a test's failure")


class _Numbered(Future[Any]):
    """A future that has the same place in a set each time: where several are done, the first comes first."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number

    def __hash__(self) -> int:
        return self.number


class Inline(Threads):
    """Does everything at once in the caller's thread, so that a run is the same each time."""

    def __init__(self, _: int) -> None:
        """Take the number of threads, none of which is needed."""
        super().__init__(0)
        self.numbers = count()

    def submit(self, work: Callable[..., Any], *arguments: object) -> Future[Any]:
        future = _Numbered(next(self.numbers))
        try:
            future.set_result(work(*arguments))
        except BaseException as error:  # noqa: BLE001 - as the real one does, to raise it where it is asked for
            future.set_exception(error)
        return future


class _Cursor(SessionCursor):
    faults: ClassVar[Faults]

    @contextmanager
    def copy(self, *arguments: Any, **options: Any) -> Iterator[psycopg.Copy]:
        self.faults.reach("before a COPY", connection_lost)
        with super().copy(*arguments, **options) as copy:
            self.faults.reach("in a COPY", connection_lost)
            yield copy
        self.faults.reach("after a COPY", connection_lost)


class _Connection(PatientConnection):
    faults: ClassVar[Faults]

    def execute(self, *arguments: Any, **options: Any) -> psycopg.Cursor[Any]:
        self.faults.reach("before a statement", connection_lost)
        return super().execute(*arguments, **options)

    def commit(self) -> None:
        if self.read_only:
            super().commit()
            return
        self.faults.reach("before a commit", connection_lost)
        super().commit()
        self.faults.committed = True
        self.faults.reach("after a commit", connection_lost)


def _in_order(going: Run, steps: tuple[Step, ...]) -> list[Step]:
    """`largest_first`, whatever order they come in: sets of texts have another in each process."""
    return REAL_FIRST(going, tuple(sorted(steps, key=str)))


def _watched(faults: Faults) -> Callable[..., PatientConnection]:
    """`make_patient` whose connections reach the places of these faults."""
    connection_class = type("Connection", (_Connection,), {"faults": faults})

    def make_patient(*arguments: Any) -> PatientConnection:
        connection = REAL_MAKE_PATIENT(*arguments)
        assert type(connection) is PatientConnection
        connection.__class__ = connection_class
        return connection

    return make_patient


def _joined(faults: Faults) -> Callable[..., psycopg.Connection | None]:
    """`_join` whose failures are forgiven: without a further connection a reading takes longer, and is the same."""

    def join(*arguments: Any) -> psycopg.Connection | None:
        fired = list(faults.fired)
        helper = REAL_JOIN(*arguments)
        if helper is None:
            faults.fired = fired
        return helper

    return join


def _showing(faults: Faults) -> Callable[..., None]:
    """`_show_progress` whose failures are forgiven: where the page does not show how far a table is, no run fails."""

    def show(*arguments: Any) -> None:
        fired = list(faults.fired)
        REAL_SHOW(*arguments)
        faults.fired = fired

    return show


@contextmanager
def _s3_watched(faults: Faults) -> Iterator[None]:
    events = aws_client("s3").meta.events

    def reach(place: str, model: Any, **_: object) -> None:
        faults.reach(f"{place} a request to S3", answer_lost)
        faults.reach(f"{place} {model.name}", answer_lost)

    handlers = {"before-call.s3": partial(reach, "before"), "after-call.s3": partial(reach, "after")}
    for event, handler in handlers.items():
        events.register(event, handler)
    try:
        yield
    finally:
        for event, handler in handlers.items():
            events.unregister(event, handler)


Around = Callable[[Step, Run, Callable[[], object]], object]
"""What surrounds each step of a run: it is given the step, the run and what does it, and gives its result."""


def undisturbed(_step: Step, _going: Run, do: Callable[[], object]) -> object:
    """Nothing surrounds the step."""
    return do()


@contextmanager
def watched_run(faults: Faults, around: Around = undisturbed) -> Iterator[None]:
    """Inside it a run does one step at a time, each by `around`, and meets these faults."""

    def do(going: Run, step: Step) -> object:
        faults.committed = False
        faults.reach("before a step", step_failed)
        result = around(step, going, lambda: REAL_DO(going, step))
        faults.reach("after a step", step_failed)
        return result

    with ExitStack() as stack:
        for module in (runner, threads, wire):
            stack.enter_context(mock.patch.object(module, "Threads", Inline))
        stack.enter_context(mock.patch.object(runner, "_do", do))
        stack.enter_context(mock.patch.object(Run, "largest_first", _in_order))
        stack.enter_context(mock.patch.object(landing, "_join", _joined(faults)))
        stack.enter_context(mock.patch.object(pipeline, "_show_progress", _showing(faults)))
        stack.enter_context(mock.patch.object(postgres, "make_patient", _watched(faults)))
        stack.enter_context(
            mock.patch.object(postgres, "SessionCursor", type("Cursor", (_Cursor,), {"faults": faults}))
        )
        stack.enter_context(mock.patch.object(kept, "KEPT", kept.Kept()))  # another run's sessions meet other faults
        stack.enter_context(_s3_watched(faults))
        yield


def attempt_run(faults: Faults, options: Options, around: Around = undisturbed) -> Run | None:
    """A run that meets these faults. None: one of them ended it, or let it read no state, before any step."""
    with watched_run(faults, around), suppress(PowerCut, ServiceError):
        return runner.run(DECLARED, options, lambda *_: None)
    return None
