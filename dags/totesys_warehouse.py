"""The one DAG: what changed in ToteSys, every 20 minutes, into the warehouse. Drawn from the declarations."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial, wraps
from itertools import pairwise
from typing import Any, NoReturn, TypeVar

import pendulum
from airflow.sdk import DAG, Asset, Param, TaskGroup, get_current_context, task
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

from include.common.errors import DataError, DeclarationError, border
from include.declared import DECLARED
from include.reports.documents import ABOUT, CLASSIFY, CLASSIFY_GROUP, GROUPS, task_document
from include.reports.failure import tell_failure
from include.reports.openlineage import lineage_of
from include.tables.steps import CHECK, PREPARE, WORK_SECONDS, Step, group_of, plan, read_step, task_id

MANIFEST = "manifest"
"""The XCom key under which a task leaves what it did, also when it is skipped afterwards."""

NOTE = "note"
"""The XCom key under which the record leaves what becomes the run's note."""

PROGRESS = "progress"
"""The XCom key under which an ingest leaves how many slices are read, as long as not all are."""

SLICES_AT_ONCE = 4
"""How many slices of a table run at the same time: the smallest worker of MWAA has five tasks, and others wait."""

Result = TypeVar("Result")


def attempt(work: Callable[[], Result]) -> Result:
    """Do the work of a task; what no retry can help fails at once."""
    try:
        with border("this task"):
            return work()
    except (DeclarationError, DataError) as error:
        raise AirflowFailException(str(error)) from error


def bordered(work: Callable[..., Result]) -> Callable[..., Result]:
    """A task's function that raises nothing but Airflow's own signals and service errors."""

    @wraps(work)
    def within(*given: Any, **named: Any) -> Result:
        return attempt(partial(work, *given, **named))

    return within


def leave(document: object, *, skip: str = "") -> None:
    """Leave what a task did for those that follow; with `skip`, the reason, skip the task."""
    get_current_context()["ti"].xcom_push(MANIFEST, document)
    if skip:
        raise AirflowSkipException(skip)


def found(step: Step) -> Any:
    """What the task of a step left in this run; None where it left nothing."""
    return get_current_context()["ti"].xcom_pull(task_ids=task_id(step, DECLARED), key=MANIFEST)


def asset_of(name: str) -> Asset:
    """The asset that a load of this warehouse table updates; the event's extra holds the numbers of rows."""
    return Asset(f"warehouse/{name}")


def options() -> Any:
    """What the run was asked for."""
    from include.pipeline import Options

    params = get_current_context()["params"]
    tables, accepted = tuple(params["tables"] or ()), tuple(params["accept_deletions"] or ())
    return Options(tables, params["full_refresh"], accepted, run_id=get_current_context()["dag_run"].run_id)


@task
@bordered
def prepare() -> None:
    """Make the warehouse as declared."""
    from include import pipeline

    leave(attempt(lambda: pipeline.prepare(DECLARED)))


def _begun(name: str) -> tuple[Any, Any]:
    """What the run was asked for, and what the warehouse was built from; skips what was not asked for."""
    asked, loaded = attempt(options), found(PREPARE)
    if loaded is None:
        raise AirflowFailException("the warehouse could not be prepared: see the task prepare")
    if name not in attempt(lambda: asked.sources(DECLARED)):
        raise AirflowSkipException(f"{name} was not asked for")
    return asked, loaded


@task
@bordered
def plan_slices(name: str) -> list[int]:
    """Cut a source table into slices, where it is to be read so; gives the numbers of those that are not read."""
    from include import pipeline
    from include.state.latest import read_state

    asked, loaded = _begun(name)
    planned = attempt(lambda: pipeline.plan_table(DECLARED, name, read_state(), loaded, asked))
    until = (datetime.now(UTC) + timedelta(seconds=WORK_SECONDS)).isoformat()
    leave({"load_id": planned.load_id, "slices": len(planned.numbers), "until": until})
    return list(planned.numbers)


