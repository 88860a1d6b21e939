"""What can go wrong, named for what the operator does next; and the border that nothing else passes."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

log = logging.getLogger(__name__)

MESSAGE_CHARACTERS = 500
"""How much is told of what an unforeseen error says."""


class DeclarationError(Exception):
    """A declaration, a setting or a grant is wrong: fix it and run again. A retry cannot help."""


class DataError(Exception):
    """The source, the recorded state or the warehouse is not what was declared: look at what the message names."""


class ServiceError(Exception):
    """A database or an AWS service did not answer: a retry can help; the scheduler makes it."""


@contextmanager
def border(subject: str) -> Iterator[None]:
    """Let nothing out of a step but the three kinds of error.

    subject: the step and its table. What nobody foresaw is a defect of the pipeline: its traceback is logged, once.
    Airflow's own signals, and what ends the process, pass.

    Raises: ServiceError for an unforeseen error of a service or of the machine, where a retry can help;
        DeclarationError for any other: the code has to be mended.
    """
    try:
        yield
    except (DeclarationError, DataError, ServiceError):
        raise
    except Exception as error:
        if _is_signal(error):
            raise
        log.exception("a defect of the pipeline in %s", subject)
        told = f"{type(error).__name__}: {' '.join(str(error).split())[:MESSAGE_CHARACTERS]}"
        message = f"a defect of the pipeline in {subject}: {told}; report it with the log of this task"
        raise (ServiceError if _is_foreign(error) else DeclarationError)(message) from error


def _is_signal(error: Exception) -> bool:
    """Whether Airflow says with it what becomes of the task."""
    from airflow.sdk import exceptions  # not at import: a DAG file that is parsed stays cheap

    signals = ("AirflowSkipException", "AirflowFailException", "AirflowRescheduleException")
    return isinstance(error, tuple(getattr(exceptions, name) for name in signals))


def _is_foreign(error: Exception) -> bool:
    """Whether a service or the machine raised it."""
    import psycopg
    from airflow.sdk.exceptions import AirflowRuntimeError
    from botocore.exceptions import BotoCoreError, ClientError
    from urllib3.exceptions import HTTPError

    services = (BotoCoreError, ClientError, HTTPError, AirflowRuntimeError)
    return isinstance(error, (OSError, MemoryError, psycopg.OperationalError, psycopg.InterfaceError, *services))
