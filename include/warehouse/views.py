"""Views that are taken away and made anew, as what they stand on changes: whoever may read them still may."""

from dataclasses import dataclass

import psycopg
from psycopg import sql

GRANTED = """
    SELECT privilege_type, CASE WHEN grantee = 0 THEN NULL ELSE grantee::regrole::text END, is_grantable
      FROM pg_class, aclexplode(relacl) WHERE pg_class.oid = to_regclass(%s) AND grantee <> relowner"""
"""What others may do with a view, whatever gave it to them; a role of NULL is everybody."""

Granted = list[tuple[str, str | None, bool]]


@dataclass(frozen=True)
class View:
    """A view, and the statements that make it. function: that of an instant which gives its rows, made by these too."""

    name: str
    statements: tuple[sql.Composed | bytes, ...]
    function: str = ""


def drop_view(connection: psycopg.Connection, view: View) -> Granted:
    """Take a view away, where it is there; gives what others may do with it.

    Raises: DependentObjectsStillExist where others have made something of it.
    """
    granted = granted_on(connection, view.name)
    if view.function:
        drop = sql.SQL("DROP FUNCTION IF EXISTS {}(timestamptz)")
        connection.execute(drop.format(sql.Identifier("public", view.function)))
    connection.execute(sql.SQL("DROP VIEW IF EXISTS {}").format(sql.Identifier("public", view.name)))
    return granted


def make_view(connection: psycopg.Connection, view: View, granted: Granted) -> None:
    """Make a view, and have others do with it what they could."""
    for statement in view.statements:
        connection.execute(statement)
    grant(connection, view.name, granted)


def granted_on(connection: psycopg.Connection, name: str) -> Granted:
    """What others may do with a view or a table."""
    return connection.execute(GRANTED, [name]).fetchall()


def grant(connection: psycopg.Connection, name: str, granted: Granted) -> None:
    """Have others do that with a view or a table."""
    for privilege, role, grantable in granted:
        statement = sql.SQL("GRANT {} ON {} TO {}{}").format(
            sql.SQL(privilege),
            sql.Identifier("public", name),
            sql.SQL(role or "PUBLIC"),
            sql.SQL(" WITH GRANT OPTION" if grantable else ""),
        )
        connection.execute(statement)
