"""latest_update.json: what was read of each source table and has safely been loaded."""

import json
from base64 import b64decode, b64encode
from collections.abc import Callable
from datetime import datetime
from functools import partial
from itertools import chain
from typing import Any

from pydantic import AwareDatetime, Field, ValidationError, model_validator

from include.common.errors import DataError, ServiceError
from include.common.keys import JsonKeys, KeySet, LaterKeySet
from include.common.manifests import Cursor, JoinedRead, Manifest, Mark
from include.common.settings import STATE_BUCKET, required_variable
from include.common.slices import Progress
from include.lake.files import (
    PART_BYTES,
    MissingFileError,
    WriteOnceFile,
    is_there,
    new_key,
    open_file,
    read_current,
    replace_file,
)

STATE_KEY = "latest_update.json"
FORMAT = "totesys-warehouse/1"
ATTEMPTS = 5
"""How often a change of the state is tried again when another writer was faster; each try reads it anew."""

AT_ONCE_KEYS = 65_536
"""How many keys are read at once: that takes no longer than to ask whether their file is there."""

SMALL_BYTES = 4_096
"""Sets of keys of no more bytes are no files: each of those is a request in every run, to write it and to read it."""

INLINE = "data:;base64,"
"""What the place of such a set begins with, before its bytes: it is a URI that holds what it leads to (RFC 2397)."""

LONG_SECONDS = 900
"""From when on a transaction that stays open at the source is told."""


class LastLoad(Manifest):
    """What the last run that loaded a source table's changes did with them, for people to look at."""

    new: int
    changed: int
    deleted: int
    rejected: int
    lag_seconds: float
    loaded_at: AwareDatetime


class TableState(Manifest):
    """What is known of one source table.

    observed_at: up to which instant of the source's clock its changes are in the warehouse.
    read_at: when the newest files were read; what the warehouse's own record must show as loaded.
    rejected: warehouse table → keys of the rows that it could not take; they are read again by each run.
    reread: the check did not hold; the next run reads the table whole.
    held_since: since when, at least, a transaction has been open at the source that holds the cursor back.
    wider, joined: as in `SourceRead`.
    """

    observed_at: AwareDatetime
    read_at: AwareDatetime
    cursor: Cursor
    fingerprint: str
    rows: int
    key_sum: int
    keys_key: str
    rejected: dict[str, JsonKeys]
    reread: bool
    ignored_columns: list[str]
    last_load: LastLoad | None
    held_since: AwareDatetime | None = None
    wider: dict[str, str] = Field(default_factory=dict)
    joined: dict[str, JoinedRead] = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _without_snapshot(cls, document: Any) -> Any:
        """Earlier versions recorded the files of tables that others join."""
        if not isinstance(document, dict):
            return document  # and that is refused by name
        return {name: value for name, value in document.items() if name != "snapshot"}


def held_seconds(held_since: datetime | None, observed_at: datetime) -> float | None:
    """How long a transaction had been open at a reading; None where that is no longer than transactions may be."""
    seconds = (observed_at - held_since).total_seconds() if held_since else 0.0
    return seconds if seconds >= LONG_SECONDS else None


class State(Manifest):
    """The whole of latest_update.json.

    proofs: warehouse table → when which of its rows were last proven. slicing: source tables that are read in slices,
    with how far that is.
    """

    format: str = FORMAT
    recorded_at: AwareDatetime | None = None
    tables: dict[str, TableState] = Field(default_factory=dict)
    proofs: dict[str, list[Mark]] = Field(default_factory=dict)
    slicing: dict[str, Progress] = Field(default_factory=dict)


def read_state() -> State:
    """The state that the last run recorded; empty where there is none yet.

    Raises: DataError where the file is not one that this pipeline wrote: look at it, restore an earlier version of
        it, or move it away to have everything read anew. Others as `lake_errors`.
    """
    return _read()[0]


