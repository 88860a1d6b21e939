"""Measurements 1 and 2: a first load of sales orders, and a run that finds some of them changed."""

from dataclasses import dataclass

import psycopg
from rich.console import Console

from bench import by_hand
from bench.clock import Clock
from bench.measurement import Comparison, Timed, WrongResultError
from bench.pipeline_run import run_pipeline
from bench.servers import Lane, Servers
from include.tables.declarations import Declarations
from include.totesys import DECLARED

CHANGED_SHARE = 100
"""One row in so many changes, all over the table."""


@dataclass
class SalesOrders:
    """A source of sales orders, and the two warehouses that they went to: through the pipeline, and by hand.

    The pipeline's warehouse is new for each first load; the other keeps its filled dimensions.
    declared, how: what the pipeline is to do, and words for it.
    """

    servers: Servers
    clock: Clock
    console: Console
    source_url: str
    rows: int
    lane: Lane
    by_hand_url: str
    lake: bool
    declared: Declarations = DECLARED
    how: str = ""

    @classmethod
    def fill(cls, servers: Servers, console: Console, rows: int, *, lake: bool) -> "SalesOrders":
        """Fill the source, and do one run that is not measured: it fills the dimensions and warms every cache."""
        console.print(f"filling a source with {rows:,} sales orders")
        source_url = servers.fill_source(f"totesys_{rows}", rows, only_sales=True)
        lane = servers.new_lane(source_url, lake=lake)
        run_pipeline(lane)
        by_hand.drop_fact(lane.warehouse_url)
        by_hand_url = servers.copy_warehouse(f"by_hand_{rows}", lane.warehouse_url)
        return cls(servers, Clock(servers.environment), console, source_url, rows, lane, by_hand_url, lake)

    def compare_first_loads(self, rounds: int) -> Comparison:
        """Measure first loads, the two sides taking turns to be first."""
        by_pipeline, baseline = [], []
        for number in range(rounds):
            sides = [(self._load, by_pipeline), (self._load_by_hand, baseline)]
            for load, results in sides if number % 2 else reversed(sides):
                results.append(load())
                self.servers.settle()
            self._compare(f"first load, round {number + 1}", by_pipeline[-1], baseline[-1])
        name = f"first load of {self.rows:,} sales orders{self.how}{self._beside}"
        return Comparison(name, "binary COPY from psql to psql", 1.7, by_pipeline, baseline)

    def compare_changes(self, rounds: int) -> Comparison:
        """Measure runs after one row in CHANGED_SHARE was changed; other rows in each round."""
        by_pipeline, baseline = [], []
        for number in range(rounds):
            since = self._change_rows(number)
            sides = [(self._load_again, by_pipeline), (lambda since=since: self._merge_by_hand(since), baseline)]
            for merge, results in sides if number % 2 else reversed(sides):
                results.append(merge())
            self._compare(f"changes, round {number + 1}", by_pipeline[-1], baseline[-1])
        name = f"{self.rows // CHANGED_SHARE:,} of {self.rows:,} sales orders changed{self._beside}"
        target = 1.6 if self.lake else 1.3
        return Comparison(name, "psql to psql, then a merge by hand", target, by_pipeline, baseline)

    @property
    def _beside(self) -> str:
        return ", the lake's commit included" if self.lake else ""

    def _load(self) -> Timed:
        self.servers.remove_lane(self.lane)
        self.lane = self.servers.new_lane(self.source_url, lake=self.lake)
        return self.clock.time(lambda: run_pipeline(self.lane, self.declared)[1])

    def _load_again(self) -> Timed:
        return self.clock.time(lambda: run_pipeline(self.lane)[1])

    def _load_by_hand(self) -> Timed:
        by_hand.drop_fact(self.by_hand_url)
        return self._by_hand(by_hand.EVERY_ROW, by_hand.first_load(self.by_hand_url))

    def _merge_by_hand(self, since: str) -> Timed:
        return self._by_hand(f"last_updated > '{since}'", by_hand.changes(self.by_hand_url))

    def _by_hand(self, condition: str, statements: list[str]) -> Timed:
        bin_dir = self.servers.environment.source.bin_dir
        select = by_hand.converted_rows(condition)

        def work() -> dict[str, float]:
            by_hand.pipe(bin_dir, self.source_url, select, self.by_hand_url, statements)
            return {}

        return self.clock.time(work)

    def _change_rows(self, number: int) -> str:
        """Change one row in CHANGED_SHARE, with its stamp; gives the newest stamp before."""
        change = """
            UPDATE sales_order
               SET units_sold = units_sold %% 50000 + 1001, last_updated = clock_timestamp()::timestamp(3)
             WHERE sales_order_id %% %s = %s"""
        with psycopg.connect(self.source_url, options="-c timezone=UTC") as connection:
            newest = connection.execute("SELECT max(last_updated)::text FROM sales_order").fetchone()
            connection.execute(change, [CHANGED_SHARE, number])
        assert newest is not None
        return str(newest[0])

    def _compare(self, title: str, piped: Timed, plain: Timed) -> None:
        """Say how a round went. Raises: WrongResultError where the two warehouses differ."""
        self.console.print(f"{title}: pipeline {piped.seconds:.2f} s, by hand {plain.seconds:.2f} s")
        ours, theirs = by_hand.digest(self.lane.warehouse_url), by_hand.digest(self.by_hand_url)
        if ours != theirs or ours[-1] != self.rows:
            raise WrongResultError(f"{title}: the pipeline's fact is {ours}, the one made by hand {theirs}")
