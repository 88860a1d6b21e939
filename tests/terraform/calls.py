"""From an HTTP request to AWS to the action and the resource that IAM decides about.

Only what the pipeline calls is known here; any other request raises, so that nothing goes unseen.
Source: AWS Service Authorization Reference.
"""

import gzip
import io
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self
from urllib.parse import parse_qs, unquote
from wsgiref.types import WSGIEnvironment

from botocore.parsers import RpcV2CBORParser

from tests.terraform.mwaa import ACCOUNT

SCOPE = re.compile(r"Credential=([^/]+)/\d+/([^/]*)/([^/]+)/aws4_request")
# CloudWatch's newer protocol; releases of boto3 differ in which they speak.
CBOR_PATH = re.compile(r"/service/\w+/operation/(\w+)")

NOT_FOUND = 404

S3_ACTIONS = {
    ("GET", "key", ""): "s3:GetObject",
    ("HEAD", "key", ""): "s3:GetObject",
    ("GET", "key", "versionId"): "s3:GetObjectVersion",
    ("PUT", "key", ""): "s3:PutObject",
    ("POST", "key", "uploads"): "s3:PutObject",
    ("PUT", "key", "partNumber"): "s3:PutObject",
    ("POST", "key", "uploadId"): "s3:PutObject",
    ("DELETE", "key", "uploadId"): "s3:AbortMultipartUpload",
    ("DELETE", "key", ""): "s3:DeleteObject",
    ("GET", "bucket", "list-type"): "s3:ListBucket",
    ("HEAD", "bucket", ""): "s3:ListBucket",
    ("GET", "bucket", "versions"): "s3:ListBucketVersions",
}
"""Method, what it is asked of, and the parameter that tells which operation it is."""

S3_OPERATIONS = {parameter for _, _, parameter in S3_ACTIONS} - {""}
S3_SDK_PARAMETERS = {"x-id", "prefix", "delimiter", "encoding-type", "max-keys", "continuation-token", "start-after"}


@dataclass(frozen=True)
class Call:
    """What IAM decides about: `s3:PutObject` on an ARN, with the keys of the request that conditions may name."""

    action: str
    resource: str
    context: Mapping[str, str] = field(default_factory=dict)
    found: bool = True
    """Whether the service knew the resource."""


@dataclass(frozen=True)
class Received:
    """A request as it came: who signed it for which service, what of it says what is asked, and the answer's status."""

    user: str
    region: str
    service: str
    method: str
    path: str
    query: Mapping[str, list[str]]
    headers: Mapping[str, str]
    body: bytes
    status: int = 0

    @classmethod
    def of(cls, environ: WSGIEnvironment) -> Self:
        """Take a request that nobody has read yet, and leave it so."""
        scope = SCOPE.search(environ.get("HTTP_AUTHORIZATION", ""))
        user, region, service = scope.groups() if scope else ("", "", "")
        headers = {
            name.removeprefix("HTTP_").replace("_", "-").lower(): str(value)
            for name, value in environ.items()
            if name.startswith("HTTP_")
        }
        query = parse_qs(environ.get("QUERY_STRING", ""), keep_blank_values=True)
        body = b""
        if service != "s3":  # whose bodies are files
            body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
            environ["wsgi.input"] = io.BytesIO(body)
        path = unquote(environ.get("PATH_INFO", ""))
        return cls(user, region, service, environ["REQUEST_METHOD"], path, query, headers, body)

    @property
    def form(self) -> dict[str, str]:
        """The body of a request of the query protocol."""
        return {name: values[0] for name, values in parse_qs(self.body.decode()).items()}


def call_of(received: Received) -> Call:
    """The call that a request is. Raises: LookupError where it is not known here."""
    try:
        call = READERS[received.service](received)
    except KeyError as error:
        asked = f"{received.service} {received.method} {received.path} {dict(received.query)}"
        raise LookupError(f"what IAM decides about is not known here: {asked}") from error
    context = {"aws:SecureTransport": "true", **call.context}
    return Call(call.action, call.resource, context, found=received.status != NOT_FOUND)


def _s3_call(received: Received) -> Call:
    bucket, _, key = received.path.lstrip("/").partition("/")
    named = [name for name in received.query if name in S3_OPERATIONS]
    unknown = received.query.keys() - S3_OPERATIONS - S3_SDK_PARAMETERS
    if unknown:
        raise KeyError(unknown)
    # uploadId comes with partNumber, which says more.
    operation = min(named, key=lambda name: name != "partNumber", default="")
    action = S3_ACTIONS[received.method, "key" if key else "bucket", operation]
    context = {f"s3:{name}": value for name, value in received.headers.items() if name.startswith("x-amz-server-side")}
    if "prefix" in received.query:
        context["s3:prefix"] = received.query["prefix"][0]
    return Call(action, f"arn:aws:s3:::{bucket}/{key}" if key else f"arn:aws:s3:::{bucket}", context)


def _secrets_call(received: Received) -> Call:
    operation = received.headers["x-amz-target"].partition(".")[2]
    secret = json.loads(received.body)["SecretId"]
    prefix = f"arn:aws:secretsmanager:{received.region}:{ACCOUNT}:secret:"
    return Call(f"secretsmanager:{operation}", secret if secret.startswith("arn:") else f"{prefix}{secret}")


def _metrics_call(received: Received) -> Call:
    body = gzip.decompress(received.body) if received.headers.get("content-encoding") == "gzip" else received.body
    document: dict[str, Any]
    if by_path := CBOR_PATH.fullmatch(received.path):
        operation, document = by_path[1], RpcV2CBORParser().parse_data_item(io.BufferedReader(io.BytesIO(body)))
    else:
        operation, document = received.headers["x-amz-target"].partition(".")[2], json.loads(body)
    return Call(f"cloudwatch:{operation}", "*", {"cloudwatch:namespace": document["Namespace"]})


def _topic_call(received: Received) -> Call:
    return Call(f"sns:{received.form['Action']}", received.form["TopicArn"])


def _catalogue_call(received: Received) -> Call:
    """A call about a table, or a database, of Glue's catalogue."""
    operation, asked = received.headers["x-amz-target"].partition(".")[2], json.loads(received.body)
    prefix = f"arn:aws:glue:{received.region}:{ACCOUNT}:"
    if operation == "CreateDatabase":
        return Call("glue:CreateDatabase", f"{prefix}database/{asked['DatabaseInput']['Name']}")
    table = asked["TableInput"]["Name"] if "TableInput" in asked else asked["Name"]
    return Call(f"glue:{operation}", f"{prefix}table/{asked['DatabaseName']}/{table}")


READERS = {
    "s3": _s3_call,
    "secretsmanager": _secrets_call,
    "monitoring": _metrics_call,
    "sns": _topic_call,
    "glue": _catalogue_call,
}
"""What requests are signed for, and how their calls are read."""
