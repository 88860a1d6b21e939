"""The baselines: the same work as a person would do it with two psql and a pipe, without files in between."""

import subprocess
from collections.abc import Sequence
from pathlib import Path

import psycopg
from psycopg import sql

from include.totesys import DECLARED
from include.warehouse import ddl
from include.warehouse.merge import STAGED

FACT = DECLARED.star["fact_sales_order"]
(KEY,) = FACT.key_columns
SOURCE = "sales_order"
EVERY_ROW = "true"


def converted_rows(condition: str) -> str:
    """A COPY out of the source, of its rows as the warehouse's columns."""
    columns = ", ".join(f"{column.source}::{column.type}" for column in FACT.columns)
    return f"COPY (SELECT {columns} FROM {SOURCE} WHERE {condition}) TO STDOUT (FORMAT binary)"  # noqa: S608


def pipe(bin_dir: Path, source_url: str, select: str, warehouse_url: str, statements: Sequence[str]) -> None:
    """`psql -c select | psql -c statement …`, the statements in one transaction; one of them is a COPY FROM STDIN.

    Raises: CalledProcessError where either fails.
    """
    psql = [str(bin_dir / "psql"), "-X", "-q", "-v", "ON_ERROR_STOP=1"]
    commands = [word for statement in statements for word in ("-c", statement)]
    with subprocess.Popen([*psql, source_url, "-c", select], stdout=subprocess.PIPE) as reading:
        subprocess.run([*psql, "--single-transaction", warehouse_url, *commands], stdin=reading.stdout, check=True)
    if reading.returncode:
        raise subprocess.CalledProcessError(reading.returncode, reading.args)


def first_load(warehouse_url: str) -> list[str]:
    """The statements of a first load: the table as declared, the rows, then every constraint and index."""
    with psycopg.connect(warehouse_url) as connection:
        create, *constraints = [
            statement.as_string(connection) for statement in (ddl.create_table(FACT), *ddl.constraints(FACT).values())
        ]
    valid_from = f"ALTER TABLE {FACT.name} ALTER COLUMN valid_from SET DEFAULT now()"
    return [create, valid_from, _copy_into(FACT.name), *constraints]


def changes(warehouse_url: str) -> list[str]:
    """The statements of a merge with versions: staged, the changed versions closed, new ones added."""
    with psycopg.connect(warehouse_url) as connection:
        staging = ddl.create_staging(FACT, STAGED).as_string(connection)
    columns = [column.name for column in FACT.columns]
    staged, current = (", ".join(f"{alias}.{name}" for name in columns) for alias in ("s", "t"))
    close = f"""
        UPDATE {FACT.name} t SET valid_to = now() FROM {STAGED} s
         WHERE t.{KEY} = s.{KEY} AND t.valid_to IS NULL AND ROW({current}) IS DISTINCT FROM ROW({staged})"""  # noqa: S608
    add = f"""
        INSERT INTO {FACT.name} ({", ".join(columns)}) SELECT {staged} FROM {STAGED} s
         WHERE NOT EXISTS (SELECT FROM {FACT.name} t WHERE t.{KEY} = s.{KEY} AND t.valid_to IS NULL)"""  # noqa: S608
    return [staging, _copy_into(STAGED), f"ANALYZE {STAGED}", close, add]


def _copy_into(relation: str) -> str:
    return f"COPY {relation} ({', '.join(column.name for column in FACT.columns)}) FROM STDIN (FORMAT binary)"


def drop_fact(warehouse_url: str) -> None:
    """Take the fact table away, as it is before a first load."""
    with psycopg.connect(warehouse_url) as connection:
        connection.execute(sql.SQL("DROP TABLE IF EXISTS {} CASCADE").format(sql.Identifier(FACT.name)))


def digest(warehouse_url: str) -> tuple[int, ...]:
    """A number for the fact's rows, all versions, whatever their order; and how many they and the current ones are."""
    columns = sql.SQL(", ").join(sql.Identifier(column.name) for column in FACT.columns)
    statement = sql.SQL("""
        SELECT sum(hashtextextended(ROW({}, valid_to IS NULL)::text, 0))::numeric::text, count(*),
               count(DISTINCT {}), count(*) FILTER (WHERE valid_to IS NULL) FROM {}""")
    names = (sql.Identifier(*FACT.identity), sql.Identifier(FACT.name))
    with psycopg.connect(warehouse_url) as connection:
        row = connection.execute(statement.format(columns, *names)).fetchone()
    assert row is not None
    return tuple(int(value) for value in row)
