"""Measurement 6: tables with keys of other kinds, or joined: first loads, quiet runs, the memory of each task."""

import os
import re
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import psycopg
from psycopg import sql
from rich.console import Console

from bench.by_hand import pipe
from bench.clock import Clock
from bench.keyed import declare, statements
from bench.measurement import Comparison, TaskMemory, Timed, WrongResultError
from bench.memory import TARGET_BYTES, run_as_tasks
from bench.pipeline_run import run_pipeline
from bench.servers import Lane, Servers, count_rows
from bench.whole import unproven
from include.tables.star import Fact
from include.tables.steps import plan
from include.warehouse import ddl

FIRST_KINDS = ("integer", "uuid", "two columns")
QUIET_KINDS = ("bigint", "scattered bigint", "uuid", "two columns")
MEMORY_KINDS = (*QUIET_KINDS, "integer, joined")
FIRST_TARGET, QUIET_TARGET = 2.0, 3.0


@dataclass(frozen=True)
class Things:
    """A source of things with a key of one kind, and where they go."""

    servers: Servers
    clock: Clock
    console: Console
    kind: str
    rows: int
    source_url: str

    @classmethod
    def fill(cls, servers: Servers, console: Console, kind: str, rows: int) -> "Things":
        """Fill the source."""
        console.print(f"filling a source with {rows:,} rows whose key is: {kind}")
        name = re.sub(r"\W+", "_", kind)
        url = servers.environment.source.create_database(f"things_{name}_{rows}")
        with psycopg.connect(url, autocommit=True) as connection:
            for statement in statements(kind, rows):
                connection.execute(statement.encode())
        return cls(servers, Clock(servers.environment), console, kind, rows, url)

    def compare_first_loads(self, rounds: int) -> Comparison:
        """First loads beside a binary COPY into the same table; the first of each only warms the caches."""
        found = list[Timed](), list[Timed]()
        for number in range(rounds + 1):
            sides = list(zip((self._load, self._load_by_hand), found, strict=True))
            for load, results in sides if number % 2 else reversed(sides):
                results.append(load())
                self.servers.settle()
        name = f"first load of {self.rows:,} rows, key: {self.kind}"
        return Comparison(name, "binary COPY from psql to psql", FIRST_TARGET, found[0][1:], found[1][1:])

    def compare_quiet(self, lane: Lane, rounds: int) -> Comparison:
        """Runs that find nothing, without proofs, beside count(*)."""
        found = list[Timed](), list[Timed]()
        with unproven():
            for _ in range(rounds + 1):
                found[0].append(self.clock.time(lambda: self._run(lane)))
                found[1].append(self.clock.time(self._count))
        name = f"nothing changed in {self.rows:,} rows, key: {self.kind}, without proofs"
        return Comparison(name, "SELECT count(*)", QUIET_TARGET, found[0][1:], found[1][1:])

    def measure_memory(self, lane: Lane) -> list[TaskMemory]:
        """The peak of each task of a first load, each in a process of its own."""
        os.environ.update({**lane.variables, "DECLARATIONS": "bench.keyed", "BENCH_KEY": self.kind})
        declared, found = declare(self.kind), []
        with TemporaryDirectory(prefix="totesys-bench-") as folder:
            for step in plan(declared, set(declared.sources)):
                self.console.print(f"memory at {self.rows:,} rows, key {self.kind}: {step}")
                measured = run_as_tasks(Path(folder), step)
                found.append(TaskMemory(f"{step}, {self.kind}", self.rows, target_bytes=TARGET_BYTES, **measured))
        if count_rows(lane.warehouse_url, "current_thing") != self.rows:
            raise WrongResultError(f"{self.kind}: the warehouse has not as many rows as the source")
        return found

    def _load(self) -> Timed:
        lane = self.servers.new_lane(self.source_url)
        timed = self.clock.time(lambda: run_pipeline(lane, declare(self.kind))[1])
        if count_rows(lane.warehouse_url, "current_thing") != self.rows:
            raise WrongResultError(f"{self.kind}: the warehouse has not as many rows as the source")
        self.servers.remove_lane(lane)
        return timed

    def _load_by_hand(self) -> Timed:
        name = f"by_hand_{self.kind.replace(' ', '_')}"
        url = self.servers.environment.warehouse.create_database(name)
        fact = declare(self.kind).star["fact_thing"]
        assert isinstance(fact, Fact)
        columns = ", ".join(column.name for column in fact.columns)
        with psycopg.connect(url) as connection:
            create, *after = [
                made.as_string(connection) for made in (ddl.create_table(fact), *ddl.constraints(fact).values())
            ]
        into = [
            create,
            "ALTER TABLE fact_thing ALTER COLUMN valid_from SET DEFAULT now()",
            f"COPY fact_thing ({columns}) FROM STDIN (FORMAT binary)",
            *after,
        ]
        select = f"COPY (SELECT {columns} FROM thing) TO STDOUT (FORMAT binary)"  # noqa: S608

        def load() -> dict[str, float]:
            pipe(self.servers.environment.source.bin_dir, self.source_url, select, url, into)
            return {}

        timed = self.clock.time(load)
        self.servers.drop_database(url)
        return timed

    def _run(self, lane: Lane) -> dict[str, float]:
        done, seconds = run_pipeline(lane, declare(self.kind))
        if done.of_kind("load"):
            raise WrongResultError(f"{self.kind}: nothing changed, yet it was loaded")
        return seconds

    def _count(self) -> dict[str, float]:
        with psycopg.connect(self.source_url) as connection:
            connection.execute(sql.SQL("SELECT count(*) FROM thing")).fetchone()
        return {}


def measure_keys(
    servers: Servers, console: Console, rows: int, many: int, rounds: int
) -> tuple[list[Comparison], list[TaskMemory]]:
    """First loads of `rows`; quiet runs and memory at `many` rows."""
    comparisons = [Things.fill(servers, console, kind, rows).compare_first_loads(rounds) for kind in FIRST_KINDS]
    memory = list[TaskMemory]()
    for kind in MEMORY_KINDS:
        things = Things.fill(servers, console, kind, many)
        lane = servers.new_lane(things.source_url)
        memory += things.measure_memory(lane)
        if kind in QUIET_KINDS:
            comparisons.append(things.compare_quiet(lane, rounds))
        servers.remove_lane(lane)
    return comparisons, memory
