"""Defects planted in the loading path: the audit alone finds what each made wrong, and heals it."""

import os
from datetime import UTC, datetime
from random import Random
from typing import LiteralString
from unittest import mock

import pytest

from include import pipeline
from include.pipeline import Options, audit_tables
from include.proof.prove import Prover
from include.runner import run
from include.source.known import Findings
from include.totesys import DECLARED
from tests.system import System, open_exactly
from tests.totesys.acceptance.mutants import MUTANTS, plant
from tests.totesys.acceptance.oracle import all_differences

SHARE = int(os.environ.get("MUTANTS", "6"))
"""How many are tried; `make test-proofs` tries all."""
SEED = int(os.environ.get("PROOF_SEED", datetime.now(UTC).toordinal()))
"""The same in every worker; CI gives a fresh one, and prints it."""
CHOSEN = sorted(Random(SEED).sample(sorted(MUTANTS), min(SHARE, len(MUTANTS))))  # noqa: S311 (a choice of tests)

CHANGES: LiteralString = """
    UPDATE sales_order SET units_sold = units_sold + 1, unit_price = 2.49, agreed_payment_date = '2024-02-01'
     WHERE sales_order_id <= 40;
    UPDATE purchase_order SET item_code = 'Ab' || item_code, created_at = created_at + interval '1.5 s'
     WHERE purchase_order_id <= 20;
    UPDATE payment SET paid = NOT paid, payment_amount = payment_amount + 1 WHERE payment_id <= 20;
    UPDATE design SET file_name = 'e' || file_name WHERE design_id <= 10;
    UPDATE department SET department_name = 'The ' || department_name;
    UPDATE currency SET last_updated = now();
    DELETE FROM payment WHERE payment_id IN (101, 103, 107);
    DELETE FROM design WHERE design_id IN (
        SELECT design_id FROM design d WHERE NOT EXISTS (SELECT FROM sales_order o WHERE o.design_id = d.design_id)
         ORDER BY 1 LIMIT 2)"""


def wrong(system: System) -> list[str]:
    """What an oracle that knows nothing of the pipeline finds wrong, deletions that dimensions note included."""
    with open_exactly(system.endpoints.source_url) as source, open_exactly(system.endpoints.warehouse_url) as warehouse:
        noted = {key for (key,) in warehouse.execute(
            "SELECT key FROM pipeline.deleted WHERE table_name = 'dim_design'")}  # fmt: skip
        held = {key for (key,) in warehouse.execute("SELECT design_id FROM dim_design")}
        there = {key for (key,) in source.execute("SELECT design_id FROM design")}
        unnoted = [f"dim_design: {key} is not noted as gone" for key in sorted(held - there - noted)]
        return all_differences(source, warehouse) + unnoted


@pytest.mark.parametrize("name", CHOSEN)
def test_what_a_planted_defect_made_wrong_is_found_and_healed_by_the_audit_alone(system: System, name: str) -> None:
    system.run_cleanly()
    system.write(CHANGES)
    with (
        plant(name),
        mock.patch.object(pipeline.checks, "check", return_value=None),
        mock.patch.object(Prover, "__call__", return_value=Findings()),
    ):
        system.run_cleanly()
    assert wrong(system), f"{name}: it made nothing wrong"
    assert not all(audit.equal for audit in audit_tables(DECLARED, ()))
    run(DECLARED, Options(prove_all=True), lambda *_: None)
    assert all(audit.equal for audit in audit_tables(DECLARED, ()))
    assert wrong(system) == []
