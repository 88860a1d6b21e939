"""An error that nobody foresaw, wherever it is raised: the step's own failure, in one of the three kinds."""

import importlib.util
import logging
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import cycle
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import psycopg
import pyarrow as pa
import pytest
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException, AirflowTaskTimeout
from botocore.exceptions import ClientError, NoCredentialsError
from urllib3.exceptions import ProtocolError

import include
from include import runner
from include.__main__ import main
from include.common import lookup
from include.common.errors import DataError, DeclarationError, ServiceError, border
from include.lake import arrow
from include.pipeline import Options
from include.runner import Run, _attempt, identify
from include.state.latest import read_state
from include.tables.steps import Order, Step, plan
from include.totesys import DECLARED
from tests.system import System

ROOT = Path(include.__file__).parent
DEFECTS: tuple[Callable[[], Exception], ...] = (
    lambda: RuntimeError("a test's\ndefect"), lambda: KeyError("a test's defect"),
    lambda: pa.ArrowInvalid("a test's defect"),
    lambda: AssertionError("a test's defect"), lambda: UnicodeDecodeError("utf-8", b"a test's defect", 0, 1, "wrong"),
    lambda: StopIteration("a test's defect"), lambda: TypeError("a test's defect" + "x" * 100_000),
)  # fmt: skip
FOREIGN: tuple[Callable[[], Exception], ...] = (
    lambda: MemoryError("a test's defect"), lambda: psycopg.InterfaceError("a test's defect"),
    lambda: psycopg.OperationalError("a test's defect"), lambda: ConnectionResetError("a test's defect"),
    lambda: ClientError({"Error": {"Code": "a test's defect"}}, "GetObject"), lambda: ProtocolError("a test's defect"),
    NoCredentialsError,
)  # fmt: skip


@contextmanager
def calls(seen: Callable[[CodeType], None]) -> Iterator[None]:
    """Inside it `seen` is told of each call of a function of the pipeline, in every thread that begins."""

    def told(frame: FrameType, event: str, _: Any) -> None:
        if event == "call" and frame.f_code.co_filename.startswith(str(ROOT)):
            seen(frame.f_code)

    threading.setprofile(told)
    sys.setprofile(told)
    try:
        yield
    finally:
        sys.setprofile(None)
        threading.setprofile(None)  # type: ignore[arg-type]


@contextmanager
def failing(code: CodeType, pending: list[Exception]) -> Iterator[None]:
    """Inside it the first call of this function raises what is pending."""

    def fail(called: CodeType) -> None:
        if called is code and pending:
            raise pending.pop()

    with calls(fail):
        yield


def first_run() -> tuple[Run, dict[CodeType, Step]]:
    """A run with a rejected row, and the functions that its steps call, each with the first step that does."""
    options = Options(("currency",))
    going, called = Run(DECLARED, options, read_state(), identify(options)), dict[CodeType, Step]()
    for step, order in plan(DECLARED, options.sources(DECLARED)).items():
        with calls(lambda code, step=step: called.setdefault(code, step)):
            _attempt(going, step, order)
    assert not going.failures
    return going, {code: step for code, step in called.items() if code.co_name not in OUTSIDE}


OUTSIDE = {"_attempt", "__str__", "border", "_is_signal", "_is_foreign", "<module>", "_work", "attempt"}
"""What is called around the border, the border itself, and the loop of a thread, which hands on what work raises."""


