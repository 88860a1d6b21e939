"""A request is noted as what IAM decides about it."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import date
from typing import Any
from uuid import uuid4

import pytest

from include.lake import iceberg
from include.tables.star import Calendar, Column
from tests.clients import own_clients  # noqa: F401 - a fixture
from tests.terraform.calls import Call
from tests.terraform.cloud import Cloud
from tests.terraform.decisions import decisions

SECRET = "arn:aws:secretsmanager:eu-west-2:123456789012:secret:"
PUT = {"Bucket": "lake", "Key": "a/b 1"}


COMMIT = {"glue:GetTable", "glue:CreateTable", "glue:UpdateTable"}
TYPES, YEAR = {"date_id": "date", "year": "integer"}, (date(2024, 1, 1), date(2024, 12, 31))


@pytest.fixture(scope="module")
def cloud() -> Iterator[Cloud]:
    with Cloud() as running:
        running.client("s3").create_bucket(Bucket="lake", CreateBucketConfiguration={"LocationConstraint": "eu-west-2"})
        yield running


@pytest.fixture
def calls(cloud: Cloud) -> Callable[..., list[Call]]:
    """A function that does one operation, whatever comes of it, and gives what was noted of it."""

    def do(service: str, operation: str, **parameters: Any) -> list[Call]:
        user = uuid4().hex
        client = cloud.client(service, user)
        with suppress(client.exceptions.ClientError):
            getattr(client, operation)(**parameters)
        return cloud.calls(user)

    return do


@pytest.mark.parametrize(
    ("operation", "parameters", "action", "resource"),
    [
        ("put_object", {**PUT, "Body": b"x"}, "s3:PutObject", "arn:aws:s3:::lake/a/b 1"),
        ("get_object", PUT, "s3:GetObject", "arn:aws:s3:::lake/a/b 1"),
        ("head_object", PUT, "s3:GetObject", "arn:aws:s3:::lake/a/b 1"),
        ("get_object", {**PUT, "VersionId": "1"}, "s3:GetObjectVersion", "arn:aws:s3:::lake/a/b 1"),
        ("delete_object", PUT, "s3:DeleteObject", "arn:aws:s3:::lake/a/b 1"),
        ("list_objects_v2", {"Bucket": "lake"}, "s3:ListBucket", "arn:aws:s3:::lake"),
    ],
)
def test_an_operation_on_s3_is_an_action_on_an_object_or_a_bucket(
    calls: Callable[..., list[Call]], operation: str, parameters: dict[str, Any], action: str, resource: str
) -> None:
    (call,) = calls("s3", operation, **parameters)
    assert (call.action, call.resource) == (action, resource)


def test_an_upload_in_parts_is_one_action_until_it_is_given_up(cloud: Cloud) -> None:
    user = uuid4().hex
    s3 = cloud.client("s3", user)
    upload = {**PUT, "UploadId": s3.create_multipart_upload(**PUT)["UploadId"]}
    etag = s3.upload_part(**upload, PartNumber=1, Body=b"x")["ETag"]
    s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": etag}]})
    s3.abort_multipart_upload(**PUT, UploadId=s3.create_multipart_upload(**PUT)["UploadId"])
    actions = [call.action for call in cloud.calls(user)]
    assert actions == ["s3:PutObject"] * 4 + ["s3:AbortMultipartUpload"]


def test_a_secret_is_named_by_its_arn(calls: Callable[..., list[Call]]) -> None:
    (call,) = calls("secretsmanager", "get_secret_value", SecretId="airflow/connections/totesys")
    assert (call.action, call.resource) == ("secretsmanager:GetSecretValue", SECRET + "airflow/connections/totesys")
    (call,) = calls("secretsmanager", "get_secret_value", SecretId=SECRET + "x-AbCdEf")
    assert call.resource == SECRET + "x-AbCdEf"


@pytest.mark.parametrize("count", [1, 500], ids=["plain", "compressed"])
def test_metrics_name_their_namespace(calls: Callable[..., list[Call]], count: int) -> None:
    metrics = [{"MetricName": f"Rows{number:04}", "Value": number} for number in range(count)]
    (call,) = calls("cloudwatch", "put_metric_data", Namespace="totesys", MetricData=metrics)
    assert (call.action, call.resource) == ("cloudwatch:PutMetricData", "*")
    assert call.context["cloudwatch:namespace"] == "totesys"


def test_a_message_names_its_topic(calls: Callable[..., list[Call]]) -> None:
    topic = "arn:aws:sns:eu-west-2:123456789012:alerts"
    (call,) = calls("sns", "publish", TopicArn=topic, Message="m")
    assert (call.action, call.resource) == ("sns:Publish", topic)


def test_what_is_done_to_a_table_is_done_to_its_database_and_the_catalogue_too(cloud: Cloud) -> None:
    user, prefix = uuid4().hex, "arn:aws:glue:eu-west-2:123456789012:"
    glue = cloud.client("glue", user)
    glue.create_database(DatabaseInput={"Name": "lake"})
    glue.create_table(DatabaseName="lake", TableInput={"Name": "sale"})
    glue.get_table(DatabaseName="lake", Name="sale")
    created = [f"{prefix}{name}" for name in ("catalog", "database/lake", "table/lake/sale")]
    assert [(call.action, call.resource) for call in decisions(cloud, user)] == [
        *(("glue:CreateDatabase", resource) for resource in created[:2]),
        *(("glue:CreateTable", resource) for resource in created),
        *(("glue:GetTable", resource) for resource in created),
    ]


def test_a_load_is_committed_without_a_right_to_make_databases(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    user = uuid4().hex
    for name, value in (cloud.variables(user) | {"AIRFLOW_VAR_PROCESSED_BUCKET": "lake"}).items():
        monkeypatch.setenv(name, value)
    cloud.client("glue").create_database(DatabaseInput={"Name": "made"})
    iceberg.catalogue.cache_clear()
    for columns in (("date_id",), ("date_id", "year")):
        days = Calendar("days", "date_id", tuple(Column(name, TYPES[name]) for name in columns), *YEAR)
        iceberg.append("made", days, [])
    iceberg.catalogue.cache_clear()
    actions = {call.action for call in cloud.calls(user)}
    assert {action for action in actions if action.startswith("glue:")} == COMMIT
    assert actions - COMMIT == {"s3:GetObject", "s3:PutObject"}
    (table,) = cloud.client("glue").get_tables(DatabaseName="made")["TableList"]
    assert table["Parameters"]["metadata_location"].startswith("s3://lake/iceberg/days/metadata/")


@pytest.mark.parametrize(
    ("service", "operation", "parameters"),
    [("ec2", "describe_vpcs", {}), ("s3", "get_object_tagging", PUT), ("s3", "list_buckets", {})],
)
def test_what_is_not_known_is_no_call_that_is_overlooked(
    calls: Callable[..., list[Call]], service: str, operation: str, parameters: dict[str, Any]
) -> None:
    with pytest.raises(LookupError, match="not known here"):
        calls(service, operation, **parameters)
