"""Candidates, learned with scikit-learn and told as models. Only what trains imports this: it takes memory."""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from include.classify.model import Floats, Model, Node, rounded
from include.classify.rows import Counts
from include.common.imports import hidden
from include.tables.question import Question

with hidden("pandas", "pyarrow"):  # 70 MB, of use to nobody here. Source: sklearn/utils/fixes.py
    from scipy.sparse import csr_matrix, hstack
    from sklearn.ensemble import GradientBoostingClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor
    from threadpoolctl import threadpool_limits

SMALLEST_LEAF = 25
"""Of how many equal kinds of rows a leaf is made at least: fewer are noise."""

MOST_VALUES = 60
"""A feature with more values than that is no part of a regression, which has a weight for each."""

Learn = Callable[[str, Counts], Model]


def learn_majority(question: str, counts: Counts) -> Model:
    """What says of every row the same: how many have been so. The yardstick of all, and never promoted."""
    base = float(np.average(counts.labels, weights=counts.rows))
    return Model(
        question=question, kind="majority", features=list(counts.names), link="probability", base=rounded(base)
    )


def learn_by_hand(question: Question, counts: Counts) -> Model:
    """The rule that people wrote, with what came of rows inside and outside of it: a yardstick, and never promoted."""
    columns = dict(zip(counts.names, counts.features.T, strict=True))
    inside = np.ones(len(counts.rows), bool)
    for name, low, high in question.by_hand:
        inside &= (columns[name] >= low) & (columns[name] <= high)
    shares = [
        float((counts.labels * counts.rows)[part].sum() + 0.5) / float(counts.rows[part].sum() + 1)
        for part in (inside, ~inside)
    ]
    return Model(
        question=question.name,
        kind="by hand",
        features=list(counts.names),
        link="probability",
        base=0,
        trees=[_ranges(question.by_hand, *shares)],
    )


def _ranges(ranges: tuple[tuple[str, int, int], ...], inside: float, outside: float) -> list[Node]:
    """A tree that sends a row to one leaf if all its values are in their ranges, and to another if not."""
    nodes = [Node(value=rounded(outside)), Node(value=rounded(inside))]
    last = 1
    for name, low, high in reversed(ranges):
        nodes.append(Node(feature=name, at_most=high, left=last, right=0))
        nodes.append(Node(feature=name, at_most=low - 1, left=0, right=len(nodes) - 1))
        last = len(nodes) - 1
    order = [last, *(place for place in range(len(nodes)) if place != last)]
    moved = {old: new for new, old in enumerate(order)}
    return [
        node
        if node.value is not None
        else node.model_copy(update={"left": moved[node.left], "right": moved[node.right]})
        for node in (nodes[old] for old in order)
    ]


def learn_tree(question: str, counts: Counts) -> Model:
    """A tree of eight leaves at most."""
    tree = DecisionTreeClassifier(
        max_depth=4, max_leaf_nodes=8, min_samples_leaf=_least(counts), ccp_alpha=5e-4, random_state=0
    )
    tree.fit(counts.features, counts.labels, sample_weight=counts.rows)
    own = _nodes(tree.tree_, counts.names, _share_of_leaf(tree.tree_))
    names = list(counts.names)
    return Model(question=question, kind="tree", features=names, link="probability", base=0, trees=[own], explain=own)


def learn_regression(question: str, counts: Counts) -> Model:
    """A logistic regression with a weight for each value of each feature."""
    parts, meaning = [], []
    for place, name in enumerate(counts.names):
        values, which = np.unique(counts.features[:, place], return_inverse=True)
        if len(values) <= MOST_VALUES:
            ones = np.ones(len(which), np.float32)
            parts.append(csr_matrix((ones, (np.arange(len(which)), which)), shape=(len(which), len(values))))
            meaning += [(name, int(value)) for value in values]
    learned = LogisticRegression(C=10.0, max_iter=300).fit(hstack(parts, "csr"), counts.labels, counts.rows)
    weights: dict[str, dict[int, float]] = {}
    for (name, value), weight in zip(meaning, learned.coef_[0], strict=True):
        weights.setdefault(name, {})[value] = rounded(weight)
    model = Model(
        question=question,
        kind="logistic regression",
        features=list(counts.names),
        link="log-odds",
        base=rounded(learned.intercept_[0]),
        weights=weights,
    )
    return _explained(model, counts)


def learn_boosting(question: str, counts: Counts) -> Model:
    """Forty small trees, each of which mends what those before it got wrong."""
    learned = GradientBoostingClassifier(
        n_estimators=40, learning_rate=0.25, max_depth=3, min_samples_leaf=_least(counts), random_state=0
    ).fit(counts.features, counts.labels, sample_weight=counts.rows)
    prior = float(np.average(counts.labels, weights=counts.rows))
    trees = [_nodes(one.tree_, counts.names, 0.25 * one.tree_.value[:, 0, 0]) for one in learned.estimators_[:, 0]]
    model = Model(
        question=question,
        kind="boosting",
        features=list(counts.names),
        link="log-odds",
        base=rounded(float(np.log(prior / (1 - prior)))),
        trees=trees,
    )
    return _explained(model, counts)


CANDIDATES: tuple[Learn, ...] = (learn_tree, learn_regression, learn_boosting)
"""From the simplest on."""


def learn(question: Question, counts: Counts, how: Learn) -> Model:
    """A model of one candidate; of rows with one label alone the majority's. The same counts give the same model."""
    with threadpool_limits(1):
        return (how if len(set(counts.labels.tolist())) == 2 else learn_majority)(question.name, counts)


def _least(counts: Counts) -> int:
    return max(2, min(SMALLEST_LEAF, len(counts.rows) // 50))


def _share_of_leaf(tree: Any) -> Floats:
    """The share of a leaf's rows that are so, and no certainty where they are few."""
    rows, share = tree.weighted_n_node_samples, tree.value[:, 0, 1]
    values: Floats = (share * rows + 0.5) / (rows + 1)
    return values


def _nodes(tree: Any, names: tuple[str, ...], values: Floats) -> list[Node]:
    """A tree of scikit-learn's as nodes. Features are whole numbers, so a threshold is one, too."""
    return [
        Node(value=rounded(float(values[place])))
        if tree.children_left[place] < 0
        else Node(
            feature=names[tree.feature[place]],
            at_most=float(np.floor(tree.threshold[place])),
            left=int(tree.children_left[place]),
            right=int(tree.children_right[place]),
        )
        for place in range(tree.node_count)
    ]


def _explained(model: Model, counts: Counts) -> Model:
    """The model with a small tree that says nearly the same."""
    said: npt.NDArray[np.float64] = model.predict(counts.names, counts.features)
    tree = DecisionTreeRegressor(max_depth=4, max_leaf_nodes=8, min_impurity_decrease=1e-4, random_state=0)
    tree.fit(counts.features, said, sample_weight=counts.rows)
    return model.model_copy(update={"explain": _nodes(tree.tree_, counts.names, tree.tree_.value[:, 0, 0])})
