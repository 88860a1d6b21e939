"""Training: labelled rows counted, candidates judged by a backtest, the winner kept and promoted, if there is one."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import partial
from hashlib import sha256

import numpy as np

from include.classify import registry
from include.classify.card import Card
from include.classify.contest import FEWEST, Fold, Judged, Verdict, folds_of, verdict, winner
from include.classify.leak import refuse_leaks
from include.classify.model import Floats, Model
from include.classify.registry import Standing, Training
from include.classify.rows import EPOCH, Counts, count_rows, last_day
from include.classify.statement import probability_sql
from include.classify.words import rules
from include.common.postgres import connect, postgres_errors
from include.common.settings import WAREHOUSE_CONNECTION
from include.tables.question import Question

EVERY = timedelta(days=7)
"""How often a model is trained anew."""

SOONER = timedelta(days=1)

MAJORITY = "majority"
BY_HAND = "rule by hand"
CHAMPION = "champion"
MOST_VALUES = 40
"""So many values of a feature are told of at most, the most frequent ones."""


@dataclass(frozen=True)
class Contest:
    """What came of a contest. winner: among the verdicts' names; None where nothing beat the majority."""

    folds: list[Fold]
    verdicts: list[Verdict]
    winner: str | None


def is_due(standing: Standing, now: datetime, sooner: bool) -> bool:
    """Whether it is time to train again: once a week, or `sooner` once a day."""
    return not standing.trainings or now - standing.trainings[-1].at >= (SOONER if sooner else EVERY)


def train(question: Question, now: datetime, since: date | None = None) -> Training:
    """Train on what the warehouse knows; promote the simplest model that is not beaten, if it beats the majority.

    since: the first day to learn from, where what was before holds no more; else as the champion did.

    It may be repeated: the same rows give the same model, byte for byte, which is kept once.

    Raises: DataError where there is nothing to learn from, or a feature tells the future; as `postgres_errors` and
        `lake_errors`.
    """
    standing = registry.read_standing(question.name)
    since = since or standing.since
    with connect(WAREHOUSE_CONNECTION) as connection, postgres_errors(question.fact.name):
        refuse_leaks(connection, question)
        counts = count_rows(connection, question, last_day(connection, question, now.date()), since)
    before = registry.read_model(question.name, standing.champion) if standing.champion else None
    if before and before.features != list(counts.names):
        before = None  # the question has been declared otherwise since
    contest = hold(question, counts, before)
    model = _final(question, counts, contest, before)
    card = draw_card(question, counts, contest, model)
    registry.keep_card(card)
    if model and contest.winner != CHAMPION:
        registry.keep(model, card)
    version = model.version if model else ""
    training = Training(at=now, as_of=str(counts.as_of), version=version, outcome=card.why)
    registry.update_standing(question.name, partial(_moved_on, standing, training, since))
    return training


def _moved_on(seen: Standing, training: Training, since: date | None, found: Standing) -> Standing:
    """The standing after a training; a champion that somebody made meanwhile stays one."""
    after = found.trained(training)
    if training.version in ("", found.champion) or found.champion != seen.champion:
        return after
    return after.promoted(training.version, training.outcome, since)


def hold(question: Question, counts: Counts, before: Model | None) -> Contest:
    """The contest. before: the champion until now."""
    from include.classify import learn  # scikit-learn, which no other step has in memory

    folds = folds_of(counts)
    if not folds or counts.total < FEWEST:
        return Contest([], [], None)
    said: dict[str, list[Floats]] = {}
    for fold in folds:
        models = {CHAMPION: before} if before else {}
        models |= {_name(how): learn.learn(question, fold.learned, how) for how in learn.CANDIDATES}
        models[MAJORITY] = learn.learn_majority(question.name, fold.learned)
        if question.by_hand:
            models[BY_HAND] = learn.learn_by_hand(question, fold.learned)
        for name, model in models.items():
            said.setdefault(name, []).append(model.predict(counts.names, fold.judged.features))
    judged = Judged(
        np.concatenate([fold.judged.labels for fold in folds]),
        np.concatenate([fold.judged.rows for fold in folds]),
        {name: np.concatenate(parts) for name, parts in said.items()},
    )
    learned = [name for name in said if name not in (MAJORITY, BY_HAND)]
    return Contest(folds, [verdict(name, judged) for name in said], winner(judged, learned, MAJORITY))


def _name(how: Callable[..., Model]) -> str:
    return how.__name__.removeprefix("learn_")


def _final(question: Question, counts: Counts, contest: Contest, before: Model | None) -> Model | None:
    """The winner, with all rows to learn from."""
    from include.classify import learn

    if contest.winner in (None, CHAMPION):
        return before if contest.winner else None
    how = next(how for how in learn.CANDIDATES if _name(how) == contest.winner)
    return learn.learn(question, counts, how)


def draw_card(question: Question, counts: Counts, contest: Contest, model: Model | None) -> Card:
    """The card of a contest, and of the model that won it."""
    return Card(
        question=question.name,
        description=question.description,
        table=question.fact.name,
        version=model.version if model else "",
        kind=model.kind if model else "",
        winner=contest.winner or "",
        why=_why(counts, contest),
        since=str(_day(counts, min)),
        as_of=str(counts.as_of),
        population=counts.population,
        rows=counts.total,
        data_digest=digest(counts),
        folds=[fold.name for fold in contest.folds],
        verdicts=contest.verdicts,
        rules=rules(question, model.explain) if model else [],
        effects=_effects(counts, model) if model else {},
        shares=_by_value(counts, np.ones(len(counts.rows)), of_all=True),
        not_for=question.not_for,
        sql=probability_sql(model).as_string(None) if model else "",
    )


def _day(counts: Counts, which: Callable[[list[int]], int]) -> date:
    days = counts.days.tolist()
    return EPOCH + timedelta(days=which(days)) if days else counts.as_of


def _why(counts: Counts, contest: Contest) -> str:
    if not contest.folds:
        return f"Nothing is promoted: {counts.total:,} rows are too few to learn from and to be judged by."
    if contest.winner is None:
        return "Nothing is promoted: no model says more than the majority does."
    if contest.winner == CHAMPION:
        return "The champion stays: no other model is better beyond noise."
    return f"The simplest model that none is better than beyond noise: {contest.winner}."


def digest(counts: Counts) -> str:
    """A digest of the rows that are learned from."""
    parts = (counts.features, counts.labels.astype(np.int32), counts.days, counts.rows.astype(np.int64))
    found = sha256(repr(counts.names).encode())
    for part in parts:
        found.update(np.ascontiguousarray(part).tobytes())
    return found.hexdigest()[:16]


def _effects(counts: Counts, model: Model) -> dict[str, dict[int, float]]:
    return _by_value(counts, model.predict(counts.names, counts.features), of_all=False)


def _by_value(counts: Counts, values: Floats, of_all: bool) -> dict[str, dict[int, float]]:
    """Feature → value → the mean of `values` over rows with it; with `of_all` the share of rows that have it."""
    found = {}
    for place, name in enumerate(counts.names):
        distinct, which = np.unique(counts.features[:, place], return_inverse=True)
        rows = np.bincount(which, counts.rows)
        sums = np.bincount(which, counts.rows * values)
        means = sums / (counts.total if of_all else rows)
        kept = sorted(np.argsort(-rows, kind="stable")[:MOST_VALUES].tolist())
        found[name] = {int(distinct[one]): round(float(means[one]), 6) for one in kept}
    return found
