"""What MWAA does with an environment: code from its bucket, its options for Airflow, and no other setting."""

import json
import os
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from local import airflow as local_airflow
from tests.dags import airflow_process
from tests.terraform.cloud import Cloud
from tests.terraform.databases import Databases
from tests.terraform.environments import PIPELINE

SYSTEM = ("PATH", "HOME", "LANG", "TMPDIR", "PYTHONDONTWRITEBYTECODE")


@dataclass(frozen=True)
class AirflowRun:
    """What became of the run: its state, its log, and where its code was; and the folder that the code came into."""

    state: str
    log: str
    include: str
    dags_folder: Path


def make_instance(cloud: Cloud, name: str, databases: Databases) -> None:
    """Make the warehouse's database of an environment as RDS does, with the master user that its secret names."""
    instance = cloud.client("rds").describe_db_instances(DBInstanceIdentifier=f"{name}-warehouse")["DBInstances"][0]
    secret = cloud.client("secretsmanager").get_secret_value(SecretId=instance["MasterUserSecret"]["SecretArn"])
    master = json.loads(secret["SecretString"])
    databases.make_instance(master["username"], master["password"])


def run_from_bucket(cloud: Cloud, name: str, home: Path) -> AirflowRun:
    """Download an environment's code, and let Airflow run the DAG."""
    applied = cloud.mwaa.environments[name]
    dags, plugins = download(cloud, applied, home / "code")
    local_airflow.migrate(home)
    options = {
        "AIRFLOW__" + option.upper().replace(".", "__"): value
        for option, value in applied["AirflowConfigurationOptions"].items()
    }
    variables = {name: os.environ[name] for name in SYSTEM if name in os.environ}
    variables |= local_airflow.airflow_settings(dags) | options | cloud.variables(PIPELINE)
    variables |= {"AIRFLOW_HOME": str(home), "AIRFLOW__CORE__LOAD_EXAMPLES": "False"}
    variables |= {"AIRFLOW__CORE__PLUGINS_FOLDER": str(plugins)}
    answer = run(dags, home, variables)
    return AirflowRun(answer["state"], answer["log"], answer["include"], dags)


def download(cloud: Cloud, applied: dict[str, Any], folder: Path) -> tuple[Path, Path]:
    """The environment's DAGs and plugins, from where it says that they are; returns both folders."""
    s3, bucket = cloud.client("s3"), applied["SourceBucketArn"].rpartition(":")[2]
    prefix = applied["DagS3Path"].rstrip("/") + "/"
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
        for entry in page["Contents"]:
            file = folder / "dags" / entry["Key"].removeprefix(prefix)
            file.parent.mkdir(parents=True, exist_ok=True)
            s3.download_file(bucket, entry["Key"], str(file))
    version = {"VersionId": applied["PluginsS3ObjectVersion"]}
    archive = folder / "plugins.zip"
    s3.download_file(bucket, applied["PluginsS3Path"], str(archive), ExtraArgs=version)
    with zipfile.ZipFile(archive) as opened:
        opened.extractall(folder / "plugins")
    return folder / "dags", folder / "plugins"


def run(dags: Path, home: Path, variables: dict[str, str]) -> dict[str, Any]:
    """A run in a process that has nothing of this repository on its path, and no environment but this."""
    done = subprocess.run(
        [sys.executable, "-P", airflow_process.__file__, str(dags), local_airflow.__file__],
        cwd=home,
        env=variables,
        input=json.dumps({"environment": {}, "run_conf": {}}),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout, done.stderr[-5000:]
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer
