"""Airflow's connections and variables, looked up so that "it is not there" and "nobody could be asked" are two answers.

Airflow logs what a secrets back end raises, passes it over, and then says that the thing is not defined. So where
something seems to be missing, the back ends are asked once more, here, and what they raise counts.
"""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, Literal, TypeVar

from include.common.errors import DeclarationError, ServiceError

log = logging.getLogger(__name__)

Kind = Literal["connection", "variable"]
Found = TypeVar("Found")

PATIENCE_SECONDS = 35.0
"""How long back ends that cannot be asked are asked again. Airflow gives a callback 50 s in all."""

PAUSES = (0.5, 1.0, 2.0, 4.0)
"""The pauses between, in seconds; the last is repeated."""

THROTTLED = {"Throttling", "ThrottlingException", "ThrottledException", "TooManyRequestsException", "RequestThrottled",
             "RequestLimitExceeded", "SlowDown", "RequestTimeout", "RequestTimeoutException", "LimitExceededException",
             "ProvisionedThroughputExceededException", "PriorRequestNotComplete", "DecryptionFailure",
             "ExpiredToken", "ExpiredTokenException", "RequestExpired"}  # fmt: skip
"""What AWS services refuse with a status below 500 and would take later. Source: botocore.retries.standard."""

NOT_THERE = {"ResourceNotFoundException", "ParameterNotFound"}
"""What Secrets Manager and Parameter Store say of what they do not have."""

SERVER_FAULT = 500
"""The first HTTP status that says that the fault is the service's own."""


def look_up(kind: Kind, name: str, ask: Callable[[], Found | None]) -> Found | None:
    """What `ask`, Airflow's own look-up of a connection or a variable, gives; None where there is none.

    Raises: ServiceError where a back end could not be asked for PATIENCE_SECONDS; DeclarationError where it refuses.
    """
    began, tries = time.monotonic(), 0
    while True:
        found = ask()
        if found is not None:
            return found
        try:
            if not _is_there(kind, name):
                return None
        except ServiceError as error:
            if time.monotonic() - began >= _patience():
                _lose_patience()
                raise
            log.warning("%s", error)
        time.sleep(PAUSES[min(tries, len(PAUSES) - 1)])
        tries += 1


_impatient_until = 0.0


def _patience() -> float:
    """How long to ask again: not at all for a while after it was in vain, so that what follows is not kept waiting."""
    return 0.0 if time.monotonic() < _impatient_until else PATIENCE_SECONDS


def _lose_patience() -> None:
    global _impatient_until  # noqa: PLW0603 - one process has one patience
    _impatient_until = time.monotonic() + PATIENCE_SECONDS


def _is_there(kind: Kind, name: str) -> bool:
    """Whether any back end has it after all. Raises: as `look_up`, at once."""
    from airflow.sdk.execution_time.supervisor import ensure_secrets_backend_loaded

    return any(_asked(backend, kind, name) is not None for backend in ensure_secrets_backend_loaded())


def _asked(backend: Any, kind: Kind, name: str) -> object:
    from airflow.sdk.execution_time.secrets.execution_api import ExecutionAPISecretsBackend

    subject = f"{kind} {name!r}"
    if isinstance(backend, ExecutionAPISecretsBackend):
        return _asked_server(subject, kind, name)
    ask = backend.get_connection if kind == "connection" else backend.get_variable
    with _backend_errors(f"{subject} in {type(backend).__name__}"), _aws_refusals(backend):
        return partial(ask, name)()


def _asked_server(subject: str, kind: Kind, name: str) -> object:
    """What the API server has, through the supervisor of the task."""
    from airflow.sdk.exceptions import AirflowRuntimeError, ErrorType
    from airflow.sdk.execution_time.comms import ErrorResponse, GetConnection, GetVariable
    from airflow.sdk.execution_time.task_runner import SUPERVISOR_COMMS

    try:
        answer = SUPERVISOR_COMMS.send(GetConnection(conn_id=name) if kind == "connection" else GetVariable(key=name))
    except AirflowRuntimeError as error:
        answer = error.error
    except (OSError, EOFError) as error:
        raise ServiceError(f"{subject}: the supervisor does not answer: {error}") from error
    if not isinstance(answer, ErrorResponse):
        return answer if kind == "connection" else getattr(answer, "value", None)
    if answer.error in {ErrorType.CONNECTION_NOT_FOUND, ErrorType.VARIABLE_NOT_FOUND}:
        return None
    raise ServiceError(f"{subject}: the API server could not be asked: {answer.error.value} {answer.detail}")


@contextmanager
def _backend_errors(subject: str) -> Iterator[None]:
    """Name what was looked up in whatever a back end raises: each has errors of its own."""
    from botocore.exceptions import ClientError

    try:
        yield
    except ClientError as error:
        raise refusal(subject, error) from error
    except (ValueError, TypeError, KeyError) as error:
        raise DeclarationError(f"{subject} cannot be read: {type(error).__name__}; correct the secret") from error
    except Exception as error:
        raise ServiceError(f"{subject} could not be asked for: {error}") from error


def refusal(subject: str, error: Any) -> DeclarationError | ServiceError:
    """The error that a refusal of an AWS service is: one that a retry can help, or not."""
    refused = error.response["ResponseMetadata"]["HTTPStatusCode"] < SERVER_FAULT
    passes = error.response.get("Error", {}).get("Code") in THROTTLED
    return (DeclarationError if refused and not passes else ServiceError)(f"{subject}: {error}")


@contextmanager
def _aws_refusals(backend: Any) -> Iterator[None]:
    """Raise what AWS refuses and the back end passes over. Raises: ClientError."""
    from botocore.exceptions import ClientError

    events = getattr(getattr(getattr(backend, "client", None), "meta", None), "events", None)
    refused: list[ClientError] = []

    def note(parsed: dict[str, Any], model: Any, **_: object) -> None:
        if parsed.get("Error") and parsed["Error"].get("Code") not in NOT_THERE:
            refused.append(ClientError(parsed, model.name))

    if events:
        events.register("after-call", note)
    yield
    if refused:
        raise refused[0]
