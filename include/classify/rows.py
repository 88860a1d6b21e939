"""The rows that a model learns from, by SQL: features as of a row's first version, and its label once that counts."""

from dataclasses import dataclass
from datetime import date

import numpy as np
import numpy.typing as npt
import psycopg
from psycopg import sql

from include.common.errors import DataError
from include.common.postgres import binary_row, copy_rows, identifiers
from include.tables.question import MOST_DAYS, Exceeds, Feature, Question, Settled

Ints = npt.NDArray[np.int32]

MOST_ROWS = 100_000
"""From how many labelled rows on a sample of about so many is learned from: memory and time stay what they are."""

EPOCH = date(1970, 1, 1)

KINDS = {
    "weekday": "extract(isodow FROM {0})",
    "days": "greatest(least({1} - {0}, {most}), 0)",
    "hour": "extract(hour FROM {0})",
    "value": "{0}",
    "magnitude": "floor(log(greatest({0}, 1))) + 1",
}
"""Kind of a feature → its value, from the feature's columns."""

FIRST = sql.SQL("""
    first AS (
        SELECT DISTINCT ON ({key}) {columns} FROM {fact} ORDER BY {key}, valid_from, {record_id}
    )""")

SETTLED = sql.SQL("""{first}, told AS (
        SELECT {first_key}, bool_or(v.{done} AND v.{stamped} = f.{due}) AS label,
               bool_or(v.{due} <> f.{due} AND v.valid_from::date <= f.{due} + {matures}) AS moved,
               bool_or(v.valid_to IS NULL OR v.valid_to::date > f.{due} + {matures}) AS stayed
          FROM first f JOIN {fact} v ON {same}
         WHERE f.{due} + {matures} <= {as_of} AND f.{created} <= f.{due}
         GROUP BY {first_key}
    ), labelled AS (
        SELECT f.*, f.{due} AS at, label FROM first f JOIN told t ON {same_told}
         WHERE label OR (stayed AND NOT moved)
    )""")

EXCEEDS = sql.SQL("""{first}, labelled AS (
        SELECT f.*, f.{created} AS at, {product} > {threshold} AS label FROM first f WHERE f.{created} <= {as_of}
    )""")

COUNTS = sql.SQL("""
    WITH {labelled}, described AS (
        SELECT at - DATE '1970-01-01' AS at, label::integer AS label, {features} FROM labelled
         WHERE at >= {since} AND abs(mod(hashtextextended(concat_ws(',', {key}), 0), 1000000)) < {share}
    )
    SELECT at, label, count(*)::integer AS rows, {names} FROM described
     GROUP BY at, label, {names} ORDER BY at, label, {names}""")


@dataclass(frozen=True)
class Counts:
    """Labelled rows, those that are alike counted together.

    features: a row for each kind of row, a column for each feature. days: since 1970, when the label was due.
    rows: how many are alike. as_of: the last day that the warehouse knows of. population: labelled rows, of which these
    may be a sample.
    """

    names: tuple[str, ...]
    features: Ints
    labels: npt.NDArray[np.bool_]
    days: Ints
    rows: npt.NDArray[np.int64]
    as_of: date
    population: int

    def only(self, chosen: npt.NDArray[np.bool_]) -> "Counts":
        """Some of them."""
        parts = (self.features[chosen], self.labels[chosen], self.days[chosen], self.rows[chosen])
        return Counts(self.names, *parts, self.as_of, self.population)

    @property
    def total(self) -> int:
        """How many rows they stand for."""
        return int(self.rows.sum())


def feature_sql(feature: Feature, alias: str) -> sql.Composed:
    """A feature's value of the row that `alias` names, as an integer."""
    columns = [sql.Identifier(alias, name) for name in feature.columns]
    value = sql.SQL(KINDS[feature.kind]).format(*columns, most=sql.Literal(MOST_DAYS))
    return sql.SQL("coalesce(({})::integer, -1)").format(value)  # -1: the row does not tell


def features_sql(question: Question, alias: str) -> sql.Composed:
    """All features of the row that `alias` names, each under its name."""
    return sql.SQL(",\n               ").join(
        sql.SQL("{} AS {}").format(feature_sql(feature, alias), sql.Identifier(feature.name))
        for feature in question.features
    )


