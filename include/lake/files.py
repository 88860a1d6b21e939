"""Files in the buckets: keys that say when, files that are written once, streams in and out."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import IO, Any, Self, cast
from uuid import uuid4

from botocore.exceptions import BotoCoreError, ClientError

from include.common.errors import DataError, DeclarationError, ServiceError
from include.common.settings import BUCKETS, aws_client, optional_variable

log = logging.getLogger(__name__)

PART_BYTES = 8 << 20
"""The size of a multipart upload's part, and the most that a file being written holds in memory. S3 takes parts of
at least 5 MiB, and 10,000 of them: files of up to 80 GiB."""

STREAMS = 2
"""Files that a task reads, converts or loads at the same time: the smallest MWAA worker has five tasks on one core."""

REFUSED = {"AccessDenied", "403", "InvalidAccessKeyId", "SignatureDoesNotMatch", "AllAccessDisabled"}
MISSING = {"NoSuchKey", "404"}
TAKEN = {"PreconditionFailed", "412", "ConditionalRequestConflict"}


class MissingFileError(DataError):
    """A file that was written is gone."""


@contextmanager
def lake_errors(bucket: str, key: str) -> Iterator[None]:
    """Name the bucket and the key in whatever S3 refuses.

    Raises: DeclarationError for a missing bucket or permission, DataError for a missing file, ServiceError for the
        rest.
    """
    try:
        yield
    except ClientError as error:
        raise _named(error, bucket, key) from error
    except BotoCoreError as error:
        raise ServiceError(f"s3://{bucket}/{key}: {error}") from error


def _named(error: ClientError, bucket: str, key: str) -> Exception:
    code = error.response.get("Error", {}).get("Code", "")
    if code == "NoSuchBucket":
        named_by = next((name for name in BUCKETS if optional_variable(name) == bucket), "that names it")
        return DeclarationError(
            f"the bucket {bucket!r} does not exist: create it or correct the Airflow variable {named_by!r}"
        )
    if code in REFUSED:
        return DeclarationError(f"s3://{bucket}/{key}: {error}; grant it to the role that the pipeline runs as")
    if code in TAKEN:
        return ServiceError(
            f"s3://{bucket}/{key} is already written, by an attempt whose answer was lost; nothing was overwritten"
        )
    if code in MISSING:
        return MissingFileError(
            f"s3://{bucket}/{key} is missing; a full refresh of its table (--tables … --full-refresh) writes it anew"
        )
    return ServiceError(f"s3://{bucket}/{key}: {error}")


def new_key(table: str, observed_at: datetime, suffix: str, folder: str = "") -> str:
    """A key that no other file has: `sales_order/2024-08-22/sales_order_20240822T142049.962123Z_1f0c9a3e.csv`.

    observed_at: when the source was read, UTC. The last part tells attempts of the same instant apart.
    """
    name = f"{table}_{observed_at:%Y%m%dT%H%M%S.%fZ}_{uuid4().hex[:8]}.{suffix}"
    return f"{folder}{table}/{observed_at:%Y-%m-%d}/{name}"


class WriteOnceFile:
    """A file that is streamed to S3 and appears whole, or not at all, and never in place of another.

    Use it as a context manager; an exception inside leaves nothing behind. It holds PART_BYTES at most.
    """

    def __init__(self, bucket: str, key: str) -> None:
        self.bucket, self.key, self.size = bucket, key, 0
        self.closed = False
        self._address = {"Bucket": bucket, "Key": key}
        self._buffer = bytearray()
        self._upload: dict[str, Any] = {}
        self._parts: list[dict[str, Any]] = []

    def write(self, block: Any) -> int:
        """Take a block (anything with a buffer) and give its length in bytes."""
        length = memoryview(block).nbytes
        self._buffer += block
        self.size += length
        if len(self._buffer) >= PART_BYTES:
            self._send_part()
        return length

    def writable(self) -> bool:
        """True: what Arrow asks of a file."""
        return True

    def flush(self) -> None:
        """Nothing: parts are sent when they are full."""

    def tell(self) -> int:
        """How many bytes were written."""
        return self.size

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self.closed = True
        if kind is not None:
            self._abort()
            return
        try:
            self._finish()
        except BaseException:
            self._abort()
            raise

    def _abort(self) -> None:
        """Take back the parts that were sent; where that fails too, it must not hide what went wrong before."""
        if self._upload:
            try:
                aws_client("s3").abort_multipart_upload(**self._upload)
            except (ClientError, BotoCoreError):
                log.warning("s3://%s/%s: its upload was left unfinished", self.bucket, self.key, exc_info=True)

    def _send_part(self) -> None:
        with lake_errors(self.bucket, self.key):
            if not self._upload:
                answer = aws_client("s3").create_multipart_upload(**self._address)
                self._upload = {**self._address, "UploadId": answer["UploadId"]}
            number = len(self._parts) + 1
            part = aws_client("s3").upload_part(**self._upload, PartNumber=number, Body=bytes(self._buffer))
        self._parts.append({"PartNumber": number, "ETag": part["ETag"]})
        self._buffer.clear()

    def _finish(self) -> None:
        if not self._upload:
            with lake_errors(self.bucket, self.key):
                aws_client("s3").put_object(**self._address, Body=bytes(self._buffer), IfNoneMatch="*")
            return
        if self._buffer:
            self._send_part()
        with lake_errors(self.bucket, self.key):
            aws_client("s3").complete_multipart_upload(
                **self._upload, MultipartUpload={"Parts": self._parts}, IfNoneMatch="*"
            )


def write_file(bucket: str, key: str, content: bytes) -> None:
    """Write a small file once. Raises: as `lake_errors`."""
    with WriteOnceFile(bucket, key) as file:
        file.write(content)


def read_file(bucket: str, key: str) -> bytes:
    """A whole file. Raises: DataError where it is missing, and as `lake_errors`."""
    with open_file(bucket, key) as stream:
        return stream.read()


@contextmanager
def open_file(bucket: str, key: str) -> Iterator[IO[bytes]]:
    """A file as a stream of bytes. Raises: DataError where it is missing, and as `lake_errors`."""
    with lake_errors(bucket, key):
        body = aws_client("s3").get_object(Bucket=bucket, Key=key)["Body"]
    try:
        with lake_errors(bucket, key):
            yield cast(IO[bytes], body)
    finally:
        body.close()


def is_there(bucket: str, key: str) -> bool:
    """Whether there is a file. Raises: as `lake_errors`."""
    try:
        with lake_errors(bucket, key):
            aws_client("s3").head_object(Bucket=bucket, Key=key)
    except MissingFileError:
        return False
    return True


def read_current(bucket: str, key: str) -> tuple[bytes | None, str | None]:
    """A small file that is replaced as time goes on, and its ETag; twice None where there is none.

    Raises: as `lake_errors`.
    """
    with lake_errors(bucket, key):
        try:
            answer = aws_client("s3").get_object(Bucket=bucket, Key=key)
        except ClientError as error:
            if error.response["Error"]["Code"] == "NoSuchKey":
                return None, None
            raise
        return answer["Body"].read(), answer["ETag"]


def replace_file(bucket: str, key: str, content: bytes, etag: str | None) -> bool:
    """Write a JSON file in place of the one with this ETag, or of none. False: somebody else wrote it meanwhile.

    Raises: as `lake_errors`.
    """
    condition = {"IfMatch": etag} if etag else {"IfNoneMatch": "*"}
    with lake_errors(bucket, key):
        try:
            aws_client("s3").put_object(
                Bucket=bucket, Key=key, Body=content, ContentType="application/json", **condition
            )
        except ClientError as error:
            if error.response["Error"]["Code"] in TAKEN:
                return False
            raise
    return True


def list_keys(bucket: str, prefix: str) -> list[str]:
    """The keys that begin with `prefix`, in their order. Raises: as `lake_errors`."""
    with lake_errors(bucket, prefix):
        pages = aws_client("s3").get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        return [entry["Key"] for page in pages for entry in page.get("Contents", [])]
