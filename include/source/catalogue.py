"""What a source table stands on: its parts, the views' bases, their files and their shape, and who may see them."""

from typing import NamedTuple

import psycopg
from psycopg import sql

from include.common.errors import DeclarationError
from include.tables.source import SourceTable

_FOOTING = sql.SQL("""
    WITH RECURSIVE root (relation) AS (
        SELECT pg_class.oid FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
         WHERE nspname = %(schema)s AND relname = %(table)s),
    stands_on (relation, below_view) AS (
        SELECT relation, false FROM root
      UNION
        SELECT next.relation, next.below_view FROM stands_on, LATERAL (
            SELECT inhrelid, stands_on.below_view FROM pg_inherits WHERE inhparent = stands_on.relation
            UNION ALL
            SELECT refobjid, true FROM pg_class JOIN pg_rewrite ON ev_class = pg_class.oid
              JOIN pg_depend ON classid = 'pg_rewrite'::regclass AND objid = pg_rewrite.oid
                            AND refclassid = 'pg_class'::regclass AND refobjid <> ev_class
             WHERE pg_class.oid = stands_on.relation AND relkind = 'v') AS next (relation, below_view)),
    relations AS (
        SELECT oid, relkind, relfilenode, relpartbound FROM pg_class
         WHERE oid = ANY (ARRAY(SELECT relation FROM stands_on))),
    views AS (
        SELECT oid, ev_class, ev_action FROM pg_rewrite
         WHERE ev_class = ANY (ARRAY(SELECT oid FROM relations WHERE relkind = 'v'))),
    columns AS (
        SELECT attrelid, attnum, attname, atttypid, atttypmod, attfdwoptions, attgenerated FROM pg_attribute
         WHERE attrelid = ANY (ARRAY(SELECT oid FROM relations)) AND attnum > 0 AND NOT attisdropped
           AND (attname = ANY (%(columns)s)
                OR attrelid = ANY (ARRAY(SELECT relation FROM stands_on WHERE below_view)))),
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
        SELECT concat_ws(' ', 'label', oid, enumtypid, enumsortorder, enumlabel) FROM pg_enum
         WHERE enumtypid = ANY (ARRAY(SELECT type FROM types))
        UNION ALL
        SELECT concat_ws(' ', 'attribute', attrelid, attnum, attname, atttypid, atttypmod)
          FROM pg_type JOIN pg_attribute ON attrelid = typrelid
         WHERE pg_type.oid = ANY (ARRAY(SELECT type FROM types)) AND attnum > 0 AND NOT attisdropped
        UNION ALL
        SELECT concat_ws(' ', 'view', ev_class, ev_action) FROM views
        UNION ALL
        SELECT concat_ws(' ', 'function', pg_proc.oid, prosrc, probin, proconfig)
          FROM pg_depend JOIN pg_proc ON pg_proc.oid = refobjid
         WHERE classid = 'pg_rewrite'::regclass AND objid = ANY (ARRAY(SELECT oid FROM views))
           AND refclassid = 'pg_proc'::regclass
        UNION ALL
        SELECT concat_ws(' ', 'foreign', ftrelid, ftserver, ftoptions, srvoptions)
          FROM pg_foreign_table JOIN pg_foreign_server ON pg_foreign_server.oid = ftserver
         WHERE ftrelid = ANY (ARRAY(SELECT oid FROM relations)))
    SELECT (SELECT relation FROM root),
           (SELECT string_agg(concat_ws(' ', oid, relkind, relfilenode), ', ' ORDER BY oid) FROM relations),
           (SELECT encode(sha256(convert_to(string_agg(part, E'\\n' ORDER BY part), 'UTF8')), 'hex') FROM parts)""")
