"""What IAM's policies say about a call: a small evaluator of what the project's policies use.

An element or a condition that is not known here raises, so that no policy is read as less than it says.
Source: IAM User Guide, "IAM JSON policy elements reference".
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from tests.terraform.calls import Call

Document = Mapping[str, Any]

ELEMENTS = {"Sid", "Effect", "Action", "NotAction", "Resource", "Principal", "Condition"}


def listed(value: Any) -> list[str]:
    """A policy's value, which is one or a list, as a list."""
    return [str(item) for item in value] if isinstance(value, list) else [str(value)]


def like(value: str, pattern: str) -> bool:
    """Whether a value fits a pattern in which * stands for any characters and ? for one."""
    parts = re.split(r"([*?])", pattern)
    expression = "".join({"*": ".*", "?": "."}.get(part, re.escape(part)) for part in parts)
    return re.fullmatch(expression, value, re.DOTALL) is not None


def _same(value: str, wanted: str) -> bool:
    return value == wanted


def _same_truth(value: str, wanted: str) -> bool:
    return value.lower() == wanted.lower()


def _below(value: str, wanted: str) -> bool:
    return float(value) < float(wanted)


OPERATORS: dict[str, tuple[Callable[[str, str], bool], bool]] = {
    "StringEquals": (_same, True),
    "StringNotEquals": (_same, False),
    "StringLike": (like, True),
    "StringNotLike": (like, False),
    "ArnEquals": (like, True),
    "ArnNotEquals": (like, False),
    "ArnLike": (like, True),
    "ArnNotLike": (like, False),
    "Bool": (_same_truth, True),
    "NumericLessThan": (_below, True),
}
"""Operator → how a value of the request is compared, and whether one of the policy's values must fit or none may."""


def holds(operator: str, value: str | None, wanted: list[str]) -> bool:
    """Whether a condition on one key of the request holds; None where the request has no such key.

    Raises: LookupError where the operator is not known here.
    """
    if operator == "Null":
        return (value is None) == (wanted == ["true"])
    # No key here has more than one value in a request, so that one of them must fit means that it must.
    operator = operator.removeprefix("ForAnyValue:")
    name, if_exists = operator.removesuffix("IfExists"), operator.endswith("IfExists")
    if name not in OPERATORS:
        raise LookupError(f"the condition operator {operator} is not known here")
    fits, one_must = OPERATORS[name]
    if value is None:
        return if_exists or not one_must
    return any(fits(value, item) for item in wanted) == one_must


@dataclass(frozen=True)
class Statement:
    """One statement of a policy, and how it is named in messages."""

    name: str
    document: Document

    def covers(self, call: Call) -> bool:
        """Whether the statement speaks of a call."""
        return self._names_action(call.action) and self._names_resource(call.resource) and self._holds(call.context)

    @property
    def allows(self) -> bool:
        """Whether what it covers is allowed, not denied."""
        return bool(self.document["Effect"] == "Allow")

    @property
    def actions(self) -> list[str]:
        """The actions that it names."""
        return listed(self.document.get("Action", []))

    @property
    def resources(self) -> list[str]:
        """The resources that it names."""
        return listed(self.document.get("Resource", []))

    def _names_action(self, action: str) -> bool:
        named = [
            pattern for key in ("Action", "NotAction") if key in self.document for pattern in listed(self.document[key])
        ]
        found = any(like(action.lower(), pattern.lower()) for pattern in named)
        return found != ("NotAction" in self.document)

    def _names_resource(self, resource: str) -> bool:
        return any(like(resource, pattern) for pattern in self.resources)

    def _holds(self, context: Mapping[str, str]) -> bool:
        values = {key.lower(): value for key, value in context.items()}
        return all(
            holds(operator, values.get(key.lower()), listed(wanted))
            for operator, keys in self.document.get("Condition", {}).items()
            for key, wanted in keys.items()
        )


def statements(name: str, policy: Document) -> list[Statement]:
    """The statements of a policy. Raises: LookupError where one has an element that is not known here."""
    found = [
        Statement(f"{name}.{statement.get('Sid', number)}", statement)
        for number, statement in enumerate(policy["Statement"])
    ]
    for statement in found:
        if unknown := statement.document.keys() - ELEMENTS:
            raise LookupError(f"{statement.name}: {', '.join(sorted(unknown))} is not known here")
    return found


def decides(said: Iterable[Statement], call: Call) -> tuple[list[Statement], list[Statement]]:
    """The statements that allow a call, and those that deny it."""
    covering = [statement for statement in said if statement.covers(call)]
    return [s for s in covering if s.allows], [s for s in covering if not s.allows]


def is_allowed(said: Iterable[Statement], call: Call) -> bool:
    """Whether a call is allowed: something allows it, and nothing denies it."""
    allowing, denying = decides(said, call)
    return bool(allowing) and not denying
