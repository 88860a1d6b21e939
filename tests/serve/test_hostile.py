"""Whatever is sent, nobody gets a 500, a word of SQL, or anything of a table or schema that is not served."""

import os
import random
import re
import string
from collections.abc import Iterator

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, given, seed, settings
from schemathesis import GenerationMode
from schemathesis.checks import CHECKS

from serve.relations import relations
from tests.serve.server import Served
from tests.shop import DECLARED

THOROUGH = os.environ.get("HYPOTHESIS_PROFILE") == "thorough"
SEED = int(os.environ.get("PROOF_SEED", "0"))
REQUESTS = 10_000 if THOROUGH else 1_200
EXAMPLES = 100 if THOROUGH else 6

UNFIT = ("positive_data_acceptance", "unsupported_method")
"""Checks that cannot hold: no cursor that is made up is good, and methods are tried by a test of their own."""

LEAKS = re.compile(
    r"syntax error|psycopg|PostgreSQL|pg_|SELECT |relation \"|does not exist|invalid input|Traceback|LINE \d|secret"
)
"""What an answer never holds, unless the request did."""

PARTS = (
    "'", '"', "''", "\\", ";", "--", "/*", "*/", "%00", "%FF", "%27", "%22", "\x00", "é", "\U0001d4b3", "\u202e",
    " OR 1=1", "$1", "%s", "%(at)s", "); DROP TABLE dim_product; --", "' UNION SELECT rolname FROM pg_roles --",
    "pg_sleep(9)", "1e999", "-0", "NaN", "Infinity", "9" * 30, "0x1F", "null", "NULL", "true", "{1,2}", "[1]",
    "(select 1)", "pipeline.load", "pg_catalog.pg_roles", "information_schema", "eq.", "in.", "is.", "like.", "not.",
    "..", ".", ",", "&", "=", "+", "#", "?", "/", "../", "%2e%2e%2f", "2024-02-30", "24:00:00", "A" * 500,
    "like.%25%25%25_", "like.\\",
)  # fmt: skip


def hostile(chance: random.Random) -> str:
    parts = [chance.choice(PARTS) for _ in range(chance.randint(1, 3))]
    if chance.random() < 0.3:
        parts.append("".join(chance.choices(string.printable, k=chance.randint(1, 12))))
    return "".join(parts)


def path_of(chance: random.Random) -> str:
    """A request that is wrong somewhere, and near to a right one elsewhere."""
    served = relations(DECLARED)
    relation = chance.choice(list(served.values()))
    field = chance.choice(list(relation.fields))
    wrong = hostile(chance)
    operator = chance.choice(("eq", "neq", "gt", "gte", "lt", "lte", "in", "is", "like"))
    ways = (
        f"?{field}={operator}.{wrong}",
        f"?{field}={wrong}",
        f"?{wrong}={operator}.1",
        f"?select={wrong}",
        f"?select={field},{wrong}",
        f"?order={field}{wrong}",
        f"?expand={wrong}",
        f"?limit={wrong}",
        f"?as_of={wrong}",
        f"?cursor={wrong}",
        f"?format={wrong}",
        f"?format=csv&{field}={operator}.{wrong}",
        f"/{wrong}",
        f"/{wrong}/history",
        f"{wrong}",
    )
    return f"/v1/{relation.route}{chance.choice(ways)}"


def as_sent(path: str) -> httpx.URL:
    """A path of any characters as bytes of a request line: a client's own quoting is not in the way."""
    raw = "".join(c if 0x20 < ord(c) < 0x7F and c != "#" else "".join(f"%{b:02X}" for b in c.encode()) for c in path)
    return httpx.URL("http://x").copy_with(raw_path=raw.encode())


@pytest.fixture
def nobody(served: Served) -> Iterator[httpx.Client]:
    """Somebody without a key."""
    with httpx.Client(base_url=served.url) as client:
        yield client


def can_be_sent(value: bytes) -> bool:
    return value.isascii() and value.decode().isprintable() and value == value.strip()


def test_hostile_requests_are_refused_and_told_nothing(served: Served) -> None:
    print(f"PROOF_SEED={SEED}")
    chance, statuses = random.Random(SEED), dict[int, int]()  # noqa: S311
    base = httpx.URL(served.url)
    with served.client() as client:
        for _ in range(REQUESTS):
            path = path_of(chance)
            url = base.copy_with(raw_path=as_sent(path).raw_path)
            headers = {"Accept": hostile(chance).encode()} if chance.random() < 0.1 else {}
            if chance.random() < 0.1:
                headers["If-None-Match"] = hostile(chance).encode()
            headers = {name: value for name, value in headers.items() if can_be_sent(value)}
            answer = client.request("GET", url, headers=headers)
            statuses[answer.status_code] = statuses.get(answer.status_code, 0) + 1
            assert answer.status_code in (200, 304, 400, 404, 406, 422), (path, answer.text)
            if answer.status_code >= 400:
                assert answer.headers["content-type"] == "application/problem+json"
                document = answer.json()
                told = f"{document['title']} {document['detail']}".replace(repr(path), "")
                leaked = LEAKS.search(told)
                assert leaked is None or leaked.group() in path, (path, told)
    assert statuses[422] > REQUESTS / 3
    assert statuses[200] > REQUESTS / 50


def test_hostile_keys_are_no_keys(served: Served, nobody: httpx.Client) -> None:
    chance = random.Random(SEED)  # noqa: S311
    good = served.key
    for _ in range(REQUESTS // 10):
        wrong = chance.choice(
            (hostile(chance), f"tsk_{hostile(chance)}", f"{good}{hostile(chance)}", f"{good[:20]}{hostile(chance)}")
        )
        value = wrong.encode().translate(None, bytes(range(32)) + b"\x7f").strip()
        if value in (b"", good.encode()):  # what is left once a header's ends are cut off
            continue
        for headers in ({"X-API-Key": value}, {"Authorization": b"Bearer " + value}):
            assert nobody.get("/v1/dim_currency", headers=headers).status_code == 401, wrong


@pytest.mark.parametrize(
    "path", ["/v1/pipeline.load", "/v1/pg_roles", "/v1/public.dim_clerk", "/v1/pipeline/load", "/v1/", "/v1"]
)
def test_nothing_is_served_but_what_is_declared(client: httpx.Client, path: str) -> None:
    assert client.get(path).status_code == 404


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=["right", "wrong"])
def test_schemathesis_finds_nothing(served: Served, mode: GenerationMode) -> None:
    schema = schemathesis.openapi.from_url(f"{served.url}/openapi.json")
    unfit = [check for check in CHECKS.get_all() if check.__name__ in UNFIT]
    for operation in (found.ok() for found in schema.get_all_operations()):

        @seed(SEED)
        @settings(max_examples=EXAMPLES, deadline=None, database=None, suppress_health_check=list(HealthCheck))
        @given(case=operation.as_strategy(generation_mode=mode))
        def ask(case: schemathesis.Case) -> None:
            case.call_and_validate(headers={"Authorization": f"Bearer {served.key}"}, excluded_checks=unfit)

        ask()
