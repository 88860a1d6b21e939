"""Scores: what the champion says of every row that is not done, by SQL in the warehouse, and what it said before."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime

import psycopg
from psycopg import sql

from include.classify import registry
from include.classify.lake import note_scores
from include.classify.model import Model
from include.classify.rows import features_sql
from include.classify.statement import probability_sql, reasons_sql
from include.common.errors import DataError
from include.common.manifests import Inputs
from include.common.postgres import connect, postgres_errors
from include.common.settings import WAREHOUSE_CONNECTION
from include.tables.question import Question, history_of, score_columns, settled

LOCK = 0x746F7473
"""Held by a scoring to its end: of two, one waits ("tots" in ASCII)."""

DAYS_AHEAD = 7
"""So many days after its own a day is looked for on which a row would be done."""

SCORE = sql.SQL("""
    CREATE TEMPORARY TABLE scored ON COMMIT DROP AS
    SELECT {copied}, CASE WHEN past THEN NULL ELSE probability END AS probability,
           CASE WHEN past THEN 'missed' WHEN probability < 0.5 THEN 'will not settle' ELSE 'will settle' END AS class,
           CASE WHEN past THEN 'its day has passed; ' ELSE '' END || reasons AS reasons,
           CASE WHEN NOT past AND probability < 0.5 THEN (
               SELECT min({due})
                 FROM (SELECT {others}, r.{due} + ahead AS {due} FROM generate_series(1, {days}) ahead) later
                WHERE (SELECT {probability} FROM (SELECT {later_features}) described) >= 0.5
           ) END AS would_settle_on,
           {version}::text AS model_version, {now}::timestamptz AS scored_at
      FROM {fact} r
     CROSS JOIN LATERAL (
        SELECT {probability} AS probability,
               {reasons} AS reasons
          FROM (SELECT {features}) described OFFSET 0
     ) said
     CROSS JOIN LATERAL (SELECT r.{due} < {today} OR (r.{due} = {today} AND {late}) AS past) moment
     WHERE r.valid_to IS NULL AND NOT r.{done}""")

END = sql.SQL("""
    WITH ended AS (
        DELETE FROM {scores} o WHERE NOT EXISTS (
            SELECT FROM scored n WHERE ({old_key}) = ({new_key})
               AND ({old_facts}) IS NOT DISTINCT FROM ({new_facts})
               AND (n.class = 'missed' OR ({old_said}) IS NOT DISTINCT FROM ({new_said}))
        ) RETURNING o.*
    )
    INSERT INTO {history} SELECT ended.*, {now} FROM ended""")

ADD = sql.SQL(
    "INSERT INTO {scores} SELECT n.* FROM scored n WHERE NOT EXISTS "
    "(SELECT FROM {scores} o WHERE ({old_key}) = ({new_key}))"
)

SAID = ("probability", "reasons", "would_settle_on", "model_version")
READ = "SELECT inputs FROM pipeline.load WHERE table_name = %s"
LAST = """
    SELECT inputs, model, moment, load_id FROM pipeline.load JOIN pipeline.scored USING (table_name)
     WHERE table_name = %s"""
NOTE = """
    WITH loaded AS (
        INSERT INTO pipeline.load AS l (table_name, inputs, load_id, loaded_at, changed_at, restated_at)
        VALUES (%(name)s, %(inputs)s, %(load_id)s, clock_timestamp(), clock_timestamp(), clock_timestamp())
            ON CONFLICT (table_name) DO UPDATE
           SET inputs = excluded.inputs, load_id = excluded.load_id, loaded_at = excluded.loaded_at,
               changed_at = CASE WHEN %(changed)s
                                 THEN greatest(excluded.changed_at, l.changed_at + interval '1 microsecond')
                                 ELSE l.changed_at END
    )
    INSERT INTO pipeline.scored (table_name, model, moment) VALUES (%(name)s, %(model)s, %(moment)s)
        ON CONFLICT (table_name) DO UPDATE SET model = excluded.model, moment = excluded.moment"""


@dataclass(frozen=True)
class Scored:
    """What a scoring did. skipped: why it did nothing; empty where it did."""

    version: str = ""
    rows: int = 0
    added: int = 0
    ended: int = 0
    skipped: str = ""


def score(question: Question, now: datetime, always: bool = False) -> Scored:
    """Bring a question's scores up to date, in one transaction; what held before goes into the history.

    Nothing is done where there is no champion, or where neither the fact, nor the champion, nor the day has changed
    since it was last done, unless `always`. It may be repeated, and two may do it at once.

    Raises: as `read_model` and `postgres_errors`.
    """
    version = registry.read_standing(question.name).champion
    if not version:
        return Scored(skipped=f"{question.name}: no model is champion yet")
    model = registry.read_model(question.name, version)
    require_fitting(question, model)
    with connect(WAREHOUSE_CONNECTION) as connection, postgres_errors(question.scores):
        connection.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK])
        inputs, moment = _read(connection, question), _moment(question, now)
        *last, load_id = connection.execute(LAST, [question.scores]).fetchone() or (None, None)
        if not always and last == [inputs, version, moment]:
            connection.commit()
            return Scored(version, skipped=f"{question.scores} is up to date")
        done = _bring(connection, question, model, now)
        load_id = note_scores(connection, question, inputs, now, known=load_id is not None)
        noted = {"name": question.scores, "inputs": json.dumps(inputs), "load_id": load_id, "model": version}
        connection.execute(NOTE, {**noted, "moment": moment, "changed": bool(done.added or done.ended)})
        connection.commit()
    return done


def require_fitting(question: Question, model: Model) -> None:
    """Refuse a model of other features than are declared. Raises: DataError that says what to do."""
    unknown = set(model.features) - {feature.name for feature in question.features}
    if unknown:
        raise DataError(
            f"{question.name}: the champion {model.version} takes {', '.join(sorted(unknown))}, which is not declared "
            "any more: python -m include classify train"
        )


def _read(connection: psycopg.Connection, question: Question) -> Inputs:
    """The readings that the fact was last loaded from."""
    row = connection.execute(READ, [question.fact.name]).fetchone()
    return dict(row[0]) if row else {}


def _moment(question: Question, now: datetime) -> str:
    """Which days have passed."""
    late = now.astimezone(UTC).time() >= settled(question).expected_by
    return f"{now.astimezone(UTC):%Y-%m-%d} {'after' if late else 'before'} {settled(question).expected_by}"


def _bring(connection: psycopg.Connection, question: Question, model: Model, now: datetime) -> Scored:
    own = [column.name for column in score_columns(question)]
    key = question.fact.key_columns
    facts = [name for name in own[: own.index("probability")] if name not in key] + ["class"]
    parts = {
        "scores": sql.Identifier(question.scores),
        "history": sql.Identifier(history_of(question)),
        "now": sql.Literal(now),
        "old_key": _of("o", key),
        "new_key": _of("n", key),
        "old_facts": _of("o", facts),
        "new_facts": _of("n", facts),
        "old_said": _of("o", SAID),
        "new_said": _of("n", SAID),
    }
    rows = connection.execute(score_sql(question, model, now)).rowcount
    ended = connection.execute(END.format(**parts)).rowcount
    added = connection.execute(ADD.format(**parts)).rowcount
    return Scored(model.version, rows, added, ended)


def score_sql(question: Question, model: Model, now: datetime) -> sql.Composed:
    """The statement that scores every row that is not done, into a temporary table `scored`."""
    own = [column.name for column in score_columns(question)]
    label, here = settled(question), now.astimezone(UTC)
    return SCORE.format(
        copied=_of("r", own[: own.index("probability")]),
        others=_of("r", [name for name in question.fact.by_name if name != label.due]),
        due=sql.Identifier(label.due),
        done=sql.Identifier(label.done),
        features=features_sql(question, "r"),
        later_features=features_sql(question, "later"),
        days=sql.Literal(DAYS_AHEAD),
        fact=sql.Identifier(question.fact.name),
        today=sql.Literal(here.date()),
        late=sql.Literal(here.time() >= label.expected_by),
        probability=probability_sql(model),
        reasons=reasons_sql(question, model),
        version=sql.Literal(model.version),
        now=sql.Literal(now),
    )


def _of(alias: str, names: tuple[str, ...] | list[str]) -> sql.Composed:
    return sql.SQL(", ").join(sql.Identifier(alias, name) for name in names)
