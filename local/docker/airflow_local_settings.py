"""What Airflow imports when it starts, from its folder `config`.

The scheduler forks a process for each task. What it has imported, and read of AWS's description of its services, tasks
need not: two seconds of CPU time for each.
"""
# ruff: noqa: F401 - imported to have been imported

import sys
from functools import cache


def describe_services(*services: str) -> None:
    """Have the processes that are forked find these services' descriptions in memory.

    Each session of botocore reads them anew, and whoever makes a client makes a session; that they share is its loader.
    """
    import boto3
    import botocore.session
    from botocore.loaders import create_loader

    botocore.session.create_loader = cache(create_loader)
    for service in services:
        boto3.client(service)


if sys.argv[1:2] == ["scheduler"]:
    import airflow.dag_processing.dagbag
    import airflow.providers.amazon.aws.hooks.s3
    import airflow.providers.amazon.aws.secrets.secrets_manager
    import airflow.providers.standard.decorators.python
    import airflow.sdk.execution_time.task_runner

    import include.pipeline

    describe_services("s3", "secretsmanager")
