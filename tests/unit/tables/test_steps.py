"""The plan's few edges to `check` are enough, also under Airflow's rules, by which a failure ends tasks early."""

from dataclasses import replace
from itertools import product

import pytest

from include.tables.steps import CHECK, RECORD, Order, Step, plan
from tests.declared import replacing
from tests.shop import DECLARED

Steps = dict[Step, Order]


def over(steps: Steps, failing: Step, slow: Step) -> set[Step]:
    """The steps that are over while `slow` still runs and `failing` has failed."""
    done: set[Step] = set()
    failed: set[Step] = set()
    while True:
        doomed = {step for step, order in steps.items() if order.needs & failed and step.kind in {"transform", "load"}}
        ended = {step for step, order in steps.items() if order.needs | order.follows <= done and step != slow}
        if doomed | ended <= done:
            return done
        done |= doomed | ended
        failed |= doomed | ({failing} & ended)


@pytest.mark.parametrize("sources", [set(DECLARED.sources), {"clerk", "branch"}, set()], ids=["all", "two", "none"])
def test_whatever_fails_nothing_that_check_needs_is_still_going_on_when_it_begins(sources: set[str]) -> None:
    steps = plan(DECLARED, sources)
    needed = [step for step in steps if step.kind in {"prepare", "ingest", "load"}]
    for failing, slow in product(steps, needed):
        ended = over(steps, failing, slow)
        assert CHECK not in ended or slow in ended, (failing, slow)


def test_record_comes_after_check_whatever_became_of_it() -> None:
    order = plan(DECLARED, set(DECLARED.sources))[RECORD]
    assert (order.needs, order.follows) == (frozenset(), {CHECK})


def test_only_a_table_that_is_read_in_slices_has_steps_for_them_and_all_others_stay() -> None:
    sliced = replacing(DECLARED, replace(DECLARED.sources["sale"], slice_rows=10))
    before, steps = plan(DECLARED, set(DECLARED.sources)), plan(sliced, set(DECLARED.sources))
    cut, read, ingest = Step("plan", "sale"), Step("slice", "sale"), Step("ingest", "sale")
    assert steps.keys() - before.keys() == {cut, read}
    assert (steps[cut].needs, steps[read].needs) == (before[ingest].needs, {cut})
    assert steps[ingest] == replace(before[ingest], needs=before[ingest].needs | {read})
    assert all(steps[step] == order for step, order in before.items() if step != ingest)
