"""A warehouse that dies, stops or is slow, a pool that is used up, a worker that is killed: nobody waits for ever."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import psycopg
import pytest
from psycopg import sql

from local.postgres import PostgresServer, free_port
from serve.keys import KeyStore, make
from tests.proxy import StallingProxy
from tests.serve.server import TIMEOUT, Served, serving, settings_for
from tests.shop import DECLARED
from tests.system import System

STATEMENT_SECONDS = 2.0
WORKERS = 2
TURNS = 30 if os.environ.get("HYPOTHESIS_PROFILE") == "thorough" else 2
END_SECONDS = 20.0
"""Within what time a server ends where nothing is under way: less than it would wait for what is."""

LIMIT_SECONDS = 6.0
"""Longer than any answer may take then: two to wait for a session, three for the statement, and some to spare."""


def wait_until(done: Callable[[], bool], seconds: float) -> float:
    started = time.monotonic()
    while not done():
        assert time.monotonic() - started < seconds
        time.sleep(0.05)
    return time.monotonic() - started


def answers(served: Served, count: int, path: str) -> list[tuple[int, float]]:
    """Status and seconds of so many requests at once."""

    def ask(_: int) -> tuple[int, float]:
        started = time.monotonic()
        with served.client() as client:
            return client.get(path).status_code, time.monotonic() - started

    with ThreadPoolExecutor(count) as threads:
        return list(threads.map(ask, range(count)))


def is_ready(served: Served) -> bool:
    return httpx.get(f"{served.url}/ready", timeout=LIMIT_SECONDS).status_code == 200


def test_a_warehouse_that_dies_is_told_at_once_and_its_return_noticed(
    own_url: str, loaded: System, postgres: PostgresServer, tmp_path: Path
) -> None:
    name = urlsplit(own_url).path.removeprefix("/")
    shut = sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS {}")
    with (
        serving(settings_for(own_url, tmp_path, statement_seconds=STATEMENT_SECONDS), loaded.declared) as served,
        psycopg.connect(postgres.url(), autocommit=True) as administrator,
    ):
        assert is_ready(served)
        assert {status for status, _ in answers(served, 8, "/v1/fact_sale")} == {200}
        administrator.execute(shut.format(sql.Identifier(name), sql.SQL("false")))
        administrator.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name])
        assert wait_until(lambda: not is_ready(served), 5) < 5
        found = answers(served, 8, "/v1/fact_sale")
        assert {status for status, _ in found} == {503}
        assert max(seconds for _, seconds in found) < LIMIT_SECONDS
        assert httpx.get(f"{served.url}/health").status_code == 200
        administrator.execute(shut.format(sql.Identifier(name), sql.SQL("true")))
        wait_until(lambda: is_ready(served), 15)
        assert {status for status, _ in answers(served, 8, "/v1/fact_sale")} == {200}


def test_a_warehouse_whose_server_is_killed_is_told_and_its_return_noticed(
    own_url: str, open_folder: Path, tmp_path: Path
) -> None:
    with PostgresServer(data_dir=open_folder / "cluster") as server:
        url = server.create_database("warehouse")
        dump = [server.bin_dir / "pg_dump", "--no-owner", "--no-privileges", own_url]
        made = subprocess.run(dump, capture_output=True, check=True)
        subprocess.run([server.bin_dir / "psql", "-q", url], input=made.stdout, capture_output=True, check=True)
        with StallingProxy("127.0.0.1", server.port) as proxy:
            settings = settings_for(url.replace(f":{server.port}", f":{proxy.port}"), tmp_path)
            with serving(settings, DECLARED) as served, asking(served, "/v1/fact_sale?limit=5") as heard:
                wait_until(lambda: len(heard.answers) > 20, TIMEOUT)
                os.kill(int((server.data_dir / "postmaster.pid").read_text().split()[0]), signal.SIGKILL)
                assert wait_until(lambda: not is_ready(served), 5) < 5
                found = answers(served, 8, "/v1/fact_sale")
                assert {status for status, _ in found} == {503}
                assert max(seconds for _, seconds in found) < LIMIT_SECONDS
                server.stop()
                server.start()
                proxy.lead_to("127.0.0.1", server.port)
                wait_until(lambda: is_ready(served), 15)
                assert {status for status, _ in answers(served, 8, "/v1/fact_sale?limit=5")} == {200}
    assert {answer.status_code for answer in heard.answers} == {200, 503}
    right = {answer.content for answer in heard.answers if answer.status_code == 200}
    assert len(right) == 1


def test_sessions_that_the_warehouse_ended_meanwhile_are_replaced_and_nobody_notices(
    own_url: str, loaded: System, postgres: PostgresServer, tmp_path: Path
) -> None:
    name = urlsplit(own_url).path.removeprefix("/")
    with (
        serving(settings_for(own_url, tmp_path), loaded.declared) as served,
        psycopg.connect(postgres.url(), autocommit=True) as administrator,
    ):
        for _ in range(3):
            assert {status for status, _ in answers(served, 8, "/v1/fact_sale")} == {200}
            administrator.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name])


def test_a_warehouse_that_stops_without_a_word_is_given_up(own_url: str, loaded: System, tmp_path: Path) -> None:
    place = urlsplit(own_url)
    with StallingProxy(str(place.hostname), place.port or 0) as proxy:
        url = own_url.replace(f":{place.port}", f":{proxy.port}")
        settings = settings_for(url, tmp_path, statement_seconds=STATEMENT_SECONDS)
        with serving(settings, loaded.declared) as served:
            assert is_ready(served)
            proxy.stall("to client")
            started = time.monotonic()
            found = answers(served, 4, "/v1/fact_sale")
            assert {status for status, _ in found} == {503}
            assert max(seconds for _, seconds in found) < LIMIT_SECONDS
            assert not is_ready(served)
            assert time.monotonic() - started < 2 * LIMIT_SECONDS
            proxy.relay()
            wait_until(lambda: is_ready(served), 20)
            assert {status for status, _ in answers(served, 4, "/v1/fact_sale")} == {200}


def test_a_slow_warehouse_and_a_pool_that_is_used_up_end_in_time(own_url: str, loaded: System, tmp_path: Path) -> None:
    settings = settings_for(own_url, tmp_path, statement_seconds=STATEMENT_SECONDS, pool=2)
    with serving(settings, loaded.declared) as served, psycopg.connect(own_url) as slow:
        assert is_ready(served)
        slow.execute("LOCK TABLE fact_sale IN ACCESS EXCLUSIVE MODE")
        found = answers(served, 8, "/v1/fact_sale")
        assert {status for status, _ in found} == {503}
        assert max(seconds for _, seconds in found) < LIMIT_SECONDS
        slow.rollback()
        assert {status for status, _ in answers(served, 8, "/v1/fact_sale")} == {200}


def test_a_whole_table_that_breaks_off_is_seen_not_to_be_whole(
    own_url: str, loaded: System, postgres: PostgresServer, tmp_path: Path
) -> None:
    name = urlsplit(own_url).path.removeprefix("/")
    with psycopg.connect(own_url) as connection:
        connection.execute(
            "INSERT INTO dim_product SELECT n, repeat('x', 1000), '', '' FROM generate_series(1000, 100000) n"
        )
    with (
        serving(settings_for(own_url, tmp_path), loaded.declared) as served,
        served.client() as client,
        psycopg.connect(postgres.url(), autocommit=True) as administrator,
        client.stream("GET", "/v1/dim_product?format=csv") as answer,
    ):
        assert answer.status_code == 200
        blocks = answer.iter_raw()
        next(blocks)
        administrator.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name])
        with pytest.raises(httpx.RemoteProtocolError):
            list(blocks)


def test_whoever_goes_away_in_the_midst_holds_nothing(own_url: str, loaded: System, tmp_path: Path) -> None:
    with psycopg.connect(own_url) as connection:
        connection.execute(
            "INSERT INTO dim_product SELECT n, repeat('x', 1000), '', '' FROM generate_series(1000, 60000) n"
        )
    with serving(settings_for(own_url, tmp_path, bulk=1), loaded.declared) as served:
        for _ in range(3):
            with served.client() as client, client.stream("GET", "/v1/dim_product?format=csv") as answer:
                assert answer.status_code == 200
        with served.client() as client:
            assert client.get("/v1/dim_currency?format=csv").status_code == 200


@dataclass(frozen=True)
class Key:
    """A key, and the file that knows it."""

    text: str
    file: str

    @classmethod
    def made(cls, url: str, folder: Path) -> "Key":
        """A new one, which may see all."""
        text, key = make("somebody", personal=True, rate=1_000_000)
        settings = settings_for(url, folder)
        KeyStore(settings).write([key])
        return cls(text, settings.keys_file)


@contextmanager
def command(
    url: str, folder: Path, workers: int, kept: Key | None = None
) -> Iterator[tuple[Served, subprocess.Popen[bytes]]]:
    """`python -m serve run` as people start it; with a key that is kept, or one of its own."""
    key = kept or Key.made(url, folder)
    environment = {
        **os.environ,
        "AIRFLOW_CONN_WAREHOUSE_READER": url,
        "TOTESYS_API_KEYS_FILE": key.file,
        "DECLARATIONS": "tests.shop",
    }
    folder.mkdir(exist_ok=True)
    port = free_port()
    words = [sys.executable, "-m", "serve", "run", "--port", str(port), "--workers", str(workers)]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(words, env=environment, stdout=log, stderr=subprocess.STDOUT)
        served = Served(f"http://127.0.0.1:{port}", {"all": key.text})
        try:
            wait_until(lambda: _answers(served), TIMEOUT)
            yield served, process
        finally:
            process.terminate()
            process.wait(TIMEOUT)


def _answers(served: Served) -> bool:
    try:
        return is_ready(served)
    except httpx.TransportError:
        return False


@dataclass
class Heard:
    """What those who ask get. broken: how often a connection broke."""

    answers: list[httpx.Response] = field(default_factory=list)
    broken: int = 0


@contextmanager
def asking(served: Served, path: str) -> Iterator[Heard]:
    """Three who ask for a path again and again until the end; gives what they get."""
    found, over = Heard(), threading.Event()

    def ask() -> None:
        while not over.is_set():
            try:
                with served.client() as client:
                    found.answers.append(client.get(path))
            except httpx.TransportError:
                found.broken += 1

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        yield found
    finally:
        over.set()
        for thread in threads:
            thread.join(TIMEOUT)


def test_a_worker_that_is_killed_is_replaced_and_nothing_wrong_is_answered(
    own_url: str, loaded: System, tmp_path: Path
) -> None:
    expected = [{"sale_id": key} for (key,) in loaded.warehouse("SELECT sale_id FROM current_sale ORDER BY 1")]
    with command(own_url, tmp_path, workers=2) as (served, process):
        with asking(served, "/v1/fact_sale?limit=1000&select=sale_id") as found:
            children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
            victim = next(pid for pid in children if "spawn_main" in Path(f"/proc/{pid}/cmdline").read_text())
            os.kill(int(victim), signal.SIGKILL)
            wait_until(lambda: not Path(f"/proc/{victim}").exists() and _answers(served), TIMEOUT)
            time.sleep(1)
        assert {answer.status_code for answer in found.answers} == {200}
        assert all(answer.json() == expected for answer in found.answers)
    lines = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines()]
    asked = [line for line in lines if line.get("path") == "/v1/fact_sale"]
    assert asked
    assert all(line["status"] == 200 and line["request"] and line["key"] == "somebody" for line in asked)
    assert 0 < sum(line["requests"] for line in lines if "_aws" in line) <= len(asked)


def test_an_end_that_is_asked_for_waits_for_what_is_under_way(own_url: str, loaded: System, tmp_path: Path) -> None:
    with psycopg.connect(own_url) as connection:
        connection.execute(
            "INSERT INTO dim_product SELECT n, repeat('x', 1000), '', '' FROM generate_series(1001, 20000) n"
        )
    with (
        command(own_url, tmp_path, workers=1) as (served, process),
        served.client() as client,
        client.stream("GET", "/v1/dim_product?format=csv&product_id=gt.1000") as answer,
    ):
        process.send_signal(signal.SIGTERM)
        time.sleep(0.5)
        assert len(b"".join(answer.iter_raw()).splitlines()) == 19_001
        assert process.wait(TIMEOUT) in (0, -signal.SIGTERM)


def test_a_new_version_takes_over_under_load_and_nobody_notices(own_url: str, loaded: System, tmp_path: Path) -> None:
    with psycopg.connect(own_url) as connection:
        connection.execute(
            "INSERT INTO dim_product SELECT n, repeat('x', 1000), '', '' FROM generate_series(1001, 20000) n"
        )
    path = "/v1/fact_sale?limit=50&select=sale_id"
    keys = [{"sale_id": key} for (key,) in loaded.warehouse("SELECT sale_id FROM current_sale ORDER BY 1")]
    key = Key.made(own_url, tmp_path)
    with (
        command(own_url, tmp_path / "old", 1, key) as (old, process),
        command(own_url, tmp_path / "new", 1, key) as (new, _),
        balanced(old) as (balancer, front),
        front.client() as client,
        asking(front, path) as heard,
        client.stream("GET", "/v1/dim_product?format=csv&product_id=gt.1000") as whole,
    ):
        page = old.client().get(path)
        balancer.lead_to("127.0.0.1", port_of(new))
        time.sleep(0.5)  # a load balancer waits longer until it ends what it sends nobody to
        process.send_signal(signal.SIGTERM)
        assert len(b"".join(whole.iter_raw()).splitlines()) == 19_001
        assert process.wait(TIMEOUT) in (0, -signal.SIGTERM)
        before = len(heard.answers)
        wait_until(lambda: len(heard.answers) > before + 10, TIMEOUT)
        second = new.client().get(page.links["next"]["url"])
    assert heard.broken == 0
    assert {answer.status_code for answer in heard.answers} == {200}
    assert all(answer.json() == keys[:50] for answer in heard.answers)
    assert max(answer.elapsed.total_seconds() for answer in heard.answers) < LIMIT_SECONDS
    assert second.json() == keys[50:100]


@contextmanager
def balanced(served: Served) -> Iterator[tuple[StallingProxy, Served]]:
    """What stands before a server and can lead elsewhere, and the server behind it."""
    with StallingProxy("127.0.0.1", port_of(served)) as proxy:
        yield proxy, Served(f"http://127.0.0.1:{proxy.port}", served.keys)


def port_of(served: Served) -> int:
    return int(served.url.rpartition(":")[2])


def workers_of(process: subprocess.Popen[bytes]) -> list[int]:
    """The processes that serve."""
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    return [int(pid) for pid in children if "spawn_main" in Path(f"/proc/{pid}/cmdline").read_text()]


TWICE = """
import signal, sys
from serve.bulk import ENDING, note_ending

