"""A model as plain JSON, and what it says of rows: trees whose leaves are added up, weights of single values, or both.

What is judged, kept and turned into SQL is this, never the object that a library learned. Nothing is ever unpickled.
"""

import json
from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field

from include.common.manifests import Manifest

Floats = npt.NDArray[np.float64]

FORMAT: Literal["totesys-model/1"] = "totesys-model/1"
LEAST = 1e-4
"""No probability is nearer to 0 or to 1: of what is certain a model cannot be told that it is wrong."""

DIGITS = 9
"""To how many digits numbers are kept: what processors differ in is further behind."""


class Node(Manifest):
    """A node of a tree. A leaf has a `value`; another one sends rows with at most `at_most` of `feature` to `left`."""

    feature: str = ""
    at_most: float = 0
    left: int = 0
    right: int = 0
    value: float | None = None


class Model(Manifest):
    """A learned model.

    kind: for people. link: what the sum of all leaves and weights is: the probability itself, or its log-odds.
    weights: feature → value → what it adds. explain: a small tree that says nearly the same, for reasons in words.
    """

    format: Literal["totesys-model/1"] = FORMAT
    question: str
    kind: str
    features: list[str]
    link: Literal["probability", "log-odds"]
    base: float
    trees: list[list[Node]] = Field(default_factory=list)
    weights: dict[str, dict[int, float]] = Field(default_factory=dict)
    explain: list[Node] = Field(default_factory=list)

    @property
    def version(self) -> str:
        """What it is known by: a digest of all that it is."""
        return sha256(self.as_bytes()).hexdigest()[:12]

    def as_bytes(self) -> bytes:
        """The model as JSON: the same bytes for the same model."""
        return json.dumps(self.model_dump(mode="json"), indent=1, sort_keys=True).encode()

    def predict(self, names: Sequence[str], features: npt.NDArray[np.int32]) -> Floats:
        """The probability for each row. names: of the columns of `features`."""
        columns = {name: features[:, place] for place, name in enumerate(names)}
        total = np.full(len(features), self.base)
        for tree in self.trees:
            total += walk(tree, columns, len(features))
        for name, added in self.weights.items():
            total += _weigh(added, columns[name])
        if self.link == "log-odds":
            total = 1 / (1 + np.exp(-total))
        probability: Floats = np.clip(total, LEAST, 1 - LEAST)
        return probability


def walk(tree: Sequence[Node], columns: Mapping[str, npt.NDArray[np.int32]], rows: int) -> Floats:
    """The value of the leaf that each row comes to."""
    found = np.zeros(rows)
    _walk_from(tree, 0, columns, np.arange(rows), found)
    return found


def _walk_from(
    tree: Sequence[Node],
    place: int,
    columns: Mapping[str, npt.NDArray[np.int32]],
    rows: npt.NDArray[np.intp],
    found: Floats,
) -> None:
    node = tree[place]
    if node.value is not None:
        found[rows] = node.value
        return
    left = columns[node.feature][rows] <= node.at_most
    _walk_from(tree, node.left, columns, rows[left], found)
    _walk_from(tree, node.right, columns, rows[~left], found)


def _weigh(added: Mapping[int, float], values: npt.NDArray[np.int32]) -> Floats:
    distinct, place = np.unique(values, return_inverse=True)
    weights: Floats = np.array([added.get(int(value), 0.0) for value in distinct])[place]
    return weights


def rounded(number: float) -> float:
    """A number as a model keeps it."""
    return float(f"{number:.{DIGITS}g}")
