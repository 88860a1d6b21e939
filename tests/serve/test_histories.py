"""After any history of loads: no stale 304 or 200, no ETag changes for nothing, walks see the state they began with.

Loads are the pipeline's own `load`, of readings that are made up here: rows new, changed, equal and gone, readings that
are loaded twice, and late.
"""

import os
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import count
from pathlib import Path
from typing import Any
from unittest import mock

import httpx
import numpy as np
import psycopg
import pyarrow as pa
import pytest

from include.common.keys import KeySet
from include.common.manifests import Cursor, LoadResult, SourceRead, StarFiles, instant_text
from include.lake.changelog import Said, new_load
from include.lake.parquet import parquet_file
from include.lake.rows import row_schema
from include.state.latest import write_keys
from include.tables.star import Fact
from include.warehouse.load import load
from tests.serve.server import serving, settings_for
from tests.shop import DECLARED
from tests.system import System

THOROUGH = os.environ.get("HYPOTHESIS_PROFILE") == "thorough"
SEED = int(os.environ.get("PROOF_SEED", "0"))
HISTORIES = 1_000 if THOROUGH else 10
STEPS = 25
KEYS, OTHERS = range(1, 13), range(13, 121)
"""Of the payments that change, and of those that do not."""

STAMP = datetime(2024, 1, 5, 10)
UNTOLD: dict[str, Any] = {"created_date": STAMP.date(), "created_time": STAMP.time(), "currency_id": 1, "method_id": 1,
                          "payment_date": date(2024, 4, 1), "created_at": STAMP, "last_updated": STAMP}  # fmt: skip
"""What all payments have in common here."""

ANY = "payment_id=lt."
PATHS = {
    "/v1/fact_payment": f"?{ANY}",
    "/v1/fact_payment?paid=is.true&order=payment_amount:desc": f"&{ANY}",
    "/v1/fact_payment/3/history": f"?{ANY}",
    "/v1/fact_payment?expand=method_id&limit=7": f"&{ANY}",
    "/v1/metrics/owed": "?payments=lt.",
}
"""What is asked for; and a filter that makes it a request that was never answered, with a number beyond all values."""

COLUMNS = "payment_id, payment_amount, paid"
AS_OF = f"""
    SELECT {COLUMNS} FROM fact_payment WHERE valid_from <= %s AND (valid_to IS NULL OR valid_to > %s)
     ORDER BY payment_id"""  # noqa: S608 - the test's own

Row = tuple[int, Decimal, bool]


@dataclass
class Walk:
    """A walk that goes on between loads. expected: what it is to see. path: of its next page; empty at its end."""

    expected: list[Row]
    path: str
    found: list[Row] = field(default_factory=list)


