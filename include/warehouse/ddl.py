"""The warehouse's definition, statement by statement, from the declarations."""

from psycopg import sql

from include.common.postgres import identifiers
from include.tables.checking import fitting
from include.tables.declarations import Declarations, foreign_key, has_foreign_key
from include.tables.question import Question, history_of, score_columns, score_table
from include.tables.star import (
    VERSION_COLUMNS,
    Column,
    Dimension,
    Fact,
    StarTable,
    closed_index,
    current_index,
    is_versioned,
    primary_key,
)

READER = "totesys_reader"
"""The role that dashboards and analysts are members of: it can read everything and change nothing."""

API = "totesys_api"
"""The login of the API: a member of the reader, and nothing else."""

BOOKKEEPING = sql.SQL("""
    CREATE SCHEMA IF NOT EXISTS pipeline;
    CREATE TABLE IF NOT EXISTS pipeline.load (
        table_name text PRIMARY KEY,
        inputs jsonb NOT NULL,
        loaded_at timestamptz NOT NULL DEFAULT now()
    );
    ALTER TABLE pipeline.load ADD COLUMN IF NOT EXISTS load_id text,
        ADD COLUMN IF NOT EXISTS refused boolean NOT NULL DEFAULT false,
        ADD COLUMN IF NOT EXISTS changed_at timestamptz,
        ADD COLUMN IF NOT EXISTS restated_at timestamptz;
    UPDATE pipeline.load SET changed_at = loaded_at, restated_at = loaded_at WHERE changed_at IS NULL;
    COMMENT ON TABLE pipeline.load IS 'From which readings of the source each table was last built.';
    COMMENT ON COLUMN pipeline.load.load_id IS 'By which load. NULL: the lake does not have all that the table holds.';
    COMMENT ON COLUMN pipeline.load.refused IS 'Whether rows of that load were refused.';
    COMMENT ON COLUMN pipeline.load.changed_at IS 'When a load last added, changed or ended a row; later at each such.';
    COMMENT ON COLUMN pipeline.load.restated_at
        IS 'When what the table shows as of an instant that was loaded before was last made anew.';
    CREATE TABLE IF NOT EXISTS pipeline.deleted (
        table_name text NOT NULL,
        key bigint NOT NULL,
        PRIMARY KEY (table_name, key)
    );
    COMMENT ON TABLE pipeline.deleted IS 'Rows of dimensions that the source no longer has.';
    CREATE TABLE IF NOT EXISTS pipeline.file (
        key text PRIMARY KEY,
        table_name text NOT NULL,
        load_id text NOT NULL,
        inputs jsonb NOT NULL,
        wider jsonb NOT NULL,
        rows bigint NOT NULL,
        size_bytes bigint NOT NULL,
        noted bigint GENERATED ALWAYS AS IDENTITY
    );
    COMMENT ON TABLE pipeline.file IS 'Parquet files that are loaded, and that the lake is still to have.';
    CREATE TABLE IF NOT EXISTS pipeline.plan (
        source_name text PRIMARY KEY,
        load_id text NOT NULL,
        plan jsonb NOT NULL
    );
    COMMENT ON TABLE pipeline.plan IS 'How source tables are read in slices, those that are and were last.';
    CREATE TABLE IF NOT EXISTS pipeline.slice (
        load_id text NOT NULL,
        number integer NOT NULL,
        manifest text NOT NULL,
        copied boolean NOT NULL,
        PRIMARY KEY (load_id, number)
    );
    COMMENT ON TABLE pipeline.slice IS 'Slices that were read, and copied beside the tables that they are for.';
    CREATE TABLE IF NOT EXISTS pipeline.metric (
        view text PRIMARY KEY,
        view_as_of text NOT NULL,
        reads text[] NOT NULL,
        definition text NOT NULL,
        definition_as_of text NOT NULL
    );
    COMMENT ON TABLE pipeline.metric IS 'Which views and functions show the declared metrics, and how they were made.';
""")


