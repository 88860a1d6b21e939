"""Any conditions, of any column, of dimensions beside, of an instant: the rows that SQL by hand finds."""

import csv
import io
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from random import Random
from typing import Any

import httpx
import psycopg
from psycopg import sql

from include.tables.types import known_type
from serve.query import MOST_ROWS
from serve.relations import FROM, TO, Field, Relation, relations
from tests.shop import DECLARED
from tests.system import System

SEED = int(os.environ.get("PROOF_SEED", "0"))
REQUESTS = 20_000 if os.environ.get("HYPOTHESIS_PROFILE") == "thorough" else 300
COMPARED = {"eq": "=", "neq": "<>", "gt": ">", "gte": ">=", "lt": "<", "lte": "<="}
WORDS = {"null": "IS NULL", "not_null": "IS NOT NULL", "true": "IS TRUE", "false": "IS FALSE"}
SERVED = {name: found for name, found in relations(DECLARED).items() if found.key}


class Warehouse:
    """Questions to the warehouse by hand."""

    def __init__(self, url: str) -> None:
        self._connection = psycopg.connect(url, autocommit=True, options="-c timezone=UTC")
        self.values = cache(self._values)

    def ask(self, statement: sql.Composed) -> list[Any]:
        """The first column of an answer."""
        return [value for (value,) in self._connection.execute(statement)]

    def _values(self, place: str, column: str) -> list[str]:
        """Some values that a column has, as texts."""
        statement = "SELECT DISTINCT {0}::text FROM {1} WHERE {0} IS NOT NULL ORDER BY 1 LIMIT 60"
        return self.ask(sql.SQL(statement).format(sql.Identifier(column), sql.Identifier(place)))


@dataclass
class Request:
    """What is asked, and the same in SQL."""

    rng: Random
    warehouse: Warehouse
    relation: Relation
    parameters: list[tuple[str, str]] = field(default_factory=list)
    conditions: list[sql.Composable] = field(default_factory=list)
    joins: list[sql.Composable] = field(default_factory=list)

    def draw(self) -> None:
        """Draw an instant, what is expanded, and conditions."""
        self._draw_state()
        some = self.rng.sample(sorted(self.relation.references), self.rng.randint(0, len(self.relation.references)))
        if some:
            self.parameters.append(("expand", ",".join(some)))
        for at in some:
            (key,) = SERVED[self.relation.references[at]].key
            names = sql.Identifier(self.relation.references[at]), sql.Identifier(at)
            join = "LEFT JOIN {0} AS {1} ON {1}.{2} = t.{1}"
            self.joins.append(sql.SQL(join).format(*names, sql.Identifier(key)))
        for _ in range(self.rng.randint(1, 4)):
            at = self.rng.choice(["", *some])
            relation = SERVED[self.relation.references[at]] if at else self.relation
            self._draw_condition(at, relation, relation.fields[self.rng.choice(relation.shown)])

    def _draw_state(self) -> None:
        if not self.relation.versioned:
            return
        names = sql.Identifier(FROM), sql.Identifier(TO)
        if self.rng.random() < 0.7:
            self.conditions.append(sql.SQL("t.{1} IS NULL").format(*names))
            return
        instant = self.rng.choice(self.warehouse.values(self.relation.place, FROM))
        self.parameters.append(("as_of", instant))
        shown = "t.{0} <= {2} AND (t.{1} IS NULL OR t.{1} > {2})"
        self.conditions.append(sql.SQL(shown).format(*names, sql.Literal(instant)))

    def _draw_condition(self, at: str, relation: Relation, asked: Field) -> None:
        column = sql.Identifier(at or "t", asked.name)
        name = f"{at}.{asked.name}" if at else asked.name
        values = self.warehouse.values(relation.place, asked.name)
        operator = self.rng.choice(list(_operators(asked))) if values and asked.comparable else "is"
        if operator == "is":
            said = self.rng.choice(list(WORDS) if asked.type == "boolean" else ["null", "not_null"])
            condition = sql.SQL("{} " + WORDS[said]).format(column)  # type: ignore[arg-type]
        elif operator == "in":
            some = self.rng.sample(values, self.rng.randint(1, min(5, len(values))))
            said = _as_csv(some)
            condition = sql.SQL("{} IN ({})").format(column, sql.SQL(", ").join(map(sql.Literal, some)))
        elif operator == "like":
            said = self._pattern(self.rng.choice(values))
            condition = sql.SQL("{} LIKE {}").format(column, sql.Literal(said))
        else:
            said = self.rng.choice(values)
            condition = sql.SQL("{} " + COMPARED[operator] + " {}").format(column, sql.Literal(said))  # type: ignore[arg-type]
        self.parameters.append((name, f"{operator}.{said}"))
        self.conditions.append(condition)

    def _pattern(self, text: str) -> str:
        """A pattern that fits a text, and maybe others: characters of it that may be any, an end that may."""
        drawn = "".join("_" if self.rng.random() < 0.2 else character for character in text)
        return drawn[: self.rng.randint(0, len(drawn))] + "%" if self.rng.random() < 0.5 else drawn

    @property
    def statement(self) -> sql.Composed:
        """The keys of the rows that are asked for, as texts."""
        keys = sql.SQL(", ").join(sql.SQL("{}::text").format(sql.Identifier("t", name)) for name in self.relation.key)
        return sql.SQL("SELECT ARRAY[{}] FROM {} AS t {} WHERE {}").format(
            keys,
            sql.Identifier(self.relation.place),
            sql.SQL(" ").join(self.joins),
            sql.SQL(" AND ").join([sql.SQL("true"), *self.conditions]),
        )


def _operators(asked: Field) -> Iterator[str]:
    known = known_type(asked.type)
    yield from (*COMPARED, "is")
    if known.is_text:
        yield "like"
    if not known.array:
        yield "in"


def _as_csv(values: list[str]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="").writerow(values)
    return text.getvalue()


def test_any_conditions_find_what_the_same_sql_finds(client: httpx.Client, loaded: System) -> None:
    print(f"PROOF_SEED={SEED}")
    rng, warehouse = Random(SEED), Warehouse(loaded.endpoints.warehouse_url)  # noqa: S311
    found = 0
    for _ in range(REQUESTS):
        request = Request(rng, warehouse, SERVED[rng.choice(sorted(SERVED))])
        request.draw()
        expected = sorted(warehouse.ask(request.statement))
        key = request.relation.key
        asked = [("select", ",".join(key)), *request.parameters]
        whole = client.get(f"/v1/{request.relation.route}", params=[*asked, ("format", "csv")])
        assert sorted(csv.reader(io.StringIO(whole.text))) == sorted([list(key), *expected]), whole.url
        if len(expected) <= MOST_ROWS:
            page = client.get(f"/v1/{request.relation.route}", params=[*asked, ("limit", str(MOST_ROWS))])
            assert sorted([str(row[name]) for name in key] for row in page.json()) == expected, page.url
        found += bool(expected)
    assert found > REQUESTS / 4