class History:
    """One warehouse, what is loaded into it, and who asks meanwhile."""

    def __init__(self, chance: random.Random, url: str, client: httpx.Client) -> None:
        self.chance, self.url, self.client = chance, url, client
        self.table = DECLARED.star["fact_payment"]
        self.now = datetime.now(UTC) + timedelta(days=1)
        self.rows: dict[int, Row] = {row[0]: row for row in self.states_at(self.now) if row[0] in KEYS}
        self.loads: list[StarFiles] = []
        self.walks: list[Walk] = []
        self.answers: dict[str, httpx.Response] = {}
        self.states: dict[datetime, list[Row]] = {}
        self.never_asked = count(1_000_000)

    def states_at(self, instant: datetime) -> list[Row]:
        with psycopg.connect(self.url) as connection:
            return connection.execute(AS_OF, [instant, instant]).fetchall()

    def reading(self) -> StarFiles:
        """A reading of the source: some of its rows changed since the one before, and some are gone."""
        self.now += timedelta(seconds=self.chance.randint(1, 100))
        keys = self.chance.sample(KEYS, self.chance.randint(0, 5))
        brought = {key: (key, Decimal(self.chance.randint(1, 3)), self.chance.random() < 0.5) for key in keys}
        gone = self.chance.sample(KEYS, 2) if self.chance.random() < 0.3 else []
        self.rows = {key: row for key, row in (self.rows | brought).items() if key not in gone}
        shown = [row for key, row in brought.items() if key not in gone]
        return self.files(shown, deletions=bool(gone))

    def files(self, rows: list[Row], deletions: bool) -> StarFiles:
        table, said = self.table, Said(new_load(), self.now)
        assert isinstance(table, Fact)
        schema = row_schema(table)
        told = [{"payment_id": key, "payment_amount": amount, "paid": paid, **UNTOLD} for key, amount, paid in rows]
        with parquet_file(table, said, schema) as file:
            file.write(pa.RecordBatch.from_pylist(told, schema))
        keys = KeySet.gather([np.array([*self.rows, *OTHERS])])
        read = SourceRead(
            table="payment",
            observed_at=self.now,
            read_at=self.now,
            changed_at=self.now,
            base=self.loads[-1].source.observed_at if self.loads and self.loads[-1].source else self.now,
            changed=True,
            deletions=deletions,
            cursor=Cursor(xid="1", cluster="", relation=1, last_updated=None),
            fingerprint="",
            rows=len(keys),
            key_sum=0,
            keys_key=write_keys("payment", self.now, keys),
            files=[],
            read_rows=len(rows),
            ignored_columns=[],
            seconds=0,
            accepted=True,
        )
        return StarFiles(
            table="fact_payment",
            load_id=said.load_id,
            inputs={"payment": instant_text(self.now)},
            source=read,
            files=[file.entry],
            rejected=KeySet(),
            rejected_files=[],
            seconds=0,
        )

    def load(self) -> None:
        """Load a new reading, the last one again, or one that comes too late."""
        kind = self.chance.choice(("new", "new", "new", "again", "late")) if self.loads else "new"
        files = self.reading() if kind == "new" else self.loads[-1 if kind == "again" else 0]
        result = load(DECLARED, self.table, files)
        if kind == "new":
            self.loads.append(files)
            self.states[self.now] = self.states_at(self.now)
        self.require_etags(result)

    def require_etags(self, result: LoadResult) -> None:
        """What was answered before holds, exactly where the load changed nothing."""
        changed = bool(result.new or result.changed or result.deleted)
        for path, before in list(self.answers.items()):
            answer = self.client.get(path, headers={"If-None-Match": before.headers["etag"]})
            assert answer.status_code == (200 if changed else 304), (path, result)
            self.answers[path] = answer if changed else before
            assert self.client.get(path).content == self.answers[path].content
            self.require_fresh(path, self.answers[path])

    def require_fresh(self, path: str, answer: httpx.Response) -> None:
        """An answer, which may have been kept, is what the warehouse gives to who never asked before."""
        assert answer.content == self.client.get(f"{path}{PATHS[path]}{next(self.never_asked)}").content

    def ask(self) -> None:
        """Ask for something; who kept it before is never told that it still holds where it does not."""
        path = self.chance.choice(list(PATHS))
        answer = self.client.get(path)
        assert answer.status_code == 200, answer.text
        self.require_fresh(path, answer)
        before = self.answers.get(path)
        if before is not None and before.headers["etag"] == answer.headers["etag"]:
            assert before.content == answer.content
        self.answers[path] = answer

    def ask_of_the_past(self) -> None:
        """An instant that was loaded shows what it showed then."""
        if self.states:
            instant = self.chance.choice(list(self.states))
            asked = {"as_of": instant.isoformat(), "select": "payment_id,payment_amount,paid", "limit": "1000"}
            assert as_rows(self.client.get("/v1/fact_payment", params=asked)) == self.states[instant]

    def begin_walk(self) -> None:
        """Begin a walk over the state that is loaded, or over one of the past."""
        as_of = self.chance.choice([None, *self.states])
        more = f"&as_of={as_of:%Y-%m-%dT%H:%M:%S.%fZ}" if as_of else ""
        expected = self.states[as_of] if as_of else self.states_at(self.now)
        walk = Walk(expected, f"/v1/fact_payment?select=payment_id,payment_amount,paid&limit=40{more}")
        self.walks.append(walk)
        self.go_on(walk)

    def go_on(self, walk: Walk | None = None) -> None:
        """Take the next page of a walk; at its end it has seen what it began with."""
        walk = walk or (self.chance.choice(self.walks) if self.walks else None)
        if walk is None:
            return
        answer = self.client.get(walk.path)
        walk.found += as_rows(answer)
        walk.path = answer.links.get("next", {}).get("url", "")
        if not walk.path:
            assert walk.found == walk.expected
            self.walks.remove(walk)

    def play(self) -> None:
        """A history, and all walks to their end."""
        steps: list[Callable[[], None]] = [
            self.load,
            self.load,
            self.ask,
            self.ask_of_the_past,
            self.begin_walk,
            self.go_on,
        ]
        for _ in range(STEPS):
            self.chance.choice(steps)()
        while self.walks:
            self.go_on()


def as_rows(answer: httpx.Response) -> list[Row]:
    assert answer.status_code == 200, answer.text
    return [(row["payment_id"], Decimal(str(row["payment_amount"])), row["paid"]) for row in answer.json()]


@pytest.fixture
def asked(loaded: System, own_url: str, tmp_path: Path) -> Iterator[tuple[str, httpx.Client]]:
    """A warehouse of this test's own, which the pipeline's functions find, and who asks of it."""
    url = own_url
    variables: dict[str, Any] = {**loaded.variables, "AIRFLOW_CONN_WAREHOUSE": url}
    with (
        mock.patch.dict(os.environ, variables),
        serving(settings_for(url, tmp_path), DECLARED) as served,
        served.client() as client,
    ):
        yield url, client


@pytest.mark.timeout(7200 if THOROUGH else 300)
def test_histories(asked: tuple[str, httpx.Client]) -> None:
    print(f"PROOF_SEED={SEED}")
    url, client = asked
    history = History(random.Random(SEED), url, client)  # noqa: S311
    for _ in range(HISTORIES):
        history.play()
        history.answers.clear()
    assert len(history.loads) > HISTORIES