def last_day(connection: psycopg.Connection, question: Question, now: date) -> date:
    """The last day of which the warehouse knows: on which the source last made or wrote a row of the fact, up to now.

    What should have happened later cannot be told: a source that stands still has no labels any more.

    Raises: DataError where there is no row.
    """
    fact, label = question.fact, question.label
    days = [question.created, *([label.stamped] if isinstance(label, Settled) else [])]
    newest = sql.SQL(", ").join(sql.SQL("max({})").format(sql.Identifier(day)) for day in days)
    query = sql.SQL("SELECT least(greatest({}), {}) FROM {}").format(newest, now, sql.Identifier(fact.name))
    found = connection.execute(query).fetchone()
    day = found[0] if found else None
    if not isinstance(day, date) or _is_empty(connection, question):
        raise DataError(f"{question.name}: {fact.name} has no rows to learn from; load it first")
    return day


def _is_empty(connection: psycopg.Connection, question: Question) -> bool:
    row = sql.SQL("SELECT FROM {} LIMIT 1").format(sql.Identifier(question.fact.name))
    return connection.execute(row).fetchone() is None


def count_rows(
    connection: psycopg.Connection, question: Question, as_of: date, since: date | None = None, most: int = MOST_ROWS
) -> Counts:
    """Labelled rows whose label was due from `since` on and counts on the day `as_of`; a sample of about `most`.

    The same rows of the warehouse give the same counts.
    """
    labelled, begin = labelled_sql(question, as_of), since or date.min
    query = sql.SQL("WITH {} SELECT count(*) FROM labelled WHERE at >= {}").format(labelled, begin)
    found = connection.execute(query).fetchone()
    population = int(found[0]) if found else 0
    share = 1_000_000 if population <= most else most * 1_000_000 // population
    names = [feature.name for feature in question.features]
    statement = COUNTS.format(
        labelled=labelled,
        features=features_sql(question, "labelled"),
        since=begin,
        share=share,
        key=identifiers(question.fact.key_columns),
        names=identifiers(names),
    )
    kind = binary_row(**dict.fromkeys(["at", "label", "rows", *names], ">i4"))
    copied = sql.SQL("COPY ({}) TO STDOUT (FORMAT binary)").format(statement)
    blocks = [block.copy() for block in copy_rows(connection, copied, kind)]
    told = np.concatenate(blocks) if blocks else np.empty(0, kind)
    features = np.column_stack([told[name].astype(np.int32) for name in names])
    labels, days, rows = told["label"] > 0, told["at"].astype(np.int32), told["rows"].astype(np.int64)
    return Counts(tuple(names), features, labels, days, rows, as_of, population)


def labelled_sql(question: Question, as_of: date) -> sql.Composed:
    """The parts of a WITH that end in `labelled`: first versions with the day and the label, where there is one.

    A row has no label before that counts; nor where the row was deleted, or its day changed, before it did.
    """
    fact, label = question.fact, question.label
    common = {
        "first": first_versions(question),
        "created": sql.Identifier(question.created),
        "as_of": sql.Literal(as_of),
    }
    if isinstance(label, Exceeds):
        product = sql.SQL(" * ").join(sql.Identifier("f", name) for name in label.columns)
        return EXCEEDS.format(**common, product=product, threshold=sql.Literal(label.threshold))
    named = {name: sql.Identifier(getattr(label, name)) for name in ("done", "due", "stamped")}
    return SETTLED.format(
        **common,
        **named,
        fact=sql.Identifier(fact.name),
        first_key=_of("f", question),
        same=same_key("v", "f", question),
        same_told=same_key("t", "f", question),
        matures=sql.Literal(label.matures_days),
    )


def fact_parts(question: Question) -> dict[str, sql.Composable]:
    """The names of a question's fact, its key and its columns, for statements."""
    fact = question.fact
    return {
        "key": identifiers(fact.key_columns),
        "columns": identifiers([fact.record_id, *fact.by_name]),
        "fact": sql.Identifier(fact.name),
        "record_id": sql.Identifier(fact.record_id),
    }


def first_versions(question: Question) -> sql.Composed:
    """The part of a WITH that is called `first`: each row as it was when it was first seen."""
    return FIRST.format(**fact_parts(question))


def _of(alias: str, question: Question) -> sql.Composed:
    return sql.SQL(", ").join(sql.Identifier(alias, name) for name in question.fact.key_columns)


def same_key(one: str, other: str, question: Question) -> sql.Composed:
    """The condition that two rows have the same key."""
    return sql.SQL("({}) = ({})").format(_of(one, question), _of(other, question))
