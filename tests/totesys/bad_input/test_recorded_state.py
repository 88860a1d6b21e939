"""A latest_update.json that cannot be trusted is an error, never a first run: nothing is read, loaded or written."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from include.common.errors import DataError
from include.state.latest import read_state
from include.totesys import DECLARED
from tests.messages import one_line
from tests.system import System
from tests.totesys.bad_input.conftest import Recorded, standstill

Document = dict[str, Any]


def change(field: str, value: object) -> Callable[[Document], None]:
    """A change of one field of the table `currency`."""

    def apply(document: Document) -> None:
        document["tables"]["currency"][field] = value

    return apply


UNREADABLE: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda _: b"",
    "truncated": lambda content: content[: len(content) // 2],
    "not JSON": lambda _: b"2024-08-22T14:20:49",
    "not UTF-8": lambda _: b"\xff\xfe{}",
    "a list": lambda _: b"[]",
    "null": lambda _: b"null",
    "another program's": lambda _: b'{"last_updated": "2024-08-22 14:20:49"}',
    "an older version's": lambda content: content.replace(b"totesys-warehouse/1", b"totesys-warehouse/0"),
    "a newer version's": lambda content: content.replace(b"totesys-warehouse/1", b"totesys-warehouse/2"),
    "a string without quotes": lambda content: content.replace(b'"format"', b"format"),
}

WRONG_FIELDS: dict[str, tuple[str, Callable[[Document], None]]] = {
    "unknown field": ("tables.currency.colour", change("colour", "red")),
    "keys that are none": ("tables.currency.rejected", change("rejected", {"dim_currency": "no bitmap"})),
    "text for a number": ("tables.currency.rows", change("rows", "many")),
    "no time zone": ("tables.currency.read_at", change("read_at", "2024-08-22T14:20:49")),
    "no instant": ("tables.currency.observed_at", change("observed_at", "yesterday")),
    "missing cursor": ("tables.currency.cursor", change("cursor", None)),
    "cursor of another kind": (
        "tables.currency.cursor",
        change("cursor", {"xid": "many", "cluster": "", "relation": 1, "last_updated": None}),
    ),
    "unknown part": ("watermark", lambda document: document.update(watermark=1)),
    "tables as a list": ("tables", lambda document: document.update(tables=[])),
}


def refuse(system: System) -> str:
    """The message with which a run refuses the state before it does anything."""
    with pytest.raises(DataError) as raised:
        system.run("currency")
    return one_line(raised.value, "latest_update.json", system.endpoints.buckets.state, "restore", "move it away")


@pytest.mark.parametrize("corrupt", UNREADABLE.values(), ids=UNREADABLE.keys())
def test_an_unreadable_state_is_an_error_and_nothing_is_written(
    system: System, recorded: Recorded, corrupt: Callable[[bytes], bytes]
) -> None:
    system.run_cleanly("currency")
    system.write("UPDATE currency SET currency_code = 'JPY' WHERE currency_id = 1")
    recorded.replace(corrupt(recorded.content()))
    with standstill(system, recorded):
        refuse(system)


@pytest.mark.parametrize(("field", "corrupt"), WRONG_FIELDS.values(), ids=WRONG_FIELDS.keys())
def test_a_state_with_a_wrong_field_is_an_error_that_names_the_field(
    system: System, recorded: Recorded, field: str, corrupt: Callable[[Document], None]
) -> None:
    system.run_cleanly("currency")
    document = json.loads(recorded.content())
    corrupt(document)
    recorded.replace(json.dumps(document).encode())
    with standstill(system, recorded):
        assert field in refuse(system)


def test_a_full_refresh_does_not_excuse_an_unreadable_state(system: System, recorded: Recorded) -> None:
    system.run_cleanly("currency")
    recorded.replace(b"{}")
    with standstill(system, recorded), pytest.raises(DataError):
        system.run("currency", full_refresh=True)


def test_a_state_that_was_moved_away_has_everything_read_anew_and_nothing_doubled(
    system: System, recorded: Recorded, s3: Any
) -> None:
    system.run_cleanly()
    rows = system.row_versions()
    s3.delete_object(Bucket=recorded.bucket, Key="latest_update.json")
    system.run_cleanly()
    assert system.row_versions() == rows
    assert read_state().tables.keys() == DECLARED.sources.keys()


def test_a_state_of_another_pipelines_tables_is_kept_beside_ours(system: System, recorded: Recorded) -> None:
    system.run_cleanly("currency")
    document = json.loads(recorded.content())
    document["tables"]["retired_table"] = document["tables"]["currency"]
    recorded.replace(json.dumps(document).encode())
    system.run_cleanly("currency")
    assert recorded.table("retired_table") == document["tables"]["currency"]
