"""Sets of keys."""

from collections.abc import Iterator
from itertools import count

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyroaring import BitMap

from include.common import keys as module
from include.common import listed
from include.common.keys import LISTED, LONG, KeySet, LaterKeySet
from include.common.manifests import LoadResult
from tests.unit.conftest import PROPERTY

INTEGERS = st.integers(-(2**63), 2**63 - 1) | st.integers(-60, 60) | st.integers(2**31 - 9, 2**31 + 9)
SETS = st.sets(INTEGERS, max_size=50)


@pytest.fixture(autouse=True, scope="module", params=["as they come", "listed in files"])
def form(request: pytest.FixtureRequest) -> Iterator[None]:
    """All tests here are done with sets as they come, bitmaps that is, and with lists in files, a few at a time."""
    with pytest.MonkeyPatch.context() as changed:
        if request.param == "listed in files":
            for name, value in {"SUM_KEYS": 8, "FEW_KEYS": 0, "LEAST_SHARED": 1 << 20}.items():
                changed.setattr(module, name, value)
            changed.setattr(listed, "PART", 8)
        yield


@PROPERTY
@given(SETS)
def test_a_set_survives_its_bytes(keys: set[int]) -> None:
    assert KeySet.from_bytes(KeySet.of(list(keys)).to_bytes()) == KeySet.of(list(keys))


@PROPERTY
@given(SETS)
def test_keys_come_in_their_own_order_negative_ones_first(keys: set[int]) -> None:
    assert list(KeySet.of(list(keys))) == sorted(keys)


@PROPERTY
@given(SETS, SETS)
def test_union_and_difference_are_those_of_sets(one: set[int], other: set[int]) -> None:
    left, right = KeySet.of(list(one)), KeySet.of(list(other))
    assert set(left | right) == one | other
    assert set(left - right) == one - other
    assert set(left & right) == one & other
    assert (left == right) == (one == other)
    left.add(right)
    assert set(left) == one | other


def unread(keys: set[int]) -> KeySet:
    def read() -> KeySet:
        raise AssertionError("its keys were read")

    return LaterKeySet(len(keys), read)


@PROPERTY
@given(SETS)
def test_a_set_that_is_read_later_is_not_read_for_what_its_number_tells(keys: set[int]) -> None:
    later = unread(keys)
    current = later | KeySet()
    assert current == later
    assert len(current) == len(keys)
    assert len(current - later) == 0
    assert len(current & later) == len(keys)
    assert later != KeySet.of([*keys, next(number for number in count() if number not in keys)])


@PROPERTY
@given(SETS, SETS)
def test_a_set_that_is_read_later_is_the_set_that_was_read(keys: set[int], others: set[int]) -> None:
    other = KeySet.of(list(others))

    def later() -> KeySet:
        return LaterKeySet(len(keys), lambda: KeySet.of(list(keys)))

    assert set(later()) == keys
    assert set(later() | other) == keys | others
    assert set(later() - other) == keys - others
    assert set(other - later()) == others - keys
    assert (later() == other) == (keys == others)
    grown = later()
    grown.add(other)
    assert (set(grown), len(grown)) == (keys | others, len(keys | others))


@PROPERTY
@given(SETS.filter(bool), st.integers(1, 60))
def test_slices_are_the_set_cut_in_order(keys: set[int], size: int) -> None:
    parts = list(KeySet.of(list(keys)).slices(size))
    assert [key for part in parts for key in part] == sorted(keys)
    assert {len(part) for part in parts[:-1]} <= {size}
    assert 0 < len(parts[-1]) <= size


@PROPERTY
@given(SETS.filter(bool))
def test_first_and_last_are_the_least_and_the_greatest(keys: set[int]) -> None:
    made = KeySet.of(list(keys))
    assert (made.first(), made.last(), len(made)) == (min(keys), max(keys), len(keys))


def test_a_difference_leaves_both_sets_as_they_were() -> None:
    one, other = KeySet.of([1, 2]), KeySet.of([2])
    assert list(one - other) == [1]
    assert (list(one), list(other)) == ([1, 2], [2])


def test_an_empty_set_is_false_and_has_no_slices() -> None:
    assert not KeySet()
    assert list(KeySet().slices(10)) == []


@pytest.mark.parametrize("content", [b"", b"no set", b"\x3a\x30\x00\x00\xff\xff\xff\xff"])
def test_other_bytes_are_a_value_error(content: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - the message is the library's
        KeySet.from_bytes(content)


@PROPERTY
@given(SETS)
def test_the_sum_is_that_of_the_keys(keys: set[int]) -> None:
    assert KeySet.of(list(keys)).sum() == sum(keys)


def test_a_million_dense_keys_take_little_room() -> None:
    if module.FEW_KEYS:
        assert len(KeySet.of(range(1_000_000)).to_bytes()) < 1_000


def test_the_default_of_a_manifest_is_never_shared() -> None:
    fields = {"table": "t", "inputs": {}, "loaded_at": "2024-01-01T00:00:00Z", "seconds": 0}
    first = LoadResult.model_validate(fields)
    first.rejected.add(KeySet.of([1]))
    assert not LoadResult.model_validate(fields).rejected


def test_a_set_of_short_keys_that_an_earlier_version_wrote_is_read() -> None:
    keys = [-(2**31), -1, 0, 2**31 - 1, *range(1_000, 9_000)]
    written = BitMap([key + 2**31 for key in keys])
    written.run_optimize()
    assert list(KeySet.from_bytes(written.serialize())) == sorted(keys)
    assert list(KeySet.from_bytes(BitMap([2**31 + 3]).serialize())) == [3]
    assert list(KeySet.from_bytes(BitMap().serialize())) == []


@PROPERTY
@given(SETS, st.integers(1, 30))
def test_a_set_is_read_from_blocks_however_they_are_cut(keys: set[int], size: int) -> None:
    content = KeySet.of(list(keys)).to_bytes()
    blocks = [content[start : start + size] for start in range(0, len(content), size)]
    assert list(KeySet.from_blocks(blocks)) == sorted(keys)


@PROPERTY
@given(st.lists(st.lists(INTEGERS, max_size=20), max_size=9))
def test_keys_are_gathered_in_any_order_and_as_often_as_they_come(parts: list[list[int]]) -> None:
    gathered = KeySet.gather(np.array(part, np.int64) for part in parts)
    assert list(gathered) == sorted({key for part in parts for key in part})


def test_scattered_keys_are_listed_and_dense_ones_a_bitmap() -> None:
    dense, scattered = np.arange(10_000) * 3, np.arange(10_000) << 40
    assert KeySet.of(scattered).to_bytes().startswith(LISTED)
    if module.FEW_KEYS:
        assert KeySet.of(dense).to_bytes().startswith(LONG)
        assert (KeySet.of(dense) | KeySet.of(scattered)).to_bytes().startswith(LISTED)
        assert (KeySet.of(scattered) - KeySet.of(scattered[5:])).to_bytes().startswith(LONG)


def test_a_list_that_is_cut_off_is_no_set() -> None:
    content = KeySet.of(np.arange(10_000) << 40).to_bytes()
    with pytest.raises(ValueError, match="cut off"):
        KeySet.from_bytes(content[:-3])
