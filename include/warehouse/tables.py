"""The warehouse as the declarations say: created where it is missing, extended where they grew."""

import logging

import psycopg
from psycopg import errors, sql

from include.common.errors import DataError
from include.common.manifests import Inputs
from include.common.postgres import connect, postgres_errors
from include.common.settings import WAREHOUSE_CONNECTION
from include.source.columns import find_columns
from include.tables.declarations import Declarations
from include.tables.star import StarTable, closed_index, current_index
from include.tables.types import holds, known_type
from include.warehouse import ddl
from include.warehouse.metrics import keep_metrics

log = logging.getLogger(__name__)

ADVISORY_LOCK = 0x746F7465
"""Held while the warehouse is defined, so that two runs do not create the same table ("tote" in ASCII)."""

NEEDED = "CREATE on the database and on its schema public, and CREATEROLE (or create the role totesys_reader for it)"
"""What the pipeline's role must be allowed in the warehouse, beside owning the tables."""

RELATIONS = "SELECT relname, oid FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relname = ANY(%s)"

COMPLETE = """
    SELECT FROM pg_attribute WHERE attrelid = to_regclass('pipeline.load') AND attname = 'restated_at'
       AND to_regclass('pipeline.metric') IS NOT NULL AND to_regclass('pipeline.slice') IS NOT NULL
       AND to_regclass('pipeline.brought') IS NOT NULL"""
"""Whether the pipeline's own tables are what this version makes them."""

SHORT_KEYS = """
    SELECT FROM pg_attribute
     WHERE attrelid = 'pipeline.deleted'::regclass AND attname = 'key' AND atttypid = 'integer'::regtype"""

DEFINED = """
    SELECT relname, conname FROM pg_constraint JOIN pg_class ON pg_class.oid = conrelid
     WHERE connamespace = 'public'::regnamespace
    UNION SELECT tablename, indexname FROM pg_indexes WHERE schemaname = 'public'
    UNION SELECT viewname, viewname FROM pg_views WHERE schemaname = 'public'"""
"""Constraints and indexes, each with the table that has it, and views."""


def prepare(declared: Declarations) -> dict[str, Inputs]:
    """Make the warehouse what the declarations say, and tell from which readings each table was last built.

    Nothing is ever taken away but views of metrics: tables, columns, rows and grants that are not declared stay. It may
    be repeated.

    Raises: DataError that names a column that has another type than declared; others as `keep_metrics` and
        `postgres_errors`.
    """
    with connect(WAREHOUSE_CONNECTION) as connection, postgres_errors("warehouse", NEEDED):
        _ensure_reader(connection)
        connection.execute("SELECT pg_advisory_xact_lock(%s)", [ADVISORY_LOCK])
        _define(connection, declared)
        loaded = connection.execute("SELECT table_name, inputs FROM pipeline.load").fetchall()
        connection.commit()
    return dict(loaded)


def _ensure_reader(connection: psycopg.Connection) -> None:
    """Create the read-only role where it is missing; another run may do so at the same time."""
    if connection.execute("SELECT FROM pg_roles WHERE rolname = %s", [ddl.READER]).fetchone() is None:
        try:
            connection.execute(sql.SQL("CREATE ROLE {} NOLOGIN").format(sql.Identifier(ddl.READER)))
        except (errors.DuplicateObject, errors.UniqueViolation):
            connection.rollback()
    connection.commit()


def _define(connection: psycopg.Connection, declared: Declarations) -> None:
    star, found = declared.star.values(), _columns(connection, declared)
    defined = set(connection.execute(DEFINED).fetchall())
    complete = _ensure_bookkeeping(connection)
    if any(known_type(column.type).family == "citext" for table in star for column in table.columns):
        connection.execute("CREATE EXTENSION IF NOT EXISTS citext WITH SCHEMA public")
    statements = [statement for table in star for statement in _missing_columns(table, found.get(table.name))]
    statements += [
        make for table in star for name, make in ddl.constraints(table).items() if (table.name, name) not in defined
    ]
    for statement in statements:
        log.debug("%s", statement.as_string(connection))
        connection.execute(statement)
    if statements:
        _forget(connection, [name for name in declared.star if name not in found])
        found = _columns(connection, declared)
    for table in declared.versioned:
        if statements or (table.view, table.view) not in defined:
            connection.execute(ddl.create_view(table, list(found[table.name])))
    if statements or not complete:
        connection.execute(ddl.grants(declared))
    _ensure_scores(connection, declared)
    keep_metrics(connection, declared)