@task(max_active_tis_per_dagrun=SLICES_AT_ONCE)
@bordered
def read_slice(name: str, number: int) -> None:
    """Read, transform and keep one slice of a source table."""
    from include import pipeline

    planned = found(Step("plan", name))
    if datetime.now(UTC) > datetime.fromisoformat(planned["until"]):
        leave({"number": number, "done": False}, skip="it is left to the next run, so that others need not wait")
    done = attempt(lambda: pipeline.slice_table(DECLARED, name, planned["load_id"], number))
    leave({"number": number, "done": done}, skip="" if done else f"{name} is to be cut anew by the next run")


@task(trigger_rule="all_done")
@bordered
def ingest(name: str) -> None:
    """Read a source table's changes."""
    from include import pipeline
    from include.common.slices import Progress
    from include.state.latest import read_state

    asked, loaded = _begun(name)
    planned = found(Step("plan", name)) if name in DECLARED.sliced else {}
    if planned is None:
        raise AirflowFailException(f"how {name} is read in slices could not be planned: see the task plan.{name}")
    read = attempt(lambda: pipeline.ingest_table(DECLARED, name, read_state(), loaded, asked))
    if isinstance(read, Progress):
        _leave_progress(name, planned["slices"], read)
    leave(read.model_dump(mode="json"), skip=read.held or ("" if read.changed else f"{name} did not change"))


def _leave_progress(name: str, slices: int, progress: Any) -> NoReturn:
    """End the ingest of a table not all of whose slices are read: well, unless some of them failed."""
    ended = found(Step("slice", name)) or []
    failed = slices - (len(ended) if isinstance(ended, list) else 1)
    if failed:
        raise AirflowFailException(f"{failed} slices of {name} were not read: see the tasks slice.{name}")
    get_current_context()["ti"].xcom_push(PROGRESS, progress.model_dump(mode="json"))
    raise AirflowSkipException(f"{name}: {progress.told()}")


def _progress() -> dict[str, Any]:
    """How far the source tables are not all of whose slices are read."""
    from include.common.slices import Progress

    pull = get_current_context()["ti"].xcom_pull
    left = {name: pull(task_ids=task_id(Step("ingest", name), DECLARED), key=PROGRESS) for name in DECLARED.sliced}
    return {name: Progress.model_validate(document) for name, document in left.items() if document}


@task(trigger_rule="none_failed_min_one_success")
@bordered
def transform(name: str) -> None:
    """Build a warehouse table's Parquet."""
    from include import pipeline
    from include.common.manifests import SourceRead

    origin = read_step(DECLARED.star[name])
    document = found(origin)
    if document is None:
        raise AirflowSkipException(f"{origin.table} was not asked for")
    read = SourceRead.model_validate(document) if origin != PREPARE else None
    files = attempt(lambda: pipeline.transform_table(DECLARED, name, read, found(PREPARE)))
    if files is None:
        raise AirflowSkipException(f"{name} is complete")
    leave(files.model_dump(mode="json"))


@task(trigger_rule="none_failed_min_one_success")
@bordered
def load(name: str) -> None:
    """Bring a warehouse table up to date."""
    from include import pipeline
    from include.common.manifests import StarFiles
    from include.state.work import Work

    document = found(Step("transform", name))
    if document is None:
        raise AirflowSkipException(f"{name} did not change")
    if Work(DECLARED, waiting=_progress()).waits(name):
        raise AirflowSkipException(f"{name} waits for what it refers to, which is not all read yet")
    result = attempt(lambda: pipeline.load_table(DECLARED, name, StarFiles.model_validate(document)))
    counts = {"new": result.new, "changed": result.changed, "deleted": result.deleted}
    get_current_context()["outlet_events"][asset_of(name)].extra = {**counts, "rejected": len(result.rejected)}
    skip = result.held or ("a later reading is loaded already" if result.superseded else "")
    leave(result.model_dump(mode="json"), skip=skip)


