"""What the page reads in S3: status.json, classification.json, and files of rejected rows that the former lists."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

from airflow.models import Variable
from airflow.providers.amazon.aws.hooks.s3 import S3Hook
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

STATUS_KEY = "status.json"
FORMAT = "totesys-status/1"
CLASSIFICATION_KEY = "classification.json"
CLASSIFICATION_FORMAT = "totesys-classification/1"
REJECTED_FOLDER = "rejected/"
QUICK = Config(connect_timeout=3, read_timeout=10, retries={"total_max_attempts": 2})
"""Somebody waits for the page; it asks again by itself."""


class UnreadableError(Exception):
    """S3 does not give what the page needs; the message says what to look at."""


class UnlistedError(Exception):
    """The file is none of those that status.json lists."""


def read_status() -> dict[str, Any] | None:
    """What runs left in status.json; None before the first has anything to show. Raises: UnreadableError."""
    return _read_json(STATUS_KEY, FORMAT)


def read_classification() -> dict[str, Any] | None:
    """What was left in classification.json; None before the first training or scoring. Raises: UnreadableError."""
    return _read_json(CLASSIFICATION_KEY, CLASSIFICATION_FORMAT)


def _read_json(key: str, format_: str) -> dict[str, Any] | None:
    try:
        content = _open("state_bucket", key).read()
    except FileNotFoundError:
        return None
    try:
        document = json.loads(content)
    except ValueError as error:
        raise UnreadableError(f"{key} is not JSON; the next run writes it anew") from error
    if not isinstance(document, dict) or document.get("format") != format_:
        raise UnreadableError(f"{key} is not of the format {format_}; the next run writes it anew")
    return document


def open_rejected(key: str) -> Any:
    """A file of rejected rows as a stream. Raises: UnlistedError for any other file; UnreadableError."""
    status = read_status() or {}
    listed = {row.get("file") for row in status.get("rejected_rows", [])}
    if key not in listed or not key.startswith(REJECTED_FOLDER):
        raise UnlistedError(key)
    try:
        return _open("processed_bucket", key)
    except FileNotFoundError as error:
        raise UnlistedError(key) from error


def forget() -> None:
    """Look the variables and the connection up again when they are next needed."""
    _bucket.cache_clear()
    _s3.cache_clear()


@cache
def _bucket(variable: str) -> str:
    """The bucket that an Airflow variable names; looked up once, as Secrets Manager takes longer than S3."""
    name = Variable.get(variable, default_var=None)
    if not name:
        raise UnreadableError(f"the Airflow variable {variable!r} is not set")
    return str(name)


@cache
def _s3() -> Any:
    return S3Hook(aws_conn_id="aws_default", config=QUICK).get_conn()


def _open(variable: str, key: str) -> Any:
    """The body of an object. Raises: FileNotFoundError where it is missing; UnreadableError."""
    with _s3_errors(variable, key):
        return _s3().get_object(Bucket=_bucket(variable), Key=key)["Body"]


@contextmanager
def _s3_errors(variable: str, key: str) -> Iterator[None]:
    try:
        yield
    except ClientError as error:
        if error.response.get("Error", {}).get("Code") == "NoSuchKey":
            raise FileNotFoundError(key) from error
        forget()
        raise UnreadableError(f"{key} in the bucket of the variable {variable!r}: {error}") from error
    except BotoCoreError as error:
        forget()
        raise UnreadableError(f"{key} in the bucket of the variable {variable!r}: {error}") from error
