"""A pipeline in this process, on a filled source, and what a failure must leave as it was."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from include.state.latest import STATE_KEY
from tests.clients import own_clients  # noqa: F401 - a fixture of all tests here
from tests.system import System


class Recorded:
    """The file latest_update.json of a system."""

    def __init__(self, system: System, s3: Any) -> None:
        self.bucket, self._s3 = system.endpoints.buckets.state, s3

    def content(self) -> bytes:
        """What the file holds."""
        return bytes(self._s3.get_object(Bucket=self.bucket, Key=STATE_KEY)["Body"].read())

    def table(self, name: str) -> Any:
        """What it holds of one source table; None where it was never recorded."""
        return json.loads(self.content())["tables"].get(name)

    def replace(self, content: bytes) -> None:
        """Put other bytes in its place."""
        self._s3.put_object(Bucket=self.bucket, Key=STATE_KEY, Body=content)


@pytest.fixture
def recorded(system: System, s3: Any) -> Recorded:
    """What this test's runs record."""
    return Recorded(system, s3)


@contextmanager
def standstill(system: System, recorded: Recorded) -> Iterator[None]:
    """Inside it nothing may move: neither the recorded state, nor a row of the warehouse, nor the data files."""
    before = recorded.content(), system.row_versions(), system.data_files()
    yield
    assert (recorded.content(), system.row_versions(), system.data_files()) == before
