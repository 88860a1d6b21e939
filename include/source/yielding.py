"""A reading gives way: whoever waits for its lock, a migration and all who queue behind that, waits for a minute."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Thread
from time import monotonic

import psycopg

from include.common.errors import DataError, DeclarationError, ServiceError
from include.common.waiting import ask, sessions

log = logging.getLogger(__name__)

GIVE_WAY_SECONDS = 60.0
ASK_SECONDS = 10.0
"""How long others wait for a reading, and how often it looks whether any do. One that is over sooner never looks."""

BLOCKED = """
    SELECT DISTINCT pid FROM pg_locks WHERE NOT granted AND pg_blocking_pids(pid) && ARRAY(
        SELECT pid FROM pg_stat_activity WHERE application_name = ANY(%s) AND datname = current_database())"""

END = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
     WHERE application_name = ANY(%s) AND datname = current_database()"""


@contextmanager
def giving_way(connection: psycopg.Connection, table: str) -> Iterator[None]:
    """End this connection's transaction, and those of its helpers, once others have waited too long for their locks.

    Raises: ServiceError that says so.
    """
    over, waiting = Event(), Event()
    with sessions(connection) as names:
        Thread(target=_watch, args=(connection, names, over, waiting), daemon=True).start()
        try:
            yield
        except (ServiceError, DataError, psycopg.Error) as error:
            if waiting.is_set():
                waited = f"others, as a migration, waited {GIVE_WAY_SECONDS:g} seconds for it"
                raise ServiceError(f"{table}: the reading gave way: {waited}") from error
            raise
        finally:
            over.set()


def _watch(connection: psycopg.Connection, names: list[str], over: Event, waiting: Event) -> None:
    since: dict[int, float] = {}
    while not over.wait(ASK_SECONDS) and not waiting.is_set():
        try:
            with ask(connection) as second:
                blocked = [pid for (pid,) in second.execute(BLOCKED, [names])]
                since = {pid: since.get(pid, monotonic()) for pid in blocked}
                if since and monotonic() - min(since.values()) >= GIVE_WAY_SECONDS and not over.is_set():
                    waiting.set()
                    second.execute(END, [names])
        except (DeclarationError, ServiceError, psycopg.Error) as error:
            waiting.clear()
            log.debug("nobody knows whether others wait for the reading: %s", error)
