"""The same first load by other tools, each in an environment of its own: dlt (connectorx, Parquet) and ingestr.

They copy the rows as they are: no conversion, no foreign keys, no versions, no files that stay.
"""

import os
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg import sql
from rich.console import Console

from bench.clock import Clock
from bench.installed import PeerError, install, version
from bench.measurement import Timed

TABLE = "sales_order"


@dataclass(frozen=True)
class Peer:
    """Another tool. command: from its environment's programs, both URLs, a schema and a folder, what loads TABLE."""

    name: str
    requirements: tuple[str, ...]
    command: Callable[[Path, str, str, str, str], list[str]]


def _dlt(programs: Path, source_url: str, target_url: str, schema: str, folder: str) -> list[str]:
    script = Path(__file__).with_name("peer_dlt.py")
    # dlt refuses a URL without a password, which these servers do not ask for
    urls = [url.replace("@", ":none@") for url in (source_url, target_url)]
    return [str(programs / "python"), str(script), *urls, TABLE, schema, folder]


def _ingestr(programs: Path, source_url: str, target_url: str, schema: str, _folder: str) -> list[str]:
    options = {
        "--source-uri": source_url,
        "--source-table": f"public.{TABLE}",
        "--dest-uri": target_url,
        "--dest-table": f"{schema}.{TABLE}",
        "--progress": "log",
    }
    return [str(programs / "ingestr"), "ingest", "--yes", *(word for option in options.items() for word in option)]


DLT = (
    "dlt[postgres,sql-database]",
    "connectorx",
    "pyarrow",
    "adbc-driver-manager",
    "adbc-driver-postgresql",
    "sqlalchemy<2.1",  # which takes psycopg 3 for postgresql://, where dlt brings psycopg 2
)
PEERS = (
    Peer("dlt", DLT, _dlt),
    Peer("ingestr", ("ingestr<1",), _ingestr),  # from 1 on it downloads its program from GitHub when it first runs
)


def measure_peers(clock: Clock, console: Console, source_url: str, rounds: int) -> dict[str, list[Timed]]:
    """First loads by every peer that can be installed and works here: its name and version → its rounds.

    The console tells why another is left out.
    """
    found = {}
    for peer in PEERS:
        try:
            programs = install(peer.name, peer.requirements)
            name = f"{peer.name} {version(programs, peer.name)}"
            found[name] = [_load(clock, peer, programs, source_url) for _ in range(rounds)]
        except PeerError as error:
            console.print(f"{peer.name} is left out: {error}", style="bold", markup=False)
            continue
        console.print(f"{name}: {' '.join(f'{timed.seconds:.2f}' for timed in found[name])} s")
    return found


def _load(clock: Clock, peer: Peer, programs: Path, source_url: str) -> Timed:
    target_url, schema = clock.environment.warehouse_url, f"peer_{peer.name}"
    with tempfile.TemporaryDirectory(prefix="totesys-bench-") as folder:
        timed = clock.time(lambda: _run(peer.command(programs, source_url, target_url, schema, folder)))
    expected, loaded = (_count(url, name) for url, name in ((source_url, "public"), (target_url, schema)))
    with psycopg.connect(target_url) as connection:
        connection.execute(sql.SQL("DROP SCHEMA {} CASCADE").format(sql.Identifier(schema)))
    if loaded != expected:
        raise PeerError(f"it loaded {loaded} rows of {expected}")
    return timed


def _run(command: Sequence[str]) -> dict[str, float]:
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=_quiet())
    if done.returncode:
        raise PeerError(f"{' '.join(command[:2])} failed:\n{(done.stdout + done.stderr)[-2000:]}")
    return {}


def _quiet() -> dict[str, str]:
    """This process's environment, with the tools' reports to their makers turned off."""
    return os.environ | {"RUNTIME__DLTHUB_TELEMETRY": "false", "INGESTR_DISABLE_TELEMETRY": "true"}


def _count(url: str, schema: str) -> int:
    with psycopg.connect(url) as connection:
        row = connection.execute(sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(schema, TABLE))).fetchone()
    assert row is not None
    return int(row[0])
