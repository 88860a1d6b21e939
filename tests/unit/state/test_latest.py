"""latest_update.json: what was written is read again, and of two writers neither loses."""

import json
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime
from functools import reduce
from itertools import product
from operator import getitem
from typing import Any

import numpy as np
import pytest

from include.common.errors import DataError, DeclarationError, ServiceError
from include.common.keys import KeySet
from include.common.manifests import Cursor
from include.state.latest import (
    ATTEMPTS,
    INLINE,
    SMALL_BYTES,
    STATE_KEY,
    LastLoad,
    State,
    TableState,
    read_keys,
    read_state,
    recorded_keys,
    update_state,
    write_keys,
)
from local.environment import Buckets

AT = datetime(2024, 8, 22, 14, 20, 49, 962123, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _variables(pipeline_environment: dict[str, str]) -> None:
    """The variables name this test's state bucket."""


def table(rows: int = 3) -> TableState:
    return TableState(
        observed_at=AT, read_at=AT, cursor=Cursor(xid="7", cluster="1/1", relation=16384, last_updated=AT),
        fingerprint="f", rows=rows, key_sum=-6, keys_key="keys/file",
        rejected={"dim_clerk": KeySet.of([-1, 5])}, reread=True, ignored_columns=["colour"],
        last_load=LastLoad(new=1, changed=2, deleted=3, rejected=4, lag_seconds=0.5, loaded_at=AT),
    )  # fmt: skip


def adding(name: str) -> Any:
    return lambda state: State(recorded_at=AT, tables=state.tables | {name: table()})


def test_no_file_is_an_empty_state() -> None:
    assert read_state() == State()


def test_a_state_survives_its_file() -> None:
    written = update_state(adding("clerk"))
    assert read_state() == written
    assert read_state().tables["clerk"] == table()


def test_a_faster_writer_is_not_overwritten() -> None:
    calls: list[State] = []

    def change(state: State) -> State:
        if not calls:
            update_state(adding("faster"))
        calls.append(state)
        return adding("slower")(state)

    update_state(change)
    assert len(calls) == 2
    assert read_state().tables.keys() == {"faster", "slower"}


def test_of_many_writers_at_once_none_loses_or_is_told_so() -> None:
    def write(number: int) -> str:
        name = f"table_{number}"
        try:
            update_state(adding(name))
        except ServiceError:
            return ""
        return name

    with ThreadPoolExecutor(4) as threads:
        written = set(threads.map(write, range(8))) - {""}
    assert read_state().tables.keys() == written


def test_a_writer_that_is_always_too_late_gives_up_and_says_so() -> None:
    calls = 0

    def change(state: State) -> State:
        nonlocal calls
        calls += 1
        update_state(adding(f"faster_{calls}"))
        return adding("slower")(state)

    with pytest.raises(ServiceError, match=r"latest_update\.json"):
        update_state(change)
    assert calls == ATTEMPTS
    assert "slower" not in read_state().tables


def test_a_missing_bucket_is_no_first_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_VAR_STATE_BUCKET", "no-such-bucket")
    with pytest.raises(DeclarationError, match="'no-such-bucket' does not exist"):
        read_state()


def test_the_file_is_json_for_people_too(s3: Any, buckets: Buckets) -> None:
    update_state(adding("clerk"))
    answer = s3.get_object(Bucket=buckets.state, Key="latest_update.json")
    assert answer["ContentType"] == "application/json"
    assert b'"observed_at": "2024-08-22T14:20:49.962123Z"' in answer["Body"].read()


@pytest.mark.parametrize("keys", [[], [-1, 5], range(10_000_000)], ids=["none", "two", "ten million close together"])
def test_a_small_set_of_keys_is_kept_without_a_file(keys: Any) -> None:
    place = write_keys("clerk", AT, kept := KeySet.of(keys))
    assert place.startswith(INLINE)
    assert read_keys("clerk", place) == kept
    assert recorded_keys("clerk", table(len(keys)).model_copy(update={"keys_key": place})) == kept


@pytest.mark.parametrize("step", [3, 1 << 40], ids=["a bitmap", "a list"])
def test_a_larger_one_is_kept_in_a_file_that_is_named(step: int, s3: Any, buckets: Buckets) -> None:
    kept = KeySet.of(np.arange(100_000) * step)
    place = write_keys("clerk", AT, kept)
    assert s3.head_object(Bucket=buckets.state, Key=place)["ContentLength"] == len(kept.to_bytes()) > SMALL_BYTES
    assert read_keys("clerk", place) == kept
    assert recorded_keys("clerk", table(100_000).model_copy(update={"keys_key": place})) == kept


def refused() -> str:
    """How the state is refused; empty where it is read."""
    with suppress(DataError):
        read_state()
        return ""
    with pytest.raises(DataError) as caught:
        read_state()
    return str(caught.value)


PLACES = [(), ("tables",), ("tables", "staff"), *(("tables", "staff", name) for name in TableState.model_fields)]


def test_whatever_stands_in_any_place_is_one_that_may_or_is_refused_by_name(s3: Any, buckets: Buckets) -> None:
    written = update_state(adding("staff")).model_dump_json()
    messages = list[str]()
    for place, value in product(PLACES, [[], {}, "text", 7, True, None]):
        document: Any = {"": json.loads(written)}
        *above, last = ("", *place)
        reduce(getitem, above, document)[last] = value
        s3.put_object(Bucket=buckets.state, Key=STATE_KEY, Body=json.dumps(document[""]).encode())
        messages.append(refused())
        assert not messages[-1] or all(part in messages[-1] for part in (STATE_KEY, "move it away"))
    assert sum(map(bool, messages)) > len(messages) / 2
