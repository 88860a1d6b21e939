"""The documents are true where that can be checked: the arithmetic of the cost, and an entry for every alarm."""

import math
import re

import pytest

from deploy.wheels import REPOSITORY

AWS = (REPOSITORY / "docs" / "aws.md").read_text()
RUNBOOK = (REPOSITORY / "docs" / "runbook.md").read_text()
TIMES = "\N{MULTIPLICATION SIGN}"
ALARM = re.compile(r"^    ([a-z][a-z-]+) = \{$", re.MULTILINE)
"""An entry of the alarms that Terraform makes."""


def cost_table() -> list[list[str]]:
    _, _, section = AWS.partition("\n## Cost\n")
    rows = [line.strip("|").split("|") for line in section.partition("\n## ")[0].splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in row] for row in rows[2:]]


def value(formula: str) -> float:
    """What a sum of products comes to."""
    return sum(math.prod(map(float, product.split(TIMES))) for product in formula.split("+"))


def test_each_line_of_the_cost_is_what_its_formula_gives() -> None:
    lines = cost_table()[:-1]
    assert len(lines) > 10
    for name, *cells in lines:
        for formula, stated in zip(cells[::2], cells[1::2], strict=True):
            assert f"{value(formula):.2f}" == stated, name


@pytest.mark.parametrize(("column", "env"), [(2, "dev"), (4, "prod")])
def test_the_total_is_the_sum_of_the_lines(column: int, env: str) -> None:
    *lines, total = cost_table()
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
