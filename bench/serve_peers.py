"""The same rows over HTTP by other tools: roapi, from Parquet in memory, and Datasette, from SQLite."""

import os
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import httpx
import pyarrow.parquet as pq
from rich.console import Console

from bench.asking import Asking
from bench.installed import PeerError, install, version
from local.postgres import free_port

NAME = "fact_sales_order"
KEY = "sales_order_id"
START_SECONDS = 120.0
ONE_WORKER = {"TOKIO_WORKER_THREADS": "1", "RUST_LOG": "error"}
"""What has roapi answer on one thread, as the others do, and write no line for each request."""


@dataclass(frozen=True)
class Peer:
    """Another tool. command: from its programs, the folder with the data and a port. row, page: paths to ask for."""

    name: str
    command: Callable[[Path, Path, int], list[str]]
    row: str
    page: str


def _roapi(programs: Path, folder: Path, port: int) -> list[str]:
    table = f"{NAME}={folder / NAME}.parquet"
    return [str(programs / "roapi"), "--table", table, "--addr-http", f"127.0.0.1:{port}"]


def _datasette(programs: Path, folder: Path, port: int) -> list[str]:
    return [str(programs / "datasette"), "serve", str(folder / "warehouse.db"), "--port", str(port)]


PEERS = (
    Peer("roapi", _roapi, f"/api/tables/{NAME}?filter%5B{KEY}%5D=", f"/api/tables/{NAME}?limit=100"),
    Peer("datasette", _datasette, f"/warehouse/{NAME}.json?_shape=array&_nocount=1&_nofacet=1&{KEY}=",
         f"/warehouse/{NAME}.json?_shape=array&_nocount=1&_nofacet=1&_size=100"),
)  # fmt: skip


def write_data(client: httpx.Client, path: str, folder: Path) -> None:
    """Keep all rows that the API serves at a path, as Parquet and in SQLite."""
    file = folder / f"{NAME}.parquet"
    with client.stream("GET", path, params={"format": "parquet"}) as answer, file.open("wb") as kept:
        for block in answer.iter_raw(1 << 20):
            kept.write(block)
    rows = pq.ParquetFile(file)
    names = rows.schema_arrow.names
    with sqlite3.connect(folder / "warehouse.db") as connection:
        columns = ", ".join(f"{name} INTEGER PRIMARY KEY" if name == KEY else name for name in names)
        connection.execute(f"CREATE TABLE {NAME} ({columns})")
        insert = f"INSERT INTO {NAME} VALUES ({', '.join('?' * len(names))})"  # noqa: S608 - names are declared
        for batch in rows.iter_batches():
            connection.executemany(insert, (tuple(map(_plain, row.values())) for row in batch.to_pylist()))
    connection.close()


def _plain(value: object) -> object:
    return value if value is None or isinstance(value, int | float) else str(value)


def peer_paths(console: Console, folder: Path, ours: Asking) -> Iterator[tuple[str, Asking, Asking]]:
    """Each tool that can be installed and works here, while it runs: its name and version, asked for rows and pages.

    ours: how the API is asked for rows. The console tells why another is left out.
    """
    for peer in PEERS:
        try:
            programs = install(peer.name, [peer.name])
            with _running(peer, programs, folder) as url:
                rows = replace(ours, url=url, paths=[f"{peer.row}{{}}"], headers={})
                pages = replace(rows, paths=[peer.page], among=0)
                yield f"{peer.name} {version(programs, peer.name)}", rows, pages
        except PeerError as error:
            console.print(f"{peer.name} is left out: {error}", style="bold", markup=False)


@contextmanager
def _running(peer: Peer, programs: Path, folder: Path) -> Iterator[str]:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    command = peer.command(programs, folder, port)
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(command, env=os.environ | ONE_WORKER, **quiet) as process:  # type: ignore[call-overload]
        try:
            _wait(peer, process, url)
            yield url
        finally:
            process.terminate()


def _wait(peer: Peer, process: subprocess.Popen[bytes], url: str) -> None:
    """Wait until it answers as it should. Raises: PeerError."""
    transport = httpx.HTTPTransport(retries=1)
    with httpx.Client(base_url=url, transport=transport, timeout=START_SECONDS) as client:
        while process.poll() is None:
            try:
                (row,) = client.get(f"{peer.row}5").json()
                if row[KEY] == 5 and len(client.get(peer.page).json()) == 100:
                    return
                raise PeerError(f"it answers {row}")
            except httpx.TransportError:
                continue
    raise PeerError(f"it ended with {process.returncode}")
