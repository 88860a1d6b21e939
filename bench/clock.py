"""Wall time, and the CPU time of everything that takes part: this process, both servers, the S3 stand-in."""

import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from time import perf_counter, sleep

import psutil

from bench.measurement import Timed
from local.environment import LocalEnvironment
from local.postgres import PostgresServer

REAP_SECONDS = 0.1
"""How long a server has to reap the processes of connections that were just closed, to know their CPU time."""


@dataclass(frozen=True)
class Clock:
    """Times what is done between the servers of one environment."""

    environment: LocalEnvironment

    def time(self, work: Callable[[], dict[str, float]]) -> Timed:
        """Do the work, which gives its seconds by step."""
        sleep(REAP_SECONDS)
        before, started = self._cpu(), perf_counter()
        steps = work()
        seconds = perf_counter() - started
        sleep(REAP_SECONDS)
        after = self._cpu()
        return Timed(seconds, steps, {name: after[name] - before[name] for name in before})

    def _cpu(self) -> dict[str, float]:
        own = os.times()
        return {
            "client": own.user + own.system + own.children_user + own.children_system,
            "source server": _family_seconds(_postmaster(self.environment.source)),
            "warehouse server": _family_seconds(_postmaster(self.environment.warehouse)),
            "S3 stand-in": _family_seconds(_moto()),
        }


def _postmaster(server: PostgresServer) -> psutil.Process:
    return psutil.Process(int((server.data_dir / "postmaster.pid").read_text().split("\n")[0]))


def _moto() -> psutil.Process:
    started = psutil.Process().children(recursive=True)
    return next(child for child in started if _is_moto(child))


def _is_moto(process: psutil.Process) -> bool:
    with suppress(psutil.NoSuchProcess):  # a server process of PostgreSQL that ended meanwhile
        command = process.cmdline()
        return "moto.server" in command and "guard.py" not in command[3]
    return False


def _family_seconds(parent: psutil.Process) -> float:
    """CPU time of a process and of its children, those that ended too."""
    own = parent.cpu_times()
    seconds = own.user + own.system + own.children_user + own.children_system
    for child in parent.children(recursive=True):
        with suppress(psutil.NoSuchProcess):  # it ended meanwhile
            times = child.cpu_times()
            seconds += times.user + times.system
    return seconds
