"""What moto lacks or invents, and Terraform's provider or the pipeline need: added to its classes for a while."""

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from unittest import mock

from moto.budgets.responses import BudgetsResponse
from moto.rds.models import DBInstance


def describe_subscribers_for_notification(response: BudgetsResponse) -> str:
    """Answer whom a budget's notification is sent to, which moto keeps and does not tell."""
    parameters = json.loads(response.body)
    wanted = parameters["Notification"]
    budget = response.backend.budgets[parameters["AccountId"]][parameters["BudgetName"]]
    found = [
        notification.subscribers
        for notification in budget.notifications
        if all(wanted.get(name) == value for name, value in notification.details.items())
    ]
    return json.dumps({"Subscribers": found[0] if found else []})


@contextmanager
def added_to_moto(database_host: str) -> Iterator[None]:
    """Take the host at which every RDS instance is to be found, and let moto have all of this until the end."""
    patches = [
        mock.patch.object(
            BudgetsResponse,
            "describe_subscribers_for_notification",
            describe_subscribers_for_notification,
            create=True,
        ),
        mock.patch.object(DBInstance, "address", database_host),
    ]
    with ExitStack() as stack:
        for patch in patches:
            stack.enter_context(patch)
        yield
