"""Tables that are larger than one file."""

import pytest

from include.source import landing
from tests.acceptance.oracle import all_differences
from tests.acceptance.system import System, open_exactly


def test_every_table_may_take_many_files(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(landing, "FILE_ROWS", 7)
    system.run_cleanly()
    endpoints = system.endpoints
    with open_exactly(endpoints.source_url) as source, open_exactly(endpoints.warehouse_url) as warehouse:
        assert all_differences(source, warehouse) == []
