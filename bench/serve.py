"""How fast the API is: `python -m bench.serve`, called by `make bench-serve`.

A warehouse of 2,000,000 sales orders, the server on one worker, 16 connections; beside it a bare route with the same
SQL, and other tools that serve the same rows.
"""

import argparse
import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from operator import itemgetter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast

import httpx
import psutil
import psycopg
from rich.console import Console
from rich.table import Table

from bench.asking import Asking
from bench.serve_peers import peer_paths, write_data
from local.environment import CREDENTIALS
from local.postgres import PostgresServer, free_port

FILL = """
    SET session_replication_role = replica;
    INSERT INTO dim_currency VALUES (1, 'GBP', 'Pound Sterling');
    INSERT INTO dim_design SELECT n, 'Design ' || n, '/', 'design.json' FROM generate_series(1, 400) n;
    INSERT INTO fact_sales_order (sales_order_id, created_date, created_time, last_updated_date, last_updated_time,
           sales_staff_id, counterparty_id, units_sold, unit_price, currency_id, design_id, agreed_payment_date,
           agreed_delivery_date, agreed_delivery_location_id, valid_from)
    SELECT n, date '2024-01-01' + n %% 300, '10:00:00.123', '2024-01-01', '10:00', n %% 20 + 1, n %% 20 + 1, n %% 9999,
           n %% 400 / 100.0, 1, n %% 400 + 1, '2024-01-01', '2024-01-01', n %% 30 + 1, '2024-08-22 10:00+00'
      FROM generate_series(1, %(rows)s::int) n;
    INSERT INTO pipeline.load (table_name, inputs, changed_at, restated_at)
    VALUES ('fact_sales_order', '{"sales_order": "2024-08-22T10:00:00.000000+00:00"}', now(), now())"""

TABLE = "/v1/fact_sales_order"
TURNS = 4
"""How often two that are held against each other take turns."""

Best = Callable[[dict[str, Any]], float]
PEER_TARGETS = {("roapi", "row"): "3", ("roapi", "page"): "4", ("datasette", "page"): "7"}


def main() -> int:
    """Measure it all; gives the exit status: 1 where a target is missed and --strict says so."""
    parser = argparse.ArgumentParser(prog="python -m bench.serve", description=__doc__)
    parser.add_argument("--rows", type=int, default=2_000_000)
    parser.add_argument("--seconds", type=float, default=4.0, help="of each measurement")
    parser.add_argument("--peers", action="store_true", help="ask roapi and Datasette for the same")
    parser.add_argument("--json", type=Path, help="keep the figures in a file")
    options = parser.parse_args()
    with TemporaryDirectory() as home, PostgresServer(18, settings={"shared_buffers": "1GB"}) as server:
        url = server.create_database("warehouse")
        prepare(url, options.rows)
        figures = measure(url, Path(home), options)
    show(figures)
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1) + "\n")
    return 0


def prepare(url: str, rows: int) -> None:
    """A warehouse with so many orders, as a first load leaves it."""
    os.environ.update({"AIRFLOW_CONN_WAREHOUSE": url, "DECLARATIONS": "include.totesys", **CREDENTIALS})
    from include.declared import DECLARED
    from include.warehouse import tables

    tables.prepare(DECLARED)
    with psycopg.connect(url, autocommit=True) as connection, psycopg.ClientCursor(connection) as cursor:
        cursor.execute(FILL, {"rows": rows})
        cursor.execute("VACUUM ANALYZE")


