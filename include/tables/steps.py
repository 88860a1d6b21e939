"""The steps of a run and their order, drawn from the declarations: what the DAG shows and the command line follows."""

from dataclasses import dataclass
from typing import Literal

from include.tables.declarations import Declarations, is_built, referenced_by
from include.tables.star import Fact, StarTable

WORK_SECONDS = 900
"""How long a scheduled run works on slices, at most, before it leaves the rest to the next."""


@dataclass(frozen=True)
class Step:
    """A unit of work that succeeds or fails by itself.

    table: empty for a step that concerns all of them; of the last three kinds, which no plan has, a question.
    """

    kind: Literal[
        "prepare", "plan", "slice", "ingest", "transform", "load", "check", "record", "watch", "train", "score"
    ]
    table: str = ""

    def __str__(self) -> str:
        return f"{self.kind} {self.table}".strip()


PREPARE, CHECK, RECORD = Step("prepare"), Step("check"), Step("record")


@dataclass(frozen=True)
class Order:
    """What a step comes after.

    needs: steps whose results it works with: where one failed, it cannot run.
    follows: steps that only have to be over, whatever became of them.
    """

    needs: frozenset[Step] = frozenset()
    follows: frozenset[Step] = frozenset()


def group_of(step: Step, declared: Declarations) -> str:
    """The task group that a step is shown in; empty for a step that concerns all tables."""
    if step.kind == "transform":
        return "facts" if isinstance(declared.star[step.table], Fact) else "dimensions"
    return step.kind if step.table else ""


def task_id(step: Step, declared: Declarations) -> str:
    """The id of a step's task, with the group's: "ingest.sales_order"."""
    return f"{group_of(step, declared)}.{step.table}" if step.table else step.kind


def plan(declared: Declarations, sources: set[str]) -> dict[Step, Order]:
    """Every step that a run over these source tables takes, in an order that can be run."""
    tables = [table for table in declared.star.values() if not is_built(table) or table.source.name in sources]
    steps = {PREPARE: Order()}
    for name in declared.sources:
        if name in sources:
            before = frozenset(Step("ingest", other) for other in declared.read_before(name) & sources)
            needs = frozenset({PREPARE})
            if name in declared.sliced:
                steps[Step("plan", name)] = Order(needs)
                steps[Step("slice", name)] = Order(frozenset({Step("plan", name)}))
                needs |= {Step("slice", name)}
            steps[Step("ingest", name)] = Order(needs, follows=before)
    for table in tables:
        steps[Step("transform", table.name)] = Order(frozenset({read_step(table)}))
    for table in tables:
        dimensions = frozenset(Step("load", dimension.name) for dimension in referenced_by(table))
        steps[Step("load", table.name)] = Order(dimensions | {Step("transform", table.name)})
    steps[CHECK] = Order(follows=_last(steps))
    steps[RECORD] = Order(follows=frozenset({CHECK}))
    return steps


def read_step(table: StarTable) -> Step:
    """The step that gives what a warehouse table is built from."""
    return Step("ingest", table.source.name) if is_built(table) else PREPARE


def _last(steps: dict[Step, Order]) -> frozenset[Step]:
    """The fewest steps after which nothing is going on that a check or a record could need.

    An ingest waits for those before it whatever becomes of them, so the last ones stand for all. A load does not:
    Airflow marks it as failed as soon as one that it needs has failed, while others are still going on.
    """
    ingests = {step for step in steps if step.kind == "ingest"}
    followed = {before for order in steps.values() for before in order.follows}
    loads = {step for step in steps if step.kind == "load"}
    return frozenset((ingests - followed) | loads)