seen = []
for number in (signal.SIGTERM, signal.SIGINT):
    signal.signal(number, lambda number, frame: seen.append(number))
note_ending()

def ask_twice(step):
    left = [step]
    def trace(frame, event, argument):
        frame.f_trace_opcodes = True
        left[0] -= 1
        if not left[0]:
            sys.settrace(None)
            signal.raise_signal(signal.SIGINT)
        return trace
    sys.settrace(trace)
    signal.raise_signal(signal.SIGTERM)
    sys.settrace(None)
    return left[0] <= 0

steps = 1
while ask_twice(steps):
    steps += 1
assert ENDING.is_set() and len(seen) == 2 * steps - 1, (steps, seen)
print(steps)
"""
"""The second signal comes at each instruction in turn of what the first one has done."""


def test_an_end_that_is_asked_for_while_it_is_asked_for_comes() -> None:
    done = subprocess.run([sys.executable, "-c", TWICE], capture_output=True, text=True, timeout=TIMEOUT, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 10


def test_a_server_of_two_workers_ends_in_time_however_often_it_is_told(
    own_url: str, loaded: System, tmp_path: Path
) -> None:
    for turn in range(TURNS):
        folder = tmp_path / str(turn)
        folder.mkdir()
        with command(own_url, folder, WORKERS) as (served, process), asking(served, "/v1/fact_sale"):
            time.sleep(turn / TURNS)  # the other worker may not have begun yet
            workers = workers_of(process)
            for pid in (*workers, process.pid, *workers):
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGTERM)
            process.wait(END_SECONDS)


def test_requests_have_ids_and_the_names_of_what_they_ask_alone_are_logged(
    served: Served, client: httpx.Client, capfd: pytest.CaptureFixture[str]
) -> None:
    answer = client.get("/v1/dim_clerk?email_address=eq.clerk1@shop.example", headers={"X-Request-Id": "mine-1"})
    assert answer.headers["x-request-id"] == "mine-1"
    assert client.get("/v1/dim_clerk", headers={"X-Request-Id": "a\tb"}).headers["x-request-id"] != "a\tb"
    told = capfd.readouterr().out
    assert '"request":"mine-1"' in told
    assert "email_address" in told
    assert "shop.example" not in told


def test_the_description_and_the_guide_load_nothing_from_elsewhere(served: Served) -> None:
    guide = httpx.get(f"{served.url}/docs")
    assert guide.headers["content-security-policy"].startswith("default-src 'none'")
    assert "http://" not in guide.text
    assert "https://" not in guide.text
    assert httpx.get(f"{served.url}/openapi.json").json()["openapi"] == "3.1.0"
    start = httpx.get(served.url)
    assert start.headers["content-security-policy"].startswith("default-src 'self'")
    for name in re.findall(r'"(/page/[a-z.]+)"', start.text):
        assert httpx.get(f"{served.url}{name}").status_code == 200
    assert httpx.get(f"{served.url}/page/../app.py").status_code == 404