def measure(url: str, home: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Every figure: name → what was found."""
    environment = {"AIRFLOW_CONN_WAREHOUSE_READER": url, "TOTESYS_API_KEYS_FILE": str(home / "keys.json"),
                   "TOTESYS_API_RATE": "1000000000", "BARE_URL": url}  # fmt: skip
    chance = random.Random(1)
    keys = [chance.randint(1, options.rows) for _ in range(5_000)]
    add = [sys.executable, "-m", "serve", "key", "add", "--name", "bench", "--personal"]
    key = subprocess.run(add, env=os.environ | environment, check=True, capture_output=True, text=True).stdout.strip()
    figures: dict[str, Any] = {}
    with running("serve.app:create", environment) as api, running("bench.bare:create", environment) as bare:
        signed = {"X-API-Key": key}
        rows = Asking(api[0], [f"{TABLE}/{number}" for number in keys], signed, seconds=options.seconds)
        page = replace(rows, paths=[TABLE])
        plain = Asking(bare[0], [f"/row/{number}" for number in keys], {}, seconds=options.seconds)
        figures["row"], figures["bare row"] = in_turn(rows, plain)
        figures["page of 100"], figures["bare page"] = in_turn(page, replace(plain, paths=["/page"]))
        with httpx.Client(base_url=api[0], headers=signed, timeout=60) as client:
            kept = replace(page, headers=signed | {"If-None-Match": client.get(TABLE).headers["etag"]}, status=304)
            figures["304"], _ = in_turn(kept, replace(plain, paths=["/page"]))
            figures["deep"] = deep(client, api[0], signed, options)
            figures |= at_half_the_load({"row": rows, "bare row": plain}, figures)
            figures["csv"] = csv(client, url)
            figures["resident_mb"] = psutil.Process(api[1]).memory_info().rss / 1e6
            if options.peers:
                write_data(client, TABLE, home)
                figures["peers"] = peers(rows, page, home, keys)
    return figures


def peers(rows: Asking, page: Asking, home: Path, keys: list[int]) -> dict[str, dict[str, Any]]:
    """Other tools' rows and pages, each beside the API's."""
    console, found = Console(), dict[str, dict[str, Any]]()
    for name, their_rows, their_page in peer_paths(console, home, keys, rows.seconds):
        ours, theirs = in_turn(rows, their_rows)
        our_page, their_page_found = in_turn(page, their_page)
        found[name] = {"our row": ours, "row": theirs, "our page": our_page, "page": their_page_found}
    return found


def in_turn(one: Asking, other: Asking, best: Best = itemgetter("requests_per_second")) -> tuple[Any, Any]:
    """Both, by turns; of each the best, as the machine has other things to do."""
    rounds = [(run(one), run(other)) for _ in range(TURNS)]
    found = [max(each, key=best) for each in zip(*rounds, strict=True)]
    return found[0], found[1]


def at_half_the_load(askings: dict[str, Asking], figures: dict[str, Any]) -> dict[str, Any]:
    """How long answers take where half as much is asked for as was answered at most."""
    halves = [replace(each, rate=figures[name]["requests_per_second"] / 2) for name, each in askings.items()]
    found = in_turn(halves[0], halves[1], best=lambda each: -each["p99_ms"])
    return {f"{name} at half the load": each for name, each in zip(askings, found, strict=True)}


def deep(client: httpx.Client, url: str, signed: dict[str, str], options: argparse.Namespace) -> dict[str, Any]:
    """The first page, and one after nineteen twentieths of all rows: by a filter, and in a walk that is pinned."""
    start = options.rows * 19 // 20
    first = client.get(f"{TABLE}?sales_order_id=gt.{start - 100}&limit=100").links["next"]["url"]
    paths = {"first": f"{TABLE}?limit=100", "deep": f"{TABLE}?sales_order_id=gt.{start}&limit=100", "pinned": first}
    found = {name: run(Asking(url, [path], signed, 1, options.seconds)) for name, path in paths.items()}
    return {name: each["p50_ms"] for name, each in found.items()}


def csv(client: httpx.Client, url: str) -> dict[str, float]:
    """Seconds for all rows as CSV, and those that psql takes, by turns; of each the best."""
    copy = "\\copy (SELECT * FROM current_sales_order) TO PROGRAM 'cat > /dev/null' CSV HEADER"
    ours, theirs = list[float](), list[float]()
    for _ in range(3):
        started = time.perf_counter()
        with client.stream("GET", f"{TABLE}?format=csv") as answer:
            sum(map(len, answer.iter_raw(1 << 20)))
        ours.append(time.perf_counter() - started)
        started = time.perf_counter()
        subprocess.run(["psql", "-qX", "-c", copy, url], check=True)
        theirs.append(time.perf_counter() - started)
    return {"ours": min(ours), "psql": min(theirs)}


def run(asking: Asking) -> dict[str, Any]:
    """Have another process ask."""
    command = [sys.executable, "-m", "bench.asking"]
    done = subprocess.run(command, input=json.dumps(asdict(asking)), capture_output=True, text=True, check=True)
    return cast(dict[str, Any], json.loads(done.stdout))


@contextmanager
def running(app: str, environment: dict[str, str]) -> Iterator[tuple[str, int]]:
    """An application on one worker; gives its address and process."""
    port = free_port()
    command = [
        sys.executable,
        "-m",
        "uvicorn",
        app,
        "--factory",
        "--port",
        str(port),
        "--no-access-log",
        "--ws",
        "none",
    ]
    with subprocess.Popen(command, env=os.environ | environment, stdout=subprocess.DEVNULL) as process:
        url = f"http://127.0.0.1:{port}"
        for _ in range(600):
            try:
                httpx.get(f"{url}/health")
                break
            except httpx.TransportError:
                time.sleep(0.1)
        yield url, process.pid
        process.terminate()


def show(figures: dict[str, Any]) -> None:
    """A table of what was found, beside what is aimed at."""
    rate = {name: found.get("requests_per_second", 0.0) for name, found in figures.items() if isinstance(found, dict)}
    half, pages, csvs = figures["row at half the load"], figures["deep"], figures["csv"]
    lines = [
        ("one row, requests a second", rate["row"], f"{rate['row'] / rate['bare row']:.2f} of the bare route", "0.75"),
        (
            "a page of 100",
            rate["page of 100"],
            f"{rate['page of 100'] / rate['bare page']:.2f} of the bare route",
            "0.9",
        ),
        (
            "304",
            rate["304"],
            f"{rate['304'] / rate['page of 100']:.1f} times a page, {rate['304'] / rate['row']:.1f} a row",
            "3",
        ),
        *(
            (f"p99 of a {name} at half the load, ms", at["p99_ms"], f"{at['p99_ms'] / at['p50_ms']:.1f} times p50", aim)
            for name, at, aim in (("row", half, "3"), ("bare row", figures["bare row at half the load"], ""))
        ),
        ("deep page, ms", pages["deep"], f"{pages['deep'] / pages['first']:.2f} times the first", "1.2"),
        ("deep page, pinned, ms", pages["pinned"], f"{pages['pinned'] / pages['first']:.2f} times the first", "1.2"),
        ("CSV of everything, s", csvs["ours"], f"{csvs['ours'] / csvs['psql']:.2f} times psql", "1.3"),
        ("resident, MB", figures["resident_mb"], "", "150"),
    ]
    table = Table(
        "what", "found", "which is", "target", title="The API on one worker, 16 connections", title_justify="left"
    )
    for name, found in figures.get("peers", {}).items():
        for kind in ("row", "page"):
            ours, theirs = (found[each]["requests_per_second"] for each in (f"our {kind}", kind))
            target = PEER_TARGETS.get((name.partition(" ")[0], kind), "")
            lines.append((f"a {kind} of {name}", theirs, f"ours {ours / theirs:.1f} times as many", target))
    for what, found, told, target in lines:
        table.add_row(what, f"{found:,.1f}", told, target)
    Console(width=120).print(table)


if __name__ == "__main__":
    sys.exit(main())
