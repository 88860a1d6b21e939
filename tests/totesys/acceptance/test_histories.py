"""After any history of source and runs, the warehouse equals the source and has every version that was seen."""

import os
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.system import Servers
from tests.totesys.acceptance.machine import Histories

PROFILES = {
    "ci": settings(max_examples=8, stateful_step_count=25, database=None),
    "first": settings(max_examples=15, stateful_step_count=25, database=None, phases=[Phase.generate]),
    "thorough": settings(max_examples=500, stateful_step_count=25),  # on each version; an hour or two on two CPUs
}
SEED = int(os.environ.get("PROOF_SEED", "0"))
"""CI draws one and prints it, so that it tries other histories each time; without one they are always the same."""

CHECKS = [HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large]


@pytest.mark.timeout(0)
@pytest.mark.postgres_versions(16, 18)
def test_the_warehouse_equals_the_source_after_any_history(
    servers: Callable[[int], Servers],
    postgres_version: int,
    source_templates: Callable[[int], str],
    warehouse_template: str,
) -> None:
    places = {
        "servers": servers(postgres_version),
        "source_template": source_templates(postgres_version),
        "warehouse_template": warehouse_template,
    }
    profile = settings(
        PROFILES[os.environ.get("HYPOTHESIS_PROFILE", "ci")], deadline=None, suppress_health_check=CHECKS
    )
    machine = type("Histories", (Histories,), places)
    if profile.database is None:  # others on each version
        machine = seed(SEED + postgres_version)(machine)
    run_state_machine_as_test(machine, settings=profile)
