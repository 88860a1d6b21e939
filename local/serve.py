"""The warehouse over HTTP on one machine: `python -m local.serve`, called by `make serve`.

It starts two PostgreSQL servers and an S3 API, fills a ToteSys database, lets the pipeline run once, makes a key, and
serves until it is stopped.
"""

import argparse
import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import psycopg
from psycopg import sql

from local.environment import Buckets, LocalEnvironment
from local.run import LAKE, TOTESYS, timed

READER = "somebody"
"""A login that may read the warehouse, and nothing else."""

CREATE_READER = sql.SQL("CREATE ROLE {} LOGIN IN ROLE totesys_reader").format(sql.Identifier(READER))

TRY = """
The warehouse is served at http://127.0.0.1:{port}, until Ctrl-C; /docs tells what there is. A key, good for all of it:

export KEY={key}

curl -H "Authorization: Bearer $KEY" "http://127.0.0.1:{port}/v1/fact_sales_order?limit=3&expand=design_id,currency_id"
curl -H "Authorization: Bearer $KEY" "http://127.0.0.1:{port}/v1/fact_payment?paid=is.false&order=payment_date:desc&limit=3"
curl -H "Authorization: Bearer $KEY" "http://127.0.0.1:{port}/v1/dim_counterparty?format=csv"
"""


def main() -> int:
    """Do it all; the exit status is the server's."""
    parser = argparse.ArgumentParser(prog="python -m local.serve", description=__doc__)
    parser.add_argument("--port", type=int, default=8900)
    parser.add_argument("--sales-orders", type=int, default=9_845, help="size of the source (default: %(default)s)")
    options = parser.parse_args()
    with TemporaryDirectory(prefix="totesys-serve-") as home, LocalEnvironment(airflow_home=Path(home)) as environment:
        os.environ.update(environment.variables() | LAKE | {"DECLARATIONS": TOTESYS})
        with timed("Filled ToteSys"):
            _fill(environment.source_url, options.sales_orders)
        with timed("Ran the pipeline"):
            subprocess.run([sys.executable, "-m", "include", "run", "--json"], check=True, stdout=subprocess.DEVNULL)
        os.environ.update(_settings(environment.warehouse_url, environment.buckets, Path(home)))
        print(TRY.format(port=options.port, key=_key()), flush=True)
        return _serve(options.port)


def _fill(url: str, sales_orders: int) -> None:
    from local import totesys  # it may have been deleted

    with psycopg.connect(url) as source:
        totesys.create_schema(source)
        totesys.fill(source, sales_orders=sales_orders, seed=1)


def _settings(url: str, buckets: Buckets, home: Path) -> dict[str, str]:
    """What the server is told. Its login is a reader's: whoever asks cannot have it change anything."""
    with psycopg.connect(url) as warehouse:
        warehouse.execute(CREATE_READER)
    return {
        "AIRFLOW_CONN_WAREHOUSE_READER": url.replace("postgres@", f"{READER}@"),
        "TOTESYS_API_KEYS_FILE": str(home / "keys.json"),
        "TOTESYS_STATE_BUCKET": buckets.state,
        "TOTESYS_PROCESSED_BUCKET": buckets.processed,
    }


def _key() -> str:
    add = [sys.executable, "-m", "serve", "key", "add", "--name", "somebody", "--personal"]
    return subprocess.run(add, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()


def _serve(port: int) -> int:
    with subprocess.Popen([sys.executable, "-m", "serve", "run", "--port", str(port)]) as server:
        try:
            return server.wait()
        except KeyboardInterrupt:
            server.terminate()
            server.wait()
            return 0


if __name__ == "__main__":
    sys.exit(main())
