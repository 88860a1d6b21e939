"""What a source table stands on: its parts, the views' bases, their files and their shape, and who may see them."""

from typing import NamedTuple

import psycopg
from psycopg import sql

from include.common.errors import DeclarationError
from include.tables.source import SourceTable

_STANDS_ON = sql.SQL("""
    WITH RECURSIVE stands_on (relation, below_view) AS (
        SELECT pg_class.oid, false FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
         WHERE nspname = %(schema)s AND relname = %(table)s
      UNION
        SELECT next.relation, next.below_view FROM stands_on, LATERAL (
            SELECT inhrelid, stands_on.below_view FROM pg_inherits WHERE inhparent = stands_on.relation
            UNION ALL
            SELECT refobjid, true FROM pg_class JOIN pg_rewrite ON ev_class = pg_class.oid
              JOIN pg_depend ON classid = 'pg_rewrite'::regclass AND objid = pg_rewrite.oid
                            AND refclassid = 'pg_class'::regclass AND refobjid <> ev_class
             WHERE pg_class.oid = stands_on.relation AND relkind = 'v') AS next (relation, below_view)),
    relations AS (
        SELECT pg_class.*, bool_or(below_view) AS below_view FROM stands_on JOIN pg_class ON pg_class.oid = relation
         GROUP BY pg_class.oid),
    """)
"""`relations`: the table, its partitions and heirs, and all that views among them read. A materialized view is read
itself, not what it was made from."""

_FOUND = sql.SQL("""
    columns AS (
        SELECT pg_attribute.* FROM relations JOIN pg_attribute ON attrelid = relations.oid
         WHERE attnum > 0 AND NOT attisdropped AND (below_view OR attname = ANY (%(columns)s))),
    types (type) AS (
        SELECT unnest(ARRAY(SELECT atttypid FROM columns))
      UNION
        SELECT next.type FROM types, LATERAL (
            SELECT refobjid FROM pg_depend
             WHERE classid = 'pg_type'::regclass AND objid = type AND refclassid = 'pg_type'::regclass
            UNION ALL
            SELECT atttypid FROM pg_type JOIN pg_attribute ON attrelid = typrelid
             WHERE pg_type.oid = type AND attnum > 0 AND NOT attisdropped) AS next (type)),
    parts (part) AS (
        SELECT concat_ws(' ', 'relation', relations.oid, relkind, relpartbound,
                         (SELECT string_agg(inhparent::text, ' ' ORDER BY inhseqno) FROM pg_inherits
                           WHERE inhrelid = relations.oid)) FROM relations
        UNION ALL
        SELECT concat_ws(' ', 'column', attrelid, attnum, attname, atttypid, atttypmod, attfdwoptions,
                         (SELECT adbin FROM pg_attrdef WHERE adrelid = attrelid AND adnum = attnum
                             AND attgenerated <> '')) FROM columns
        UNION ALL
        SELECT concat_ws(' ', 'label', pg_enum.oid, enumtypid, enumsortorder, enumlabel) FROM pg_enum
         WHERE enumtypid IN (SELECT type FROM types)
        UNION ALL
        SELECT concat_ws(' ', 'attribute', attrelid, attnum, attname, atttypid, atttypmod)
          FROM types JOIN pg_type ON pg_type.oid = type JOIN pg_attribute ON attrelid = typrelid
         WHERE attnum > 0 AND NOT attisdropped
        UNION ALL
        SELECT concat_ws(' ', 'view', ev_class, ev_action) FROM relations JOIN pg_rewrite ON ev_class = relations.oid
         WHERE relkind = 'v'
        UNION ALL
        SELECT concat_ws(' ', 'function', pg_proc.oid, prosrc, probin, proconfig)
          FROM relations JOIN pg_rewrite ON ev_class = relations.oid AND relkind = 'v'
          JOIN pg_depend ON classid = 'pg_rewrite'::regclass AND objid = pg_rewrite.oid
                        AND refclassid = 'pg_proc'::regclass
          JOIN pg_proc ON pg_proc.oid = refobjid
        UNION ALL
        SELECT concat_ws(' ', 'foreign', ftrelid, ftserver, ftoptions, srvoptions)
          FROM relations JOIN pg_foreign_table ON ftrelid = relations.oid
          JOIN pg_foreign_server ON pg_foreign_server.oid = ftserver)
    SELECT (SELECT string_agg(concat_ws(' ', oid, relkind, relfilenode), ', ' ORDER BY oid) FROM relations),
           (SELECT encode(sha256(convert_to(string_agg(part, E'\\n' ORDER BY part), 'UTF8')), 'hex') FROM parts)""")
