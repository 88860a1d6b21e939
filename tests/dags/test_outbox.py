"""Alerts that cannot be sent: the next run sends them, in their order, each once."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from include.common.errors import DeclarationError, ServiceError
from include.common.settings import aws_client
from include.reports import alerts, outbox
from include.reports.failure import tell_failure
from include.reports.outbox import MESSAGE_CHARACTERS, MOST, OUTBOX_KEY, Alert, Outbox
from include.state.status import STATUS_KEY
from include.tables import belief
from include.tables.steps import RECORD
from local.environment import Buckets
from tests.shop import DECLARED
from tests.system import System

Topic = tuple[str, Callable[[], list[dict[str, str]]]]
GONE = "arn:aws:sns:eu-west-2:123456789012:gone"
VARIABLE = "AIRFLOW_VAR_ALERTS_TOPIC_ARN"


@pytest.fixture(autouse=True)
def _own_clients(pipeline_environment: dict[str, str]) -> None:
    aws_client.cache_clear()


@pytest.fixture
def kept(s3: Any, buckets: Buckets) -> Callable[[], Outbox]:
    """A function that gives what alerts.json holds."""

    def read() -> Outbox:
        return Outbox.model_validate_json(s3.get_object(Bucket=buckets.state, Key=OUTBOX_KEY)["Body"].read())

    return read


def subjects(published: list[dict[str, str]]) -> list[str]:
    return [message["Subject"] for message in published]


def fail_to_send(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    monkeypatch.setenv(VARIABLE, GONE)
    for name in names:
        with pytest.raises(DeclarationError, match=r"alerts_topic_arn.*the next run sends it"):
            alerts.notify(name, f"message of {name}")


def test_what_could_not_be_sent_is_sent_before_the_next_in_its_order_and_once(
    topic: Topic, monkeypatch: pytest.MonkeyPatch, kept: Callable[[], Outbox]
) -> None:
    arn, published = topic
    fail_to_send(monkeypatch, "one", "two")
    assert [alert.subject for alert in kept().waiting] == ["one", "two"]
    monkeypatch.setenv(VARIABLE, arn)
    alerts.notify("three", "message of three")
    assert subjects(published()) == ["one", "two", "three"]
    assert (kept().waiting, kept().sender) == ([], "")
    alerts.tell([])
    assert published() == []


def test_an_alert_that_waited_says_of_when_it_is(topic: Topic, monkeypatch: pytest.MonkeyPatch) -> None:
    arn, published = topic
    monkeypatch.setenv(VARIABLE, arn)
    late = Alert(subject="late", message="text", raised_at=datetime.now(UTC) - timedelta(hours=1))
    alerts.tell([late, Alert(subject="fresh", message="text")])
    first, second = (message["Message"] for message in published())
    assert first.startswith(f"Of {late.raised_at:%Y-%m-%d %H:%M} UTC; it could not be sent earlier.\n\ntext")
    assert second == "text"


def test_a_run_whose_alert_could_not_be_sent_says_so_and_the_next_run_sends_it(
    topic: Topic, monkeypatch: pytest.MonkeyPatch, system: System
) -> None:
    arn, published = topic
    monkeypatch.setenv(VARIABLE, GONE)
    system.write("UPDATE currency SET currency_code = 'XXY' WHERE currency_id = 1")
    error = system.run("currency").failures[RECORD]
    assert "alert (Rejected rows in dim_currency) not published" in str(error)
    assert "the next run sends it" in str(error)
    assert system.warehouse("SELECT count(*) FROM dim_currency") == [(2,)]
    monkeypatch.setenv(VARIABLE, arn)
    system.run_cleanly("currency")
    system.run_cleanly("currency")
    assert subjects(published()) == ["Rejected rows in dim_currency"]


def test_the_failure_of_a_run_waits_too(topic: Topic, monkeypatch: pytest.MonkeyPatch, system: System) -> None:
    arn, published = topic
    monkeypatch.setenv(VARIABLE, GONE)
    context = {"dag": SimpleNamespace(dag_id="totesys_warehouse"), "run_id": "scheduled__1", "reason": "timed_out"}
    with pytest.raises(DeclarationError):
        tell_failure(DECLARED, context)
    monkeypatch.setenv(VARIABLE, arn)
    system.run_cleanly("currency")
    (message,) = published()
    assert message["Subject"] == "totesys_warehouse failed"
    assert "scheduled__1" in message["Message"]


def test_senders_side_by_side_send_each_alert_once(
    topic: Topic, monkeypatch: pytest.MonkeyPatch, kept: Callable[[], Outbox]
) -> None:
    arn, published = topic
    fail_to_send(monkeypatch, *(f"alert {number}" for number in range(4)))
    monkeypatch.setenv(VARIABLE, arn)
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda _: alerts.tell([]), range(4)))
    assert sorted(subjects(published())) == [f"alert {number}" for number in range(4)]
    assert kept().waiting == []


def test_a_sender_that_died_is_not_waited_for_longer_than_its_lease(
    topic: Topic, monkeypatch: pytest.MonkeyPatch, s3: Any, buckets: Buckets
) -> None:
    arn, published = topic
    monkeypatch.setenv(VARIABLE, arn)
    now = datetime.now(UTC)
    for until, sent in ((now + timedelta(minutes=1), []), (now - timedelta(seconds=1), ["left"])):
        left = Outbox(waiting=[Alert(subject="left", message="m")], sender="dead", until=until)
        s3.put_object(Bucket=buckets.state, Key=OUTBOX_KEY, Body=left.model_dump_json())
        alerts.tell([])
        assert subjects(published()) == sent


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"format": "another"}', b'{"waiting": [{"subject": 1}]}'])
def test_an_outbox_that_cannot_be_read_is_begun_anew(
    topic: Topic, monkeypatch: pytest.MonkeyPatch, s3: Any, buckets: Buckets, content: bytes
) -> None:
    arn, published = topic
    monkeypatch.setenv(VARIABLE, arn)
    s3.put_object(Bucket=buckets.state, Key=OUTBOX_KEY, Body=content)
    alerts.notify("sent", "m")
    assert subjects(published()) == ["sent"]


def test_where_the_state_bucket_cannot_be_reached_alerts_are_sent_directly(
    topic: Topic, monkeypatch: pytest.MonkeyPatch
) -> None:
    arn, published = topic
    monkeypatch.setenv(VARIABLE, arn)
    monkeypatch.setenv("AIRFLOW_VAR_STATE_BUCKET", "no-such-bucket")
    alerts.notify("sent", "m")
    assert subjects(published()) == ["sent"]


def test_where_nobody_can_say_which_topic_alerts_wait(
    topic: Topic, monkeypatch: pytest.MonkeyPatch, kept: Callable[[], Outbox]
) -> None:
    def away(_: str) -> str:
        raise ServiceError("variable 'alerts_topic_arn': not now")

    with monkeypatch.context() as patch:
        patch.setattr(alerts, "optional_variable", away)
        with pytest.raises(ServiceError, match="not now"):
            alerts.notify("waits", "m")
    assert [alert.subject for alert in kept().waiting] == ["waits"]
    monkeypatch.setenv(VARIABLE, topic[0])
    alerts.tell([])
    assert subjects(topic[1]()) == ["waits"]


def test_it_stays_small_and_keeps_the_newest(monkeypatch: pytest.MonkeyPatch, kept: Callable[[], Outbox]) -> None:
    old = Alert(subject="old", message="m", raised_at=datetime.now(UTC) - timedelta(days=8))
    many = [Alert(subject=f"{number}", message="é" * 100_000) for number in range(MOST + 5)]
    outbox.keep([old, *many], ())
    waiting = kept().waiting
    assert [alert.subject for alert in waiting] == [f"{number}" for number in range(5, MOST + 5)]
    assert max(len(alert.message) for alert in waiting) == MESSAGE_CHARACTERS


def test_an_alert_whose_writing_was_answered_too_late_does_not_wait_twice(kept: Callable[[], Outbox]) -> None:
    alert = Alert(subject="one", message="m" * 10_000)
    outbox.keep([alert], ())
    outbox.keep([alert], ())
    assert len(kept().waiting) == 1


def test_a_subject_is_a_line_of_ascii_whatever_it_names(topic: Topic, monkeypatch: pytest.MonkeyPatch) -> None:
    arn, published = topic
    monkeypatch.setenv(VARIABLE, arn)
    alerts.notify("Łódź\nfailed" + "x" * 200, "Łódź\nfailed")
    (message,) = published()
    assert message["Subject"].startswith("??d? failed")
    assert len(message["Subject"]) == 100
    assert message["Message"] == "Łódź\nfailed"


def test_of_a_table_that_is_held_back_one_alert_goes_out_until_it_is_over(
    topic: Topic, monkeypatch: pytest.MonkeyPatch, system: System, s3: Any, buckets: Buckets
) -> None:
    arn, published = topic
    monkeypatch.setenv(VARIABLE, arn)
    monkeypatch.setattr(belief, "LEAST_KEYS", 20)

    def run() -> list[str]:
        """A run as Airflow ends it: with a call where it failed."""
        if system.run().failures:
            run_id = json.loads(s3.get_object(Bucket=buckets.state, Key=STATUS_KEY)["Body"].read())["runs"][0]
            context = {"dag": SimpleNamespace(dag_id="totesys_warehouse"), "run_id": run_id["run"]["run_id"]}
            tell_failure(DECLARED, context | {"reason": "task_failure"})
        return subjects(published())

    assert run() == []
    system.write("CREATE TABLE kept AS TABLE payment; DELETE FROM payment")
    assert run() == ["payment is held back: most of its rows are gone"]
    assert run() == run() == []
    system.write("ALTER TABLE product RENAME label TO filename")
    assert run() == ["totesys_warehouse failed"]  # as it failed for something else, too
    system.write("ALTER TABLE product RENAME filename TO label")
    assert run() == []
    system.write("INSERT INTO payment TABLE kept")
    assert run() == []
    system.write("DELETE FROM payment")
    assert run() == ["payment is held back: most of its rows are gone"]
    system.run_cleanly(accept=("payment",))
    assert subjects(published()) == []
