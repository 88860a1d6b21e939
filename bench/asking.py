"""A client that asks over HTTP as fast as it is answered, or at a pace, in a process of its own."""

import asyncio
import gc
import json
import random
import selectors
import statistics
import sys
import time
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import uvloop

DRAWN = 30_000
"""How many numbers are drawn for a path: more than are asked for in some seconds."""


@dataclass(frozen=True)
class Asking:
    """What is asked. paths: in turn. rate: requests a second; 0 as fast as they are answered.

    among: where it is above 0, each `{}` of a path is a number up to it, at random: nearly all are asked for once.
    """

    url: str
    paths: list[str]
    headers: dict[str, str]
    connections: int = 16
    seconds: float = 4.0
    rate: float = 0.0
    status: int = 200
    among: int = 0

    def filled(self) -> list[str]:
        """The paths as they are asked for."""
        if not self.among:
            return self.paths
        return [path.format(random.randint(1, self.among)) for path in self.paths for _ in range(DRAWN)]


async def ask(asking: Asking) -> dict[str, Any]:
    """Requests a second, and how long one takes, in milliseconds. Raises: ValueError for another status."""
    place = urlsplit(asking.url)
    lines = "".join(f"{name}: {value}\r\n" for name, value in asking.headers.items())
    requests = [f"GET {path} HTTP/1.1\r\nHost: {place.netloc}\r\n{lines}\r\n".encode() for path in asking.filled()]
    taken: list[float] = []
    started = time.perf_counter()
    until = started + asking.seconds

    async def one(number: int) -> None:
        reader, writer = await asyncio.open_connection(place.hostname, place.port)
        turn, due = number, started + number / asking.rate if asking.rate else 0.0
        while (now := time.perf_counter()) < until:
            begun = due or now  # also where the answer before came after that: whoever asks had to wait
            if due > now:
                await asyncio.sleep(due - now)
                begun = time.perf_counter()
            writer.write(requests[turn % len(requests)])
            await _answer(reader, asking.status)
            taken.append(time.perf_counter() - begun)
            turn += asking.connections
            due = due and due + asking.connections / asking.rate
        writer.close()

    await asyncio.gather(*map(one, range(asking.connections)))
    ordered = sorted(taken)
    return {
        "requests_per_second": len(taken) / (time.perf_counter() - started),
        "p50_ms": statistics.median(ordered) * 1000,
        "p99_ms": ordered[int(len(ordered) * 0.99)] * 1000,
    }


async def _answer(reader: asyncio.StreamReader, status: int) -> None:
    head = await reader.readuntil(b"\r\n\r\n")
    if int(head[9:12]) != status:
        raise ValueError(head.decode())
    fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:] if b": " in line)
    if b"content-length" in fields:
        await reader.readexactly(int(fields[b"content-length"]))
    elif fields.get(b"transfer-encoding") == b"chunked":
        while length := int(await reader.readuntil(b"\r\n"), 16):
            await reader.readexactly(length + 2)
        await reader.readexactly(2)


def main() -> None:
    """Ask for what stdin says."""
    asking = Asking(**json.load(sys.stdin))
    gc.disable()  # its pauses would count as the server's
    with asyncio.Runner(loop_factory=_punctual if asking.rate else uvloop.new_event_loop) as runner:
        json.dump(runner.run(ask(asking)), sys.stdout)


def _punctual() -> asyncio.AbstractEventLoop:
    """A loop that waits microseconds: libuv's waits whole milliseconds, which would count as the server's."""
    return asyncio.SelectorEventLoop(selectors.SelectSelector())


if __name__ == "__main__":
    main()
