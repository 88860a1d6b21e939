"""What a tree says, in words: for each leaf, what the rows that come to it have in common."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from include.classify.model import Node
from include.tables.question import MOST_DAYS, Feature, Question

DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
BOUNDS = {"weekday": (1, 7), "days": (0, MOST_DAYS), "hour": (0, 23)}
"""Kind of a feature → its least and its greatest value; others have none."""

Range = tuple[int | None, int | None]


@dataclass(frozen=True)
class Leaf:
    """A leaf of a tree: the ranges of features that lead to it, and its value."""

    ranges: dict[str, Range]
    value: float


def leaves(tree: Sequence[Node], place: int = 0, ranges: dict[str, Range] | None = None) -> Iterator[Leaf]:
    """The leaves of a tree, from left to right."""
    node, known = tree[place], ranges or {}
    if node.value is not None:
        yield Leaf(known, node.value)
        return
    low, high = known.get(node.feature, (None, None))
    most = int(node.at_most)
    yield from leaves(tree, node.left, known | {node.feature: (low, most if high is None else min(high, most))})
    more = most + 1
    yield from leaves(tree, node.right, known | {node.feature: (more if low is None else max(low, more), high)})


def reasons(question: Question, leaf: Leaf) -> str:
    """What the rows of a leaf have in common: "it falls due on Saturday or Sunday"."""
    features = {feature.name: feature for feature in question.features}
    told = [features[name].told.format(_range(features[name], bounds)) for name, bounds in leaf.ranges.items()]
    return "; ".join(told) or "as all of them"


def rules(question: Question, tree: Sequence[Node]) -> list[str]:
    """What a tree says, a sentence for each leaf."""
    return [f"{leaf.value:.1%}: {reasons(question, leaf)}" for leaf in leaves(tree)]


def _range(feature: Feature, bounds: Range) -> str:
    least, most = BOUNDS.get(feature.kind, (None, None))
    low = least if bounds[0] is None else bounds[0]
    high = most if bounds[1] is None else bounds[1]
    if feature.kind == "weekday":
        return _days(int(low or 1), int(high or 7))
    if low is not None and low == high:
        return str(low)
    if low is None or high is None or high == most:
        return f"at most {high}" if low is None else f"{low} or more"
    return f"{low} to {high}"


def _days(low: int, high: int) -> str:
    names = DAYS[low - 1 : high]
    return " or ".join(names) if len(names) <= 2 else f"{names[0]} to {names[-1]}"
