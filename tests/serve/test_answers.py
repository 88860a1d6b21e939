"""Answers that were read are given again while they hold, to whoever may see them, and take no more than their room."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import psycopg
import pytest

from serve import answers
from serve.answers import Answer, Answers
from serve.query import MOST_ROWS
from tests.serve.server import Served, serving, settings_for
from tests.system import System

PATHS = ("/v1/fact_sale", "/v1/fact_sale/3/history", "/v1/fact_sale?expand=clerk_id&count=true",
         "/v1/fact_sale?as_of=2999-01-01T00:00:00Z", "/v1/metrics/takings_by_day?limit=3")  # fmt: skip


@pytest.fixture
def alone(own_url: str, loaded: System, tmp_path: Path) -> Iterator[Served]:
    """A server that nobody asked before."""
    with serving(settings_for(own_url, tmp_path, statement_seconds=1.0), loaded.declared) as found:
        yield found


@contextmanager
def locked(url: str, table: str) -> Iterator[None]:
    """Nobody reads a table meanwhile."""
    with psycopg.connect(url) as connection:
        connection.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE".encode())
        yield
        connection.rollback()


def told(answer: httpx.Response) -> tuple[bytes, dict[str, str]]:
    """A body, and all headers but what every request has of its own."""
    assert answer.status_code == 200, answer.text
    own = ("x-request-id", "date", "ratelimit")
    return answer.content, {name: value for name, value in answer.headers.items() if name not in own}


@pytest.mark.parametrize("path", PATHS)
def test_what_was_answered_is_answered_again_without_the_data(alone: Served, own_url: str, path: str) -> None:
    with alone.client() as client:
        first = told(client.get(path))
        with locked(own_url, "fact_sale"):
            assert told(client.get(path)) == first
            assert client.get("/v1/fact_sale?sale_id=gt.3").status_code == 503


def test_an_answer_is_read_anew_once_a_load_changed_its_table(alone: Served, own_url: str) -> None:
    change = """
        UPDATE fact_sale SET units_sold = units_sold + 1 WHERE sale_id = 3 AND valid_to IS NULL;
        UPDATE pipeline.load SET changed_at = clock_timestamp() WHERE table_name = 'fact_sale'"""
    path = "/v1/fact_sale?sale_id=eq.3"
    with alone.client() as client, psycopg.connect(own_url, autocommit=True) as warehouse:
        before = client.get(path)
        warehouse.execute(change.encode())
        after = client.get(path)
        assert before.headers["etag"] != after.headers["etag"]
        assert before.content != after.content
        assert told(client.get(path)) == told(after)


def test_an_answer_with_personal_data_is_given_to_nobody_else(alone: Served) -> None:
    path = "/v1/dim_clerk"
    with alone.client() as everything, alone.client(alone.keys["plain"]) as plain:
        seen, kept_from = everything.get(path).json()[0].keys(), plain.get(path).json()[0].keys()
        assert set(kept_from) < set(seen)
        assert everything.get(path).json()[0].keys() == seen
        assert plain.get(path).json()[0].keys() == kept_from


def test_answers_take_no_more_room_than_they_may(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answers, "MOST_BYTES", 100_000)
    kept, large = Answers(), Answer("etag", (b"", b"", bytes(answers.MOST_OF_ONE)), {})
    for number in range(200):
        kept.keep((number,), Answer("etag", (b"", b"", bytes(1_000)), {}))
    held = [number for number in range(200) if kept.find((number,))]
    assert held == [*range(200 - len(held), 200)]
    assert len(held) == 100_000 // (answers.BESIDE_BYTES + 1_000)
    kept.keep(("large",), large)
    assert kept.find(("large",)) is None
    assert [number for number in range(200) if kept.find((number,))] == held


def test_a_full_page_is_small_enough_to_be_kept(client: httpx.Client) -> None:
    assert len(client.get(f"/v1/fact_sale?limit={MOST_ROWS}").content) + answers.BESIDE_BYTES < answers.MOST_OF_ONE
