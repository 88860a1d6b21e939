"""What Airflow imports when it starts, from its folder `config`.

The scheduler forks a process for each task. What it has imported, tasks need not: a second of CPU time for each.
"""
# ruff: noqa: F401 - imported to have been imported

import sys

if sys.argv[1:2] == ["scheduler"]:
    import airflow.dag_processing.dagbag
    import airflow.providers.amazon.aws.hooks.s3
    import airflow.providers.amazon.aws.secrets.secrets_manager
    import airflow.providers.standard.decorators.python
    import airflow.sdk.execution_time.task_runner

    import include.pipeline
