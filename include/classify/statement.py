"""A model as SQL: the probability, and the reasons in words, of rows that tell their features as columns."""

from psycopg import sql

from include.classify.model import LEAST, Model, Node
from include.classify.words import leaves, reasons
from include.tables.question import Question

INDENT = "    "
FURTHEST = 30
"""How far log-odds count: further off no probability is another, and exp would end in an error."""


def probability_sql(model: Model) -> sql.Composed:
    """The expression of the probability: double precision, equal to what `Model.predict` gives."""
    terms = [_number(model.base)] if model.base or not (model.trees or model.weights) else []
    terms += [_case(tree, 0, 1) for tree in model.trees]
    terms += [_weights(name, added) for name, added in model.weights.items()]
    total = sql.SQL("\n  + ").join(terms)
    if model.link == "log-odds":
        total = sql.SQL("1 / (1 + exp(-greatest(least({}, {most}), -{most})))").format(
            total, most=sql.Literal(FURTHEST)
        )
    return sql.SQL("least(greatest({}, {}), {})").format(total, _number(LEAST), _number(1 - LEAST))


def reasons_sql(question: Question, model: Model) -> sql.Composed:
    """The expression of the reasons: text."""
    tree = model.explain or [Node(value=model.base)]
    told = iter([reasons(question, leaf) for leaf in leaves(tree)])

    def words(place: int, depth: int) -> sql.Composed:
        node = tree[place]
        if node.value is not None:
            return sql.Composed([sql.Literal(next(told))])
        return _branch(node, words(node.left, depth + 1), words(node.right, depth + 1), depth)

    return words(0, 1)


def _case(tree: list[Node], place: int, depth: int) -> sql.Composed:
    node = tree[place]
    if node.value is not None:
        return _number(node.value)
    return _branch(node, _case(tree, node.left, depth + 1), _case(tree, node.right, depth + 1), depth)


def _branch(node: Node, left: sql.Composed, right: sql.Composed, depth: int) -> sql.Composed:
    line = sql.SQL("\n" + INDENT * depth)
    statement = sql.SQL("CASE WHEN {} <= {} THEN {}{}ELSE {} END")
    return statement.format(sql.Identifier(node.feature), sql.Literal(int(node.at_most)), left, line, right)


def _weights(name: str, added: dict[int, float]) -> sql.Composed:
    cases = sql.SQL(" ").join(
        sql.SQL("WHEN {} THEN {}").format(sql.Literal(value), _number(weight)) for value, weight in added.items()
    )
    return sql.SQL("CASE {} {} ELSE 0 END").format(sql.Identifier(name), cases)


def _number(number: float) -> sql.Composed:
    return sql.SQL("{}::double precision").format(sql.Literal(number)) if number >= 0 else _negative(number)


def _negative(number: float) -> sql.Composed:
    return sql.SQL("(-{}::double precision)").format(sql.Literal(-number))
