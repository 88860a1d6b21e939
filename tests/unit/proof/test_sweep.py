"""Every row's proof comes round once in SHARES runs, whatever keys there are, come and go."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from include.common.keys import KeySet
from include.common.manifests import Mark
from include.proof import sweep
from include.proof.sides import KeyRange
from include.proof.sweep import SHARES, advance, next_share
from tests.unit.conftest import PROPERTY

BEGUN = datetime(2024, 1, 1, tzinfo=UTC)
KEYS = st.sets(st.integers(-(1 << 31), (1 << 31) - 1), max_size=300).map(lambda keys: KeySet.of(sorted(keys)))


def holds(share: KeyRange, key: int) -> bool:
    return (share.after is None or key > share.after) and (share.to is None or key <= share.to)


def round_of(keys: KeySet, marks: list[Mark], begun: datetime) -> tuple[list[KeyRange], list[Mark]]:
    shares = []
    for number in range(SHARES):
        shares.append(next_share(marks, keys))
        marks = advance(marks, shares[-1], begun + timedelta(minutes=number), keys)
        ends = [mark.to for mark in marks]
        assert ends[-1] is None
        assert ends[:-1] == sorted(set(ends[:-1]))  # type: ignore[type-var]
        assert sum(mark.rows for mark in marks) == len(keys)
    return shares, marks


@PROPERTY
@given(keys=KEYS, later=KEYS)
def test_each_key_is_proven_in_a_round_also_those_that_came_meanwhile(keys: KeySet, later: KeySet) -> None:
    least, sweep.LEAST_ROWS = sweep.LEAST_ROWS, 1
    try:
        _, marks = round_of(keys, [], BEGUN)
        assert all(mark.at for mark in marks)
        shares, marks = round_of(later, marks, BEGUN + timedelta(days=1))
        assert all(any(holds(share, key) for share in shares) for key in later)
        assert len(marks) <= 2 * SHARES + 2
    finally:
        sweep.LEAST_ROWS = least


def test_a_small_table_is_proven_whole_each_time() -> None:
    assert next_share([], KeySet.of([1, 2, 3])) == KeyRange()
    assert next_share([], KeySet()) == KeyRange()


def test_the_oldest_proof_comes_first() -> None:
    keys = KeySet.of(range(10_000))
    marks = [
        Mark(to=4_999, at=BEGUN + timedelta(hours=1), rows=5_000),
        Mark(to=None, at=BEGUN, rows=5_000),
    ]
    assert next_share(marks, keys).after == 4_999


def test_what_was_never_proven_comes_before_what_was() -> None:
    keys = KeySet.of(range(10_000))
    marks = [Mark(to=4_999, at=BEGUN, rows=5_000), Mark(to=None, at=None, rows=5_000)]
    assert next_share(marks, keys).after == 4_999
