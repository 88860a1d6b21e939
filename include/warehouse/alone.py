"""How a load has tables to itself that others read, without anybody waiting behind it."""

from collections.abc import Callable
from time import monotonic, sleep

import psycopg
from psycopg import errors

LOCK_SECONDS = 30.0
PAUSE_SECONDS = 0.2
"""How long, and how often, a fill tries to have its tables to itself.

It never queues for them: whoever came after it would wait as well."""

HINDRANCES = (
    errors.DependentObjectsStillExist,
    errors.DuplicateObject,
    errors.DuplicateTable,
    errors.FeatureNotSupported,
    errors.InsufficientPrivilege,
    errors.InvalidTableDefinition,
    errors.LockNotAvailable,
    errors.ObjectInUse,
    errors.RaiseException,
)
"""How a table says that it cannot be filled bare, nor replaced: others' keys, views or readers hang on it."""


def patiently(connection: psycopg.Connection, attempt: Callable[[], object]) -> None:
    """Do what takes locks at once or not at all, again until it has them all; between two attempts it holds none.

    Raises: LockNotAvailable after LOCK_SECONDS.
    """
    deadline = monotonic() + LOCK_SECONDS
    while True:
        try:
            with connection.transaction():
                attempt()
            return
        except errors.LockNotAvailable:
            if monotonic() > deadline:
                raise
        sleep(PAUSE_SECONDS)