"""The table, its relations with their files, and the digest of all that values depend on while no row version changes.

Its relations are its partitions and heirs, and all that views among them read; a materialized view is read itself, not
what it was made from. Types are followed to what they are made of: to elements, bases and attributes.

What was found comes as arrays, which the server takes for short: it looks them up by index, where it would else read
whole catalogues, and expect so much work that it compiles the statement, for a second (`jit_above_cost`).

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
    SELECT relkind::text, concat_ws('; ',
           CASE WHEN depth = 0 AND NOT has_schema_privilege(reader, relnamespace, 'USAGE')
                THEN format('GRANT USAGE ON SCHEMA %%I TO %%I', nspname, rolname) END,
           CASE WHEN NOT has_table_privilege(reader, pg_class.oid, 'SELECT')
                THEN format('GRANT SELECT ON %%I.%%I TO %%I', nspname, relname, rolname) END,
           CASE WHEN NOT relrowsecurity OR rolsuper OR rolbypassrls THEN NULL
                WHEN NOT pg_has_role(reader, relowner, 'USAGE') THEN format('ALTER ROLE %%I BYPASSRLS', rolname)
                WHEN relforcerowsecurity
                THEN format('ALTER ROLE %%I BYPASSRLS or ALTER TABLE %%I.%%I NO FORCE ROW LEVEL SECURITY',
                            rolname, nspname, relname) END),
           CASE WHEN depth = 0 THEN ARRAY(
                SELECT format('GRANT EXECUTE ON FUNCTION %%s TO %%I', name, rolname)
                  FROM unnest(ARRAY['pg_control_system()', 'pg_control_checkpoint()']) AS name
                 WHERE NOT has_function_privilege(reader, name, 'EXECUTE')) END
      FROM seen JOIN pg_class ON pg_class.oid = relation JOIN pg_namespace ON pg_namespace.oid = relnamespace
      JOIN pg_roles ON pg_roles.oid = reader
     WHERE relkind IN ('r', 'p', 'v', 'm', 'f')
     ORDER BY depth, nspname, relname""")
"""Of the table first, then of what it reads as a view: its kind, and what has to be granted, and to whom, for the
table's reader to see every row and every column of it; of the table also what to grant for what tells of the server.

A view reads its tables as its owner does, or as its reader with security_invoker.
"""


class Footing(NamedTuple):
    """What a table stands on: itself, its relations with their kinds and files, and the digest of its shape.

    relation: None where there is no such table.
    """

    relation: int | None
    files: str
    shape: str


class Sight(NamedTuple):
    """How the role sees a table.

    kind: as pg_class.relkind says it; None where there is no such table. lacking: what has to be granted for it to see
    every row and column. untold: what has to be granted for it to see that a server was restored.
    """

    kind: str | None
    lacking: list[str]
    untold: list[str]


def find_footing(connection: psycopg.Connection, table: SourceTable) -> Footing:
    """What the table stands on, as the transaction sees it.

    Another shape: values may have changed in rows of which no version did. Of a table's own columns those count that
    are declared.
    """
    columns = [column.name for column in table.columns]
    names = {"schema": table.schema, "table": table.found_name, "columns": columns}
    row = connection.execute(_FOOTING, names).fetchone()
    assert row is not None
    return Footing(row[0], row[1] or "", row[2] or "")


def find_sight(connection: psycopg.Connection, schema: str, table: str) -> Sight:
    """How the role sees a table."""
    found = connection.execute(_SIGHT, {"schema": schema, "table": table}).fetchall()
    if not found:
        return Sight(None, [], [])
    kind, _, untold = found[0]
    return Sight(kind, [grants for _, grants, _ in found if grants], untold)


def require_full_sight(connection: psycopg.Connection, table: SourceTable) -> str | None:
    """Make sure that the role sees every row and column of the table, and what tells a restored server; gives its kind.

    None: there is no such table.

    Raises: DeclarationError that says what to grant.
    """
    sight = find_sight(connection, table.schema, table.found_name)
    wanted = {f"to see all of {table.place}": sight.lacking, "for what tells that a server was restored": sight.untold}
    for purpose, missing in wanted.items():
        if missing:
            raise DeclarationError(f"{table.name}: permission denied {purpose}; grant it: {'; '.join(missing)}")
    return sight.kind
