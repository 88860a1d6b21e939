"""Parts of the pipeline on services of their own."""

from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
from hypothesis import settings

from include.common.keys import KeySet
from include.common.manifests import Inputs, SourceRead, instant_text
from include.source.ingest import ingest
from include.source.known import Known
from include.state.latest import TableState, read_keys
from tests.clients import own_clients  # noqa: F401 - a fixture of all tests here
from tests.shop import DECLARED

PROPERTY = settings(deadline=None, database=None, max_examples=60)
"""For property tests: a slow machine is no failure, and nothing is kept in the tree."""


def recorded(read: SourceRead) -> TableState:
    """What is known of a table after everything that was read of it was loaded."""
    names = ("observed_at", "read_at", "cursor", "fingerprint", "rows", "key_sum", "keys_key", "ignored_columns",
             "joined")  # fmt: skip
    kept = {name: getattr(read, name) for name in names}
    return TableState(**kept, rejected={}, reread=False, last_load=None)


def loaded(read: SourceRead) -> dict[str, Inputs]:
    """What the warehouse says after everything that was read was loaded."""
    return {table.name: {read.table: instant_text(read.read_at)} for table in DECLARED.built_on(read.table)}


Reader = Callable[..., SourceRead]


@pytest.fixture
def source(pipeline_environment: dict[str, str], filled_url: str) -> Iterator[psycopg.Connection[Any]]:
    """A connection to the filled source, in autocommit."""
    with psycopg.connect(filled_url, autocommit=True) as connection:
        yield connection


@pytest.fixture
def read_since(source: psycopg.Connection[Any]) -> Reader:
    """A function that reads what changed in `product` since an earlier reading, all of which is loaded; None: whole."""

    def read(earlier: SourceRead | None = None, table: str = "product") -> SourceRead:
        state = recorded(earlier) if earlier else None
        return ingest(DECLARED.sources[table], Known(DECLARED, state, loaded(earlier) if earlier else {}))

    return read


def keys_of(read: SourceRead) -> KeySet:
    """The keys that the table had when it was read."""
    return read_keys(read.table, read.keys_key)
