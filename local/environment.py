"""The whole of what the pipeline needs, on one machine: a source, a warehouse, and AWS."""

import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Self

import boto3

from local.aws import AwsServer
from local.postgres import PostgresServer

REGION = "eu-west-2"
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "local", "AWS_SECRET_ACCESS_KEY": "local", "AWS_DEFAULT_REGION": REGION}
AS_OVER_TLS = {"conn_type": "aws", "extra": {"config_kwargs": {"s3": {"payload_signing_enabled": False}}}}
"""The connection to AWS: bodies have their checksum and are not signed beside, as they are not where TLS is."""

SOURCE_DATABASE = "totesys"
WAREHOUSE_DATABASE = "warehouse"


@dataclass(frozen=True, slots=True)
class Buckets:
    """Names of the three buckets."""

    ingestion: str = "totesys-ingestion"
    processed: str = "totesys-processed"
    state: str = "totesys-state"

    def create(self, endpoint_url: str) -> Self:
        """Take an AWS endpoint; create the three buckets there and return their names."""
        s3 = s3_client(endpoint_url)
        for name in (self.ingestion, self.processed, self.state):
            s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": REGION})
        return self


@dataclass(frozen=True, slots=True)
class Endpoints:
    """Where one pipeline reads and writes."""

    source_url: str
    warehouse_url: str
    aws_url: str
    buckets: Buckets

    def variables(self, airflow_home: Path) -> dict[str, str]:
        """Take Airflow's folder; return the process environment in which the pipeline finds all of this."""
        return {
            "AIRFLOW_CONN_TOTESYS": self.source_url,
            "AIRFLOW_CONN_WAREHOUSE": self.warehouse_url,
            "AIRFLOW_CONN_AWS_DEFAULT": json.dumps(AS_OVER_TLS),
            "AIRFLOW_VAR_INGESTION_BUCKET": self.buckets.ingestion,
            "AIRFLOW_VAR_PROCESSED_BUCKET": self.buckets.processed,
            "AIRFLOW_VAR_STATE_BUCKET": self.buckets.state,
            "AWS_ENDPOINT_URL": self.aws_url,
            **CREDENTIALS,
            "AIRFLOW_HOME": str(airflow_home),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        }


def s3_client(endpoint_url: str) -> Any:
    """Take an AWS endpoint; return a boto3 S3 client of it that ignores the user's own AWS settings."""
    return boto3.client(
        "s3",
        endpoint_url=endpoint_url,
        aws_access_key_id=CREDENTIALS["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
        region_name=REGION,
    )


class LocalEnvironment:
    """A source and a warehouse, each a PostgreSQL server of its own, and an AWS endpoint with three buckets.

    Everything is empty at the start and gone at the end of the `with`.
    """

    def __init__(
        self,
        *,
        source_version: int = 18,
        warehouse_version: int = 18,
        settings: Mapping[str, str] | None = None,
        airflow_home: Path | None = None,
    ) -> None:
        """Take PostgreSQL versions, settings for both servers, and Airflow's folder, which is then kept."""
        self.source = PostgresServer(source_version, settings=settings)
        self.warehouse = PostgresServer(warehouse_version, settings=settings)
        self.aws = AwsServer()
        self.buckets = Buckets()
        self._kept_home = airflow_home
        self._home = Path()
        self._running = ExitStack()

    @property
    def source_url(self) -> str:
        """The source database's URL."""
        return self.source.url(SOURCE_DATABASE)

    @property
    def warehouse_url(self) -> str:
        """The warehouse database's URL."""
        return self.warehouse.url(WAREHOUSE_DATABASE)

    def start(self) -> Self:
        """Return the environment when every server answers, the databases and the buckets exist."""
        with ExitStack() as starting:
            servers = (self.source, self.warehouse, self.aws)
            for server in servers:
                starting.callback(server.stop)
            with ThreadPoolExecutor() as threads:
                list(threads.map(lambda server: server.start(), servers))
            self.source.create_database(SOURCE_DATABASE)
            self.warehouse.create_database(WAREHOUSE_DATABASE)
            self.buckets.create(self.aws.endpoint_url)
            self._home = self._kept_home or Path(starting.enter_context(TemporaryDirectory(prefix="totesys-airflow-")))
            self._running = starting.pop_all()
        return self

    def stop(self) -> None:
        """Stop every server and remove what is temporary. May be repeated."""
        self._running.close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def variables(self) -> dict[str, str]:
        """Return the process environment in which the pipeline finds this source, warehouse and AWS."""
        endpoints = Endpoints(self.source_url, self.warehouse_url, self.aws.endpoint_url, self.buckets)
        return endpoints.variables(self._home)
