"""Questions to the lake, in DuckDB: it reads the files that Iceberg names, and nothing of the warehouse."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.dataset as ds
from psycopg import sql
from pyarrow import fs
from pyiceberg.io.pyarrow import schema_to_pyarrow
from pyiceberg.table import Table

from include.common.errors import DataError, DeclarationError
from include.common.manifests import Inputs
from include.common.settings import AWS_CONNECTION, LAKE_DATABASE, aws_client, required_variable
from include.lake.iceberg import open_table, told_loads
from include.lake.rows import names_beside
from include.lake.views import CHANGELOG, held, history, latest, observed
from include.tables.declarations import Declarations
from include.tables.question import Question, history_of, score_table
from include.tables.star import Column, Dimension, Fact, StarTable, is_versioned
from include.tables.types import known_type

BATCH_ROWS = 8_192
"""How many rows are taken from DuckDB at a time."""

AT_INSTANT = sql.SQL("""
    SELECT * EXCLUDE (valid_from, valid_to) FROM {}
     WHERE valid_from <= instant AND (valid_to IS NULL OR valid_to > instant)""")
"""The versions that hold at an instant."""

PLAIN = {pa.large_string(): pa.string(), pa.large_binary(): pa.binary()}


@dataclass(frozen=True)
class Stored:
    """All that a warehouse table held.

    load_id, inputs: by which load it was last built, and from which readings.
    batches: its rows in the order of their versions, in the form that files have: what `held` names, and where a table
        keeps versions, `valid_from` and `valid_to`.
    """

    load_id: str
    inputs: Inputs
    batches: Iterator[pa.RecordBatch]


def ask(declared: Declarations, question: str) -> Any:
    """The answer of DuckDB, a relation, to a statement in SQL.

    It knows the warehouse's tables and views by their names, those of scores too, without the record ids; their states
    at an instant as `fact_sale_at(TIMESTAMPTZ '2024-08-22 12:00Z')`; and the lake's tables as they are as
    `changelog.fact_sale`.

    Raises: DeclarationError where DuckDB is not installed or no database of the catalogue is named; DataError for
        what DuckDB does not understand; others as `append` of the lake's tables.
    """
    with _duckdb() as connection:
        for table, views in _named_in(declared, question):
            _show(connection, table, open_table(required_variable(LAKE_DATABASE), table), views)
        return connection.sql(question)


def stored(table: StarTable) -> Stored | None:
    """What the lake tells that a warehouse table held; None where no load is told of it. Raises: as `ask`."""
    found = open_table(required_variable(LAKE_DATABASE), table)
    loads = list(told_loads(found).items())
    if not loads:
        return None
    raw = [sql.Identifier(name) for name in held(table)]
    query = history(table, raw) if is_versioned(table) else latest(table, raw, sql.SQL("true"))
    first = [sql.Identifier("valid_from")] if is_versioned(table) else []
    order = sql.SQL(", ").join([*first, *map(sql.Identifier, table.key_columns)])
    with _duckdb() as connection:
        _show(connection, table, found, [])
        ordered = sql.SQL("{} ORDER BY {}").format(query, order)
        reader = connection.sql(ordered.as_string()).to_arrow_reader(BATCH_ROWS)
    return Stored(*loads[-1], iter(reader))


@contextmanager
def _duckdb() -> Iterator[Any]:
    """A DuckDB of its own, which keeps nothing. Raises: DeclarationError where it is not installed; else DataError."""
    try:
        import duckdb
    except ModuleNotFoundError as error:
        raise DeclarationError("the lake is asked with DuckDB, which is not installed: pip install duckdb") from error
    try:
        connection = duckdb.connect()
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute(_create("SCHEMA", CHANGELOG))
        yield connection
    except duckdb.Error as error:
        raise DataError(f"DuckDB: {error}") from error


def _create(kind: str, name: str) -> str:
    return sql.SQL("CREATE {} {}").format(sql.SQL(kind), sql.Identifier(name)).as_string()


def _named_in(declared: Declarations, question: str) -> Iterator[tuple[StarTable, list[sql.Composed]]]:
    """The tables that a question can mean, with their views: each takes a look into the catalogue."""
    for table in declared.star.values():
        if any(name in question for name in ([table.name, table.view] if is_versioned(table) else [table.name])):
            yield table, _versions(table) if is_versioned(table) else _states(table)
    for scored in declared.scored:
        if scored.scores in question:
            yield score_table(scored), _scores(scored)


def _show(connection: Any, table: StarTable, found: Table, views: Iterable[sql.Composed]) -> None:
    connection.register(f"files of {table.name}", changelog(found))
    files = sql.Identifier(f"files of {table.name}")
    raw = _view(sql.Identifier(CHANGELOG, table.name), sql.SQL("SELECT * FROM {}").format(files))
    for statement in [raw, *views]:
        connection.execute(statement.as_string())


def _versions(table: Fact | Dimension) -> list[sql.Composed]:
    """The views of a table that keeps versions: all of them, the current ones, those of an instant."""
    name = sql.Identifier(table.name)
    current = sql.SQL("SELECT * EXCLUDE (valid_to) FROM {} WHERE valid_to IS NULL").format(name)
    versions = history(table, _all_shown(table))
    return [_view(name, versions), _view(sql.Identifier(table.view), current), _macro(table, AT_INSTANT.format(name))]


def _states(table: StarTable) -> list[sql.Composed]:
    """The views of a table that keeps none: its latest state, and that of an instant."""
    shown = _all_shown(table)
    state = latest(table, shown, sql.SQL("{} <= instant").format(observed(table)))
    return [_view(sql.Identifier(table.name), latest(table, shown, sql.SQL("true"))), _macro(table, state)]


def _scores(question: Question) -> list[sql.Composed]:
    """The views of a table of scores: those that hold, those that hold no more, those of an instant."""
    table = score_table(question)
    versions = sql.SQL("({})").format(history(table, _all_shown(table)))
    current = sql.SQL("SELECT * EXCLUDE (valid_from, valid_to) FROM {} WHERE valid_to IS NULL").format(versions)
    ended = sql.SQL("SELECT * EXCLUDE (valid_from, valid_to), valid_to AS ended_at FROM {} WHERE valid_to IS NOT NULL")
    return [
        _view(sql.Identifier(table.name), current),
        _view(sql.Identifier(history_of(question)), ended.format(versions)),
        _macro(table, AT_INSTANT.format(versions)),
    ]


def _view(name: sql.Identifier, query: sql.Composed) -> sql.Composed:
    return sql.SQL("CREATE VIEW {} AS {}").format(name, query)


def _macro(table: StarTable, state: sql.Composed) -> sql.Composed:
    return sql.SQL("CREATE MACRO {}(instant) AS TABLE {}").format(sql.Identifier(f"{table.name}_at"), state)


def _all_shown(table: StarTable) -> list[sql.Composable]:
    return [_shown(table, column) for column in table.columns]


def _shown(table: StarTable, column: Column) -> sql.Composable:
    """A column as DuckDB shows it: a time of day as one, and what only its text tells as far as DuckDB has it."""
    name, kind = sql.Identifier(column.name), known_type(column.type)
    clock = kind.family == "time" and not kind.array
    value = sql.SQL("(TIME '00:00:00' + to_microseconds({}))").format(name) if clock else name
    beside = names_beside(table).get(column.name)
    if beside is None:
        return sql.SQL("{} AS {}").format(value, name) if clock else name
    type_ = sql.SQL(kind.family) if kind.family != "numeric" else sql.SQL(column.type)
    form = sql.SQL("coalesce({}, TRY_CAST({} AS {})) AS {}")
    return form.format(value, sql.Identifier(beside), type_, name)


def changelog(found: Table) -> Any:
    """The rows of a table of the lake, as something that Arrow scans: only the columns that are needed."""
    schema = pa.schema([_plain(field) for field in schema_to_pyarrow(found.schema(), include_field_ids=False)])
    files = [task.file.file_path.removeprefix("s3://") for task in found.scan().plan_files()]
    return ds.dataset(files, schema, "parquet", _bucket_files()) if files else schema.empty_table()


def _plain(field: pa.Field) -> pa.Field:
    return pa.field(field.name, PLAIN.get(field.type, field.type))


def _bucket_files() -> fs.FileSystem:
    """S3 as Arrow reaches it, by the connection `aws_default`."""
    from airflow.providers.amazon.aws.hooks.base_aws import AwsBaseHook

    client, found = aws_client("s3"), AwsBaseHook(aws_conn_id=AWS_CONNECTION).get_credentials()
    return fs.S3FileSystem(
        access_key=found.access_key,
        secret_key=found.secret_key,
        session_token=found.token,
        region=client.meta.region_name,
        endpoint_override=client.meta.endpoint_url,
    )