@pytest.fixture
def defects_logged(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    """What is logged of defects."""
    caplog.set_level(logging.ERROR, "include.common.errors")
    return caplog


def defect_of(code: CodeType, make: Callable[[], Exception]) -> Exception:
    """What a function is to raise. Where values are parsed, ArrowInvalid is the answer that one is not of its type."""
    told = code.co_filename == arrow.__file__ and isinstance(make(), pa.ArrowInvalid)
    return KeyError("a test's defect") if told else make()


def test_an_error_in_any_function_is_its_step_s_failure_in_one_of_the_three_kinds(
    system: System, defects_logged: pytest.LogCaptureFixture
) -> None:
    system.write("INSERT INTO currency VALUES (9, 'XXY', now(), now())")
    done, called = first_run()
    met, silent = 0, set()
    made = [*(make for make in DEFECTS if not isinstance(make(), StopIteration)), *FOREIGN]  # by it, `map` just ends
    for (code, step), make in zip(called.items(), cycle(made), strict=False):
        going = replace(done, results={key: value for key, value in done.results.items() if key != step}, failures={})
        pending = [defect_of(code, make)]
        with failing(code, pending):
            _attempt(going, step, Order())
        if pending:  # only a first run calls it
            continue
        met += 1
        if not going.failures and code.co_filename != lookup.__file__:  # a look-up asks again
            silent.add(code.co_qualname)
        assert all(isinstance(error, (DeclarationError, DataError, ServiceError)) for error in going.failures.values())
        assert all(len(str(error)) < 2000 for error in going.failures.values())
    assert met > 150
    assert silent <= {"iso_4217_name", "_watch"}  # the one costs a row; without the other a reading gives no way


@pytest.mark.parametrize("place", ["plan", "identify", "read_state"])
def test_a_defect_outside_the_steps_ends_the_command_with_its_name(
    system: System, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], place: str
) -> None:
    def fail(*_: object) -> None:
        raise KeyError("a test's defect")

    monkeypatch.setattr(runner, place, fail)
    assert main(["run", "--tables", "currency"]) == 1
    told = capsys.readouterr().err
    assert "error: a defect of the pipeline in the command: KeyError" in told


@pytest.mark.parametrize("make", DEFECTS)
def test_a_defect_is_named_with_what_to_report(
    make: Callable[[], Exception], defects_logged: pytest.LogCaptureFixture
) -> None:
    error = make()
    with pytest.raises(DeclarationError) as caught, border(str(Step("load", "dim_staff"))):
        raise error
    message = str(caught.value)
    assert message.startswith(f"a defect of the pipeline in load dim_staff: {type(error).__name__}: ")
    assert message.endswith("; report it with the log of this task")
    assert len(message) < 700
    assert "\n" not in message
    assert caught.value.__cause__ is error
    assert [record.exc_info[1] for record in defects_logged.records if record.exc_info] == [error]


@pytest.mark.parametrize("make", FOREIGN)
def test_an_unforeseen_error_of_a_service_is_retried(make: Callable[[], Exception]) -> None:
    with pytest.raises(ServiceError, match="a defect of the pipeline in check"), border("check"):
        raise make()


@pytest.mark.parametrize(
    "signal",
    [
        KeyboardInterrupt(), SystemExit(), GeneratorExit(), AirflowSkipException(), AirflowFailException(),
        AirflowTaskTimeout(), DeclarationError(), DataError(), ServiceError(),
    ],
    ids=repr,
)  # fmt: skip
def test_signals_and_the_three_errors_pass_as_they_are(signal: BaseException) -> None:
    with pytest.raises(type(signal)) as caught, border("check"):
        raise signal
    assert caught.value is signal


@pytest.fixture
def dag_module(pipeline_environment: dict[str, str]) -> Any:
    """The DAG's file as a module."""
    spec = importlib.util.spec_from_file_location("dag_of_defects", ROOT.parent / "dags" / "totesys_warehouse.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("makes", "kind"), [(DEFECTS, AirflowFailException), (FOREIGN, ServiceError)], ids=["own", "foreign"]
)
def test_a_task_fails_at_once_with_a_defect_and_is_retried_with_a_service_s_error(
    dag_module: Any, makes: tuple[Callable[[], Exception], ...], kind: type[Exception]
) -> None:
    for make in makes:
        error = make()

        def work(raised: Exception = error) -> None:
            raise raised

        with pytest.raises(kind, match="a defect of the pipeline in this task"):
            dag_module.bordered(work)()


def test_every_task_is_within_the_border(dag_module: Any) -> None:
    for name, work in dag_module.WORK.items():
        assert work.function.__code__ is dag_module.bordered(lambda: None).__code__, name
