"""Measurements 3 and 4: a run that finds nothing in a whole database, and an audit of its largest fact."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from unittest import mock

import psycopg
from psycopg import sql
from rich.console import Console

from bench.clock import Clock
from bench.measurement import Comparison, Timed, WrongResultError
from bench.pipeline_run import run_pipeline
from bench.servers import Lane, Servers
from include import pipeline
from include.source.known import Findings
from include.totesys import DECLARED

Work = Callable[[], dict[str, float]]
"""What is timed; gives its seconds by step."""

AUDITED = ("sales_order", "fact_sales_order")


@dataclass(frozen=True)
class WholeDatabase:
    """A source with all tables in proportion to a number of sales orders, and the pipeline that loaded it."""

    clock: Clock
    source_url: str
    rows: int
    lane: Lane

    @classmethod
    @contextmanager
    def filled(cls, servers: Servers, console: Console, rows: int) -> "Iterator[WholeDatabase]":
        """Fill and load; the warehouse goes at the end."""
        console.print(f"filling a whole source in proportion to {rows:,} sales orders, and loading it")
        source_url = servers.fill_source(f"totesys_whole_{rows}", rows, only_sales=False)
        lane = servers.new_lane(source_url)
        run_pipeline(lane)
        servers.settle()
        yield cls(Clock(servers.environment), source_url, rows, lane)
        servers.remove_lane(lane)

    def compare_nothing(self, rounds: int) -> Comparison:
        """Measure runs that find nothing, each with its share of the proofs."""
        return self._compare_nothing(rounds, "nothing changed", 3.5)

    def compare_nothing_unproven(self, rounds: int) -> Comparison:
        """Measure runs that find nothing, with the proofs switched off."""
        with unproven():
            return self._compare_nothing(rounds, "nothing changed, without proofs", 2.2)

    def _compare_nothing(self, rounds: int, name: str, target: float) -> Comparison:
        name = f"{name}, {self.rows:,} sales orders and the rest"
        turns = self._take_turns(rounds, self._run, self._count)
        return Comparison(name, "SELECT count(*) of every source table", target, *turns)

    def compare_audit(self, rounds: int) -> Comparison:
        """Measure audits of all sales orders."""
        turns = self._take_turns(rounds, self._audit, self._hash)
        name = f"audit of {self.rows:,} sales orders"
        return Comparison(name, "the sum of all rows' hashes, on one side, then on the other", 3.0, *turns)

    def _take_turns(self, rounds: int, ours: Work, theirs: Work) -> tuple[list[Timed], list[Timed]]:
        """Time both as often, in turns. The first of each warms the caches, and is not counted."""
        found = list[Timed](), list[Timed]()
        for number in range(rounds + 1):
            sides = list(zip((ours, theirs), found, strict=True))
            for work, results in sides if number % 2 else reversed(sides):
                results.append(self.clock.time(work))
        return found[0][1:], found[1][1:]

    def _run(self) -> dict[str, float]:
        done, seconds = run_pipeline(self.lane)
        if done.of_kind("load"):
            raise WrongResultError(f"nothing changed, yet these were loaded: {', '.join(done.of_kind('load'))}")
        return seconds

    def _count(self) -> dict[str, float]:
        with psycopg.connect(self.source_url) as connection:
            for name in DECLARED.sources:
                connection.execute(sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(name))).fetchone()
        return {}

    def _audit(self) -> dict[str, float]:
        (found,) = pipeline.audit_tables(DECLARED, AUDITED[1:])
        if found.differing or found.left_out or found.rows != self.rows:
            raise WrongResultError(f"{found.table}: the audit found {found}")
        return {}

    def _hash(self) -> dict[str, float]:
        for url, name in zip((self.source_url, self.lane.warehouse_url), AUDITED, strict=True):
            with psycopg.connect(url) as connection:
                statement = "SELECT sum(hashtextextended(t::text, 0)) FROM {} t"
                connection.execute(sql.SQL(statement).format(sql.Identifier(name))).fetchone()
        return {}


@contextmanager
def unproven() -> Iterator[None]:
    """Inside it runs prove nothing, the calendar's days neither."""
    with (
        mock.patch.object(pipeline, "Prover", return_value=lambda *_: Findings()),
        mock.patch.object(pipeline, "differing_days", return_value=[]),
    ):
        yield
