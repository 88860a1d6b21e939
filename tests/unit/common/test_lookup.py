"""What a secrets back end that cannot be asked leads to: a retry, never "it is not defined"."""

from collections.abc import Iterator

import pytest

from include.common import lookup
from include.common.errors import DeclarationError, ServiceError
from include.common.postgres import connect, own_credentials
from include.common.settings import aws_client, optional_variable, required_variable
from local.aws import AwsServer
from local.environment import Buckets
from tests.secrets import Door, kept_in_secrets, secrets_door

PASSING = ("answers 500", "answers 503", "throttles", "cannot decrypt", "closes the connection")


@pytest.fixture
def door(
    pipeline_environment: dict[str, str], aws: AwsServer, buckets: Buckets, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Door]:
    """Everything is in Secrets Manager, and nothing of it in the environment; botocore itself tries once."""
    kept = kept_in_secrets(pipeline_environment)
    with secrets_door(aws.endpoint_url, buckets.state, kept) as (door, settings):
        for name in kept:
            monkeypatch.delenv(name)
        for name, value in {**settings, "AWS_MAX_ATTEMPTS": "1"}.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(lookup, "_impatient_until", 0.0)
        yield door


def test_what_is_there_is_found_and_what_is_not_is_not(door: Door, buckets: Buckets) -> None:
    assert required_variable("state_bucket") == buckets.state
    assert optional_variable("metrics_namespace") is None
    with pytest.raises(DeclarationError, match="metrics_namespace"):
        required_variable("metrics_namespace")
    with pytest.raises(DeclarationError, match="'totesys_two' is not defined"), connect("totesys_two"):
        pass
    with connect("totesys") as connection:
        assert connection.execute("SELECT count(*) FROM public.product").fetchone() == (424,)


@pytest.mark.parametrize("fault", PASSING)
def test_a_back_end_that_fails_for_a_while_is_waited_for(door: Door, buckets: Buckets, fault: str) -> None:
    door.shut(fault, 1.5)
    assert required_variable("state_bucket") == buckets.state
    door.shut(fault, 1.5)
    with connect("warehouse") as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
    door.shut(fault, 1.5)
    assert optional_variable("metrics_namespace") is None  # it was asked, and has none
    assert door.refused >= 6


@pytest.mark.parametrize("fault", PASSING)
def test_a_back_end_that_fails_for_longer_is_a_service_error_and_then_at_once(
    door: Door, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    monkeypatch.setattr(lookup, "PATIENCE_SECONDS", 1.0)
    door.shut(fault, 600)
    for _ in range(2):
        with pytest.raises(ServiceError, match="variable 'state_bucket'"):
            required_variable("state_bucket")
    refused = door.refused
    with pytest.raises(ServiceError, match="variable 'alerts_topic_arn'"):
        optional_variable("alerts_topic_arn")
    with pytest.raises(ServiceError, match="connection 'totesys'"):
        own_credentials("totesys")
    with pytest.raises(ServiceError, match="connection 'totesys'"), connect("totesys"):
        pass
    assert door.refused == refused + 6  # each is asked for by Airflow and by us, once


@pytest.mark.parametrize("fault", ["denies", "says it is being deleted"])
def test_a_refusal_that_will_not_pass_is_told_as_it_is(door: Door, fault: str) -> None:
    door.shut(fault, 600)
    with pytest.raises(DeclarationError, match=r"variable 'state_bucket' in SecretsManagerBackend: .*not now"):
        required_variable("state_bucket")
    with pytest.raises(DeclarationError, match=r"connection 'totesys' in SecretsManagerBackend: .*not now"):
        own_credentials("totesys")


def test_a_secret_that_is_no_connection_is_not_called_undefined(
    pipeline_environment: dict[str, str], aws: AwsServer, buckets: Buckets, monkeypatch: pytest.MonkeyPatch
) -> None:
    with secrets_door(aws.endpoint_url, buckets.state, {"AIRFLOW_CONN_TOTESYS": "{not JSON"}) as (_, settings):
        monkeypatch.delenv("AIRFLOW_CONN_TOTESYS")
        for name, value in settings.items():
            monkeypatch.setenv(name, value)
        with pytest.raises(DeclarationError, match=r"connection 'totesys' in SecretsManagerBackend cannot be read"):
            own_credentials("totesys")


def test_credentials_of_aws_are_not_guessed_where_the_connection_could_not_be_asked_for(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    kwargs = '{"connections_prefix": "none", "endpoint_url": "%s"}'
    monkeypatch.setenv("AIRFLOW__SECRETS__BACKEND_KWARGS", kwargs % door.url)
    monkeypatch.delenv("AIRFLOW_CONN_AWS_DEFAULT")
    monkeypatch.setattr(lookup, "PATIENCE_SECONDS", 0.0)
    door.shut("answers 500", 600)
    with pytest.raises(ServiceError, match="connection 'aws_default'"):
        aws_client("s3")