LONG_KEYS = "ALTER TABLE pipeline.deleted ALTER key TYPE bigint"
"""For warehouses that an earlier version made."""


def create_table(table: StarTable) -> sql.Composed:
    """A warehouse table without its constraints and indexes."""
    columns: list[sql.Composable] = [_column(column) for column in table.columns]
    if is_versioned(table):
        identity = sql.SQL("{} serial").format(sql.Identifier(table.record_id))
        columns = [
            identity,
            *columns,
            sql.SQL("valid_from timestamptz NOT NULL"),
            sql.SQL("valid_to timestamptz"),
        ]
    return sql.SQL("CREATE TABLE {} ({})").format(sql.Identifier(table.name), sql.SQL(", ").join(columns))


def create_staging(table: StarTable, name: str) -> sql.Composed:
    """A temporary table for rows of a warehouse table that are about to be merged."""
    columns = sql.SQL(", ").join(map(_column, table.columns))
    return sql.SQL("CREATE TEMPORARY TABLE {} ({}) ON COMMIT DROP").format(sql.Identifier(name), columns)


def create_beside(table: StarTable, sequence: str | None = None) -> sql.Composed:
    """The table, without constraints, that takes slices of a warehouse table until all are there.

    sequence: gives its rows their record ids at once, and is found by its name, so that nothing depends on it.
    """
    columns = list(map(_column, table.columns))
    if is_versioned(table) and sequence:
        number = sql.SQL("{} integer NOT NULL DEFAULT nextval({}::text)")
        columns = [number.format(sql.Identifier(table.record_id), sql.Literal(sequence)), *columns]
    return sql.SQL("CREATE TABLE {} ({})").format(beside(table), sql.SQL(", ").join(columns))


def beside(table: StarTable) -> sql.Identifier:
    """Its name."""
    return sql.Identifier("pipeline", beside_name(table))


def beside_name(table: StarTable) -> str:
    """Its name in the schema of the pipeline's own."""
    return fitting(f"sliced_{table.name}")


def create_raw(table: StarTable, name: str) -> sql.Composed:
    """A temporary table that takes any row of a warehouse table: each value as the bytes of its text."""
    columns = sql.SQL(", ").join(sql.SQL("{} bytea").format(sql.Identifier(column.name)) for column in table.columns)
    return sql.SQL("CREATE TEMPORARY TABLE {} ({}) ON COMMIT DROP").format(sql.Identifier(name), columns)


def _column(column: Column) -> sql.Composed:
    null = sql.SQL("") if column.nullable else sql.SQL(" NOT NULL")
    return sql.SQL("{} {}").format(sql.Identifier(column.name), sql.SQL(column.type)) + null


def add_column(table: StarTable, column: Column) -> sql.Composed:
    """A column that was declared later; NULL in the rows that are there, until their sources are read again."""
    statement = sql.SQL("ALTER TABLE {} ADD COLUMN {} {}")
    return statement.format(sql.Identifier(table.name), sql.Identifier(column.name), sql.SQL(column.type))


def constraints(table: StarTable, relation: sql.Identifier | None = None) -> dict[str, sql.Composed]:
    """A table's constraints and indexes: name → the statement that makes it. The primary key comes first.

    Two indexes, each in the order of keys, have the versions that held at an instant: of current and of closed ones.
    relation: what they are made on, in place of the table itself.
    """
    name = relation or sql.Identifier(table.name)
    primary = sql.SQL("ALTER TABLE {} ADD CONSTRAINT {} PRIMARY KEY ({})")
    key = primary_key(table)
    made = {key: primary.format(name, sql.Identifier(key), identifiers(table.identity))}
    if is_versioned(table):
        unique = sql.SQL("CREATE UNIQUE INDEX {} ON {} ({}) WHERE valid_to IS NULL")
        index = current_index(table)
        made[index] = unique.format(sql.Identifier(index), name, identifiers(table.key_columns))
        closed = sql.SQL("CREATE INDEX {} ON {} ({}) WHERE valid_to IS NOT NULL")
        index, ended = closed_index(table), (*table.key_columns, *VERSION_COLUMNS)
        made[index] = closed.format(sql.Identifier(index), name, identifiers(ended))
    return made | foreign_keys(table, relation)


