"""The command that runs the whole pipeline on somebody's own database, which it only reads."""

import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from local.airflow import DAG_FILE
from tests.machinery.test_declare import SAMPLES

REPOSITORY = DAG_FILE.parents[1]


def own_declarations() -> dict[Path, float]:
    """The files of the project's own declarations, where it has some, and when each was written."""
    return {file: file.stat().st_mtime for file in (REPOSITORY / "include" / "own").rglob("*.py")}


def run_on(url: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "local.run", "--source", url]
    return subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)


@pytest.fixture
def source(source_url: str) -> str:
    """A web shop, whose rows one more role may read and nothing else."""
    with psycopg.connect(source_url) as connection:
        connection.execute(SAMPLES["shop"].encode())
        connection.execute("DROP ROLE IF EXISTS shop_reader; CREATE ROLE shop_reader LOGIN")
        connection.execute('GRANT USAGE ON SCHEMA "Sales" TO shop_reader')
        connection.execute('GRANT SELECT ON ALL TABLES IN SCHEMA "Sales", public TO shop_reader')
    return source_url


def test_one_command_declares_a_star_and_fills_it(source: str) -> None:
    kept = own_declarations()
    done = run_on(source.replace("postgres@", "shop_reader@"))
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    assert "9 source tables, 6 dimensions and 3 facts" in lines
    assert any("fact_sales_order_lines" in line and line.count("300") == 2 for line in lines)
    assert "include/own" in done.stdout
    assert own_declarations() == kept


@pytest.mark.parametrize(
    ("url", "named"),
    [
        ("postgresql://postgres@127.0.0.1:1/shop", "connection 'totesys'"),
        ("{source}_not_there", "does not exist"),
        ("{empty}", "nothing can be declared: the source has no table"),
    ],
)
def test_a_source_that_cannot_be_read_is_one_clear_error(
    source_url: str, warehouse_url: str, url: str, named: str
) -> None:
    done = run_on(url.format(source=source_url, empty=warehouse_url))
    assert done.returncode != 0
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert named in line
    assert "Traceback" not in done.stderr
