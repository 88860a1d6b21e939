"""The package, built once for all tests of this folder."""

from pathlib import Path

import pytest

from deploy import package


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a package that was built from this repository."""
    return package.build(tmp_path_factory.mktemp("package") / "package").folder
