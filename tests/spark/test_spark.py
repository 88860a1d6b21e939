"""Apache Spark reads the lake's tables as the other engines do: what they tell is what the warehouse holds."""

# ruff: noqa: S608 - the statements are the tests' own

import os
from itertools import zip_longest
from random import Random

from psycopg import sql

from include.lake.iceberg import open_table
from include.tables.source import SourceColumn, SourceTable
from include.tables.star import Dimension, Fact
from tests.machinery.conftest import MakeSystem, declare, mirror
from tests.machinery.test_lake import CLOCKED, LATEST, VERSIONS, VISITS, in_warehouse
from tests.machinery.test_lake_histories import latest_told, random_change, read_by_pyiceberg, versions_told
from tests.machinery.test_types import plain
from tests.machinery.values import EDGES
from tests.spark.conftest import AskSpark, Rows

SEED = int(os.environ.get("PROOF_SEED", "0"))
RUNS = 6

TYPED = SourceTable(
    "thing",
    "id",
    (SourceColumn("id", "integer"), *(SourceColumn(f"v{n}", kind, nullable=True) for n, kind in enumerate(EDGES))),
)
"""A table with a column of every type."""


def typed_statements() -> tuple[str, str]:
    """What makes that table, and gives it every edge of every type: a row for all first ones, and so on."""
    columns = (f"v{number} {kind}" for number, kind in enumerate(EDGES))
    rows = enumerate(zip_longest(*EDGES.values(), [None] * 20))
    values = (sql.SQL("({})").format(sql.SQL(", ").join(map(sql.Literal, (key, *row[:-1])))) for key, row in rows)
    made = f"CREATE TABLE thing (id integer PRIMARY KEY, {', '.join(columns)})"
    return made, sql.SQL("INSERT INTO thing VALUES {}").format(sql.SQL(", ").join(values)).as_string()


def in_order(rows: Rows) -> list[dict[str, str]]:
    return sorted(plain(rows), key=repr)


def test_spark_reads_what_the_warehouse_holds_after_any_history(
    system_of: MakeSystem, database: str, ask_spark: AskSpark
) -> None:
    print(f"PROOF_SEED={SEED}")
    rng = Random(SEED)  # noqa: S311
    typed = mirror(Dimension, TYPED, "dim_thing")
    tables = mirror(Fact, CLOCKED, "fact_visit"), mirror(Dimension, CLOCKED, "dim_visit"), typed
    system = system_of(declare(CLOCKED, TYPED, *tables), VISITS, *typed_statements())
    for _ in range(RUNS):
        system.run_cleanly(accept=("visit",))
        system.write(random_change(rng))  # type: ignore[arg-type]
    system.run_cleanly(accept=("visit",))
    told = ask_spark({one.name: f"SELECT * FROM lake.{database}.{one.name}" for one in tables})
    for one in tables:
        assert in_order(told[one.name]) == in_order(read_by_pyiceberg(open_table(database, one)))
    assert versions_told(told["fact_visit"]) == in_warehouse(system, VERSIONS)
    assert latest_told(told["dim_visit"]) == in_warehouse(system, LATEST)
    assert len(told["dim_thing"]) == 20