@task(trigger_rule="all_done")
@bordered
def check() -> None:
    """Compare what was loaded with the source.

    It fails where something was left behind: then it is among the failed tasks that somebody clears, and `record`,
    which waits for it, waits for them all.
    """
    from include import pipeline

    work = _work()
    results = attempt(lambda: pipeline.check_tables(DECLARED, work.reads, work.loads))
    leave({name: result.model_dump(mode="json") for name, result in results.items()})
    if work.left_behind:
        raise AirflowFailException(f"what was loaded is checked; {'; '.join(work.left_behind)}")


@task(trigger_rule="all_done")
@bordered
def record() -> None:
    """Move latest_update.json on, and fail where something is missing."""
    from include import pipeline
    from include.common.manifests import CheckResult

    documents = found(CHECK)
    checked = documents and {name: CheckResult.model_validate(document) for name, document in documents.items()}
    attempt(lambda: pipeline.record_run(_identity(), replace(_work(), checked=checked), _note))


def _note(report: Any) -> None:
    """Leave the line that the plugin `totesys_note` makes the run's note."""
    get_current_context()["ti"].xcom_push(NOTE, report.summary)


def _identity() -> Any:
    """Which run this is, as its history tells it."""
    run = get_current_context()["dag_run"]
    return options().identity(run.run_id, run.start_date or run.run_after)


def _work() -> Any:
    """What the run was to do and has done so far."""
    from include.common.manifests import LoadResult, SourceRead
    from include.state.work import Work

    reads = {name: found(Step("ingest", name)) for name in DECLARED.sources}
    loads = {name: found(Step("load", name)) for name in DECLARED.star}
    return Work(
        DECLARED,
        options().sources(DECLARED),
        {name: SourceRead.model_validate(document) for name, document in reads.items() if document},
        {name: LoadResult.model_validate(document) for name, document in loads.items() if document},
        waiting=_progress(),
    )


@task(trigger_rule="all_done")
@bordered
def watch() -> None:
    """Hold what came of rows against what the champions said."""
    from include.classify import steps

    seen = _seen()
    watched = {name: attempt(partial(steps.watch_question, DECLARED, name, at)) for name, at in seen.items()}
    leave({name: result.model_dump(mode="json") for name, result in watched.items() if result})


@task(trigger_rule="all_done")
@bordered
def train() -> None:
    """Train where it is time to, or the champion is wrong."""
    from include.classify import steps
    from include.classify.watch import Watched

    left = get_current_context()["ti"].xcom_pull(task_ids="classify.watch", key=MANIFEST) or {}
    watched = {name: Watched.model_validate(document) for name, document in left.items()}
    due = {name: at for name, at in _seen().items() if steps.training_due(name, at, watched.get(name))}
    if not due:
        raise AirflowSkipException("no model is due")
    for name, at in due.items():
        since = watched[name].since if name in watched else None
        attempt(partial(steps.train_question, DECLARED, name, at, since))


@task(trigger_rule="all_done")
@bordered
def score() -> None:
    """Bring the scores up to date."""
    from include.classify import steps

    scored = [attempt(partial(steps.score_question, DECLARED, name, at)) for name, at in _seen().items()]
    if all(result.skipped for result in scored):
        raise AirflowSkipException("; ".join(result.skipped for result in scored))


def _seen() -> dict[str, Any]:
    """Question → the instant up to which the warehouse shows all of its fact."""
    from include.classify.steps import seen_until

    if found(PREPARE) is None:
        raise AirflowSkipException("the warehouse could not be prepared")
    work = _work()
    return {
        question.name: attempt(
            partial(
                seen_until,
                DECLARED,
                question.name,
                work.reads.get(question.fact.source.name),
                work.loads.get(question.fact.name),
            )
        )
        for question in DECLARED.scored
    }


