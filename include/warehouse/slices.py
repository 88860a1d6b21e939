"""Slices of a table in the warehouse: each copied once into a bare table beside it, until a load puts all in place."""

import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import psycopg
import pyarrow as pa
from psycopg import sql

from include.common.keys import STATEMENT_KEYS, KeySet
from include.common.manifests import FileEntry, StarFiles
from include.common.postgres import connect, copy_in, identifiers, postgres_errors
from include.common.settings import WAREHOUSE_CONNECTION
from include.common.slices import Progress, SlicePlan, SliceRead
from include.lake.changelog import Kind, Said
from include.lake.parquet import parquet_file
from include.lake.rows import key_schema
from include.state.latest import read_keys
from include.tables.declarations import Declarations, is_built
from include.tables.drift import fit
from include.tables.numbering import number_of
from include.tables.star import Dimension, Fact, StarTable, is_versioned
from include.warehouse import ddl
from include.warehouse.merge import STAGED, copy_rows_in, stage
from include.warehouse.refusals import RAW, REFUSALS, bring_raw, decoded, raw_key
from include.warehouse.told import found_keys, saying, tell_keys

log = logging.getLogger(__name__)

DRAWN_UP = """
    INSERT INTO pipeline.plan (source_name, load_id, plan) VALUES (%s, %s, %s)
        ON CONFLICT (source_name) DO UPDATE SET load_id = excluded.load_id, plan = excluded.plan"""

FORGOTTEN = "DELETE FROM pipeline.slice WHERE load_id NOT IN (SELECT load_id FROM pipeline.plan)"

GOING_ON = "SELECT FROM pipeline.plan WHERE source_name = %s AND load_id = %s FOR SHARE"
"""So that nobody replaces it meanwhile, nor what stands beside the tables."""

FOUND = """
    SELECT plan, coalesce(jsonb_object_agg(number, manifest) FILTER (WHERE manifest IS NOT NULL), '{}')
      FROM pipeline.plan LEFT JOIN pipeline.slice USING (load_id) WHERE source_name = %s GROUP BY source_name"""

LOADED = "SELECT FROM pipeline.load WHERE table_name = %s AND inputs <> '{}'"

KEPT = """
    INSERT INTO pipeline.slice (load_id, number, manifest, copied) VALUES (%s, %s, %s, true)
        ON CONFLICT DO NOTHING"""

ALL_COPIED = """
    SELECT count(*) FILTER (WHERE copied) FROM pipeline.plan JOIN pipeline.slice USING (load_id)
     WHERE source_name = %s AND load_id = %s"""


@dataclass(frozen=True)
class Going:
    """How a source table is, or was, read in slices. done: number → manifest, of those that are read and kept."""

    plan: SlicePlan
    done: dict[int, str] = field(default_factory=dict)

    @property
    def left(self) -> list[int]:
        """The numbers of those that are still to be read."""
        return [number for number in self.plan.numbers if number not in self.done]

    @property
    def progress(self) -> Progress:
        """How far that is."""
        return Progress(done=len(self.done), slices=len(self.plan.numbers), began_at=self.plan.began_at)


def find_going(source: str) -> Going | None:
    """How a source table is, or was, read in slices; None where it never was. Raises: as `postgres_errors`."""
    with connect(WAREHOUSE_CONNECTION) as connection, postgres_errors(source):
        row = connection.execute(FOUND, [source]).fetchone()
    if row is None:
        return None
    plan, done = row
    return Going(SlicePlan.model_validate(plan), {int(number): done[number] for number in sorted(done, key=int)})


def begin(declared: Declarations, plan: SlicePlan) -> None:
    """Keep a plan in place of an earlier one, and make bare tables for its slices. Raises: as `postgres_errors`."""
    with connect(WAREHOUSE_CONNECTION) as connection, postgres_errors(plan.table):
        connection.execute(DRAWN_UP, [plan.table, plan.load_id, plan.model_dump_json()])
        connection.execute(FORGOTTEN)
        for table in declared.built_on(plan.table):
            connection.execute(sql.SQL("DROP TABLE IF EXISTS {}").format(ddl.beside(table)))
            connection.execute(ddl.create_beside(fit(table, plan.all_wider), _numbers(connection, table)))
        connection.commit()


