"""The evaluator reads policies as IAM does."""

from typing import Any

import pytest

from tests.terraform.calls import Call
from tests.terraform.policies import is_allowed, statements

OBJECT = "arn:aws:s3:::lake/a/b.csv"
GET = Call("s3:GetObject", OBJECT, {"aws:SecureTransport": "true"})


def policy(*said: dict[str, Any]) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Resource": "*", **one} for one in said]}


def allowed(call: Call, *said: dict[str, Any]) -> bool:
    return is_allowed(statements("test", policy(*said)), call)


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({"Action": "s3:GetObject", "Resource": OBJECT}, True),
        ({"Action": ["s3:PutObject", "s3:Get*"], "Resource": ["arn:aws:s3:::lake/*"]}, True),
        ({"Action": "S3:getobject", "Resource": "arn:aws:s3:::lake/?/b.csv"}, True),
        ({"Action": "s3:Get", "Resource": OBJECT}, False),
        ({"Action": "s3:GetObject", "Resource": "arn:aws:s3:::lake"}, False),
        ({"Action": "s3:GetObject", "Resource": "arn:aws:s3:::lake/a.b.csv"}, False),
        ({"NotAction": "s3:PutObject"}, True),
        ({"NotAction": "s3:Get*"}, False),
    ],
)
def test_actions_and_resources_are_patterns(said: dict[str, Any], expected: bool) -> None:
    assert allowed(GET, said) is expected


def test_nothing_is_allowed_by_itself_and_a_denial_wins() -> None:
    everything = {"Action": "*"}
    assert not allowed(GET)
    assert allowed(GET, everything)
    assert not allowed(GET, everything, {"Effect": "Deny", "Action": "s3:GetObject"})


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ({"StringEquals": {"cloudwatch:namespace": "totesys"}}, True),
        ({"StringEquals": {"CloudWatch:Namespace": ["other", "totesys"]}}, True),
        ({"StringEquals": {"cloudwatch:namespace": "tote*"}}, False),
        ({"StringLike": {"cloudwatch:namespace": "tote*"}}, True),
        ({"StringNotEquals": {"cloudwatch:namespace": "totesys"}}, False),
        ({"StringEquals": {"aws:absent": "x"}}, False),
        ({"StringNotEquals": {"aws:absent": "x"}}, True),
        ({"StringEqualsIfExists": {"aws:absent": "x"}}, True),
        ({"Null": {"aws:absent": "true"}}, True),
        ({"Null": {"cloudwatch:namespace": "true"}}, False),
        ({"Bool": {"aws:SecureTransport": "false"}}, False),
        ({"NumericLessThan": {"s3:TlsVersion": "1.2"}}, False),
        ({"StringEquals": {"cloudwatch:namespace": "totesys"}, "Bool": {"aws:SecureTransport": "false"}}, False),
    ],
)
def test_conditions_hold_all_together(condition: dict[str, Any], expected: bool) -> None:
    context = {"cloudwatch:namespace": "totesys", "aws:SecureTransport": "true", "s3:TlsVersion": "1.3"}
    call = Call("cloudwatch:PutMetricData", "*", context)
    assert allowed(call, {"Action": "*", "Condition": condition}) is expected


def test_what_is_not_known_is_refused() -> None:
    with pytest.raises(LookupError, match=r"test\.Odd: NotResource"):
        allowed(GET, {"Sid": "Odd", "Action": "*", "NotResource": "*"})
    with pytest.raises(LookupError, match="IpAddress"):
        allowed(GET, {"Action": "*", "Condition": {"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}})
