"""Rows that refer to a dimension's row that is not there: found, set aside with the reason, and taken out."""

from dataclasses import dataclass, field

import psycopg
from psycopg import sql

from include.common.keys import KeySet
from include.common.manifests import FileEntry, RejectedExample
from include.common.postgres import copy_out, identifiers, key_set
from include.common.settings import PROCESSED_BUCKET, required_variable
from include.lake.changelog import Said
from include.lake.files import WriteOnceFile, new_key
from include.lake.rejected import EXAMPLES, example
from include.tables.numbering import is_integer, number_of, shown
from include.tables.star import Calendar, Column, Dimension, Fact, StarTable
from include.warehouse.told import found_keys, tell_keys


@dataclass(frozen=True)
class Refused:
    """Keys of rows that were set aside, the CSV files that hold them with the reasons, and the first of them.

    told: the Parquet files that tell the lake which they are.
    """

    keys: KeySet = field(default_factory=KeySet)
    files: list[str] = field(default_factory=list)
    examples: list[RejectedExample] = field(default_factory=list)
    told: list[FileEntry] = field(default_factory=list)

    def __or__(self, other: "Refused") -> "Refused":
        examples, told = [*self.examples, *other.examples], [*self.told, *other.told]
        return Refused(self.keys | other.keys, [*self.files, *other.files], examples, told)


def refuse_unreferenced(connection: psycopg.Connection, table: StarTable, relation: str, said: Said | None) -> Refused:
    """Take the rows out of `relation` (rows of `table`) whose references lead nowhere.

    Dates are not looked at: the transform has held them against the calendar.
    said: what the lake is told of them; None for the calendar.
    """
    targets = {column: column.references for column in table.columns if isinstance(column.references, Dimension)}
    if not targets or said is None or isinstance(table, Calendar):
        return Refused()
    found = _find(targets, table, relation)
    connection.execute(sql.SQL("CREATE TEMPORARY TABLE refused ON COMMIT DROP AS {}").format(found))
    keys = key_set(connection, sql.SQL("SELECT key::bigint FROM refused"))
    refused = _set_aside(connection, table, relation, said, keys) if keys else Refused()
    connection.execute("DROP TABLE refused")
    return refused


def _find(targets: dict[Column, Dimension], table: StarTable, relation: str) -> sql.Composed:
    """The keys of rows with a missing reference, each with its reasons."""
    joins, missing, reasons = [], [], []
    for number, (column, target) in enumerate(targets.items()):
        found, name = sql.Identifier(f"d{number}", *target.key_columns), sql.Identifier("r", column.name)
        alias = sql.Identifier(f"d{number}")
        joins.append(sql.SQL("LEFT JOIN {} {} ON {} = {}").format(_keys_of(target), alias, found, name))
        missing.append(sql.SQL("({} IS NULL AND {} IS NOT NULL)").format(found, name))
        reasons.append(
            sql.SQL("CASE WHEN {} IS NULL THEN format({}, {}) END").format(
                found, sql.Literal(f"{column.name} %s is not in {target.name}"), name
            )
        )
    return sql.SQL(
        "SELECT {key} AS key, {shown}::text AS shown, concat_ws('; ', {reasons}) AS reason "
        "FROM {relation} r {joins} WHERE {missing}"
    ).format(
        key=number_of(table, "r"),
        shown=shown(table, "r"),
        reasons=sql.SQL(", ").join(reasons),
        relation=sql.Identifier(relation),
        joins=sql.SQL(" ").join(joins),
        missing=sql.SQL(" OR ").join(missing),
    )


def _keys_of(target: Dimension) -> sql.Composable:
    """A dimension as a join knows it: each key once."""
    keys = sql.SQL("(SELECT DISTINCT {} FROM {})").format(identifiers(target.key_columns), sql.Identifier(target.name))
    return keys if target.history else sql.Identifier(target.name)


def _set_aside(
    connection: psycopg.Connection, table: Dimension | Fact, relation: str, said: Said, keys: KeySet
) -> Refused:
    names = {"relation": sql.Identifier(relation), "key": number_of(table, "r")}
    columns = sql.SQL(", ").join(sql.Identifier("r", column.name) for column in table.columns)
    select = sql.SQL(
        "SELECT {columns}, refused.reason FROM {relation} r JOIN refused ON refused.key = {key} ORDER BY {key}"
    )
    statement = sql.SQL("COPY ({}) TO STDOUT (FORMAT csv, HEADER)").format(select.format(columns=columns, **names))
    key = new_key(table.name, said.observed_at, "csv", folder="rejected/")
    with WriteOnceFile(required_variable(PROCESSED_BUCKET), key) as file:
        for block in copy_out(connection, statement):
            file.write(block)
    keyed = sql.SQL("SELECT {columns} FROM {relation} r JOIN refused ON refused.key = {key}")
    key_columns = sql.SQL(", ").join(sql.Identifier("r", name) for name in table.key_columns)
    told = tell_keys(table, said, found_keys(connection, table, keyed.format(columns=key_columns, **names)))
    connection.execute(sql.SQL("DELETE FROM {relation} r USING refused WHERE refused.key = {key}").format(**names))
    first = connection.execute("SELECT shown, reason FROM refused ORDER BY key LIMIT %s", [EXAMPLES]).fetchall()
    examples = [example(int(row) if is_integer(table) else row, reason, key) for row, reason in first]
    return Refused(keys, [key], examples, told)
