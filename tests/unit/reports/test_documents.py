"""What the UI shows of a task is what the task does."""

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest
from psycopg import sql

from include.common.manifests import Cursor
from include.reports.documents import changes_query, merge_statements, task_document
from include.source.observe import changed_since
from include.tables.star import Fact, StarTable
from include.tables.steps import plan
from include.warehouse import merge
from tests.shop import DECLARED


class Listening:
    """A connection that does nothing but note the statements."""

    def __init__(self) -> None:
        self.statements: list[str] = []

    def execute(self, statement: sql.Composed, _: object = None) -> Any:
        self.statements.append(statement.as_string(None))
        return SimpleNamespace(rowcount=0, fetchone=lambda: (0, 0))


def words(statement: str) -> list[str]:
    return statement.replace('"', "").replace("(", " ( ").replace(")", " ) ").split()


def executed(table: StarTable) -> list[list[str]]:
    listening: Any = Listening()
    if isinstance(table, Fact):
        merge.merge_versions(listening, table, datetime.now(UTC))
    else:
        merge.merge_latest(listening, table)
    return [words(statement) for statement in listening.statements]


@pytest.mark.parametrize("name", DECLARED.star)
def test_the_statements_of_a_load_are_those_that_are_executed(name: str) -> None:
    for shown in merge_statements(DECLARED.star[name]):
        assert any(within(words(shown), run) for run in executed(DECLARED.star[name]))


def within(part: list[str], whole: list[str]) -> bool:
    return any(whole[start : start + len(part)] == part for start in range(len(whole)))


def test_the_query_of_an_ingest_reads_the_declared_columns(filled_url: str) -> None:
    cursor = Cursor(xid="1", cluster="", relation=1, last_updated=None)
    with psycopg.connect(filled_url) as source:
        for table in DECLARED.sources.values():
            query = changes_query(table).replace(":cursor", "'1'")
            assert words(changed_since(table, cursor).as_string(source)) == words(query.partition("WHERE")[2])
            described = source.execute(query).description  # type: ignore[call-overload]
            assert [column.name for column in described] == list(table.by_name)


def test_every_step_tells_what_it_does() -> None:
    for step in plan(DECLARED, set(DECLARED.sources)):
        assert len(task_document(DECLARED, step)) > 60, step