def _numbers(connection: psycopg.Connection, table: StarTable) -> str | None:
    """The sequence of a table's record ids, where it was never loaded: all rows that slices bring will be new."""
    if not is_versioned(table) or connection.execute(LOADED, [table.name]).fetchone():
        return None
    row = connection.execute("SELECT pg_get_serial_sequence(%s, %s)", [table.name, table.record_id]).fetchone()
    return row[0] if row else None


def forget(declared: Declarations, source: str, load_id: str) -> None:
    """Forget the plan of a table that is not read in slices any more, if it is still this one.

    Raises: as `postgres_errors`.
    """
    with connect(WAREHOUSE_CONNECTION) as connection, postgres_errors(source):
        forgotten = "DELETE FROM pipeline.plan WHERE source_name = %s AND load_id = %s"
        if connection.execute(forgotten, [source, load_id]).rowcount:
            connection.execute(FORGOTTEN)
            for table in declared.built_on(source):
                connection.execute(sql.SQL("DROP TABLE IF EXISTS {}").format(ddl.beside(table)))
        connection.commit()


def keep(declared: Declarations, plan: SlicePlan, read: SliceRead, manifest: str) -> bool:
    """Copy the rows of a slice beside the tables that they are for, in one transaction, if nobody has done so.

    False: the plan is none any more, and nothing was done.

    Raises: as `postgres_errors` and `lake_errors`.
    """
    tables = [fit(table, plan.all_wider) for table in declared.built_on(plan.table)]
    with connect(WAREHOUSE_CONNECTION) as connection, postgres_errors(plan.table):
        if connection.execute(GOING_ON, [plan.table, plan.load_id]).fetchone() is None:
            return False
        if connection.execute(KEPT, [plan.load_id, read.number, manifest]).rowcount:
            _copy(connection, tables, read)
        connection.commit()
    return True


def _copy(connection: psycopg.Connection, tables: Iterable[Dimension | Fact], read: SliceRead) -> None:
    """Where the warehouse refuses a row, none is copied: the load takes those of all slices from their files then."""
    try:
        with connection.transaction():
            for table in tables:
                copy_rows_in(connection, table, ddl.beside(table), read.parts[table.name].files)
    except REFUSALS as error:
        log.warning(
            "slice %d: a row is refused; all are loaded from files: %s", read.number, error.diag.message_primary
        )
        refused = "UPDATE pipeline.slice SET copied = false WHERE load_id = %s AND number = %s"
        connection.execute(refused, [read.load_id, read.number])


def stage_load(connection: psycopg.Connection, table: StarTable, files: StarFiles) -> list[FileEntry]:
    """Have STAGED hold the rows of a load, each key once.

    Gives the files that tell the lake which rows of slices do not count.
    """
    if files.slices is None or not is_built(table):
        stage(connection, table, files.files)
        return []
    if not is_beside(connection, table, files):
        stage(connection, table, files.sliced)
        told = take_back(connection, table, files, Held.as_declared(table, sql.Identifier(STAGED)))
        copy_rows_in(connection, table, sql.Identifier(STAGED), files.files)
        connection.execute(sql.SQL("ANALYZE {}").format(sql.Identifier(STAGED)))
        return told
    relation = ddl.beside(table)
    told = take_back(connection, table, files, Held.as_declared(table, relation))
    copy_rows_in(connection, table, relation, files.files)
    connection.execute(sql.SQL("ANALYZE {}").format(relation))
    view = sql.SQL("CREATE TEMPORARY VIEW {} AS SELECT {} FROM {}")
    columns = identifiers(column.name for column in table.columns)
    connection.execute(view.format(sql.Identifier(STAGED), columns, relation))
    return told


def bring_load(connection: psycopg.Connection, table: Dimension | Fact, files: StarFiles) -> list[FileEntry]:
    """As `stage_load`, as the bytes of texts into the table `raw`."""
    told = list[FileEntry]()
    if files.slices:
        bring_raw(connection, table, files.sliced)
        columns = [decoded(table.by_name[name]) for name in table.key_columns]
        told = take_back(connection, table, files, Held(sql.Identifier(RAW), columns, raw_key(table)))
    bring_raw(connection, table, files.files)
    return told


