"""Rows that refer to a dimension's row that is not there: found, set aside with the reason, and taken out."""

from dataclasses import dataclass
from datetime import datetime

import psycopg
from psycopg import sql

from include.common.keys import KeySet
from include.common.postgres import binary_row, copy_out, copy_rows
from include.common.settings import PROCESSED_BUCKET, required_variable
from include.lake.files import WriteOnceFile, new_key
from include.tables.lineage import calendar
from include.tables.schema import Column, StarTable
from include.tables.star import STAR

KEY = binary_row(key=">i4")


@dataclass(frozen=True)
class Refused:
    """Keys of rows that were set aside, and the CSV file that holds them with the reasons (none for no row)."""

    keys: KeySet
    files: list[str]


def refuse_unreferenced(
    connection: psycopg.Connection, table: StarTable, relation: str, observed_at: datetime | None
) -> Refused:
    """Take the rows out of `relation` (rows of `table`) whose references lead nowhere.

    Dates are not looked at: the transform has held them against the calendar.
    """
    columns = [column for column in table.columns if column.references and column.references != calendar().name]
    if not columns or observed_at is None:
        return Refused(KeySet(), [])
    refused = _find(columns, table, relation)
    connection.execute(sql.SQL("CREATE TEMPORARY TABLE refused ON COMMIT DROP AS {}").format(refused))
    keys = KeySet()
    for rows in copy_rows(
        connection, sql.SQL("COPY (SELECT key FROM refused) TO STDOUT (FORMAT binary)").format(), KEY
    ):
        keys.add(KeySet.of(rows["key"]))
    files = [_set_aside(connection, table, relation, observed_at)] if keys else []
    connection.execute("DROP TABLE refused")
    return Refused(keys, files)


def _find(columns: list[Column], table: StarTable, relation: str) -> sql.Composed:
    """The keys of rows with a missing reference, each with its reasons."""
    joins, missing, reasons = [], [], []
    for number, column in enumerate(columns):
        target = STAR[str(column.references)]
        found, name = sql.Identifier(f"d{number}", target.identity), sql.Identifier("r", column.name)
        joins.append(
            sql.SQL("LEFT JOIN {} {} ON {} = {}").format(
                sql.Identifier(target.name), sql.Identifier(f"d{number}"), found, name
            )
        )
        missing.append(sql.SQL("({} IS NULL AND {} IS NOT NULL)").format(found, name))
        reasons.append(
            sql.SQL("CASE WHEN {} IS NULL THEN format({}, {}) END").format(
                found, sql.Literal(f"{column.name} %s is not in {target.name}"), name
            )
        )
    return sql.SQL(
        "SELECT {key} AS key, concat_ws('; ', {reasons}) AS reason FROM {relation} r {joins} WHERE {missing}"
    ).format(
        key=sql.Identifier("r", table.key),
        reasons=sql.SQL(", ").join(reasons),
        relation=sql.Identifier(relation),
        joins=sql.SQL(" ").join(joins),
        missing=sql.SQL(" OR ").join(missing),
    )


def _set_aside(connection: psycopg.Connection, table: StarTable, relation: str, observed_at: datetime) -> str:
    names = {"relation": sql.Identifier(relation), "key": sql.Identifier("r", table.key)}
    columns = sql.SQL(", ").join(sql.Identifier("r", column.name) for column in table.columns)
    select = sql.SQL(
        "SELECT {columns}, refused.reason FROM {relation} r JOIN refused ON refused.key = {key} ORDER BY {key}"
    )
    statement = sql.SQL("COPY ({}) TO STDOUT (FORMAT csv, HEADER)").format(select.format(columns=columns, **names))
    key = new_key(table.name, observed_at, "csv", folder="rejected/")
    with WriteOnceFile(required_variable(PROCESSED_BUCKET), key) as file:
        for block in copy_out(connection, statement):
            file.write(block)
    connection.execute(sql.SQL("DELETE FROM {relation} r USING refused WHERE refused.key = {key}").format(**names))
    return key
