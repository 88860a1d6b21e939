"""Runs in a process of their own that is killed at a chosen point, on copies of a system that has something to load."""

import os
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any
from unittest import mock
from uuid import uuid4

from psycopg import Copy

from include.common.settings import aws_client
from local.environment import REGION
from tests.system import Servers, System, s3_at
from tests.totesys.acceptance.faults import Fault, Faults, watched_run

AFTER_BLOCK = "after a block of a COPY"

KILLED = -signal.SIGKILL


@dataclass
class Deadly(Faults):
    """The process is killed where a failure is planned."""

    def reach(self, place: str, _: Callable[[], Exception]) -> None:
        number = self.reached[place]
        self.reached[place] += 1
        if any((fault.place, fault.number) == (place, number) for fault in self.planned):
            os.kill(os.getpid(), signal.SIGKILL)


@dataclass(frozen=True)
class Original:
    """A system that is copied for each crash. Nobody may be connected to its databases."""

    servers: Servers
    system: System

    @contextmanager
    def copied(self) -> Iterator[System]:
        """A copy with databases and a state of its own; the data buckets, whose files never change, are shared."""
        suffix, postgres, endpoints = uuid4().hex[:12], self.servers.postgres, self.system.endpoints
        names = f"source_{suffix}", f"warehouse_{suffix}"
        templates = (url.rpartition("/")[2] for url in (endpoints.source_url, endpoints.warehouse_url))
        try:
            source, warehouse = map(postgres.create_database, names, templates)
            state = self._copy_state(f"state-{suffix}")
            buckets = replace(endpoints.buckets, state=state)
            system = replace(
                self.system,
                endpoints=replace(endpoints, source_url=source, warehouse_url=warehouse, buckets=buckets),
            )
            with mock.patch.dict(os.environ, system.variables):
                yield system
        finally:
            for name in names:
                postgres.drop_database(name)

    def _copy_state(self, name: str) -> str:
        s3, original = s3_at(self.servers.aws_url), self.system.endpoints.buckets.state
        s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": REGION})
        for entry in s3.list_objects_v2(Bucket=original).get("Contents", []):
            s3.copy_object(Bucket=name, Key=entry["Key"], CopySource={"Bucket": original, "Key": entry["Key"]})
        return name


@contextmanager
def _copies_watched(faults: Faults) -> Iterator[None]:
    real = Copy.write

    def write(copy: Copy, block: Any) -> None:
        real(copy, block)
        faults.reach(AFTER_BLOCK, RuntimeError)

    with mock.patch.object(Copy, "write", write):
        yield


def run_in_child(system: System, fault: Fault) -> int:
    """A run in a fork of this process, which meets the fault; gives how it ended: KILLED, or its exit code.

    The fork inherits no connection: those to AWS, which are kept, are closed before.
    """
    for client in (aws_client("s3"), s3_at(system.endpoints.aws_url)):
        client.close()
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    code = 1
    try:
        faults = Deadly([fault])
        with watched_run(faults), _copies_watched(faults):
            code = 0 if not system.run().failures else 2
    finally:
        os._exit(code)


def places_of_a_run(system: System) -> Counter[str]:
    """How often an undisturbed run comes to each place."""
    faults = Faults()
    with watched_run(faults), _copies_watched(faults):
        system.run_cleanly()
    return faults.reached
