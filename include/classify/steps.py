"""What the DAG and the command line do for a question that has scores: watch, train, score; each tells of itself."""

from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime
from functools import cached_property
from typing import Any

from include.classify import registry
from include.classify.registry import Training
from include.classify.scoring import Scored, score
from include.classify.told import tell_models, tell_scores, tell_watched
from include.classify.train import is_due, train
from include.classify.watch import Watched, over, watch
from include.common.errors import DataError, DeclarationError, ServiceError, border
from include.common.manifests import LoadResult, SourceRead
from include.reports import alerts
from include.reports.events import told
from include.state.latest import read_state
from include.state.work import Work
from include.tables.declarations import Declarations
from include.tables.question import Question
from include.tables.steps import Step
from include.warehouse.publish import publish_scores


def seen_until(
    declared: Declarations, name: str, read: SourceRead | None = None, loaded: LoadResult | None = None
) -> datetime:
    """The instant of the source's clock up to which the warehouse shows all of a question's fact.

    read, loaded: what this run read of its source, and loaded of it. Where that is not all, what is recorded counts;
    where nothing is, the present.
    """
    if read and not read.held and (not read.changed or (loaded and loaded.done)):
        return read.observed_at
    known = read_state().tables.get(declared.questions[name].fact.source.name)
    return known.observed_at if known else datetime.now(UTC)


def _describe_watched(watched: Watched | None) -> dict[str, Any]:
    if watched is None:
        return {"outcome": "unchanged"}
    return {"missed": len(watched.missed), "wrong": watched.since is not None, "drifted": len(watched.drifted)}


def _describe_training(training: Training) -> dict[str, Any]:
    return {"version": training.version, "result": training.outcome}


def _describe_scored(scored: Scored) -> dict[str, Any]:
    return {"outcome": "unchanged"} if scored.skipped else asdict(scored)


@told("watch", _describe_watched)
def watch_question(declared: Declarations, name: str, seen: datetime) -> Watched | None:
    """Hold what came of rows against what the champion said, and alert people where reality leaves it. See `watch`."""
    question = declared.questions[name]
    watched, raised = watch(question, seen)
    if watched:
        tell_watched(question, watched)
        alerts.tell(raised, over(question, seen))
    return watched


def training_due(name: str, now: datetime, watched: Watched | None) -> bool:
    """Whether it is time to train: once a week, or as the champion is wrong or asked about rows of another kind."""
    return is_due(registry.read_standing(name), now, sooner=bool(watched and (watched.since or watched.drifted)))


@told("train", _describe_training)
def train_question(declared: Declarations, name: str, now: datetime, since: date | None = None) -> Training:
    """Train, and promote what wins. since: from when on the champion is wrong. See `train`."""
    question = declared.questions[name]
    training = train(question, now, since)
    if question.scores:
        tell_models(question)
    return training


@told("score", _describe_scored)
def score_question(declared: Declarations, name: str, seen: datetime, always: bool = False) -> Scored:
    """Bring the scores up to date, in the lake as well, and show them. See `score`."""
    question = declared.questions[name]
    scored = score(question, seen, always)
    publish_scores(question)
    if not scored.skipped:
        tell_scores(question, seen)
    return scored


def keep_up(declared: Declarations, work: Work) -> dict[Step, Exception]:
    """After a run: watch, train where that is due, and score, of each question whose fact it was to bring up to date.

    Gives what failed, which keeps nothing else from being done.
    """
    failed = dict[Step, Exception]()
    for question in declared.scored:
        if question.fact.source.name not in work.expected:
            continue
        asked, name = _Asked(declared, question, work), question.name
        steps = {Step("watch", name): asked.watch, Step("train", name): asked.train, Step("score", name): asked.score}
        for step, do in steps.items():
            try:
                with border(str(step)):
                    do()
            except (DeclarationError, DataError, ServiceError) as error:
                failed[step] = error
    return failed


@dataclass
class _Asked:
    """A question after a run, and what came of watching it."""

    declared: Declarations
    question: Question
    work: Work
    watched: Watched | None = None

    @cached_property
    def seen(self) -> datetime:
        fact = self.question.fact
        read, loaded = self.work.reads.get(fact.source.name), self.work.loads.get(fact.name)
        return seen_until(self.declared, self.question.name, read, loaded)

    def watch(self) -> None:
        self.watched = watch_question(self.declared, self.question.name, self.seen)

    def train(self) -> None:
        if training_due(self.question.name, self.seen, self.watched):
            since = self.watched.since if self.watched else None
            train_question(self.declared, self.question.name, self.seen, since)

    def score(self) -> None:
        score_question(self.declared, self.question.name, self.seen)
