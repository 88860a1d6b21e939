"""Deletions that are not believed: the reading that holds a table back as it was recorded."""

import logging

from include.common.errors import DataError
from include.common.keys import KeySet
from include.common.manifests import SourceRead
from include.state.latest import TableState, read_keys
from include.tables.belief import doubt
from include.tables.source import SourceTable

log = logging.getLogger(__name__)


def doubted(table: SourceTable, state: TableState, recorded: KeySet | None, current: KeySet) -> str:
    """Why the keys that the source has now are not believed, against the recorded ones; empty where they are.

    recorded: those keys; None where the table is read whole.
    """
    known = _recorded_keys(table, state) if recorded is None else recorded
    return doubt(table, len(known), len(known - current), len(current))


def _recorded_keys(table: SourceTable, state: TableState) -> KeySet:
    try:
        return read_keys(table.name, state.keys_key)
    except DataError as error:  # what is read whole is what mends it
        log.warning("%s: nothing is known of its deletions: %s", table.name, error)
        return KeySet()


def hold_back(table: SourceTable, state: TableState, why: str, seconds: float) -> SourceRead:
    """The recorded reading in place of one that is not believed: nothing changed, and other tables go on with it."""
    log.error("%s", why)
    names = (
        "observed_at",
        "read_at",
        "cursor",
        "fingerprint",
        "rows",
        "key_sum",
        "keys_key",
        "ignored_columns",
        "held_since",
        "wider",
        "joined",
    )
    return SourceRead(
        table=table.name,
        changed_at=None,
        base=state.read_at,
        changed=False,
        deletions=False,
        files=[],
        read_rows=0,
        seconds=seconds,
        held=why,
        **{name: getattr(state, name) for name in names},
    )
