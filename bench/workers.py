"""Slices of one table read by several processes: how much two are faster than one, where the servers can keep up."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from threading import Event, Thread
from time import sleep

import psutil
from rich.console import Console

from bench import worker
from bench.clock import Clock
from bench.in_slices import SOURCE, declare
from bench.measurement import Cost, Timed, WrongResultError
from bench.servers import Servers
from include import pipeline
from include.common.slices import Planned
from include.pipeline import Options
from include.state.latest import read_state
from include.tables.declarations import Declarations
from include.warehouse import slicing

SHARE = 0.3
"""For how much of the time a worker is at work, so that the servers, on the same CPUs, have some to spare for a second
one. Workers on AWS wait as well: for S3, and for the network."""

PERIOD_SECONDS = 0.1
TARGET = 1 / 1.6
"""The most that two workers may take of the time that one takes."""

SERVER_NAMES = ("source server", "warehouse server", "S3 stand-in")


@dataclass(frozen=True)
class Slices:
    """A source of sales orders that are read in slices of so many rows."""

    servers: Servers
    console: Console
    source_url: str
    slice_rows: int

    def compare_workers(self, share: float) -> Cost:
        """Read all slices by one worker, then by two, each at work for this share of the time."""
        one, two = (self._time(count, share) for count in (1, 2))
        name = f"two workers' time, of one's, each at work {share:.0%} of the time"
        return Cost(name, two.seconds / one.seconds, "", TARGET if share < 1 else 1.0)

    def _time(self, count: int, share: float) -> Timed:
        declared, lane = declare(self.slice_rows), self.servers.new_lane(self.source_url)
        os.environ.update({**lane.variables, "BENCH_SLICE_ROWS": str(self.slice_rows)})
        planned = _plan(declared)
        with _workers(planned.load_id, count) as started, _at_work(started, share):
            timed = Clock(self.servers.environment).time(lambda: _read(started, planned.numbers))
        progress = slicing.find_progress(SOURCE)
        if progress is None or progress.done != len(planned.numbers):
            raise WrongResultError(f"not all slices are kept: {progress}")
        self.servers.remove_lane(lane)
        self._tell(f"{len(planned.numbers)} slices by {count} workers, at work {share:.0%} of the time", timed)
        return timed

    def _tell(self, what: str, timed: Timed) -> None:
        busy = sum(timed.cpu[name] for name in SERVER_NAMES) / timed.seconds
        told = f"{what}: {timed.seconds:.1f} s, the servers busy on {busy:.2f} of {psutil.cpu_count()} CPUs"
        self.console.print(told)


def _plan(declared: Declarations) -> Planned:
    loaded = pipeline.prepare(declared)
    planned = pipeline.plan_table(declared, SOURCE, read_state(), loaded, Options(run_id="bench"))
    if not planned.numbers:
        raise WrongResultError(f"{SOURCE} is not read in slices")
    return planned


@contextmanager
def _workers(load_id: str, count: int) -> Iterator[list[subprocess.Popen[str]]]:
    """So many processes, each of which waits for numbers of slices."""
    command = [sys.executable, "-m", "bench.worker", load_id]
    with ExitStack() as stack:
        started = [
            stack.enter_context(subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True))
            for _ in range(count)
        ]
        for process in started:
            _expect(process, worker.READY)
        yield started
        for process in started:
            process.communicate()


@contextmanager
def _at_work(started: list[subprocess.Popen[str]], share: float) -> Iterator[None]:
    """Inside it these processes are let run for a share of the time, one after the other as far as that goes."""
    over = Event()

    def hold(process: subprocess.Popen[str], late: float) -> None:
        sleep(late)
        while not over.is_set():
            sleep(share * PERIOD_SECONDS)
            process.send_signal(signal.SIGSTOP)
            sleep((1 - share) * PERIOD_SECONDS)
            process.send_signal(signal.SIGCONT)

    late = PERIOD_SECONDS / len(started)
    holding = [Thread(target=hold, args=(process, turn * late), daemon=True) for turn, process in enumerate(started)]
    for each in holding if share < 1 else ():
        each.start()
    try:
        yield
    finally:
        over.set()
        for each in holding if share < 1 else ():
            each.join()


def _read(started: list[subprocess.Popen[str]], numbers: Iterable[int]) -> dict[str, float]:
    """Have the workers read all slices, each the next one that is left."""
    left = SimpleQueue[int]()
    for number in numbers:
        left.put(number)

    def work(process: subprocess.Popen[str]) -> None:
        while True:
            try:
                number = left.get_nowait()
            except Empty:
                return
            assert process.stdin is not None
            print(number, file=process.stdin, flush=True)
            _expect(process, worker.DONE)

    with ThreadPoolExecutor(len(started)) as threads:
        list(threads.map(work, started))
    return {}


def _expect(process: subprocess.Popen[str], word: str) -> None:
    """Wait until a worker says this. Raises: WrongResultError where it ends instead."""
    assert process.stdout is not None
    for line in process.stdout:
        if line.strip() == word:
            return
    raise WrongResultError(f"a worker ended: {process.wait()}")
