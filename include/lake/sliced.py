"""What slices left, as their manifests in the state bucket tell it."""

from include.common.keys import KeySet
from include.common.manifests import Slices
from include.common.settings import STATE_BUCKET, required_variable
from include.common.slices import SlicePart, SliceRead
from include.lake.files import new_key, read_file, write_file
from include.lake.rejected import first_examples

FOLDER = "slices/"


def write_slice(table: str, read: SliceRead) -> str:
    """Keep what a slice of a source table left, and give the file's key. Raises: as `lake_errors`."""
    key = new_key(table, read.observed_at, "json", folder=FOLDER)
    write_file(required_variable(STATE_BUCKET), key, read.model_dump_json().encode())
    return key


def read_slice_manifest(key: str) -> SliceRead:
    """What a slice left. Raises: DataError where the file is missing; others as `lake_errors`."""
    return SliceRead.model_validate_json(read_file(required_variable(STATE_BUCKET), key))


def sliced_part(table: str, slices: Slices) -> SlicePart:
    """What slices give a warehouse table, all together. Raises: as `read_slice_manifest`."""
    parts = [read_slice_manifest(key).parts[table] for key in slices.manifests]
    return SlicePart(
        files=[file for part in parts for file in part.files],
        rejected=KeySet.union(part.rejected for part in parts),
        rejected_files=[key for part in parts for key in part.rejected_files],
        examples=first_examples(example for part in parts for example in part.examples),
    )
