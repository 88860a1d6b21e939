"""Airflow with a folder of DAGs whose declarations are those of ToteSys."""

from pathlib import Path

import pytest

from tests.dags.conftest import airflow_runs, lay_out, migrated_home, run_dag  # noqa: F401 - fixtures of the tests here


@pytest.fixture(scope="session")
def mwaa_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of DAGs as it is uploaded to MWAA."""
    return lay_out(tmp_path_factory.mktemp("mwaa") / "dags", "own")
