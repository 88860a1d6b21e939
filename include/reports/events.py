"""One structured line in the log for each step that was taken: what CloudWatch Logs Insights queries.

Airflow sends a task's log to CloudWatch as JSON, so each value is a field there. docs/operations.md has the queries.
"""

from collections.abc import Callable
from functools import wraps
from time import monotonic
from typing import Any, ParamSpec, TypeVar

import structlog

from include.common.errors import border

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")

log = structlog.get_logger("include.events")


def told(
    step: str, describe: Callable[[Result], dict[str, Any]]
) -> Callable[[Callable[Parameters, Result]], Callable[Parameters, Result]]:
    """Let a function tell in one line what it did, or that it failed: of the table that its first text names.

    It is the border of a step: what it raises is one of the three errors.

    describe: the fields of a result, beside `step`, `table`, `outcome` and `seconds`; it may say another `outcome`
        than "done". A function that failed has the outcome "failed" and an `error`.
    """

    def decorate(work: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
        @wraps(work)
        def telling(*given: Parameters.args, **named: Parameters.kwargs) -> Result:
            started = monotonic()
            names = [text for text in given if isinstance(text, str)]
            subject = {"step": step, "table": names[0]} if names else {"step": step}
            try:
                with border(" ".join(subject.values())):
                    result = work(*given, **named)
                    fields = {"outcome": "done"} | describe(result)
            except Exception as error:
                _tell(subject, started, {"outcome": "failed", "error": str(error)})
                raise
            _tell(subject, started, fields)
            return result

        return telling

    return decorate


def _tell(subject: dict[str, str], started: float, fields: dict[str, Any]) -> None:
    message = " ".join([*subject.values(), fields["outcome"]])
    log.info(message, **subject, **fields, seconds=round(monotonic() - started, 3))
