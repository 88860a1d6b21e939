"""Only what changed goes into the bucket, and what is gone goes out of it."""

from pathlib import Path
from typing import Any

import pytest

from deploy import package
from deploy.sync import bring_up_to_date
from local.environment import Buckets

Writes = list[tuple[str, str]]


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    """A DAG file and three modules: key → file."""
    made = {}
    for name in (
        "include/warehouse/load.py",
        "include/pipeline.py",
        "include/own/star/dim_date.py",
        "totesys_warehouse.py",
    ):
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"# {name}\n")
        made[f"dags/{name}"] = file
    return made


def stored(s3: Any, bucket: str) -> dict[str, bytes]:
    keys = [item["Key"] for item in s3.list_objects_v2(Bucket=bucket).get("Contents", [])]
    return {key: s3.get_object(Bucket=bucket, Key=key)["Body"].read() for key in keys}


def test_an_empty_bucket_gets_every_file_and_the_dag_file_last(
    s3: Any, buckets: Buckets, files: dict[str, Path]
) -> None:
    changes = bring_up_to_date(s3, buckets.state, files)
    assert stored(s3, buckets.state) == {key: file.read_bytes() for key, file in files.items()}
    assert set(changes.uploaded) == set(files)
    assert changes.uploaded[-1] == "dags/totesys_warehouse.py"


def test_nothing_is_written_when_nothing_changed(s3: Any, buckets: Buckets, files: dict[str, Path]) -> None:
    bring_up_to_date(s3, buckets.state, files)
    before = {item["Key"]: item["LastModified"] for item in s3.list_objects_v2(Bucket=buckets.state)["Contents"]}
    writes = []
    s3.meta.events.register("before-call.s3.PutObject", lambda **call: writes.append(call))
    s3.meta.events.register("before-call.s3.DeleteObject", lambda **call: writes.append(call))
    changes = bring_up_to_date(s3, buckets.state, files)
    assert (changes.uploaded, changes.deleted, writes) == ([], [], [])
    after = {item["Key"]: item["LastModified"] for item in s3.list_objects_v2(Bucket=buckets.state)["Contents"]}
    assert after == before


@pytest.mark.parametrize(
    "content", ["# changed, and longer than before\n", "# include/LOAD.py\n"], ids=["size", "letter"]
)
def test_only_a_changed_file_is_uploaded(s3: Any, buckets: Buckets, files: dict[str, Path], content: str) -> None:
    bring_up_to_date(s3, buckets.state, files)
    files["dags/include/warehouse/load.py"].write_text(content)
    changes = bring_up_to_date(s3, buckets.state, files)
    assert (changes.uploaded, changes.deleted) == (["dags/include/warehouse/load.py"], [])
    assert stored(s3, buckets.state)["dags/include/warehouse/load.py"] == content.encode()


def test_a_file_that_is_gone_is_deleted_and_what_is_not_code_stays(
    s3: Any, buckets: Buckets, files: dict[str, Path]
) -> None:
    others = ("latest_update.json", "plugins.zip", "requirements.txt", "dags.txt")
    for key in others:
        s3.put_object(Bucket=buckets.state, Key=key, Body=b"not code")
    bring_up_to_date(s3, buckets.state, files)
    del files["dags/include/warehouse/load.py"]
    changes = bring_up_to_date(s3, buckets.state, files)
    assert (changes.uploaded, changes.deleted) == ([], ["dags/include/warehouse/load.py"])
    assert set(stored(s3, buckets.state)) == set(files) | set(others)


def test_what_is_uploaded_is_what_the_package_holds(built: Path) -> None:
    packaged = {
        str(file.relative_to(built)): file.read_bytes() for file in (built / "dags").rglob("*") if file.is_file()
    }
    assert {key: file.read_bytes() for key, file in package.dag_files().items()} == packaged