def _ensure_scores(connection: psycopg.Connection, declared: Declarations) -> None:
    """Make the tables of scores that are missing."""
    for question in declared.scored:
        if connection.execute("SELECT to_regclass(%s)", [f"public.{question.scores}"]).fetchone() == (None,):
            connection.execute(ddl.create_scores(question))


def _ensure_bookkeeping(connection: psycopg.Connection) -> bool:
    """Make the pipeline's own tables where they are not there, or lack a column; gives whether they were complete."""
    complete = connection.execute(COMPLETE).fetchone() is not None
    if not complete:
        connection.execute(ddl.BOOKKEEPING)
    if connection.execute(SHORT_KEYS).fetchone():
        connection.execute(ddl.LONG_KEYS)
    return complete


def _forget(connection: psycopg.Connection, created: list[str]) -> None:
    """Forget what tables that were just created had been loaded with: somebody dropped them, and they are empty."""
    for record in ("load", "deleted"):
        statement = sql.SQL("DELETE FROM {} WHERE table_name = ANY(%s)").format(sql.Identifier("pipeline", record))
        connection.execute(statement, [created])


def _columns(connection: psycopg.Connection, declared: Declarations) -> dict[str, dict[str, str]]:
    """Table → column → type, of the declared tables that are there."""
    relations: dict[str, int] = dict(connection.execute(RELATIONS, [list(declared.star)]).fetchall())
    found = find_columns(connection, *relations.values())
    return {name: found[relation] for name, relation in relations.items()}


def _missing_columns(table: StarTable, found: dict[str, str] | None) -> list[sql.Composed]:
    if not found:
        return [ddl.create_table(table)]
    for column in table.columns:
        if column.name in found and not _alike(found[column.name], column.type):
            raise DataError(
                f"warehouse: {table.name}.{column.name} is {found[column.name]}, declared as {column.type}; "
                f"ALTER the column's type, or correct the declaration"
            )
    return [ddl.add_column(table, column) for column in table.columns if column.name not in found]


def _alike(found: str, declared: str) -> bool:
    """Whether a column's type is of the declared one's kind; where it holds less, rows are refused one by one."""
    if holds(found, declared):
        return True
    one, other = known_type(found), known_type(declared)
    return one.array == other.array and (one.family == other.family or (one.is_text and other.is_text))


def restore_constraints(connection: psycopg.Connection, declared: Declarations, table: StarTable) -> None:
    """Make the constraints and indexes of a table, and the foreign keys to it, that are not there."""
    defined = set(connection.execute(DEFINED).fetchall())
    wanted = {(table.name, name): statement for name, statement in ddl.constraints(table).items()}
    wanted |= {(other.name, name): ddl.foreign_keys(other)[name] for other, name in declared.referring_to(table)}
    for place, statement in wanted.items():
        if place not in defined:
            connection.execute(statement)


def drop_constraints(connection: psycopg.Connection, declared: Declarations, table: StarTable) -> None:
    """Take away the constraints and indexes of a table and the foreign keys to it, for rows to come in fast."""
    for other, name in declared.referring_to(table):
        connection.execute(ddl.drop_constraint(other, name))
    for name in ddl.constraints(table):
        if name in (current_index(table), closed_index(table)):
            connection.execute(sql.SQL("DROP INDEX IF EXISTS {}").format(sql.Identifier(name)))
        else:
            connection.execute(ddl.drop_constraint(table, name))
