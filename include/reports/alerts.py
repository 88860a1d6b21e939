"""Mail about what went wrong, through an SNS topic, where one is configured; what cannot be sent waits."""

import logging
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from functools import partial

from include.common.errors import DataError, DeclarationError, ServiceError
from include.common.settings import ALERTS_TOPIC, aws_client, aws_errors, optional_variable
from include.reports import outbox
from include.reports.outbox import Alert

log = logging.getLogger(__name__)

SUBJECT_CHARACTERS = 100
"""The longest subject that SNS takes. Source: SNS API reference, Publish."""

LATE = timedelta(minutes=5)
"""From what age on an alert says that it could not be sent earlier."""


def tell(raised: Iterable[Alert], over: Iterable[str] = ()) -> None:
    """Send alerts to the topic of the variable `alerts_topic_arn`, after those that wait; nothing where it is not set.

    over: what was told once and is over, so that it is told again when it comes back.
    What cannot be sent waits for the next run. Where it cannot wait either, as S3 does not answer, it is sent directly.

    Raises: as `aws_errors` and `look_up`: then it waits, as the message says.
    """
    raised = list(raised)
    topic = _topic(raised)
    if not topic:
        return
    try:
        outbox.keep(raised, over)
    except (DeclarationError, DataError, ServiceError) as error:
        log.warning("alerts are sent without the outbox: %s", error)
        for alert in raised:
            _publish(topic, alert)
        return
    try:
        outbox.send_waiting(partial(_publish, topic))
    except (DeclarationError, ServiceError) as error:
        raise type(error)(f"{error}; it waits, and the next run sends it") from error


def _topic(raised: list[Alert]) -> str | None:
    """The topic; where nobody can say whether there is one, the alerts wait."""
    try:
        return optional_variable(ALERTS_TOPIC)
    except ServiceError:
        outbox.keep(raised, ())
        raise


def _publish(topic: str, alert: Alert) -> None:
    late = datetime.now(UTC) - alert.raised_at > LATE
    head = f"Of {alert.raised_at:%Y-%m-%d %H:%M} UTC; it could not be sent earlier.\n\n" if late else ""
    with aws_errors(f"variable {ALERTS_TOPIC!r}, {topic}"):
        aws_client("sns").publish(TopicArn=topic, Subject=_subject(alert.subject), Message=head + alert.message)


def _subject(text: str) -> str:
    """A subject that SNS takes: a line of ASCII without control characters."""
    plain = text.encode("ascii", "replace").decode()
    return "".join(sign if sign.isprintable() else " " for sign in plain)[:SUBJECT_CHARACTERS]


def notify(subject: str, message: str) -> None:
    """Send one alert. Raises: as `tell`."""
    tell([Alert(subject=subject, message=message)])


def of_rejected(tables: list[str]) -> list[Alert]:
    """The alert that these warehouse tables have rows that were rejected for the first time; none for no table."""
    names = ", ".join(tables)
    message = (
        f"Rows of {names} were rejected; the others are loaded. Files under rejected/ in the processed bucket hold "
        "them with the reasons. They are read again by every run until they can be loaded."
    )
    return [Alert(subject=f"Rejected rows in {names}", message=message)] if tables else []


def of_differing(differing: list[str]) -> list[Alert]:
    """The alert that rows of the warehouse did not equal the source's, a sentence for each table; none for none."""
    advice = (
        "They are compared by a way of their own, so this is either a change by hand in the warehouse or a defect "
        "of the pipeline: docs/runbook.md tells what to look at."
    )
    message = "\n".join([*differing, "", advice])
    return [Alert(subject="Rows of the warehouse did not equal the source", message=message)] if differing else []


def of_held(held: Mapping[str, str]) -> list[Alert]:
    """An alert for each source table that is held back, with the reason; each is sent once until that is over."""
    return [
        Alert(subject=f"{table} is held back: most of its rows are gone", message=why, once=held_identity(table))
        for table, why in held.items()
    ]


def held_identity(table: str) -> str:
    """What the alert about a source table that is held back tells of."""
    return f"deletions {table}"