def is_beside(connection: psycopg.Connection, table: Dimension | Fact, files: StarFiles) -> bool:
    """Whether all slices stand beside the table, and nothing else."""
    assert files.slices is not None
    assert files.source is not None
    going = [files.source.table, files.slices.load_id]
    if connection.execute(GOING_ON, going).fetchone() is None:
        return False
    copied = connection.execute(ALL_COPIED, going).fetchone()
    there = connection.execute("SELECT to_regclass(%s)", [ddl.beside(table).as_string(connection)]).fetchone()
    return copied == (len(files.slices.manifests),) and there != (None,)


def take_back(
    connection: psycopg.Connection, table: Dimension | Fact, files: StarFiles, held: "Held"
) -> list[FileEntry]:
    """Delete the rows of slices that do not count; gives the files that tell the lake of those without another row."""
    assert files.slices is not None
    assert files.source is not None
    replaced = read_keys(files.source.table, files.slices.replaced_key)
    gone, refused = replaced - read_keys(files.source.table, files.source.keys_key), replaced & files.rejected
    connection.execute("CREATE TEMPORARY TABLE replaced (key bigint, kind text) ON COMMIT DROP")
    lost: dict[Kind, KeySet] = {"gone": gone, "refused": refused}
    for kind, keys in {"row": replaced - gone - refused, **lost}.items():
        copy_in(connection, sql.SQL("COPY replaced FROM STDIN").format(), _lines(keys, kind))
    connection.execute("ANALYZE replaced")
    told = [file for kind, keys in lost.items() if keys for file in _tell(connection, table, held, saying(files, kind))]
    delete = sql.SQL("DELETE FROM {} USING replaced WHERE replaced.key = {}")
    connection.execute(delete.format(held.relation, held.key))
    connection.execute("DROP TABLE replaced")
    return told


@dataclass(frozen=True)
class Held:
    """What holds the rows of slices: a relation, its key columns, and the number of a key there."""

    relation: sql.Composable
    columns: Sequence[sql.Composable]
    key: sql.Composable

    @classmethod
    def as_declared(cls, table: Dimension | Fact, relation: sql.Composable) -> "Held":
        """A relation with the table's own columns."""
        return cls(relation, [sql.Identifier(name) for name in table.key_columns], number_of(table))


def _tell(connection: psycopg.Connection, table: Dimension | Fact, held: Held, said: Said) -> list[FileEntry]:
    select = sql.SQL("SELECT {} FROM {} WHERE {} IN (SELECT replaced.key FROM replaced WHERE kind = {})")
    query = select.format(sql.SQL(", ").join(held.columns), held.relation, held.key, sql.Literal(said.kind))
    return tell_keys(table, said, found_keys(connection, table, query))


def _lines(keys: KeySet, kind: str) -> Iterator[bytes]:
    for part in keys.slices(STATEMENT_KEYS):
        yield "".join(f"{key}\t{kind}\n" for key in part).encode()


def tell_end(table: Dimension | Fact, files: StarFiles) -> list[FileEntry]:
    """Write the instant from which the rows of a load's slices count as a Parquet file; of any other load none.

    Raises: as `lake_errors`.
    """
    if files.slices is None:
        return []
    rows = pa.schema([field.with_nullable(True) for field in key_schema(table)])
    with parquet_file(table, saying(files, "end"), rows) as file:
        file.write(pa.record_batch([pa.nulls(1, field.type) for field in rows], schema=rows))
    return [file.entry]


def clear(connection: psycopg.Connection, table: Dimension | Fact, files: StarFiles) -> None:
    """Drop what stands beside a table, once it is loaded."""
    if files.slices and files.source:
        going = connection.execute(GOING_ON, [files.source.table, files.slices.load_id]).fetchone()
        if going is not None:
            connection.execute(sql.SQL("DROP TABLE IF EXISTS {} CASCADE").format(ddl.beside(table)))