def names_param(title: str, description: str) -> Param:
    """A parameter of a run that names source or warehouse tables."""
    names = [*DECLARED.sources, *DECLARED.star]
    items = {"type": "string", "enum": names}
    return Param([], type="array", items=items, examples=names, title=title, description=description)


PARAMS = {
    "tables": names_param(
        "Tables", "Source or warehouse tables to bring up to date, with all that they refer to. None: all."
    ),
    "full_refresh": Param(
        False,
        type="boolean",
        title="Full refresh",
        description="Read the named tables (all, where none is named) whole, whatever is known of them.",
    ),
    "accept_deletions": names_param(
        "Accept deletions", "Tables that are held back since most of their rows are gone from the source: believe it."
    ),
}

RETRIES = {
    "retries": 4,
    "retry_delay": timedelta(seconds=10),
    "retry_exponential_backoff": 2.0,
    "max_retry_delay": timedelta(minutes=5),
    "execution_timeout": timedelta(hours=1),
}

WORK: dict[str, Any] = {
    "prepare": prepare,
    "plan": plan_slices,
    "slice": read_slice,
    "ingest": ingest,
    "transform": transform,
    "load": load,
    "check": check,
    "record": record,
}


def draw(step: Step, groups: dict[str, TaskGroup], drawn_before: dict[Step, Any]) -> Any:
    """The task of a step, in its group; of slices a task for each number that their plan gives."""
    work, document = WORK[step.kind], task_document(DECLARED, step)
    if not step.table:
        return work.override(doc_md=document)()
    outlets = [asset_of(step.table)] if step.kind == "load" else []
    if step.kind == "slice":
        mapped = work.override(task_id=step.table, doc_md=document).partial(name=step.table)
        with groups[step.kind]:
            return mapped.expand(number=drawn_before[Step("plan", step.table)])
    with groups[group_of(step, DECLARED)]:
        drawn = work.override(task_id=step.table, doc_md=document, outlets=outlets)(step.table)
    if step.kind == "load":  # what the OpenLineage provider calls, where it is in use
        drawn.operator.get_openlineage_facets_on_complete = lambda _: lineage_of(DECLARED.star[step.table])
    return drawn


LEARNED: dict[str, Any] = {"watch": watch, "train": train, "score": score}


def draw_classify() -> list[Any]:
    """The tasks of what is learned, one after another; none waits for them."""
    tooltip, colour = CLASSIFY_GROUP
    with TaskGroup("classify", tooltip=tooltip, ui_color=colour):
        drawn = [work.override(doc_md=CLASSIFY[name])() for name, work in LEARNED.items()]
    for before, after in pairwise(drawn):
        before >> after
    return drawn


with DAG(
    dag_id="totesys_warehouse",
    doc_md=ABOUT,
    description="What changed in ToteSys, every 20 minutes, into the star schema",
    schedule="*/20 * * * *",
    start_date=pendulum.datetime(2024, 1, 1, tz="UTC"),
    catchup=False,
    max_active_runs=1,
    dagrun_timeout=timedelta(hours=2),
    default_args=RETRIES,
    params=PARAMS,
    tags=["totesys", "warehouse"],
    on_failure_callback=partial(tell_failure, DECLARED),
) as dag:
    steps = plan(DECLARED, set(DECLARED.sources))
    shown = {group_of(step, DECLARED) for step in steps}
    groups = {
        name: TaskGroup(name, tooltip=tip, ui_color=colour) for name, (tip, colour) in GROUPS.items() if name in shown
    }
    tasks: dict[Step, Any] = {}
    for step in steps:
        tasks[step] = draw(step, groups, tasks)
    for step, order in steps.items():
        for upstream in order.needs | order.follows:
            tasks[upstream] >> tasks[step]
    if DECLARED.scored:
        first, *_ = draw_classify()
        for question in DECLARED.scored:
            tasks[Step("load", question.fact.name)] >> first
