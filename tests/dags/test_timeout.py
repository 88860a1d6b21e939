"""A run that Airflow's scheduler ends by its time-out says which tasks were at work."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

from local import airflow as local_airflow
from tests.dags import timed_out
from tests.dags.conftest import REPOSITORY

LEFT = ["ingest.method (queued)", "ingest.product (running)", "ingest.sale (to be tried again)"]


def test_the_scheduler_leaves_which_tasks_it_ended(migrated_home: Path, mwaa_folder: Path, tmp_path: Path) -> None:
    """Neither those that were over, one of them skipped, nor those that had not begun."""
    shutil.copytree(migrated_home, tmp_path / "home")
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    environment |= local_airflow.airflow_settings(mwaa_folder) | {"AIRFLOW_HOME": str(tmp_path / "home")}
    environment |= {"AIRFLOW__CORE__PLUGINS_FOLDER": str(REPOSITORY / "plugins")}
    answer = subprocess.run(
        [sys.executable, "-P", timed_out.__file__, mwaa_folder],
        cwd=tmp_path, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert answer.returncode == 0, answer.stderr[-3000:]
    told = json.loads(answer.stdout.splitlines()[-1])
    assert (told["state"], told["reason"], told["left"]) == ("failed", "timed_out", LEFT)
    assert told["note"] == f"timed out; at work: {', '.join(LEFT)}"
