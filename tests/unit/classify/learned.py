"""Champions that need no training: what is judged here is what is done with them."""

from datetime import datetime

from include.classify import registry
from include.classify.model import Model, Node
from include.classify.rows import count_rows
from include.classify.train import Contest, draw_card
from include.common.postgres import connect
from include.common.settings import WAREHOUSE_CONNECTION
from tests.unit.classify.bills import QUESTION

LOW, HIGH = 0.0005, 0.9995


def tree(last: int, low: float) -> list[Node]:
    """The rule: due on a day from Monday to `last`, and made before."""
    return [
        Node(feature="due_weekday", at_most=last, left=1, right=3),
        Node(feature="days_until_due", at_most=0, left=3, right=2),
        Node(value=1 - low),
        Node(value=low),
    ]


def by_rule(last: int = 5, low: float = LOW) -> Model:
    """The model of that rule. low: the share that does the opposite."""
    nodes = tree(last, low)
    names = [feature.name for feature in QUESTION.features]
    return Model(
        question=QUESTION.name, kind="tree", features=names, link="probability", base=0, trees=[nodes], explain=nodes
    )


def crown(model: Model, as_of: datetime) -> str:
    """Make a model the champion, with a card that is of what the warehouse knows."""
    with connect(WAREHOUSE_CONNECTION) as connection:
        counts = count_rows(connection, QUESTION, as_of.date())
    registry.keep(model, draw_card(QUESTION, counts, Contest([], [], None), model))
    registry.promote(QUESTION.name, model.version)
    return model.version
