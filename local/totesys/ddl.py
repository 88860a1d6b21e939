"""Creates, drops and rebuilds the schema that `schema.py` declares."""

from collections.abc import Iterable

from psycopg import sql

from local.totesys.connection import Connection
from local.totesys.errors import SimulatorError
from local.totesys.schema import ENUMS, TABLES, Column, Table

MIGRATIONS = "_prisma_migrations"
# Source: the table that Prisma Migrate keeps in every database it deploys to.
CREATE_MIGRATIONS = """
CREATE TABLE _prisma_migrations (
    id varchar(36) PRIMARY KEY,
    checksum varchar(64) NOT NULL,
    finished_at timestamptz,
    migration_name varchar(255) NOT NULL,
    logs text,
    rolled_back_at timestamptz,
    started_at timestamptz NOT NULL DEFAULT now(),
    applied_steps_count integer NOT NULL DEFAULT 0
)
"""
INSERT_MIGRATION = """
INSERT INTO _prisma_migrations (id, checksum, migration_name, started_at, finished_at, applied_steps_count)
VALUES (%s, %s, '20221103141500_init', '2022-11-03 14:15:00Z', '2022-11-03 14:15:01Z', 1)
"""
MIGRATION_ID = "5a3f2c1e-8d47-4b0a-9c66-1f2e3d4c5b6a"


def create_schema(connection: Connection, *, replace: bool = False) -> None:
    """On an open connection, creates the empty schema in the current one, in one transaction.

    With `replace` an existing ToteSys is dropped first, rows and all.
    Raises: SimulatorError when any of its tables is there and `replace` is not asked for.
    """
    with connection.transaction():
        if replace:
            drop_schema(connection)
        elif present := existing_tables(connection):
            raise SimulatorError(f"the schema is already there (table {present[0]}); pass --replace to drop it")
        create_types(connection)
        for table in TABLES:
            connection.execute(table_ddl(table))
        add_keys(connection, TABLES)
        add_references(connection, TABLES)
        create_migrations(connection)


def existing_tables(connection: Connection) -> list[str]:
    """The names of those ToteSys tables that the current schema has, sorted."""
    names = [table.name for table in TABLES] + [MIGRATIONS]
    found = connection.execute(
        "SELECT tablename FROM pg_tables"
        " WHERE schemaname = current_schema() AND tablename = ANY(%s) ORDER BY tablename",
        [names],
    )
    return [name for (name,) in found]


def require_schema(connection: Connection) -> None:
    """Raises: SimulatorError when a ToteSys table is missing."""
    present = existing_tables(connection)
    missing = [table.name for table in TABLES if table.name not in present]
    if missing:
        raise SimulatorError(f"the schema is missing (no table {missing[0]}); run create first")


def drop_schema(connection: Connection) -> None:
    """Drops every ToteSys table and type that exists; may be repeated.

    Raises: psycopg.errors.DependentObjectsStillExist when a view of somebody else's needs one.
    """
    tables = [sql.Identifier(table.name) for table in TABLES] + [sql.Identifier(MIGRATIONS)]
    connection.execute(sql.SQL("DROP TABLE IF EXISTS {}").format(sql.SQL(", ").join(tables)))
    types = [sql.Identifier(name) for name in ENUMS]
    connection.execute(sql.SQL("DROP TYPE IF EXISTS {}").format(sql.SQL(", ").join(types)))


def create_types(connection: Connection) -> None:
    """Creates the enum types."""
    for name, labels in ENUMS.items():
        values = sql.SQL(", ").join([sql.Literal(label) for label in labels])
        connection.execute(sql.SQL("CREATE TYPE {} AS ENUM ({})").format(sql.Identifier(name), values))


def table_ddl(table: Table) -> sql.Composed:
    """The statement that creates a table with its columns, and without keys and references."""
    columns = [sql.SQL("{} serial").format(sql.Identifier(table.key))]
    columns += [column_ddl(column) for column in table.columns]
    return sql.SQL(
        "CREATE TABLE {} ({}, created_at timestamp(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,"
        " last_updated timestamp(3) NOT NULL)"
    ).format(sql.Identifier(table.name), sql.SQL(", ").join(columns))


def column_ddl(column: Column) -> sql.Composed:
    """A column's name, type and nullability."""
    null = sql.SQL("NULL" if column.nullable else "NOT NULL")
    return sql.SQL("{} {} {}").format(sql.Identifier(column.name), sql.SQL(column.type), null)


def add_keys(connection: Connection, tables: Iterable[Table]) -> None:
    """Adds the primary keys and unique constraints of these tables."""
    for table in tables:
        clauses = [sql.SQL("ADD PRIMARY KEY ({})").format(sql.Identifier(table.key))]
        clauses += [
            sql.SQL("ADD UNIQUE ({})").format(sql.Identifier(column.name)) for column in table.columns if column.unique
        ]
        alter(connection, table, clauses)


def add_references(connection: Connection, tables: Iterable[Table]) -> None:
    """Adds the foreign keys of these tables; rows that are there are checked."""
    for table in tables:
        alter(connection, table, [reference_clause(column) for column in table.columns if column.references])


def reference_clause(column: Column) -> sql.Composed:
    """The clause that adds one foreign key."""
    target = column.references or ""
    return sql.SQL("ADD FOREIGN KEY ({}) REFERENCES {} ({}) ON UPDATE CASCADE ON DELETE {}").format(
        sql.Identifier(column.name),
        sql.Identifier(target),
        sql.Identifier(target + "_id"),
        sql.SQL(column.on_delete),
    )


def drop_constraints(connection: Connection, tables: Iterable[Table]) -> None:
    """Drops foreign keys, then unique constraints and primary keys, of these tables."""
    constraints = connection.execute(
        "SELECT relname, conname FROM pg_constraint JOIN pg_class ON pg_class.oid = conrelid"
        " WHERE conrelid = ANY(%s::regclass[]) AND contype IN ('f', 'u', 'p')"
        " ORDER BY contype <> 'f', conname",
        [[table.name for table in tables]],
    ).fetchall()
    for table_name, constraint in constraints:
        connection.execute(
            sql.SQL("ALTER TABLE {} DROP CONSTRAINT {}").format(sql.Identifier(table_name), sql.Identifier(constraint))
        )


def alter(connection: Connection, table: Table, clauses: list[sql.Composed]) -> None:
    """Alters a table by all the clauses in one statement; none is no statement."""
    if clauses:
        statement = sql.SQL("ALTER TABLE {} {}").format(sql.Identifier(table.name), sql.SQL(", ").join(clauses))
        connection.execute(statement)


def create_migrations(connection: Connection) -> None:
    """Creates Prisma's own table with one migration in it; no pipeline reads it."""
    connection.execute(CREATE_MIGRATIONS)
    connection.execute(INSERT_MIGRATION, [MIGRATION_ID, "0" * 64])
