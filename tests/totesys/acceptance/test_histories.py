"""After any history of source and runs, the warehouse equals the source and has every version that was seen."""

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from unittest import mock

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from include.tables.declarations import Declarations
from include.totesys import DECLARED
from tests.declared import replacing
from tests.system import Servers
from tests.totesys.acceptance import faults, machine, verdict, world
from tests.totesys.acceptance.machine import Histories

PROFILES = {
    "ci": settings(max_examples=3, stateful_step_count=25, database=None),
    "first": settings(max_examples=15, stateful_step_count=25, database=None, phases=[Phase.generate]),
    "thorough": settings(max_examples=25, stateful_step_count=25, database=None),
}
PROFILE = os.environ.get("HYPOTHESIS_PROFILE", "ci")
SHARES = 20 if PROFILE == "thorough" else 1
"""Into how many tests the histories of a version are divided; a thorough one takes about eight minutes of a CPU."""

SEED = int(os.environ.get("PROOF_SEED", "0"))
"""CI draws one and prints it, so that it tries other histories each time; without one they are always the same."""

SLICED = replacing(DECLARED, *(replace(table, slice_rows=2) for table in DECLARED.sources.values()))
"""In which every table of more rows is read in slices, and so is what changed where that is more."""

SLICED_VERSION = 18
"""The version of PostgreSQL on which they are."""

CHECKS = [HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large]


@pytest.mark.timeout(0)
@pytest.mark.parametrize("share", range(SHARES))
@pytest.mark.postgres_versions(16, 18)
def test_the_warehouse_equals_the_source_after_any_history(
    servers: Callable[[int], Servers],
    postgres_version: int,
    source_templates: Callable[[int], str],
    warehouse_template: str,
    share: int,
) -> None:
    places = {
        "servers": servers(postgres_version),
        "source_template": source_templates(postgres_version),
        "warehouse_template": warehouse_template,
    }
    profile = settings(PROFILES[PROFILE], deadline=None, suppress_health_check=CHECKS)
    played = seed(SEED + 100 * share + postgres_version)(type("Histories", (Histories,), places))  # others in each
    with declared_as(SLICED if postgres_version == SLICED_VERSION else DECLARED):
        run_state_machine_as_test(played, settings=profile)


@contextmanager
def declared_as(declared: Declarations) -> Iterator[None]:
    """While inside, histories are played with these declarations."""
    with ExitStack() as patched:
        for module in (faults, machine, verdict, world):
            patched.enter_context(mock.patch.object(module, "DECLARED", declared))
        yield