def foreign_keys(table: StarTable, relation: sql.Identifier | None = None) -> dict[str, sql.Composed]:
    """A table's foreign keys: name → the statement that makes it. relation: as in `constraints`."""
    statement = sql.SQL("ALTER TABLE {} ADD CONSTRAINT {} FOREIGN KEY ({}) REFERENCES {} ({})")
    made = {}
    for column in table.columns:
        if column.references and has_foreign_key(column):
            target, name = column.references, foreign_key(table, column.name)
            parts = (name, column.name, target.name, *target.identity)
            made[name] = statement.format(relation or sql.Identifier(table.name), *map(sql.Identifier, parts))
    return made


def create_view(table: Dimension | Fact, columns: list[str]) -> sql.Composed:
    """The view of a table's current versions. Columns stand in the table's own order, so that later ones come last."""
    shown = sql.SQL(", ").join(sql.Identifier(name) for name in columns if name != "valid_to")
    statement = sql.SQL("CREATE OR REPLACE VIEW {} AS SELECT {} FROM {} WHERE valid_to IS NULL")
    return statement.format(sql.Identifier(table.view), shown, sql.Identifier(table.name))


def drop_constraint(table: StarTable, name: str) -> sql.Composed:
    """Take a constraint away, where it is there."""
    return sql.SQL("ALTER TABLE {} DROP CONSTRAINT IF EXISTS {}").format(
        sql.Identifier(table.name), sql.Identifier(name)
    )


SCORES = sql.SQL("""
    CREATE TABLE {scores} ({columns}, CONSTRAINT {pkey} PRIMARY KEY ({key}));
    CREATE TABLE IF NOT EXISTS {history} ({columns}, ended_at timestamptz NOT NULL);
    CREATE INDEX IF NOT EXISTS {index} ON {history} ({key});
    CREATE TABLE IF NOT EXISTS pipeline.scored (table_name text PRIMARY KEY, model text NOT NULL, moment text NOT NULL);
    COMMENT ON TABLE {scores} IS {told};
    COMMENT ON TABLE {history} IS 'Scores that hold no more, each with the instant at which it ended.';
    COMMENT ON TABLE pipeline.scored IS 'By which model scores were last made, and which days had passed then.';
    DELETE FROM pipeline.load WHERE table_name = {name};
    DELETE FROM pipeline.scored WHERE table_name = {name};
    GRANT SELECT ON {scores}, {history}, pipeline.scored TO {reader}""")


def create_scores(question: Question) -> sql.Composed:
    """The table of a question's scores, without any, and that of their history."""
    columns = sql.SQL(", ").join(map(_column, score_columns(question)))
    names = {"scores": question.scores, "history": history_of(question), "reader": READER}
    names |= {"pkey": primary_key(score_table(question)), "index": fitting(f"{history_of(question)}_key")}
    return SCORES.format(
        **{name: sql.Identifier(value) for name, value in names.items()},
        columns=columns,
        key=identifiers(question.fact.key_columns),
        told=sql.Literal(question.description),
        name=sql.Literal(question.scores),
    )


def grants(declared: Declarations) -> sql.Composed:
    """What the read-only role may do: read every declared table, the views and the pipeline's own records."""
    views = [table.view for table in declared.versioned]
    statements = sql.SQL("""
        GRANT USAGE ON SCHEMA public, pipeline TO {reader};
        GRANT SELECT ON {tables}, pipeline.load, pipeline.deleted, pipeline.file, pipeline.plan, pipeline.slice,
           pipeline.metric TO {reader}""")
    tables = sql.SQL(", ").join(map(sql.Identifier, [*declared.star, *views]))
    return statements.format(reader=sql.Identifier(READER), tables=tables)
