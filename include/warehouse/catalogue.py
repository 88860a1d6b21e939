"""What the catalogue tells of a table and all that hangs on it: the same of two tables that nobody can tell apart."""

import psycopg
from psycopg import sql

Described = set[tuple[str, str]]

DESCRIBED = """
    WITH this AS (SELECT * FROM pg_class WHERE oid = to_regclass(%(name)s)),
    keys AS (SELECT c.* FROM pg_constraint c JOIN this ON this.oid IN (conrelid, confrelid)),
    indexes AS (SELECT i.* FROM pg_index i JOIN this ON this.oid = indrelid),
    parts AS (
        SELECT 'pg_class'::regclass AS class, oid, ''::text AS part FROM this
        UNION ALL SELECT 'pg_constraint'::regclass, oid, conname FROM keys
        UNION ALL SELECT 'pg_class'::regclass, indexrelid, indexrelid::regclass::text FROM indexes)
    SELECT 'table', (to_jsonb(this) - %(own)s::text[])::text FROM this
    UNION ALL SELECT 'privilege', entry::text FROM this, unnest(relacl) AS entry
    UNION ALL SELECT 'storage', t.reloptions::text FROM pg_class t JOIN this ON this.reltoastrelid = t.oid
    UNION ALL SELECT 'column', concat_ws(' ', row_number() OVER (ORDER BY attnum),
                                         to_jsonb(a) - %(place)s::text[], pg_get_expr(adbin, adrelid))
      FROM pg_attribute a JOIN this ON this.oid = attrelid
      LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum WHERE attnum > 0 AND NOT attisdropped
    UNION ALL SELECT 'constraint', concat_ws(' ', conrelid::regclass, conname, convalidated, coninhcount,
                                             conislocal, pg_get_constraintdef(oid)) FROM keys
    UNION ALL SELECT 'index', concat_ws(' ', pg_get_indexdef(indexrelid), indisvalid, indisclustered, indisreplident,
                                        to_jsonb(c) -> 'reloptions', c.reltablespace)
      FROM indexes JOIN pg_class c ON c.oid = indexrelid
    UNION ALL SELECT 'index column', concat_ws(' ', attrelid::regclass, attnum, attstattarget)
      FROM pg_attribute JOIN indexes ON attrelid = indexrelid
    UNION ALL SELECT 'trigger', concat_ws(' ', tgenabled, pg_get_triggerdef(t.oid))
      FROM pg_trigger t JOIN this ON this.oid = tgrelid WHERE NOT tgisinternal
    UNION ALL SELECT 'switched', concat_ws(' ', conname, tgenabled)
      FROM pg_trigger t JOIN this ON this.oid = tgrelid JOIN pg_constraint c ON c.oid = tgconstraint
    UNION ALL SELECT 'comment', concat_ws(' ', part, objsubid, description)
      FROM pg_description JOIN parts ON classoid = class AND objoid = oid
    UNION ALL SELECT 'label', concat_ws(' ', part, objsubid, provider, label)
      FROM pg_seclabel JOIN parts ON classoid = class AND objoid = oid
    UNION ALL SELECT 'publication', pubname::text FROM pg_publication_tables JOIN this ON tablename = relname
     WHERE schemaname = relnamespace::regnamespace::text
    UNION ALL SELECT 'relied on by', concat_ws(' ', deptype, objsubid > 0, pg_identify_object(classid, objid, 0))
      FROM pg_depend JOIN this ON refclassid = 'pg_class'::regclass AND refobjid IN (this.oid)
                               OR refclassid = 'pg_type'::regclass AND refobjid = this.reltype
     WHERE NOT (classid = 'pg_class'::regclass AND objid = reltoastrelid)
       AND NOT (classid = 'pg_trigger'::regclass
                AND objid IN (SELECT oid FROM pg_trigger WHERE tgrelid = this.oid AND tgisinternal))
    UNION ALL SELECT 'relies on', concat_ws(' ', deptype, pg_identify_object(refclassid, refobjid, refobjsubid))
      FROM pg_depend JOIN this ON classid = 'pg_class'::regclass AND objid = this.oid"""
"""Whatever names no number of an object, and no place of a column among those that were dropped."""

OWN = [
    "oid", "reltype", "relfilenode", "reltoastrelid", "relpages", "reltuples", "relallvisible", "relallfrozen",
    "relhasindex", "relhasrules", "relhastriggers", "relfrozenxid", "relminmxid", "relnatts", "relacl",
]  # fmt: skip
"""What differs from table to table, or tells nothing that is not told otherwise; all else of `pg_class` counts."""

PLACE = ["attrelid", "attnum", "attcacheoff", "atthasmissing", "attmissingval"]
"""As OWN, of a column. Whether a row has a value itself, or takes it from the catalogue, nobody sees."""

LISTENED = "SELECT FROM pg_replication_slots WHERE slot_type = 'logical' AND database = current_database() LIMIT 1"


def describe(connection: psycopg.Connection, name: str) -> Described:
    """A table in `public`, as the catalogue has it: what it is made of, and what is made of it."""
    place = sql.Identifier("public", name).as_string()
    return set(connection.execute(DESCRIBED, {"name": place, "own": OWN, "place": PLACE}).fetchall())


def is_listened_to(connection: psycopg.Connection) -> bool:
    """Whether somebody is told of each row that is written in this database, with the table that it is written to."""
    return connection.execute(LISTENED).fetchone() is not None
