"""The lake's tables: an append-only Iceberg table per warehouse table, over the Parquet files that loads brought."""

import json
import logging
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache

import pyarrow as pa
from pyiceberg.catalog.glue import GlueCatalog
from pyiceberg.exceptions import (
    CommitFailedException,
    NamespaceAlreadyExistsError,
    NoSuchNamespaceError,
    NoSuchTableError,
    ResolveError,
    TableAlreadyExistsError,
)
from pyiceberg.partitioning import UNPARTITIONED_PARTITION_SPEC
from pyiceberg.schema import Schema, promote
from pyiceberg.table import CreateTableTransaction, StagedTable, Table, TableProperties, Transaction
from pyiceberg.table.metadata import new_table_metadata
from pyiceberg.table.snapshots import Snapshot
from pyiceberg.table.sorting import UNSORTED_SORT_ORDER
from pyiceberg.table.update import AddSchemaUpdate, AssertCurrentSchemaId, SetCurrentSchemaUpdate
from pyiceberg.types import NestedField

from include.common.errors import ServiceError
from include.common.imports import hidden
from include.common.manifests import FileEntry, Inputs
from include.common.settings import PROCESSED_BUCKET, aws_client, aws_errors, required_variable
from include.lake.changelog import file_schema
from include.lake.rows import exact_schema, row_schema
from include.tables.star import Calendar, StarTable

with hidden("pandas"):  # 42 MB, which pyarrow.dataset imports if it can. Source: pyarrow/pandas-shim.pxi
    from pyiceberg.io.pyarrow import pyarrow_to_schema

LOADS = "loads"
"""The property of a snapshot that tells the loads that it brought: a load's id → from which readings it was."""

ATTEMPTS = 5
"""How often a commit is tried again when another one was faster."""

KEPT = timedelta(days=1)
"""How long a snapshot can be read as it was. Its data files stay as long as the bucket keeps them."""

MOST = 100
"""How many snapshots are kept of a table that changes more often: each commit reads and writes a part for each."""

PROPERTIES = {
    "format-version": "2",
    "commit.manifest-merge.enabled": "true",
    "commit.manifest.min-count-to-merge": "8",
    "commit.manifest.target-size-bytes": f"{1 << 19}",
    "write.metadata.delete-after-commit.enabled": "true",
    "write.metadata.previous-versions-max": "10",
}
"""Metadata that stays small whatever number of commits there is, in files of which each is read whole at little cost:
it tells some 600 bytes of a file, which take 8,500 once they are read."""

AT_ONCE = 1_000
"""How many files a snapshot adds. One of more would hold what is told of all of them in memory."""

LAST_ADDED = -1
"""What stands for the id of the schema that the same change adds."""

logging.getLogger("pyiceberg.io").setLevel(logging.WARNING)  # which says of each table by what it reads it


@dataclass(frozen=True)
class Loaded:
    """What a load brought to a warehouse table. keys: of its Parquet files in the processed bucket."""

    load_id: str
    inputs: Inputs
    keys: Sequence[str]


def append(database: str, table: StarTable, loads: Sequence[Loaded]) -> bool:
    """Have a table of the lake name the files of these loads, in one commit; gives whether it named none before.

    table: the warehouse's, with its columns as wide as in the files. It may be repeated: a load that a snapshot tells
    of is not added again. The table is made, or given columns, as declared.

    Raises: ServiceError where others committed faster every time; others as `aws_errors` and `lake_errors`.
    """
    for _ in range(ATTEMPTS):
        try:
            with aws_errors(f"the lake's table {database}.{table.name}"), _database_made(database):
                return _append(database, table, loads)
        except (CommitFailedException, TableAlreadyExistsError):
            continue
    raise ServiceError(f"the lake's table {database}.{table.name}: others committed {ATTEMPTS} times meanwhile")


def _append(database: str, table: StarTable, loads: Sequence[Loaded]) -> bool:
    found = _find_table(database, table)
    first, known = found is None or found.current_snapshot() is None, told_loads(found) if found else {}
    new = [load for load in loads if load.load_id not in known]
    bucket = required_variable(PROCESSED_BUCKET)
    files = [f"s3://{bucket}/{key}" for load in new for key in load.keys]
    with found.transaction() if found else _creation(database, table) as change:
        _evolve(change, lake_schema(table))
        told = {LOADS: json.dumps({load.load_id: load.inputs for load in new})}
        for start in range(0, len(files), AT_ONCE):
            change.add_files(files[start : start + AT_ONCE], snapshot_properties=told, check_duplicate_files=False)
    if found:
        expire(found)
    return first


def named_files(database: str, table: StarTable) -> list[FileEntry]:
    """The files that a table of the lake names. Raises: as `append`."""
    bucket = required_variable(PROCESSED_BUCKET)
    with aws_errors(f"the lake's table {database}.{table.name}"):
        found = open_table(database, table)
        snapshot = found.current_snapshot()
        manifests = snapshot.manifests(found.io) if snapshot else []
        return [
            FileEntry(
                key=entry.data_file.file_path.removeprefix(f"s3://{bucket}/"),
                rows=entry.data_file.record_count,
                size_bytes=entry.data_file.file_size_in_bytes,
            )
            for manifest in manifests
            for entry in manifest.fetch_manifest_entry(found.io)
        ]