"""Relations with their files, and the digest of all that values depend on while no row version changes.

Types are followed to what they are made of: to elements, bases and attributes. They come as an array, as the server
takes such for short: it would else expect so much work that it compiles the statement, for a second (`jit_above_cost`).
What a column holds in rows that are older than itself is fixed with its number. The rewriting of a table (VACUUM FULL,
CLUSTER) changes files alone.
"""

_SIGHT = sql.SQL("""
    WITH RECURSIVE seen (relation, reader, depth) AS (
        SELECT pg_class.oid, pg_roles.oid, 0
          FROM pg_roles, pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
         WHERE rolname = current_user AND nspname = %(schema)s AND relname = %(table)s
      UNION
        SELECT refobjid, CASE WHEN invoker THEN reader ELSE relowner END, 1
          FROM seen JOIN pg_class ON pg_class.oid = relation AND relkind = 'v'
          JOIN pg_rewrite ON ev_class = relation
          JOIN pg_depend ON classid = 'pg_rewrite'::regclass AND objid = pg_rewrite.oid
                        AND refclassid = 'pg_class'::regclass AND refobjid <> ev_class,
         LATERAL (SELECT coalesce(bool_or(option_value::boolean), false) AS invoker
                    FROM pg_options_to_table(reloptions) WHERE option_name = 'security_invoker') AS option)
    SELECT concat_ws('; ',
           CASE WHEN depth = 0 AND NOT has_schema_privilege(reader, relnamespace, 'USAGE')
                THEN format('GRANT USAGE ON SCHEMA %%I TO %%I', nspname, rolname) END,
           CASE WHEN NOT has_table_privilege(reader, pg_class.oid, 'SELECT')
                THEN format('GRANT SELECT ON %%I.%%I TO %%I', nspname, relname, rolname) END,
           CASE WHEN NOT relrowsecurity OR rolsuper OR rolbypassrls THEN NULL
                WHEN NOT pg_has_role(reader, relowner, 'USAGE') THEN format('ALTER ROLE %%I BYPASSRLS', rolname)
                WHEN relforcerowsecurity
                THEN format('ALTER ROLE %%I BYPASSRLS or ALTER TABLE %%I.%%I NO FORCE ROW LEVEL SECURITY',
                            rolname, nspname, relname) END)
      FROM seen JOIN pg_class ON pg_class.oid = relation JOIN pg_namespace ON pg_namespace.oid = relnamespace
      JOIN pg_roles ON pg_roles.oid = reader
     WHERE relkind IN ('r', 'p', 'v', 'm', 'f')
     ORDER BY depth, nspname, relname""")
"""What has to be granted, and to whom, for the table's reader to see every row and every column of it.

A view reads its tables as its owner does, or as its reader with security_invoker.
"""

_EXECUTE = sql.SQL("""
    SELECT format('GRANT EXECUTE ON FUNCTION %s TO %I', name, current_user)
      FROM unnest(ARRAY['pg_control_system()', 'pg_control_checkpoint()']) AS name
     WHERE NOT has_function_privilege(name, 'EXECUTE')""")

_KIND = sql.SQL("""
    SELECT relkind::text FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
     WHERE nspname = %(schema)s AND relname = %(table)s""")


class Footing(NamedTuple):
    """What a table stands on: its relations with their kinds and files, and the digest of its shape."""

    files: str
    shape: str


def find_kind(connection: psycopg.Connection, table: SourceTable) -> str | None:
    """The table's kind, as pg_class.relkind says it; None where there is no such table."""
    row = connection.execute(_KIND, _names(table)).fetchone()
    return None if row is None else str(row[0])


def find_footing(connection: psycopg.Connection, table: SourceTable) -> Footing:
    """What the table stands on, as the transaction sees it.

    Another shape: values may have changed in rows of which no version did. Of a table's own columns those count that
    are declared.
    """
    columns = {"columns": [column.name for column in table.columns]}
    row = connection.execute(_STANDS_ON + _FOUND, {**_names(table), **columns}).fetchone()
    assert row is not None
    return Footing(row[0] or "", row[1] or "")


def require_full_sight(connection: psycopg.Connection, table: SourceTable) -> None:
    """Make sure that the role sees every row and column of the table, and what tells a restored server.

    Raises: DeclarationError that says what to grant.
    """
    missing = [grant for (grant,) in connection.execute(_SIGHT, _names(table)) if grant]
    if missing:
        raise DeclarationError(
            f"{table.name}: permission denied to see all of {table.place}; grant it: {'; '.join(missing)}"
        )
    missing = [grant for (grant,) in connection.execute(_EXECUTE)]
    if missing:
        raise DeclarationError(
            f"{table.name}: permission denied for what tells that a server was restored; grant it: {'; '.join(missing)}"
        )


def _names(table: SourceTable) -> dict[str, object]:
    return {"schema": table.schema, "table": table.found_name}
