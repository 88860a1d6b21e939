"""The whole pipeline on one machine, once: `python -m local.run`, called by `make run`.

It starts two PostgreSQL servers and an S3 API, fills a ToteSys database as the live one was measured, lets Airflow
run the DAG, and asks the warehouse a business question. With `--source` it reads another database instead, and changes
nothing there: a star is declared from its catalogue, and filled. Where ToteSys was deleted, it takes `--source`.
"""

import argparse
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic

import psycopg
from psycopg import sql
from rich.console import Console
from rich.table import Table

from local.airflow import DAG_FILE, airflow_settings, load_dag, migrate, run_dag
from local.aws import AwsServer
from local.environment import Buckets, Endpoints, LocalEnvironment
from local.postgres import PostgresServer

QUESTION = "Which designs earned most in the last quarter with sales, in pounds sterling?"

ANSWER = """
    WITH quarter AS (
        SELECT d.year, d.quarter FROM current_sales_order o JOIN dim_date d ON d.date_id = o.created_date
         ORDER BY d.date_id DESC LIMIT 1)
    SELECT design_name, count(*) AS orders, sum(units_sold) AS units, sum(units_sold * unit_price) AS revenue
      FROM current_sales_order o
      JOIN dim_design USING (design_id)
      JOIN dim_currency USING (currency_id)
      JOIN dim_date d ON d.date_id = o.created_date
      JOIN quarter ON (quarter.year, quarter.quarter) = (d.year, d.quarter)
     WHERE currency_code = 'GBP'
     GROUP BY design_id, design_name
     ORDER BY revenue DESC
     LIMIT 5"""

TOTESYS = "include.totesys"
"""The declarations of what is simulated; whoever has others may have deleted them."""

PACKAGE = "declared_source"
"""The package of what is declared for one run."""

KEEP = """
To keep it: with AIRFLOW_CONN_TOTESYS set to the source, `python -m include declare` writes these declarations to
include/own, where the DAG, the page and the checks find them. docs/adopting.md goes on from there."""

WAREHOUSE_VERSION = 18
LAKE = {"AIRFLOW_VAR_LAKE_DATABASE": "totesys"}

console = Console()


def main() -> int:
    """Do it all; the exit status is 0 where the run succeeded."""
    parser = argparse.ArgumentParser(prog="python -m local.run", description=__doc__)
    parser.add_argument("--sales-orders", type=int, default=9_845, help="size of the source (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="what the source's values are drawn from")
    parser.add_argument(
        "--source", default="", help="postgresql://… of a database to read in place of the simulated one"
    )
    options = parser.parse_args()
    if not options.source and not all(map(find_spec, (TOTESYS, "local.totesys"))):
        parser.error("ToteSys is not here: name a database of yours to read, make run SOURCE=postgresql://…")
    with TemporaryDirectory(prefix="totesys-run-") as home:
        return run_on(options.source, Path(home)) if options.source else _run(options, Path(home))


def _run(options: argparse.Namespace, home: Path) -> int:
    from local import totesys  # it may have been deleted

    with LocalEnvironment(airflow_home=home) as environment:
        os.environ.update(
            environment.variables() | LAKE | airflow_settings(DAG_FILE.parent) | {"DECLARATIONS": TOTESYS}
        )
        console.print("Started two PostgreSQL servers and an S3 API.")
        with timed("Filled ToteSys"), psycopg.connect(environment.source_url) as source:
            totesys.create_schema(source)
            totesys.fill(source, sales_orders=options.sales_orders, seed=options.seed)
        if not do_one_run(home):
            return 1
        with psycopg.connect(environment.warehouse_url) as warehouse:
            show_moved(environment.source_url, warehouse)
            _answer(warehouse)
    return 0


def run_on(source_url: str, home: Path) -> int:
    """One run from a database of the caller's own, which is only read, into an embedded warehouse."""
    with PostgresServer(WAREHOUSE_VERSION) as warehouse, AwsServer() as aws:
        url, buckets = warehouse.create_database("warehouse"), Buckets().create(aws.endpoint_url)
        endpoints = Endpoints(source_url, url, aws.endpoint_url, buckets)
        os.environ.update(endpoints.variables(home) | LAKE | airflow_settings(DAG_FILE.parent))
        console.print("Started a PostgreSQL server and an S3 API.")
        if not _declare(home / "declarations") or not do_one_run(home):
            return 1
        with psycopg.connect(url) as connection:
            show_moved(source_url, connection)
    console.print(KEEP, soft_wrap=True)
    return 0


def _declare(folder: Path) -> bool:
    """Declare a star of the source's tables in a package that the DAG then finds; gives whether one could be."""
    from include.common.errors import DataError, DeclarationError, ServiceError
    from include.declare.command import Wanted, draw_up, keep

    try:
        with timed("Declared a star"):
            for line in keep(draw_up(Wanted()), folder / PACKAGE, PACKAGE):
                console.print(line, markup=False, highlight=False, soft_wrap=True)
    except (DeclarationError, DataError, ServiceError) as error:
        print(f"error: {error}", file=sys.stderr)
        return False
    sys.path.insert(0, str(folder))
    os.environ["DECLARATIONS"] = PACKAGE
    return True


def do_one_run(home: Path) -> bool:
    """Let Airflow run the DAG once; gives whether it succeeded. home: Airflow's folder."""
    with timed("Made Airflow's metadata database"):
        migrate(home)
    with timed("Ran the DAG totesys_warehouse"):
        run = run_dag(load_dag())
    if run.state != "success":
        console.print(f"[red]The run ended as {run.state}.[/red]", (home / "dag-test.log").read_text()[-5000:])
    return bool(run.state == "success")


@contextmanager
def timed(done: str) -> Iterator[None]:
    """Tell how long it took when it is done."""
    started = monotonic()
    yield
    console.print(f"{done} in {monotonic() - started:.1f} s.")


def show_moved(source_url: str, warehouse: psycopg.Connection) -> None:
    """Rows of each warehouse table, beside those of the source table that it is made from."""
    from include.declared import DECLARED
    from include.source.observe import relation
    from include.tables.star import Calendar

    table = Table("warehouse table", "rows", "made from", "rows", title="What was moved", title_justify="left")
    with psycopg.connect(source_url) as source:
        for star in DECLARED.star.values():
            origins = ", ".join(star.source_names) or "the calendar"
            rows = star.days if isinstance(star, Calendar) else _count(source, relation(star.source))
            table.add_row(star.name, f"{_count(warehouse, sql.Identifier(star.name)):,}", origins, f"{rows:,}")
    _print_right(table)


def _count(connection: psycopg.Connection, table: sql.Identifier) -> int:
    row = connection.execute(sql.SQL("SELECT count(*) FROM {}").format(table)).fetchone()
    return int(row[0]) if row else 0


def _answer(warehouse: psycopg.Connection) -> None:
    table = Table("design", "orders", "units", "revenue in GBP", title=QUESTION, title_justify="left")
    for design, orders, units, revenue in warehouse.execute(ANSWER):
        table.add_row(design, f"{orders:,}", f"{units:,}", f"{revenue:,.2f}")
    _print_right(table)


def _print_right(table: Table) -> None:
    """Print a table with its numbers, all columns of figures, to the right."""
    for column in table.columns:
        if any(cell[-1:].isdigit() for cell in map(str, column.cells)):
            column.justify = "right"
    console.print(table)


if __name__ == "__main__":
    sys.exit(main())
