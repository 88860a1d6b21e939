"""The whole pipeline on one machine, once: `python -m local.run`, called by `make run`.

It starts two PostgreSQL servers and an S3 API, fills a ToteSys database as the live one was measured, lets Airflow
run the DAG, and asks the warehouse a business question.
"""

import argparse
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic

import psycopg
from rich.console import Console
from rich.table import Table

from local import totesys
from local.airflow import DAG_FILE, airflow_settings, load_dag, migrate, run_dag
from local.environment import LocalEnvironment

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

console = Console()


def main() -> int:
    """Do it all; the exit status is 0 where the run succeeded."""
    parser = argparse.ArgumentParser(prog="python -m local.run", description=__doc__)
    parser.add_argument("--sales-orders", type=int, default=9_845, help="size of the source (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="what the source's values are drawn from")
    options = parser.parse_args()
    with TemporaryDirectory(prefix="totesys-run-") as home:
        return _run(options, Path(home))


def _run(options: argparse.Namespace, home: Path) -> int:
    with LocalEnvironment(airflow_home=home) as environment:
        os.environ.update(environment.variables() | airflow_settings(DAG_FILE.parent))
        console.print("Started two PostgreSQL servers and an S3 API.")
        with _timed("Filled ToteSys"), psycopg.connect(environment.source_url) as source:
            totesys.create_schema(source)
            totesys.fill(source, sales_orders=options.sales_orders, seed=options.seed)
        with _timed("Made Airflow's metadata database"):
            migrate(home)
        with _timed("Ran the DAG totesys_warehouse"):
            run = run_dag(load_dag())
        if run.state != "success":
            console.print(f"[red]The run ended as {run.state}.[/red]", (home / "dag-test.log").read_text()[-5000:])
            return 1
        with psycopg.connect(environment.warehouse_url) as warehouse:
            _show_moved(environment.source_url, warehouse)
            _answer(warehouse)
    return 0


@contextmanager
def _timed(done: str) -> Iterator[None]:
    started = monotonic()
    yield
    console.print(f"{done} in {monotonic() - started:.1f} s.")


def _show_moved(source_url: str, warehouse: psycopg.Connection) -> None:
    """Rows of each warehouse table, beside those of the source table that it is made from."""
    from include.declared import DECLARED
    from include.tables.schema import Calendar

    table = Table("warehouse table", "rows", "made from", "rows", title="What was moved", title_justify="left")
    with psycopg.connect(source_url) as source:
        for star in DECLARED.star.values():
            origins = ", ".join(star.source_names) or "the calendar"
            rows = star.days if isinstance(star, Calendar) else _count(source, star.source.name)
            table.add_row(star.name, f"{_count(warehouse, star.name):,}", origins, f"{rows:,}")
    _print_right(table)


def _count(connection: psycopg.Connection, table: str) -> int:
    statement = psycopg.sql.SQL("SELECT count(*) FROM {}").format(psycopg.sql.Identifier(table))
    row = connection.execute(statement).fetchone()
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
