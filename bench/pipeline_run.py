"""A whole run of the pipeline, as `python -m include run` does it, with the seconds of every step."""

import os
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import perf_counter
from typing import Any

from bench.measurement import WrongResultError
from bench.servers import Lane
from include import pipeline
from include.pipeline import Options
from include.runner import Run, run
from include.tables.declarations import Declarations
from include.totesys import DECLARED

STEPS = (
    "prepare",
    "plan_table",
    "slice_table",
    "ingest_table",
    "transform_table",
    "load_table",
    "check_tables",
    "record_run",
)
"""The functions of include.pipeline, one for each kind of step."""


def run_pipeline(lane: Lane, declared: Declarations = DECLARED) -> tuple[Run, dict[str, float]]:
    """Do one run in this process; gives it and the seconds of its steps, by their names.

    Raises: WrongResultError where a step failed.
    """
    os.environ.update(lane.variables)
    with _timed_steps() as seconds:
        done = run(declared, Options(), lambda *_: None)
    for step, error in done.failures.items():
        raise WrongResultError(f"{step} failed: {error}") from error
    return done, dict(seconds)


@contextmanager
def _timed_steps() -> Iterator[dict[str, float]]:
    """While inside, the functions of include.pipeline note how long they take."""
    seconds: dict[str, float] = defaultdict(float)
    originals = {name: getattr(pipeline, name) for name in STEPS}
    for name, function in originals.items():
        setattr(pipeline, name, _timed(name, function, seconds))
    try:
        yield seconds
    finally:
        for name, function in originals.items():
            setattr(pipeline, name, function)


def _timed(name: str, function: Callable[..., Any], seconds: dict[str, float]) -> Callable[..., Any]:
    def timed(*arguments: Any) -> Any:
        started = perf_counter()
        try:
            return function(*arguments)
        finally:
            kind = name.partition("_")[0]
            table = arguments[1] if name.endswith("_table") else ""
            seconds[f"{kind} {table}".strip()] += perf_counter() - started

    return timed
