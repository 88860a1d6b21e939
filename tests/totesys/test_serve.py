"""`make serve` as people use it, and what docs/api.md says of it."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from local.postgres import free_port

REPOSITORY = Path(__file__).parents[2]
GUIDE = (REPOSITORY / "docs" / "api.md").read_text()
BLOCKS = re.findall(r"^```\n(.*?)^```$", GUIDE, re.MULTILINE | re.DOTALL)
LINES = [line for block in BLOCKS for line in block.splitlines() if line.startswith("curl ")]


@pytest.fixture(scope="module")
def serving() -> Iterator[tuple[dict[str, str], list[str]]]:
    """The environment for the guide's lines, and the lines that were printed."""
    port = free_port()
    command = [sys.executable, "-m", "local.serve", "--port", str(port), "--sales-orders", "300"]
    with subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        printed = []
        for line in process.stdout:
            printed.append(line.strip())
            if "Application startup complete" in line:
                break
        (key,) = [line.removeprefix("export KEY=") for line in printed if line.startswith("export KEY=")]
        try:
            yield {**os.environ, "KEY": key, "API": f"http://127.0.0.1:{port}"}, printed
        finally:
            process.send_signal(signal.SIGINT)
            process.stdout.read()
            process.wait(60)


def run(line: str, environment: dict[str, str]) -> str:
    done = subprocess.run(["bash", "-c", line], env=environment, capture_output=True, text=True, timeout=30, check=True)
    return done.stdout


def test_what_it_prints_can_be_pasted(serving: tuple[dict[str, str], list[str]]) -> None:
    environment, printed = serving
    first, second, third = (run(line, environment) for line in printed if line.startswith("curl "))
    assert json.loads(first)[0]["expanded"]["currency_id"]["currency_code"]
    assert not json.loads(second)[0]["paid"]
    assert third.startswith("counterparty_id,")


def test_every_line_of_the_guide_works(serving: tuple[dict[str, str], list[str]]) -> None:
    environment, _ = serving
    assert len(LINES) > 9
    for line in LINES:
        answer = run(line, environment)
        if "-o /dev/null" not in line:
            assert json.loads(answer), line
