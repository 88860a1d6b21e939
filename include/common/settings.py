"""What Airflow resolves for the pipeline: connections and variables, from Secrets Manager or the environment.

Nothing is read when this module is imported.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any, cast

from include.common.errors import DeclarationError, ServiceError
from include.common.lookup import look_up, refusal

SOURCE_CONNECTION = "totesys"
WAREHOUSE_CONNECTION = "warehouse"
AWS_CONNECTION = "aws_default"

INGESTION_BUCKET = "ingestion_bucket"
PROCESSED_BUCKET = "processed_bucket"
STATE_BUCKET = "state_bucket"
BUCKETS = (INGESTION_BUCKET, PROCESSED_BUCKET, STATE_BUCKET)
AWS_WAITS: dict[str, Any] = {
    "connect_timeout": 10,
    "read_timeout": 30,
    "retries": {"mode": "standard", "total_max_attempts": 4},
}
"""How long an AWS service is waited for: four times half a minute without a byte."""

LAKE_DATABASE = "lake_database"
"""The database of the Glue catalogue that has the lake's tables; none where they are not wanted."""

METRICS_NAMESPACE = "metrics_namespace"
ALERTS_TOPIC = "alerts_topic_arn"
WAREHOUSE_MASTER = "warehouse_master_secret"
WAREHOUSE_API = "warehouse_api_secret"


def required_variable(name: str) -> str:
    """The value of an Airflow variable.

    Raises: DeclarationError that says where to set it, when it is missing or empty.
    """
    value = optional_variable(name)
    if not value:
        raise DeclarationError(
            f"the Airflow variable {name!r} is not set: set AIRFLOW_VAR_{name.upper()}, "
            f"or {secret_name('variables', name)} in Secrets Manager"
        )
    return value


def secret_name(kind: str, name: str) -> str:
    """What a secret is called where Airflow looks for it, of the kind `connections` or `variables`."""
    from airflow.sdk.configuration import conf

    given = conf.getjson("secrets", "backend_kwargs", fallback=None)
    prefix = given.get(f"{kind}_prefix") if isinstance(given, dict) else None
    return f"{prefix or f'airflow/{kind}'}/{name}"


def optional_variable(name: str) -> str | None:
    """The value of an Airflow variable, None when there is none. Raises: as `look_up`."""
    from airflow.sdk import Variable

    return look_up("variable", name, lambda: cast("str | None", Variable.get(name, default=None)))


def optional_connection(connection_id: str) -> Any:
    """The connection that Airflow knows by this id, None when there is none. Raises: as `look_up`."""
    from airflow.sdk import BaseHook
    from airflow.sdk.exceptions import AirflowNotFoundException

    def ask() -> Any:
        try:
            return BaseHook.get_connection(connection_id)
        except AirflowNotFoundException:
            return None

    return look_up("connection", connection_id, ask)


@contextmanager
def aws_errors(subject: str) -> Iterator[None]:
    """Name what was worked on in whatever an AWS service refuses.

    Raises: DeclarationError where the service does not know it or does not allow it; ServiceError for the rest.
    """
    from botocore.exceptions import BotoCoreError, ClientError  # not at import: a DAG file that is parsed stays cheap

    try:
        yield
    except ClientError as error:
        raise refusal(subject, error) from error
    except BotoCoreError as error:
        raise ServiceError(f"{subject}: {error}") from error


@cache
def aws_client(service: str) -> Any:
    """A boto3 client of the connection `aws_default`, one per service and process; it may be shared by threads.

    It waits as AWS_WAITS says, unless the connection's `config_kwargs` say otherwise.

    Raises: as `look_up`: where the connection could not be asked for, Airflow would go on with other credentials.
    """
    from airflow.providers.amazon.aws.hooks.base_aws import AwsBaseHook
    from airflow.providers.amazon.aws.hooks.s3 import S3Hook
    from botocore.config import Config

    optional_connection(AWS_CONNECTION)
    own = AwsBaseHook(aws_conn_id=AWS_CONNECTION).conn_config.botocore_config
    config = Config(**AWS_WAITS).merge(own or Config())
    if service == "s3":
        return S3Hook(aws_conn_id=AWS_CONNECTION, config=config).get_conn()
    return AwsBaseHook(aws_conn_id=AWS_CONNECTION, client_type=service, config=config).get_conn()
