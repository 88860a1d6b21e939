"""What a measurement gives: seconds of each round of the pipeline and of what it is held against, and their ratio."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from statistics import median
from typing import Any


class WrongResultError(Exception):
    """A run gave other rows than the source has, or than the baseline gave: its time means nothing."""


@dataclass(frozen=True)
class Timed:
    """One execution: its wall time, the same by step, and the CPU time of each process that took part."""

    seconds: float
    steps: dict[str, float] = field(default_factory=dict)
    cpu: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Comparison:
    """Rounds of the pipeline and of a baseline that took turns.

    target: the ratio of medians that is not to be exceeded; None where there is none.
    """

    name: str
    baseline_name: str
    target: float | None
    pipeline: list[Timed]
    baseline: list[Timed]

    @property
    def ratio(self) -> float:
        """How many times as long as the baseline the pipeline takes, by their medians."""
        return median_seconds(self.pipeline) / median_seconds(self.baseline)

    @property
    def met(self) -> bool | None:
        """Whether the target is met; None where there is none."""
        return None if self.target is None else self.ratio <= self.target

    def document(self) -> dict[str, Any]:
        """The comparison as JSON has it."""
        return {
            "name": self.name,
            "baseline": self.baseline_name,
            "target": self.target,
            "met": self.met,
            "ratio": self.ratio,
            "pipeline": timed_document(self.pipeline),
            "baseline_rounds": timed_document(self.baseline),
        }


@dataclass(frozen=True)
class TaskMemory:
    """The most memory that the process of one step held, and what of it was there after the imports, in bytes."""

    step: str
    rows: int
    imports_bytes: int
    peak_bytes: int
    seconds: float
    target_bytes: int

    @property
    def met(self) -> bool:
        """Whether the peak is under the target."""
        return self.peak_bytes < self.target_bytes


@dataclass(frozen=True)
class Cost:
    """Something that is measured by itself, held against no baseline."""

    name: str
    value: float
    unit: str
    target: float

    @property
    def met(self) -> bool:
        """Whether it is no more than the target."""
        return self.value <= self.target


def median_by_name(rounds: Iterable[dict[str, float]]) -> dict[str, float]:
    """The median of each name's values over the rounds, the largest first."""
    gathered: dict[str, list[float]] = {}
    for values in rounds:
        for name, value in values.items():
            gathered.setdefault(name, []).append(value)
    medians = {name: median(values) for name, values in gathered.items()}
    return dict(sorted(medians.items(), key=lambda item: -item[1]))


def median_seconds(rounds: list[Timed]) -> float:
    """The median of the rounds' wall times."""
    return median(timed.seconds for timed in rounds)


def timed_document(rounds: list[Timed]) -> dict[str, Any]:
    """Rounds of one side as JSON has them."""
    return {
        "seconds": [timed.seconds for timed in rounds],
        "median_seconds": median_seconds(rounds),
        "step_seconds": median_by_name(timed.steps for timed in rounds),
        "cpu_seconds": median_by_name(timed.cpu for timed in rounds),
    }
