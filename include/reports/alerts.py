"""Mail about what went wrong, through an SNS topic, where one is configured."""

from include.common.settings import ALERTS_TOPIC, aws_client, aws_errors, optional_variable

SUBJECT_CHARACTERS = 100
"""The longest subject that SNS takes. Source: SNS API reference, Publish."""


def notify(subject: str, message: str) -> None:
    """Publish a message to the topic of the variable `alerts_topic_arn`; nothing where it is not set.

    Raises: as `aws_errors`.
    """
    topic = optional_variable(ALERTS_TOPIC)
    if topic:
        with aws_errors(f"variable {ALERTS_TOPIC!r}, {topic}"):
            aws_client("sns").publish(TopicArn=topic, Subject=subject[:SUBJECT_CHARACTERS], Message=message)


def notify_differing(differing: list[str]) -> None:
    """Tell that rows of the warehouse did not equal the source's, a sentence for each table."""
    if differing:
        notify(
            "Values in the warehouse did not equal the source",
            "\n".join(
                [
                    *differing,
                    "",
                    "They are compared by a way of their own, so this is either a change by hand in the warehouse or a "
                    "defect of the pipeline: docs/runbook.md tells what to look at.",
                ]
            ),
        )


def notify_rejected(tables: list[str]) -> None:
    """Tell that these warehouse tables have rows that were rejected for the first time."""
    if tables:
        names = ", ".join(tables)
        notify(
            f"Rejected rows in {names}",
            f"Rows of {names} were rejected; the others are loaded. Files under rejected/ in the processed bucket hold "
            "them with the reasons. They are read again by every run until they can be loaded.",
        )
