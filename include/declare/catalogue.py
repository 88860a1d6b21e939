"""What a database says of its tables: columns with their types, keys, references, comments, about how many rows."""

from collections.abc import Iterable
from dataclasses import dataclass, field

import psycopg
from psycopg import sql

from include.common.errors import DeclarationError
from include.common.postgres import identifiers
from include.source.catalogue import find_sight
from include.source.columns import find_columns

TABLES = """
    SELECT pg_class.oid::bigint, nspname, relname, relkind::text,
           coalesce(obj_description(pg_class.oid, 'pg_class'), ''),
           CASE WHEN relkind = 'p' THEN (SELECT coalesce(sum(greatest(part.reltuples, 0)), 0)
                                           FROM pg_partition_tree(pg_class.oid)
                                           JOIN pg_class AS part ON part.oid = relid AND isleaf)
                WHEN reltuples < 0 AND relkind IN ('r', 'm') THEN pg_relation_size(pg_class.oid) / 100
                ELSE greatest(reltuples, 0) END::bigint
      FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
     WHERE relkind IN ('r', 'p', 'v', 'm', 'f') AND relpersistence <> 't' AND nspname <> 'information_schema'
       AND nspname NOT LIKE 'pg\\_%' AND NOT EXISTS (SELECT FROM pg_inherits WHERE inhrelid = pg_class.oid)
       AND NOT EXISTS (SELECT FROM pg_depend WHERE classid = 'pg_class'::regclass AND objid = pg_class.oid
                          AND deptype = 'e')
     ORDER BY nspname, relname"""
"""Partitions and heirs are read with what they belong to; what an extension brought is nobody's data. Tables that were
never analyzed tell no number of rows: then it is guessed from their size."""

COLUMNS = """
    SELECT attrelid::bigint, attname, attnotnull, coalesce(col_description(attrelid, attnum), '')
      FROM pg_attribute WHERE attrelid = ANY (%s::oid[]) AND attnum > 0 AND NOT attisdropped
     ORDER BY attrelid, attnum"""

KEYS = """
    SELECT indrelid::bigint, array_agg(attname ORDER BY position)::text[], indisprimary
      FROM pg_index, unnest(indkey) WITH ORDINALITY AS k (number, position)
      JOIN pg_attribute ON attnum = number AND attnum > 0
     WHERE indrelid = ANY (%s::oid[]) AND attrelid = indrelid AND indisunique AND indisvalid AND indpred IS NULL
       AND position <= indnkeyatts AND 0 <> ALL (indkey)
     GROUP BY indrelid, indexrelid, indisprimary HAVING bool_and(attnotnull)
     ORDER BY indrelid, indisprimary DESC, count(*), indexrelid"""
"""Unique keys without NULL, the primary one first, then those of the fewest columns."""

REFERENCES = """
    SELECT conrelid::bigint, confrelid::bigint,
           (SELECT array_agg(attname ORDER BY position) FROM unnest(conkey) WITH ORDINALITY AS k (number, position)
              JOIN pg_attribute ON attrelid = conrelid AND attnum = number)::text[],
           (SELECT array_agg(attname ORDER BY position) FROM unnest(confkey) WITH ORDINALITY AS k (number, position)
              JOIN pg_attribute ON attrelid = confrelid AND attnum = number)::text[],
           convalidated AND NOT EXISTS (SELECT FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid
                                         WHERE inhparent = conrelid AND NOT relispartition)
      FROM pg_constraint WHERE contype = 'f' AND conrelid = ANY (%s::oid[]) AND conparentid = 0
     ORDER BY conrelid, conname"""
"""A foreign key that is NOT VALID or NOT ENFORCED lets rows be that lead nowhere. None holds for a table's heirs."""

HEIRS = """
    WITH RECURSIVE heirs (root, relation) AS (
        SELECT inhparent, inhrelid FROM pg_inherits WHERE inhparent = ANY (%s::oid[])
      UNION
        SELECT root, inhrelid FROM heirs JOIN pg_inherits ON inhparent = relation)
    SELECT root::bigint, format('%%s.%%s', nspname, relname),
           ARRAY(SELECT attname FROM pg_attribute WHERE attrelid = relation AND attnum > 0 AND NOT attisdropped
                    AND attname NOT IN (SELECT attname FROM pg_attribute WHERE attrelid = root)
                  ORDER BY attnum)::text[]
      FROM heirs JOIN pg_class ON pg_class.oid = relation JOIN pg_namespace ON pg_namespace.oid = relnamespace
     WHERE NOT relispartition ORDER BY root, nspname, relname"""
