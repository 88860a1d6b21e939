"""The documents are true where that can be checked: the arithmetic of the cost, and an entry for every alarm."""

import math
import re

import pytest

from deploy.wheels import REPOSITORY

AWS = (REPOSITORY / "docs" / "aws.md").read_text()
RUNBOOK = (REPOSITORY / "docs" / "runbook.md").read_text()
CONTRIBUTING = (REPOSITORY / "CONTRIBUTING.md").read_text()
TIMES = "\N{MULTIPLICATION SIGN}"
ALARM = re.compile(r"^    ([a-z][a-z-]+) = \{$", re.MULTILINE)
"""An entry of the alarms that Terraform makes."""


TABLES = ("\n## Cost\n", "\n### What the API costs\n")


def cost_table(heading: str) -> list[list[str]]:
    _, _, section = AWS.partition(heading)
    rows = [line.strip("|").split("|") for line in section.partition("\n## ")[0].splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in row] for row in rows[2:]]


def value(formula: str) -> float:
    """What a sum of products comes to."""
    return sum(math.prod(map(float, product.split(TIMES))) for product in formula.split("+"))


@pytest.mark.parametrize("heading", TABLES)
def test_each_line_of_the_cost_is_what_its_formula_gives(heading: str) -> None:
    lines = cost_table(heading)[:-1]
    assert len(lines) > 5
    for name, *cells in lines:
        for formula, stated in zip(cells[::2], cells[1::2], strict=True):
            assert f"{value(formula):.2f}" == stated, name


@pytest.mark.parametrize("heading", TABLES)
@pytest.mark.parametrize(("column", "env"), [(2, "dev"), (4, "prod")])
def test_the_total_is_the_sum_of_the_lines(heading: str, column: int, env: str) -> None:
    *lines, total = cost_table(heading)
    assert f"{sum(float(line[column]) for line in lines):.2f}" == total[column].strip("*"), env


def test_every_alarm_is_in_the_runbook_and_no_other() -> None:
    files = (REPOSITORY / "terraform" / "modules" / "observability").glob("alarms_*.tf")
    alarms = {name for file in files for name in ALARM.findall(file.read_text())}
    _, _, section = RUNBOOK.partition("\n## Alarms\n")
    told = set(re.findall(r"^### ([a-z-]+)$", section, re.MULTILINE))
    assert alarms
    assert told == alarms


def test_every_target_that_a_document_names_is_in_the_makefile() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (REPOSITORY / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"`make ([a-z-]+)", AWS + RUNBOOK)) <= targets


def test_every_place_in_terraform_that_a_document_names_is_there() -> None:
    named = set(re.findall(r"\bterraform/(?:bootstrap|environment|modules)[\w/.-]*[\w]", AWS + RUNBOOK + CONTRIBUTING))
    written_by_users = ("local.tfvars", ".terraform.lock.hcl", ".tfstate")
    assert len(named) > 5
    places = {place for place in named if not place.endswith(written_by_users)}
    assert {place for place in places if not (REPOSITORY / place).exists()} == set()


def test_the_environment_variables_that_differ_are_told_apart() -> None:
    sizes = (REPOSITORY / "terraform" / "environment" / "sizes.tf").read_text()
    for name in (
        "deletion_protection",
        "recovery_window_days",
        "endpoint_services",
        "maintenance_window_start",
        "worker_replacement_strategy",
    ):
        assert f"`{name}" in AWS + RUNBOOK
        assert name in sizes


def test_both_ways_out_of_a_name_that_is_still_taken_are_told() -> None:
    _, _, section = AWS.partition("\n### Anew\n")
    assert "--force-delete-without-recovery" in section
    assert "take another `name`" in section


def test_it_is_told_what_depends_on_a_key_and_how_an_environment_takes_its_key_along() -> None:
    _, _, section = AWS.partition("\n### Keys\n")
    keys = section.partition("\n### ")[0]
    for word in ("last snapshot", "state rm module.stack.module.key", "module.key.aws_kms_key.this", "alias/<name>"):
        assert word in keys
