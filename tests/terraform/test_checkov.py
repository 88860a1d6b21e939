"""checkov finds nothing that is not explained where it is."""

import json
import subprocess
from typing import Any

import pytest

from tests.terraform.providers import REPOSITORY
from tests.terraform.workspace import CODE

CHECKOV = REPOSITORY / "build" / "checkov" / "bin" / "checkov"


@pytest.fixture(scope="module")
def found() -> dict[str, Any]:
    # Without --skip-download it asks a server for more checks; tests are written for a parser that it has not.
    options = ["--framework", "terraform", "--skip-download", "--skip-path", "/tests/", "--output", "json"]
    done = subprocess.run([CHECKOV, "--directory", CODE, *options], capture_output=True, text=True, check=False)
    document: dict[str, Any] = json.loads(done.stdout)["results"]
    return document


def test_every_file_is_read(found: dict[str, Any]) -> None:
    assert found["parsing_errors"] == []
    assert len(found["passed_checks"]) > 100


def test_no_check_fails(found: dict[str, Any]) -> None:
    assert [(check["check_id"], check["resource"]) for check in found["failed_checks"]] == []


def test_every_check_that_is_passed_over_has_its_reason_beside_it(found: dict[str, Any]) -> None:
    reasons = {(c["check_id"], c["resource"]): c["check_result"]["suppress_comment"] for c in found["skipped_checks"]}
    assert {place: reason for place, reason in reasons.items() if len(reason.split()) < 4} == {}