def told_loads(found: Table) -> dict[str, Inputs]:
    """The loads that a table's snapshots tell of."""
    told = (told_loads_of(snapshot).items() for snapshot in found.snapshots())
    return {load_id: inputs for loads in told for load_id, inputs in loads}


def told_loads_of(snapshot: Snapshot) -> dict[str, Inputs]:
    """The loads that a snapshot brought → from which readings each was."""
    properties = snapshot.summary.additional_properties if snapshot.summary else {}
    told: dict[str, Inputs] = json.loads(properties.get(LOADS, "{}"))
    return told


def expire(found: Table, now: datetime | None = None) -> None:
    """Forget snapshots older than KEPT, or all but the last MOST, once there is twice as much. No file of data goes."""
    limit = (now or datetime.now(UTC)) - KEPT
    taken = sorted(snapshot.timestamp_ms for snapshot in found.snapshots())
    if len(taken) > 2 * MOST:
        limit = max(limit, datetime.fromtimestamp(taken[-MOST] / 1000, UTC))
    elif not taken or taken[0] >= (limit - KEPT).timestamp() * 1000:
        return
    found.maintenance.expire_snapshots().older_than(limit).commit()


def lake_schema(table: StarTable) -> Schema:
    """The columns of a table of the lake: all that its files have, each nullable but what every row tells."""
    rows = row_schema(table) if isinstance(table, Calendar) else exact_schema(table)
    every = file_schema(table, pa.schema([field.with_nullable(True) for field in rows]))
    plain = [field.with_type(field.type.value_type) if pa.types.is_dictionary(field.type) else field for field in every]
    return pyarrow_to_schema(pa.schema(plain))


@cache
def catalogue() -> GlueCatalog:
    """The Glue catalogue, by the connection `aws_default`. Raises: as `aws_client`."""
    return GlueCatalog("lake", aws_client("glue"), **{"py-io-impl": "include.lake.bucket_io.BucketIO"})


def open_table(database: str, table: StarTable) -> Table:
    """A table of the lake, made where it is not there. Raises: as `append`."""
    found = _find_table(database, table)
    if found is None:
        append(database, table, [])
    return found or catalogue().load_table((database, table.name))


def _find_table(database: str, table: StarTable) -> Table | None:
    with suppress(NoSuchTableError):
        return catalogue().load_table((database, table.name))
    return None


def _creation(database: str, table: StarTable) -> Transaction:
    """A change that makes a table, whose columns have the numbers that the files say.

    Those that pyiceberg's own way would give them are new ones.
    """
    schema = lake_schema(table)
    location = f"s3://{required_variable(PROCESSED_BUCKET)}/iceberg/{table.name}"
    fresh = new_table_metadata(schema, UNPARTITIONED_PARTITION_SPEC, UNSORTED_SORT_ORDER, location, {**PROPERTIES})
    made = fresh.model_copy(update={"schemas": [schema], "last_column_id": schema.highest_field_id})
    lake = catalogue()
    return CreateTableTransaction(StagedTable((database, table.name), made, location, lake._load_file_io(), lake))


@contextmanager
def _database_made(database: str) -> Iterator[None]:
    """Make a database of the catalogue where nobody has, and have the attempt repeated; on AWS Terraform makes it."""
    try:
        yield
    except NoSuchNamespaceError as error:
        with suppress(NamespaceAlreadyExistsError):
            catalogue().create_namespace(database)
        raise CommitFailedException from error


def _evolve(change: Transaction, wanted: Schema) -> None:
    """Give a table the columns that are new, and those that are wider their type; none is ever taken away.

    One whose values have become of another kind gives its name to the one that holds these from now on.
    """
    known = change.table_metadata.schema()
    merged = _merge(known, wanted)
    if merged == list(known.fields):
        return
    schema = Schema(*merged, schema_id=max(schema.schema_id for schema in change.table_metadata.schemas) + 1)
    change._apply(  # pyiceberg's own changes would number columns anew
        (AddSchemaUpdate(schema=schema), SetCurrentSchemaUpdate.model_validate({"schema-id": LAST_ADDED})),
        (AssertCurrentSchemaId.model_validate({"current-schema-id": known.schema_id}),),
    )
    change.set_properties({TableProperties.DEFAULT_NAME_MAPPING: schema.name_mapping.model_dump_json()})


def _merge(known: Schema, wanted: Schema) -> list[NestedField]:
    ids, names = {field.field_id: field for field in wanted.fields}, {field.name for field in wanted.fields}
    kept = [field for field in known.fields if field.field_id in ids or field.name not in names]
    there = {field.field_id for field in kept}
    widened = [_wider(field, ids[field.field_id]) if field.field_id in ids else field for field in kept]
    return [*widened, *_missing(wanted.fields, there)]


def _missing(fields: Iterable[NestedField], there: set[int]) -> list[NestedField]:
    return [field for field in fields if field.field_id not in there]


def _wider(known: NestedField, wanted: NestedField) -> NestedField:
    """The one of two types of a column that holds what either holds."""
    try:
        return known.model_copy(update={"field_type": promote(known.field_type, wanted.field_type)})
    except ResolveError:
        return known
