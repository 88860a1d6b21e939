"""Who may: nobody without a key, nobody with another's, and persons' data only for keys that name such."""

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from serve.keys import Key, find, make
from tests.serve.server import Served, serving, settings_for
from tests.system import System

KEYS = {
    "clerks": {"routes": ["dim_clerk", "metrics/*"]},
    "old": {"expires": "2024-01-01T00:00:00+00:00"},
    "later": {"expires": "2999-01-01T00:00:00+00:00"},
    "slow": {"rate": 3},
}


@pytest.fixture(scope="module")
def keyed(loaded: System, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    settings = settings_for(loaded.endpoints.warehouse_url, tmp_path_factory.mktemp("keys"))
    with serving(settings, loaded.declared, KEYS) as running:
        yield running


def status(served: Served, key: str, path: str = "/v1/fact_sale/3") -> int:
    with served.client(key) as client:
        return client.get(path).status_code


def test_a_key_is_needed_and_is_the_one_that_was_made(keyed: Served) -> None:
    good = keyed.key
    assert status(keyed, good) == status(keyed, keyed.keys["later"]) == 200
    wrong = [
        "",
        "x",
        "tsk_x_y",
        good[:-1],
        good + "x",
        good.replace("tsk_", "tsk__"),
        f"tsk_{good.split('_')[1]}_x",
        "ä",
    ]
    for key in wrong:
        answer = httpx.get(f"{keyed.url}/v1/fact_sale/3", headers={"X-API-Key": key.encode()})
        assert (answer.status_code, answer.headers["www-authenticate"]) == (401, 'Bearer realm="warehouse"'), key
    assert httpx.get(f"{keyed.url}/v1/fact_sale/3", headers={"X-API-Key": good}).status_code == 200
    assert status(keyed, keyed.keys["old"]) == 401


def test_a_key_opens_its_own_routes_alone(keyed: Served) -> None:
    clerks = keyed.keys["clerks"]
    assert status(keyed, clerks, "/v1/dim_clerk/1") == 200
    for path in ("/v1/fact_sale", "/v1/fact_sale/3", "/v1/fact_sale/3/history", "/v1/fact_sale/files"):
        assert status(keyed, clerks, path) == 403


@pytest.mark.parametrize(
    "path",
    [
        "/v1/dim_clerk?select=email_address",
        "/v1/dim_clerk?email_address=eq.clerk1@shop.example",
        "/v1/dim_clerk?email_address=is.null",
        "/v1/dim_clerk?order=email_address",
        "/v1/dim_clerk?dim_clerk.email_address=like.c%",
        "/v1/fact_sale?expand=clerk_id&select=clerk_id.email_address",
        "/v1/fact_sale?expand=clerk_id&clerk_id.last_name=like.L%",
        "/v1/fact_sale?expand=clerk_id&order=clerk_id.email_address:desc",
        "/v1/dim_clerk?format=csv&select=email_address",
        "/v1/dim_clerk/files",
    ],
)
def test_persons_data_takes_a_key_that_names_it(client: httpx.Client, plain: httpx.Client, path: str) -> None:
    assert plain.get(path).status_code == 403
    assert client.get(path).status_code == 200


def test_without_such_a_key_persons_data_is_left_out(client: httpx.Client, plain: httpx.Client) -> None:
    paths = ("/v1/dim_clerk", "/v1/dim_clerk/1", "/v1/fact_sale?expand=clerk_id", "/v1/dim_clerk?format=csv",
             "/v1/dim_clerk?format=arrow", "/v1/fact_sale?expand=clerk_id&format=parquet")  # fmt: skip
    for path in paths:
        with_it, without = client.get(path), plain.get(path)
        assert without.status_code == 200
        assert "shop.example" in with_it.text or "parquet" in path
        for told in (b"shop.example", b"email_address", b"last_name", b"First "):
            assert told not in without.content, path
        assert with_it.headers["etag"] != without.headers["etag"]


def test_a_key_has_so_many_requests_a_minute_and_is_told_how_many_are_left(keyed: Served) -> None:
    with keyed.client(keyed.keys["slow"]) as client:
        while time.time() % 60 > 55:
            time.sleep(1)
        answers = [client.get("/v1/dim_currency") for _ in range(5)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429, 429]
    assert [answer.headers["ratelimit"].split(";")[1] for answer in answers] == ["r=2", "r=1", "r=0", "r=0", "r=0"]
    assert answers[0].headers["ratelimit-policy"] == '"minute";q=3;w=60'
    assert 0 < int(answers[3].headers["retry-after"]) <= 60


def test_a_key_that_nobody_has_takes_as_long_as_one_that_is_wrong() -> None:
    _, key = make("somebody")
    keys = {key.id: key}

    def seconds(text: str) -> float:
        taken = []
        for _ in range(2_000):
            started = time.perf_counter()
            assert find(keys, text) is None
            taken.append(time.perf_counter() - started)
        return statistics.median(taken)

    one, other = seconds(f"tsk_{key.id}_{'x' * 43}"), seconds(f"tsk_{'0' * 12}_{'x' * 43}")
    assert abs(one - other) < 0.5 * max(one, other)


def test_the_command_makes_keys_lists_them_and_takes_them_away(tmp_path: Path) -> None:
    environment = {
        **os.environ,
        "AIRFLOW_CONN_WAREHOUSE_READER": "postgresql://nobody@127.0.0.1:1/none",
        "TOTESYS_API_KEYS_FILE": str(tmp_path / "keys.json"),
    }

    def serve(*words: str) -> str:
        command = [sys.executable, "-m", "serve", "key", *words]
        return subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout.strip()

    text = serve("add", "--name", "dashboards", "--routes", "fact_sale,dim_*", "--personal", "--expires", "2999-01-31")
    kept = (tmp_path / "keys.json").read_text()
    assert text not in kept
    assert (tmp_path / "keys.json").stat().st_mode & 0o077 == 0
    (key,) = [Key(**document) for document in json.loads(kept)]
    assert find({key.id: key}, text) == key
    assert (key.routes, key.personal, key.expires) == (["fact_sale", "dim_*"], True, "2999-01-31T00:00:00+00:00")
    assert serve("list") == f"{key.id}  dashboards: fact_sale, dim_*, of persons too, until 2999-01-31T00:00:00+00:00"
    serve("remove", key.id)
    assert json.loads((tmp_path / "keys.json").read_text()) == []
