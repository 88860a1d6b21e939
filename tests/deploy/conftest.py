"""The package, built once for all tests of this folder, and an environment with a folder of its own."""

from pathlib import Path

import pytest

from deploy import package
from deploy.environment import Environment

TFVARS = """name   = "totesys-test"
region = "eu-west-2"

source_database = {
  host = "db.example"
  name = "of something else"
}
"""


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a package that was built from this repository."""
    return package.build(tmp_path_factory.mktemp("package") / "package").folder


@pytest.fixture
def environment(tmp_path: Path) -> Environment:
    """An environment whose settings are filled in."""
    made = Environment("dev", tmp_path / "terraform")
    made.folder.mkdir(parents=True)
    (made.terraform / "bootstrap").mkdir()
    (made.folder / "local.tfvars.example").write_text(TFVARS)
    made.values[0].write_text('reach = "nat"\n')
    made.local.write_text(TFVARS)
    return made
