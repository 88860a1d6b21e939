"""How fast the API is: `python -m bench.serve`, called by `make bench-serve`.

A warehouse of 2,000,000 sales orders, the server on one worker, 16 connections; beside it a bare route with the same
SQL, and other tools that serve the same rows.
"""

import argparse
import json
import os
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
"""How often those that are held against each other take turns."""

UNKEPT = 600
"""More pages than the API keeps: those that are asked for in turn are read each time."""

Best = Callable[[dict[str, Any]], float]
HALVES = {"row": "3", "bare row": "", "answer to nothing": ""}
"""What is asked for at half the load of rows, and how many medians its slowest hundredth is to take at most."""

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
    add = [sys.executable, "-m", "serve", "key", "add", "--name", "bench", "--personal"]
    key = subprocess.run(add, env=os.environ | environment, check=True, capture_output=True, text=True).stdout.strip()
    figures: dict[str, Any] = {}
    with running("serve.app:create", environment) as api, running("bench.bare:create", environment) as bare:
        signed = {"X-API-Key": key}
        row = Asking(api[0], [f"{TABLE}/{{}}"], signed, seconds=options.seconds, among=options.rows)
        new_page = replace(row, paths=[f"{TABLE}?sales_order_id=gt.{{}}"], among=options.rows - 100)
        page = replace(row, paths=[TABLE], among=0)
        bare_row = replace(row, url=bare[0], paths=["/row/{}"], headers={})
        bare_page = replace(bare_row, paths=["/page/{}"], among=options.rows - 100)
        figures["row"], figures["bare row"] = in_turn(row, bare_row)
        figures["new page"], figures["bare page"] = in_turn(new_page, bare_page)
        with httpx.Client(base_url=api[0], headers=signed, timeout=60) as client:
            kept = replace(page, headers=signed | {"If-None-Match": client.get(TABLE).headers["etag"]}, status=304)
            figures["page again"], figures["304"] = in_turn(page, kept)
            figures["deep"] = deep(client, api[0], signed, options)
            nothing = replace(page, paths=["/health"])
            figures |= at_half_the_load({"row": row, "bare row": bare_row, "answer to nothing": nothing}, figures)
            figures["csv"] = csv(client, url)
            figures["resident_mb"] = psutil.Process(api[1]).memory_info().rss / 1e6
            if options.peers:
                write_data(client, TABLE, home)
                figures["peers"] = peers(row, (page, new_page), home)
    return figures


def peers(row: Asking, pages: tuple[Asking, Asking], home: Path) -> dict[str, dict[str, Any]]:
    """Other tools' rows and pages, each beside the API's: a page that was asked for before, and one that was not."""
    console, found = Console(), dict[str, dict[str, Any]]()
    for name, their_row, their_page in peer_paths(console, home, row):
        ours, theirs = in_turn(row, their_row)
        again, new, their_pages = in_turn(*pages, their_page)
        found[name] = {"our row": ours, "row": theirs, "our page": again, "our new page": new, "page": their_pages}
    return found


def in_turn(*askings: Asking, best: Best = itemgetter("requests_per_second")) -> list[dict[str, Any]]:
    """All of them, by turns; of each the best, as the machine has other things to do."""
    rounds = [[run(asking) for asking in askings] for _ in range(TURNS)]
    return [max(each, key=best) for each in zip(*rounds, strict=True)]


def at_half_the_load(askings: dict[str, Asking], figures: dict[str, Any]) -> dict[str, Any]:
    """How long answers take at half of the most that was answered; of what has no figure of its own, as of rows."""
    most = {name: figures.get(name, figures["row"])["requests_per_second"] for name in askings}
    halves = [replace(asking, rate=most[name] / 2) for name, asking in askings.items()]
    found = in_turn(*halves, best=lambda each: -each["p99_ms"])
    return {f"{name} at half the load": each for name, each in zip(askings, found, strict=True)}


def deep(client: httpx.Client, url: str, signed: dict[str, str], options: argparse.Namespace) -> dict[str, Any]:
    """The first page, and one after nineteen twentieths of all rows: by a filter, and in a walk that is pinned."""
    start = options.rows * 19 // 20

    def after(key: int) -> list[str]:
        return [f"{TABLE}?sales_order_id=gt.{key + number}&limit=100" for number in range(UNKEPT)]

    pinned = [client.get(path).links["next"]["url"] for path in after(start - 100)]
    paths = {"first": after(0), "deep": after(start), "pinned": pinned}
    found = {name: run(Asking(url, each, signed, 1, options.seconds)) for name, each in paths.items()}
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
    pages, csvs = figures["deep"], figures["csv"]
    lines = [
        ("one row, requests a second", rate["row"], f"{rate['row'] / rate['bare row']:.2f} of the bare route", "0.75"),
        (
            "a page of 100 that nobody asked for before",
            rate["new page"],
            f"{rate['new page'] / rate['bare page']:.2f} of the bare route",
            "0.9",
        ),
        (
            "a page that was asked for before",
            rate["page again"],
            f"{rate['page again'] / rate['bare page']:.1f} times the bare route",
            "0.9",
        ),
        (
            "304",
            rate["304"],
            f"{rate['304'] / rate['new page']:.1f} times a page that is read, {rate['304'] / rate['row']:.1f} a row",
            "3",
        ),
        *(_tail(name, figures[f"{name} at half the load"], aim) for name, aim in HALVES.items()),
        ("deep page, ms", pages["deep"], f"{pages['deep'] / pages['first']:.2f} times the first", "1.2"),
        ("deep page, pinned, ms", pages["pinned"], f"{pages['pinned'] / pages['first']:.2f} times the first", "1.2"),
        ("CSV of everything, s", csvs["ours"], f"{csvs['ours'] / csvs['psql']:.2f} times psql", "1.3"),
        ("resident, MB", figures["resident_mb"], "", "150"),
    ]
    for name, found in figures.get("peers", {}).items():
        tool = name.partition(" ")[0]
        for ours, theirs in (("row", "row"), ("page", "page"), ("new page", "page")):
            mine, other = (found[each]["requests_per_second"] for each in (f"our {ours}", theirs))
            target = PEER_TARGETS.get((tool, ours), "")
            lines.append((f"a {theirs} of {name}", other, f"ours ({ours}) {mine / other:.1f} times as many", target))
    table = Table(
        "what", "found", "which is", "target", title="The API on one worker, 16 connections", title_justify="left"
    )
    for what, found, told, target in lines:
        table.add_row(what, f"{found:,.1f}", told, target)
    Console(width=130).print(table)


def _tail(name: str, found: dict[str, Any], target: str) -> tuple[str, float, str, str]:
    return (f"p99, {name}, ms", found["p99_ms"], f"{found['p99_ms'] / found['p50_ms']:.1f} times p50", target)


if __name__ == "__main__":
    sys.exit(main())
