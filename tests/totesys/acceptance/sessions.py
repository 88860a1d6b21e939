"""What an administrator does to the pipeline's sessions: a role of its own, settings, and rows that it may not see."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress

from hypothesis import strategies as st
from psycopg import Connection, sql

from include.totesys import DECLARED
from tests.totesys.acceptance.writes import REFUSED

SETTINGS = {
    "DateStyle": "German, DMY",
    "IntervalStyle": "sql_standard",
    "TimeZone": "Asia/Kathmandu",
    "bytea_output": "escape",
    "extra_float_digits": "-15",
    "quote_all_identifiers": "on",
    "default_transaction_isolation": "serializable",
    "default_transaction_read_only": "on",
    "default_transaction_deferrable": "on",
    "statement_timeout": "200ms",
    "idle_in_transaction_session_timeout": "1ms",
    "search_path": "nowhere",
    "client_encoding": "LATIN1",
    "row_security": "on",
    "transform_null_equals": "on",
    "enable_seqscan": "off",
}
"""Settings of roles and databases, with values that would change what is read, or end it."""

NAMES = st.sampled_from([None, *SETTINGS])
"""None: all of them go back to what they were."""

FEW = sql.SQL("""
    DROP POLICY IF EXISTS few ON {table};
    CREATE POLICY few ON {table} USING ({key} > {least});
    ALTER TABLE {table} ENABLE ROW LEVEL SECURITY""")

HIDDEN = """
    SELECT relname FROM pg_class
     WHERE relrowsecurity AND relkind IN ('r', 'p')
       AND (relforcerowsecurity OR pg_get_userbyid(relowner) = current_user)"""
"""A table belongs to the one who asks, or has been given to the pipeline."""


@contextmanager
def reader(postgres: Connection, name: str) -> Iterator[None]:
    """A role that may read every table and is no superuser; gone at the end, when the databases are."""
    role = sql.Identifier(name)
    postgres.execute(sql.SQL("CREATE ROLE {} LOGIN IN ROLE pg_read_all_data").format(role))
    yield
    postgres.execute(sql.SQL("DROP ROLE {}").format(role))


def set_for(connection: Connection, whose: sql.Composable, setting: str | None) -> None:
    """Change a setting of a role or a database, as ALTER names it, or reset all. Sessions that are open keep theirs."""
    if setting is None:
        change = sql.SQL("RESET ALL")
    else:
        values = sql.SQL(", ").join(map(sql.Literal, SETTINGS[setting].split(", ")))
        change = sql.SQL("SET {} = {}").format(sql.Identifier(setting), values)
    connection.execute(sql.SQL("ALTER {} {}").format(whose, change))


def hide(connection: Connection, table: str, least: int) -> None:
    """Let a policy show only rows with greater keys; not while somebody has the table open."""
    names = {"table": sql.Identifier(table), "key": sql.Identifier(f"{table}_id"), "least": sql.Literal(least)}
    with suppress(*REFUSED), connection.transaction():
        connection.execute(FEW.format(**names))


def hide_from_owner(connection: Connection, table: str, owner: str) -> None:
    """Let a table's owner, which becomes this role, see no row of it; not while somebody has the table open."""
    change = sql.SQL("ALTER TABLE {0} OWNER TO {1}, ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY")
    with suppress(*REFUSED):
        connection.execute(change.format(sql.Identifier(table), sql.Identifier(owner)))


def show_all(connection: Connection) -> None:
    """Let everybody see all rows again, of tables that nobody has open."""
    change = sql.SQL("ALTER TABLE {} DISABLE ROW LEVEL SECURITY, NO FORCE ROW LEVEL SECURITY")
    for table in sorted(hidden_tables(connection)):
        with suppress(*REFUSED):
            connection.execute(change.format(sql.Identifier(table)))


def hidden_tables(connection: Connection) -> set[str]:
    """The source tables some of whose rows the pipeline may not see: of what it owns it sees all, unless forced."""
    found = connection.execute(HIDDEN)
    return {name for (name,) in found} & set(DECLARED.sources)
