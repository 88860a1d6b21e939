"""An AWS endpoint whose S3 objects survive: `python -m local.docker.aws`.

moto keeps everything in memory. This puts what an account of the pipeline's has from the start (buckets, secrets, the
topic and a queue that listens to it), and keeps a copy of each S3 object in a folder, from which they return after a
restart. Messages and metrics are lost with the process.
"""

import json
import os
import signal
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote
from wsgiref.types import StartResponse, WSGIEnvironment

import boto3
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from moto.server import ThreadedMotoServer
from werkzeug.serving import make_server

from local.environment import CREDENTIALS, REGION, Buckets

PORT = 5000
PREFIX = "totesys/airflow"
"""What the names of the secrets begin with; Airflow's Secrets Manager backend is configured with the same."""

API_SECRET = "totesys/api"  # noqa: S105 - its name
API = {
    "warehouse": {
        "host": "warehouse",
        "port": 5432,
        "dbname": "warehouse",
        "username": "totesys_api",
        "password": "api",
        "sslmode": "disable",
    },
    "cursor_key": "compose",
}
"""What the API has for the warehouse of compose.yaml, as Terraform writes it on AWS."""

NAMESPACE = "ToteSys"
LAKE_DATABASE = "totesys"
TOPIC = QUEUE = "totesys-alerts"
PARTIAL = ".partial"
"""How a file ends that is being written. No quoted key ends so: it is renamed."""


class ObjectFolder:
    """The folder in which the objects of all buckets are kept: a folder for each bucket, a file for each key."""

    def __init__(self, folder: Path, s3: Any) -> None:
        """Take the folder and a client of the endpoint."""
        self._folder = folder
        self._s3 = s3

    def restore(self) -> int:
        """Put every object into the endpoint; return how many. The oldest are put first."""
        files = [file for file in self._folder.glob("*/*") if file.suffix != PARTIAL]
        for file in sorted(files, key=lambda file: file.stat().st_mtime_ns):
            with file.open("rb") as content:
                self._s3.put_object(Bucket=file.parent.name, Key=unquote(file.name), Body=content)
        return len(files)

    def keep(self, bucket: str, key: str) -> None:
        """Make the object's file as the endpoint has the object now: written, or removed."""
        file = self._folder / bucket / quote(key, safe="")
        try:
            body = self._s3.get_object(Bucket=bucket, Key=key)["Body"]
        except self._s3.exceptions.NoSuchKey:
            file.unlink(missing_ok=True)
            return
        file.parent.mkdir(parents=True, exist_ok=True)
        partial = file.with_name(f"{file.name}.{os.urandom(4).hex()}{PARTIAL}")
        with partial.open("wb") as output:
            output.writelines(body.iter_chunks())
        partial.replace(file)

    def keep_bucket(self, bucket: str) -> None:
        """Remove the files whose objects the bucket has no longer."""
        for file in (self._folder / bucket).glob("*"):
            self.keep(bucket, unquote(file.name))


class KeepingObjects:
    """A WSGI application that answers a change of an S3 object only when the object is kept."""

    def __init__(self, application: Any, objects: ObjectFolder) -> None:
        """Take the application of moto."""
        self._application = application
        self._objects = objects

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Let moto answer, then keep what was changed."""
        statuses: list[str] = []

        def note_status(status: str, *rest: Any) -> Any:
            statuses.append(status)
            return start_response(status, *rest)

        answer = self._application(environ, note_status)
        if _changes_objects(environ) and statuses[-1].startswith("2"):
            bucket, _, key = environ["PATH_INFO"].lstrip("/").partition("/")
            if key:
                self._objects.keep(bucket, key)
            else:
                self._objects.keep_bucket(bucket)
        return answer


def _changes_objects(environ: WSGIEnvironment) -> bool:
    to_s3 = "/s3/aws4_request" in environ.get("HTTP_AUTHORIZATION", "")
    return to_s3 and environ["REQUEST_METHOD"] in {"PUT", "POST", "DELETE"}


def client(service: str, url: str) -> Any:
    """Take a service and an endpoint; return a boto3 client of it."""
    return boto3.client(
        service,
        endpoint_url=url,
        region_name=REGION,
        aws_access_key_id=CREDENTIALS["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
    )


def create_account(url: str) -> None:
    """Take an empty endpoint; create there what Terraform creates on AWS."""
    buckets = Buckets().create(url)
    topic = create_alerts(url)
    connections = {name: connection(name) for name in ("totesys", "warehouse")}
    variables = {
        "ingestion_bucket": buckets.ingestion,
        "processed_bucket": buckets.processed,
        "state_bucket": buckets.state,
        "lake_database": LAKE_DATABASE,
        "metrics_namespace": NAMESPACE,
        "alerts_topic_arn": topic,
        "warehouse_api_secret": API_SECRET,
    }
    secrets = client("secretsmanager", url)
    secrets.create_secret(Name=API_SECRET, SecretString=json.dumps(API))
    for name, value in connections.items():
        secrets.create_secret(Name=f"{PREFIX}/connections/{name}", SecretString=json.dumps(value))
    for name, value in variables.items():
        secrets.create_secret(Name=f"{PREFIX}/variables/{name}", SecretString=value)


def create_alerts(url: str) -> str:
    """Create the topic and a queue that gets what is published; return the topic's ARN."""
    sns, sqs = client("sns", url), client("sqs", url)
    topic = sns.create_topic(Name=TOPIC)["TopicArn"]
    queue = sqs.create_queue(QueueName=QUEUE)["QueueUrl"]
    attributes = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=attributes["QueueArn"])
    return str(topic)


def connection(database: str) -> dict[str, Any]:
    """Take a database of compose.yaml, which has a server of its name; return its connection as Airflow reads it."""
    return {
        "conn_type": "postgres",
        "host": database,
        "port": 5432,
        "login": "totesys_pipeline",
        "password": "pipeline",
        "schema": database,
    }


def main(folder: Path) -> None:
    """Serve until a signal. Nobody is answered before everything is there."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    inner = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    inner.start()
    url = "http://{}:{}".format(*inner.get_host_and_port())
    create_account(url)
    objects = ObjectFolder(folder, client("s3", url))
    print(f"{objects.restore()} objects are back", flush=True)
    application = KeepingObjects(DomainDispatcherApplication(create_backend_app), objects)
    make_server("0.0.0.0", PORT, application, threaded=True, request_handler=MotoRequestHandler).serve_forever()  # noqa: S104 - in a container


if __name__ == "__main__":
    main(Path(sys.argv[1]))