"""Tables whose rows are read with those of another, each with the columns that the other has not."""

TWICE = """
    SELECT EXISTS (SELECT FROM {table} GROUP BY {key} HAVING count(*) > 1)
        OR EXISTS (SELECT FROM {table} WHERE num_nulls({key}) > 0)"""


@dataclass(frozen=True)
class FoundColumn:
    """A column: its type as a declaration writes it, whether it can be NULL, its comment."""

    name: str
    type: str
    nullable: bool
    comment: str


@dataclass(frozen=True)
class Reference:
    """A foreign key: the columns, and those of the table (its oid) that they point to. kept: for every row."""

    columns: tuple[str, ...]
    relation: int
    target: tuple[str, ...]
    kept: bool = True


@dataclass
class FoundTable:
    """A relation of the source. kind: as pg_class.relkind. rows: about how many. keys: the unique ones, best first.

    heirs: tables that are read with it → the columns that it has not. lacking: what must be granted to read it.
    """

    relation: int
    schema: str
    name: str
    kind: str
    comment: str
    rows: int
    columns: list[FoundColumn] = field(default_factory=list)
    keys: list[tuple[str, ...]] = field(default_factory=list)
    references: list[Reference] = field(default_factory=list)
    heirs: dict[str, list[str]] = field(default_factory=dict)
    lacking: list[str] = field(default_factory=list)

    @property
    def place(self) -> str:
        """Where it is, for people."""
        return f"{self.schema}.{self.name}"


def read_catalogue(
    connection: psycopg.Connection, schemas: Iterable[str] = (), names: Iterable[str] = ()
) -> list[FoundTable]:
    """The tables of a database, by their names; those of some schemas, or some tables, where such are given.

    names: of tables, with their schema or without.

    Raises: DeclarationError that names a schema or a table that is not there.
    """
    found = {row[0]: FoundTable(*row) for row in connection.execute(TABLES)}
    chosen = _choose(list(found.values()), set(schemas), set(names))
    oids = [table.relation for table in chosen]
    types = find_columns(connection, *oids)
    for relation, name, required, comment in connection.execute(COLUMNS, [oids]):
        column = FoundColumn(name, types[relation][name], not required, comment)
        found[relation].columns.append(column)
    for relation, columns, _ in connection.execute(KEYS, [oids]):
        found[relation].keys.append(tuple(columns))
    for relation, target, columns, pointed, kept in connection.execute(REFERENCES, [oids]):
        found[relation].references.append(Reference(tuple(columns), target, tuple(pointed), kept))
    for relation, heir, more in connection.execute(HEIRS, [oids]):
        found[relation].heirs[heir] = more
    for table in chosen:
        table.lacking = find_sight(connection, table.schema, table.name).lacking
        if table.heirs and not table.lacking:
            table.keys = [key for key in table.keys if _holds_with_heirs(connection, table, key)]
    return chosen


def _holds_with_heirs(connection: psycopg.Connection, table: FoundTable, key: tuple[str, ...]) -> bool:
    """Whether a key is one with the rows of heirs as well, which no index of the table's own has."""
    names = {"table": sql.Identifier(table.schema, table.name), "key": identifiers(key)}
    row = connection.execute(sql.SQL(TWICE).format(**names)).fetchone()
    return row == (False,)


def _choose(found: list[FoundTable], schemas: set[str], names: set[str]) -> list[FoundTable]:
    missing = schemas - {table.schema for table in found}
    missing |= names - {table.name for table in found} - {table.place for table in found}
    if missing:
        there = ", ".join(table.place for table in found) or "none"
        raise DeclarationError(f"the source has no {', '.join(sorted(missing))}; its tables are {there}")
    return [
        table
        for table in found
        if (not schemas or table.schema in schemas) and (not names or names & {table.name, table.place})
    ]
