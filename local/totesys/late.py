"""Transactions that stay open over several ticks on connections of their own, and subtransactions."""

from contextlib import suppress
from dataclasses import replace

import psycopg

from local.totesys import edits, trade
from local.totesys.connection import Connection, connect
from local.totesys.desk import Desk, NoRowError, Touched

MOST_OPEN = 3
# A wait for a row that another player holds ends here, and the action is rolled back.
LOCK_TIMEOUT_MS = 2_000
# What a change may run into because others change the same rows at the same time.
RACES = (
    psycopg.errors.SerializationFailure,
    psycopg.errors.DeadlockDetected,
    psycopg.errors.LockNotAvailable,
    psycopg.errors.ForeignKeyViolation,
    psycopg.errors.RestrictViolation,
    psycopg.errors.UniqueViolation,
)


def impatient(connection: Connection) -> Connection:
    """The connection, set to wait for a lock for LOCK_TIMEOUT_MS at most."""
    connection.execute("SELECT set_config('lock_timeout', %s, false)", [str(LOCK_TIMEOUT_MS)])
    return connection


def nest_savepoints(desk: Desk) -> Touched:
    """Writes in nested subtransactions and rolls the innermost back; gives the sales orders that remain.

    Rows of subtransactions carry ids of their own, later than that of the transaction around them.
    """
    kept = trade.insert_sale(desk)
    with desk.connection.transaction():
        kept += edits.rewrite_sale_silently(desk)
        with desk.connection.transaction():
            kept += trade.insert_sale(desk)
            with desk.connection.transaction(force_rollback=True):
                trade.insert_sale(desk)
    return kept


def open_late_transaction(desk: Desk) -> Touched:
    """Begins a transaction, on a connection of its own, that inserts a sale and rewrites others.

    Gives the ids of those sales orders, changes to which nobody else sees until it is committed.
    """
    if len(desk.late) >= MOST_OPEN:
        raise NoRowError("enough transactions are open")
    connection = impatient(connect(desk.url))
    connection.autocommit = False
    try:
        touched = write_late(replace(desk, connection=connection))
    except BaseException:
        connection.close()
        raise
    desk.late.append(connection)
    return touched


def write_late(desk: Desk) -> Touched:
    """Writes in the transaction itself and in a subtransaction of it."""
    touched = trade.insert_sale(desk)
    with desk.connection.transaction():
        touched += edits.rewrite_sale_silently(desk)
    return touched + edits.amend_sale(desk)


def commit_late_transaction(desk: Desk) -> Touched:
    """Commits one of the open transactions: its rows appear with timestamps of long ago."""
    with take_late(desk) as connection:
        connection.commit()
    return []


def roll_back_late_transaction(desk: Desk) -> Touched:
    """Rolls back one of the open transactions: nothing of it ever appears."""
    with take_late(desk) as connection:
        connection.rollback()
    return []


def take_late(desk: Desk) -> Connection:
    """One of the open connections, which is then the caller's to close. Raises: NoRowError."""
    if not desk.late:
        raise NoRowError("no transaction is open")
    return desk.late.pop(desk.rng.randrange(len(desk.late)))


def close_late(desk: Desk) -> None:
    """Rolls back whatever is open and closes the connections; may be repeated."""
    while desk.late:
        with desk.late.pop() as connection, suppress(psycopg.OperationalError):  # of a lost connection nothing is open
            connection.rollback()  # and wait for it: a server may take a while to notice that a connection is closed