def update_state(change: Callable[[State], State]) -> State:
    """Replace the state by what `change` makes of it, and give that.

    When another writer was faster, `change` is called again with what that writer left.

    Raises: ServiceError where other writers were faster every time; others as `read_state`.
    """
    for _ in range(ATTEMPTS):
        state, etag = _read()
        changed = change(state)
        if _write(changed, etag):
            return changed
    raise ServiceError(
        f"{STATE_KEY}: other runs wrote it {ATTEMPTS} times meanwhile; nothing of theirs was overwritten"
    )


def _read() -> tuple[State, str | None]:
    """The state and its ETag; None where there is no state yet."""
    bucket = required_variable(STATE_BUCKET)
    content, etag = read_current(bucket, STATE_KEY)
    return (State() if content is None else _parse(content, f"s3://{bucket}/{STATE_KEY}")), etag


def _parse(content: bytes, where: str) -> State:
    advice = "restore an earlier version of it, or move it away to have every table read anew"
    try:
        document = json.loads(content)
        found = document.get("format") if isinstance(document, dict) else None
        if found != FORMAT:
            raise DataError(f"{where} is not this pipeline's: its format is {found!r}, not {FORMAT!r}; {advice}")
        return State.model_validate(document)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(map(str, first["loc"]))
        raise DataError(f"{where}: {field}: {first['msg']}; {advice}") from error
    except ValueError as error:
        raise DataError(f"{where} cannot be read: {error}; {advice}") from error


def _write(state: State, etag: str | None) -> bool:
    """Write the state in place of the one with this ETag. False: somebody else replaced it meanwhile."""
    return replace_file(required_variable(STATE_BUCKET), STATE_KEY, state.model_dump_json(indent=1).encode(), etag)


def recorded_keys(table: str, state: TableState) -> KeySet | None:
    """The keys that a source table was recorded with, many once they are needed; None where their file is gone.

    Raises: as `lake_errors`; and as `read_keys`, once they are read.
    """
    if state.rows <= AT_ONCE_KEYS or state.keys_key.startswith(INLINE):
        return _find_keys(table, state.keys_key)
    if not is_there(required_variable(STATE_BUCKET), state.keys_key):
        return None
    return LaterKeySet(state.rows, partial(read_keys, table, state.keys_key))


def read_keys(table: str, key: str) -> KeySet:
    """The keys that `write_keys` gave this place.

    Raises: DataError where their file is gone, or what is there is no set of keys; others as `lake_errors`.
    """
    keys = _find_keys(table, key)
    if keys is None:
        raise _unreadable(table, key, "it is missing")
    return keys


def _find_keys(table: str, key: str) -> KeySet | None:
    try:
        if key.startswith(INLINE):
            return KeySet.from_bytes(b64decode(key.removeprefix(INLINE), validate=True))
        with open_file(required_variable(STATE_BUCKET), key) as stream:
            return KeySet.from_blocks(iter(partial(stream.read, PART_BYTES), b""))
    except MissingFileError:
        return None
    except ValueError as error:
        raise _unreadable(table, key, str(error)) from error


def _unreadable(table: str, key: str, why: str) -> DataError:
    bucket = required_variable(STATE_BUCKET)
    where = f"s3://{bucket}/{STATE_KEY}" if key.startswith(INLINE) else f"s3://{bucket}/{key}"
    advice = f"have it written anew by a full refresh: --tables {table} --full-refresh"
    return DataError(f"{table}: its keys in {where} cannot be read: {why}; {advice}")


def write_keys(table: str, observed_at: datetime, keys: KeySet) -> str:
    """Keep the keys of a source table, and give the place: a new file's key, or for a small set a URI that holds it.

    Raises: as `lake_errors`.
    """
    blocks, start = keys.blocks(), b""
    for block in blocks:
        start += block
        if len(start) > SMALL_BYTES:
            break
    else:
        return INLINE + b64encode(start).decode()
    key = new_key(table, observed_at, "roaring", folder="keys/")
    with WriteOnceFile(required_variable(STATE_BUCKET), key) as file:
        for block in chain([start], blocks):
            file.write(block)
    return key
