"""Runs a server that ends when the process that started it ends, however that ends.

The guard is a small process between the two. It watches its parent: a killed parent cannot stop
anything itself. On Linux the kernel in turn ends the server when the guard is killed.
"""

import ctypes
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

WATCH_INTERVAL_SECONDS = 0.1
STOP_TIMEOUT_SECONDS = 30
PR_SET_PDEATHSIG = 1  # Source: prctl(2)


def start_guarded(
    command: Sequence[str | Path], *, log: Path, folder: Path | None = None, user: int | None = None
) -> subprocess.Popen[bytes]:
    """Take a command that serves until SIGINT; return its running guard: SIGTERM to it stops the server.

    The guard ends with the server's exit code. Output of the server is appended to `log`. `folder` is
    removed if the parent dies without stopping the server. `user`: the user id to run as, for root only.
    """
    guard = [sys.executable, "-I", "-S", __file__, str(os.getpid()), str(folder or ""), str(user or "")]
    with log.open("ab") as output:
        return subprocess.Popen(
            [*guard, *map(str, command)],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd="/",
            start_new_session=True,  # Ctrl-C reaches the parent alone, which stops its servers in order.
        )


def stop_guarded(guard: subprocess.Popen[bytes]) -> None:
    """Take a guard; return when its server has ended. May be repeated."""
    guard.terminate()
    guard.wait(timeout=STOP_TIMEOUT_SECONDS + 5)


def _end_with_guard() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGINT)


def _exit(_signal: int, _frame: FrameType | None) -> None:
    sys.exit(0)


def _serve(command: Sequence[str], user: int | None) -> subprocess.Popen[bytes]:
    groups: list[int] | None = None if user is None else []
    return subprocess.Popen(
        command,
        user=user,
        group=user,
        extra_groups=groups,
        preexec_fn=_end_with_guard,  # noqa: PLW1509 - the guard has one thread
    )


def _stop(server: subprocess.Popen[bytes]) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    server.send_signal(signal.SIGINT)
    try:
        server.wait(STOP_TIMEOUT_SECONDS)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()


def _watch(server: subprocess.Popen[bytes], parent: int) -> None:
    # Not `wait` with a time-out, which wakes up every few milliseconds.
    while os.getppid() == parent and server.poll() is None:
        time.sleep(WATCH_INTERVAL_SECONDS)


def _main(parent: int, folder: str, user: str, *command: str) -> int:
    signal.signal(signal.SIGTERM, _exit)
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # a background job's is ignored, and the server inherits it
    server = _serve(command, int(user) if user else None)
    try:
        _watch(server, parent)
    finally:
        _stop(server)
        if folder and os.getppid() != parent:
            shutil.rmtree(folder, ignore_errors=True)
    return server.returncode


if __name__ == "__main__":
    sys.exit(_main(int(sys.argv[1]), *sys.argv[2:]))
