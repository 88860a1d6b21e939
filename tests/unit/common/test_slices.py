"""How far a table is that is read in slices, for people."""

from datetime import UTC, datetime, timedelta

from include.common.slices import Progress

BEGAN = datetime(2026, 1, 5, 8, tzinfo=UTC)


def test_it_ends_when_the_rest_has_taken_as_long_a_slice_as_what_is_done() -> None:
    progress = Progress(done=10, slices=40, began_at=BEGAN)
    assert progress.ends_at(BEGAN + timedelta(minutes=20)) == BEGAN + timedelta(minutes=80)
    told = progress.told(BEGAN + timedelta(minutes=20))
    assert told == "10 of 40 slices are read, the last by about 05 Jan 09:20 UTC"


def test_slices_of_earlier_runs_do_not_count_for_how_long_one_takes() -> None:
    progress = Progress(done=30, slices=40, began_at=BEGAN, before=20)
    assert progress.ends_at(BEGAN + timedelta(minutes=20)) == BEGAN + timedelta(minutes=40)
    assert Progress(done=20, slices=40, began_at=BEGAN, before=20).ends_at(BEGAN + timedelta(minutes=20)) is None


def test_nobody_can_tell_before_the_first_is_read() -> None:
    progress = Progress(done=0, slices=40, began_at=BEGAN)
    assert progress.ends_at(BEGAN + timedelta(minutes=20)) is None
    assert progress.told(BEGAN) == "0 of 40 slices are read"
