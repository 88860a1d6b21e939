"""What is declared of ToteSys, told in the documentation, and replaced by what somebody has declared of their own."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from include.reports.dictionary import data_dictionary
from include.totesys import DECLARED

REPOSITORY = Path(__file__).parents[2]


def test_the_data_dictionary_in_the_documentation_is_the_declared_one() -> None:
    assert data_dictionary(DECLARED) == (REPOSITORY / "docs" / "data-dictionary.md").read_text()


def test_names_addresses_and_numbers_of_people_are_personal() -> None:
    marked = {f"{table.name}.{column.name}" for table in DECLARED.star.values() for column in table.columns
              if column.personal}  # fmt: skip
    assert marked == {
        "dim_counterparty.counterparty_legal_address_line_1",
        "dim_counterparty.counterparty_legal_address_line_2",
        "dim_counterparty.counterparty_legal_phone_number",
        "dim_location.address_line_1",
        "dim_location.address_line_2",
        "dim_location.phone",
        "dim_staff.email_address",
        "dim_staff.first_name",
        "dim_staff.last_name",
    }


def test_what_the_command_declares_takes_the_place_of_totesys(
    pipeline_environment: dict[str, str], tmp_path: Path
) -> None:
    ignored = shutil.ignore_patterns("__pycache__", "own")
    shutil.copytree(REPOSITORY / "include", tmp_path / "include", ignore=ignored)

    def do(*arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "include", *arguments],
            cwd=tmp_path, env={**os.environ, **pipeline_environment}, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    assert do("describe") == data_dictionary(DECLARED)
    assert do("declare", "--exclude", "payment.company_ac_number").splitlines()[-1] == "written to include/own"
    assert "fact_payment" in do("run")
    described = do("describe")
    assert "| payment_amount |" in described
    assert "company_ac_number" not in described
    do("audit")
