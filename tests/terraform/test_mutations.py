"""A mistake in the code turns a test of its module red, with the words that say what is wrong."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.terraform.providers import FIVE
from tests.terraform.workspace import Workspace, share


@dataclass(frozen=True)
class Mistake:
    """A change of one file of a module, the file of tests that has to notice, and what it has to say."""

    what: str
    module: str
    file: str
    right: str
    wrong: str
    tests: str
    said: str


MISTAKES = [
    Mistake(
        "a variable loses its default",
        "airflow", "variables.tf", 'default     = "3.2.1"\n', "",
        "airflow", "No value for required variable",
    ),
    Mistake(
        "a bucket answers without TLS",
        "lake", "policies.tf", '"aws:SecureTransport" = "false"', '"aws:SecureTransport" = "true"',
        "lake", "A bucket answers without TLS.",
    ),
    Mistake(
        "a bucket is not encrypted with the key",
        "lake", "buckets.tf", 'sse_algorithm     = "aws:kms"', 'sse_algorithm     = "AES256"',
        "lake", "A bucket is not encrypted with the key.",
    ),
    Mistake(
        "an alarm is dropped",
        "observability", "alarms_pipeline.tf", "    rejected-rows = {", "    rejected = {",
        "observability", "An alarm is missing",
    ),
    Mistake(
        "an alarm tells nobody",
        "observability", "alarms.tf", "alarm_actions       = [aws_sns_topic.alerts.arn]", "alarm_actions       = []",
        "observability", "An alarm tells nobody",
    ),
    Mistake(
        "the warehouse takes plain text",
        "warehouse", "parameters.tf", '"rds.force_ssl"              = "1"', '"rds.force_ssl"              = "0"',
        "warehouse", "Plain-text connections",
    ),
    Mistake(
        "a policy allows an action on everything",
        "airflow", "policy_tasks.tf", "Resource = var.topic_arn", 'Resource = "*"',
        "role", "An action is allowed on everything though AWS knows an ARN for it.",
    ),
    Mistake(
        "tasks may delete data",
        "airflow", "policy_tasks.tf", "/iceberg/*/metadata/*", "/*",
        "role", "Data may be deleted, which no task does.",
    ),
    Mistake(
        "an instance gives its credentials to a plain request",
        "api", "instances.tf", 'http_tokens                 = "required"', 'http_tokens                 = "optional"',
        "api", "Credentials are given to whoever makes an instance fetch an address.",
    ),
    Mistake(
        "a new package does not reach the instances",
        "api", "instances.tf", "    version = aws_s3_object.package.version_id\n", '    version = "null"\n',
        "api", "A changed package does not reach the instances.",
    ),
    Mistake(
        "the API reads rejected rows",
        "api", "role.tf", "${var.processed_bucket.arn}/${table}/*", "${var.processed_bucket.arn}/*",
        "api", "reads other files than how fresh the data are",
    ),
    Mistake(
        "views are of another database",
        "analytics", "views.tf", "${var.lake_database}", "${aws_glue_catalog_database.warehouse.name}",
        "analytics", "is of another database's tables",
    ),
    Mistake(
        "a role has no boundary",
        "airflow", "role.tf", "  permissions_boundary = var.boundary_arn\n", "",
        "role", "The role has no boundary",
    ),
    Mistake(
        "the workflow writes roles without a boundary",
        "ci", "apply.tf", "      Condition = local.bounded\n", "",
        "ci", "or write a role without a boundary.",
    ),
    Mistake(
        "a file is not wired by its object's version",
        "airflow", "environment.tf",
        'requirements_s3_object_version   = aws_s3_object.file["requirements.txt"].version_id',
        'requirements_s3_object_version   = aws_s3_object.file["plugins.zip"].version_id',
        "airflow", "A changed file does not reach the environment",
    ),
    Mistake(
        "a secret's value goes into the state",
        "secrets", "secrets.tf", "  secret_string_wo         = ", "  secret_string            = ",
        "secrets", "all of `secret_string_wo,secret_string_wo_version` must be specified",
    ),
]  # fmt: skip


@pytest.mark.parametrize("mistake", share(MISTAKES, 3), ids=lambda mistake: mistake.what.replace(" ", "-"))
def test_a_mistake_turns_a_test_red(tmp_path: Path, mistake: Mistake) -> None:
    workspace = Workspace(tmp_path, FIVE)
    module = f"modules/{mistake.module}"
    file = workspace.code / module / mistake.file
    code = file.read_text()
    assert code.count(mistake.right) == 1, f"{mistake.file} is not what this mistake changes"
    file.write_text(code.replace(mistake.right, mistake.wrong))
    workspace.init(module)
    done = workspace.run(module, "test", f"-filter=tests/{mistake.tests}.tftest.hcl")
    assert done.returncode == 1, done.stdout[-5000:]
    assert mistake.said in " ".join(done.stdout.replace("│", " ").split()), done.stdout[-5000:]
