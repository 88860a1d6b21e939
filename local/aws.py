"""An embedded AWS endpoint: moto's server, in a process of its own."""

import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Self

from local.guard import start_guarded, stop_guarded

HOST = "127.0.0.1"
START_TIMEOUT_SECONDS = 60
LISTENING = re.compile(r"Running on (http://[\d.]+:\d+)")


class AwsStartError(RuntimeError):
    """The AWS endpoint did not start. The message ends with its log."""


class AwsServer:
    """An AWS endpoint on a free TCP port of this machine; it keeps everything in memory and starts empty.

    It stops with `stop`, at the end of a `with`, and when the process that started it dies.
    """

    def __init__(self) -> None:
        """Make a server that is not running yet."""
        self.endpoint_url = ""
        self._folder: Path | None = None
        self._guard: subprocess.Popen[bytes] | None = None

    def start(self) -> Self:
        """Return the server when it answers.

        Raises:
            AwsStartError: the message says why; nothing is left running.
        """
        self._folder = Path(tempfile.mkdtemp(prefix="totesys-aws-"))
        log = self._folder / "server.log"
        # Port 0: the kernel chooses a free one, and the log names it once the server listens there.
        command = [sys.executable, "-m", "moto.server", "-H", HOST, "-p", "0"]
        self._guard = start_guarded(command, log=log, folder=self._folder)
        try:
            self.endpoint_url = _wait_until_listening(self._guard, log)
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        """Stop and forget everything. May be repeated."""
        if self._guard is not None:
            stop_guarded(self._guard)
            self._guard = None
        if self._folder is not None:
            shutil.rmtree(self._folder)
            self._folder = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()


def _wait_until_listening(guard: subprocess.Popen[bytes], log: Path) -> str:
    deadline = time.monotonic() + START_TIMEOUT_SECONDS
    while guard.poll() is None and time.monotonic() < deadline:
        if listening := LISTENING.search(log.read_text(errors="replace")):
            return listening.group(1)
        time.sleep(0.05)
    raise AwsStartError(f"moto's server did not start:\n{log.read_text(errors='replace')}")
