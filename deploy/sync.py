"""The pipeline's code in the environment's bucket, brought up to date file by file, without Terraform."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from deploy import mwaa, package, wheels
from deploy.environment import Environment

ABSENT = b""


@dataclass
class Changes:
    """What was done to the bucket: keys."""

    uploaded: list[str] = field(default_factory=list)
    deleted: list[str] = field(default_factory=list)


def sync(environment: Environment) -> Changes:
    """Upload what changed under dags/ and delete what is gone; Airflow reads it within a minute.

    The environment itself is left as it is: plugins, packages and settings come with `make deploy` only.
    """
    found = mwaa.describe(environment.client("mwaa"), environment.name)
    bucket = found["SourceBucketArn"].rpartition(":")[2]
    s3 = environment.client("s3")
    changes = bring_up_to_date(s3, bucket, package.dag_files())
    for key in changes.uploaded:
        print(f"uploaded {key}")
    for key in changes.deleted:
        print(f"deleted {key}")
    print(f"s3://{bucket}: {len(changes.uploaded)} uploaded, {len(changes.deleted)} deleted")
    if _content(s3, bucket, "requirements.txt").decode() != wheels.requirements_text():
        print("requirements.txt differs from the environment's: only make deploy brings that there.")
    return changes


def bring_up_to_date(s3: Any, bucket: str, files: dict[str, Path]) -> Changes:
    """Make the bucket's dags/ hold these files, key → file, and no others.

    Modules come before the DAG file that imports them, and deletions last, so that a DAG that is read meanwhile finds
    what it needs.
    """
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix="dags/")
    sizes = {item["Key"]: item["Size"] for page in pages for item in page.get("Contents", [])}
    changes = Changes()
    for key in sorted(files, key=lambda key: (not key.startswith("dags/include/"), key)):
        content = files[key].read_bytes()
        # With a key of KMS an ETag is no digest, so contents are compared; of the same size few are another's.
        if sizes.get(key) != len(content) or _content(s3, bucket, key) != content:
            s3.put_object(Bucket=bucket, Key=key, Body=content)
            changes.uploaded.append(key)
    for key in sorted(sizes.keys() - files.keys()):
        s3.delete_object(Bucket=bucket, Key=key)
        changes.deleted.append(key)
    return changes


def _content(s3: Any, bucket: str, key: str) -> bytes:
    try:
        return bytes(s3.get_object(Bucket=bucket, Key=key)["Body"].read())
    except s3.exceptions.NoSuchKey:
        return ABSENT
