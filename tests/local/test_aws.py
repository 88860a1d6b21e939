"""The embedded AWS endpoint refuses the writes that S3 refuses, and ends with its parent."""

import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local.aws import AwsServer
from local.environment import Buckets

ROOT = Path(__file__).parents[2]
PARENT = """
import time
from local.aws import AwsServer
print(AwsServer().start().endpoint_url, flush=True)
time.sleep(600)
"""


def refused(failure: pytest.ExceptionInfo[ClientError]) -> bool:
    """Whether S3 said that a precondition failed."""
    code: str = failure.value.response["Error"]["Code"]
    return code == "PreconditionFailed"


def upload_in_parts(s3: Any, bucket: str, key: str, body: bytes) -> None:
    """Write an object as a multipart upload that refuses to replace."""
    upload = s3.create_multipart_upload(Bucket=bucket, Key=key)["UploadId"]
    part = s3.upload_part(Bucket=bucket, Key=key, UploadId=upload, PartNumber=1, Body=body)
    s3.complete_multipart_upload(
        Bucket=bucket,
        Key=key,
        UploadId=upload,
        MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]},
        IfNoneMatch="*",
    )


def test_an_object_is_not_replaced_by_a_put_that_expects_none(s3: Any, buckets: Buckets) -> None:
    s3.put_object(Bucket=buckets.ingestion, Key="once", Body=b"first", IfNoneMatch="*")
    with pytest.raises(ClientError) as failure:
        s3.put_object(Bucket=buckets.ingestion, Key="once", Body=b"second", IfNoneMatch="*")
    assert refused(failure)
    assert s3.get_object(Bucket=buckets.ingestion, Key="once")["Body"].read() == b"first"


def test_an_object_is_not_replaced_by_parts_that_expect_none(s3: Any, buckets: Buckets) -> None:
    upload_in_parts(s3, buckets.ingestion, "once", b"first")
    with pytest.raises(ClientError) as failure:
        upload_in_parts(s3, buckets.ingestion, "once", b"second")
    assert refused(failure)
    assert s3.get_object(Bucket=buckets.ingestion, Key="once")["Body"].read() == b"first"


def test_of_two_writers_that_read_the_same_version_the_second_is_refused(s3: Any, buckets: Buckets) -> None:
    read = s3.put_object(Bucket=buckets.state, Key="state", Body=b"0")["ETag"]
    s3.put_object(Bucket=buckets.state, Key="state", Body=b"first writer", IfMatch=read)
    with pytest.raises(ClientError) as failure:
        s3.put_object(Bucket=buckets.state, Key="state", Body=b"second writer", IfMatch=read)
    assert refused(failure)
    assert s3.get_object(Bucket=buckets.state, Key="state")["Body"].read() == b"first writer"


def test_two_servers_run_at_once_and_share_nothing(aws: AwsServer) -> None:
    with AwsServer() as other:
        assert other.endpoint_url != aws.endpoint_url


def stops_answering(url: str, within_seconds: float = 20) -> bool:
    """Whether nothing answers at the URL any more before the time is over."""
    deadline = time.monotonic() + within_seconds
    while time.monotonic() < deadline:
        try:
            urllib.request.urlopen(url).close()
        except (urllib.error.URLError, ConnectionError):
            return True
        time.sleep(0.1)
    return False


def test_the_server_ends_with_its_killed_parent() -> None:
    with subprocess.Popen([sys.executable, "-c", PARENT], cwd=ROOT, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        url = parent.stdout.readline().strip()
        urllib.request.urlopen(url).close()
        parent.kill()
    assert stops_answering(url)
