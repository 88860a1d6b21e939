"""Tokens of an issuer: signed by a key that it has now, for this server, not long over, and with the scope."""

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key

from serve import tokens
from tests.serve.server import Served, serving, settings_for
from tests.system import System


@dataclass
class Issuer:
    """Who signs: with the last of its keys; it publishes those that it names."""

    url: str = ""
    keys: dict[str, RSAPrivateKey] = field(default_factory=dict)
    published: list[str] = field(default_factory=list)
    asked: int = 0

    def add(self, name: str, published: bool = True) -> None:
        self.keys[name] = generate_private_key(65537, 2048)
        self.published += [name] if published else []

    def sign(self, key: str, **claims: Any) -> str:
        said = {
            "iss": self.url,
            "aud": "warehouse-api",
            "sub": "somebody",
            "exp": time.time() + 60,
            "scope": "warehouse",
        }
        told = {name: value for name, value in (said | claims).items() if value is not None}
        return jwt.encode(told, self.keys[key], "RS256", {"kid": key})

    def document(self, path: str) -> dict[str, Any]:
        if path == "/.well-known/openid-configuration":
            return {"issuer": self.url, "jwks_uri": f"{self.url}/keys"}
        self.asked += 1
        made = [
            jwt.algorithms.RSAAlgorithm.to_jwk(self.keys[name].public_key(), as_dict=True) for name in self.published
        ]
        return {"keys": [key | {"kid": name, "use": "sig"} for key, name in zip(made, self.published, strict=True)]}


@pytest.fixture(scope="module")
def issuer() -> Iterator[Issuer]:
    known = Issuer()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            content = json.dumps(known.document(self.path)).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        known.url = f"http://127.0.0.1:{server.server_address[1]}"
        known.add("first")
        known.add("secret", published=False)
        Thread(target=server.serve_forever, daemon=True).start()
        yield known
        server.shutdown()


@pytest.fixture(scope="module")
def trusting(loaded: System, issuer: Issuer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    url, home = loaded.endpoints.warehouse_url, tmp_path_factory.mktemp("keys")
    with serving(settings_for(url, home, issuer=issuer.url, audience="warehouse-api"), loaded.declared) as running:
        yield running


def status(served: Served, token: str, path: str = "/v1/dim_clerk/1") -> int:
    with served.client(token) as client:
        return client.get(path).status_code


def test_a_token_is_good_for_what_it_says(trusting: Served, issuer: Issuer) -> None:
    personal = "/v1/dim_clerk?select=email_address"
    assert status(trusting, issuer.sign("first")) == 200
    assert status(trusting, issuer.sign("first"), personal) == 403
    assert status(trusting, issuer.sign("first", scope="openid warehouse.personal"), personal) == 200
    assert status(trusting, issuer.sign("first", scope="openid")) == 403
    narrow = issuer.sign("first", warehouse_routes=["fact_*"])
    assert (status(trusting, narrow), status(trusting, narrow, "/v1/fact_sale")) == (403, 200)
    assert status(trusting, trusting.key) == 200


def test_clocks_may_be_a_minute_apart(trusting: Served, issuer: Issuer) -> None:
    assert status(trusting, issuer.sign("first", exp=time.time() - 30)) == 200
    assert status(trusting, issuer.sign("first", nbf=time.time() + 30)) == 200
    assert status(trusting, issuer.sign("first", exp=time.time() - 90)) == 401
    assert status(trusting, issuer.sign("first", nbf=time.time() + 90)) == 401


def test_no_other_token_is_good(trusting: Served, issuer: Issuer) -> None:
    good = issuer.sign("first")
    head, body, signature = good.split(".")
    wrong = [
        issuer.sign("secret"),
        issuer.sign("first", aud="another"),
        issuer.sign("first", iss="http://another"),
        issuer.sign("first", exp=None),
        issuer.sign("first", sub=None),
        jwt.encode({"sub": "x", "exp": time.time() + 60}, "0" * 32, "HS256", {"kid": "first"}),
        jwt.encode({"sub": "x", "exp": time.time() + 60, "scope": "warehouse"}, "", "none", {"kid": "first"}),
        f"{head}.{body}.",
        f"{head}.{body[:-2]}AA.{signature}",
        "a.b.c",
        "..",
    ]
    assert {status(trusting, token) for token in wrong} == {401}


def test_an_issuers_new_key_is_found_and_names_that_are_made_up_do_not_have_it_asked(
    trusting: Served, issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert status(trusting, issuer.sign("first")) == 200
    asked = issuer.asked
    for _ in range(5):
        assert status(trusting, issuer.sign("secret")) == 401
    assert issuer.asked == asked
    issuer.add("second")
    monkeypatch.setattr(tokens, "AGAIN_SECONDS", 0.0)
    assert status(trusting, issuer.sign("second")) == 200
    assert issuer.asked == asked + 1


def test_keys_and_the_warehouse_may_be_in_secrets(
    loaded: System, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dataclasses import replace
    from urllib.parse import urlsplit

    from serve.settings import aws_client

    for name, value in loaded.variables.items():
        monkeypatch.setenv(name, value)
    aws_client.cache_clear()
    place = urlsplit(loaded.endpoints.warehouse_url)
    document = {
        "warehouse": {"host": place.hostname, "port": place.port, "dbname": place.path[1:], "username": "served_reader",
                      "password": "x", "sslmode": "disable"},
        "cursor_key": "signs",
    }  # fmt: skip
    secrets = aws_client("secretsmanager")
    secrets.create_secret(Name="api", SecretString=json.dumps(document))
    secrets.create_secret(Name="api-keys", SecretString="[]")
    settings = replace(settings_for("", tmp_path), secret="api", keys_secret="api-keys", keys_file="")
    with serving(settings, loaded.declared) as served, served.client() as client:
        assert client.get("/v1/fact_sale?limit=3").status_code == 200
        assert served.key not in secrets.get_secret_value(SecretId="api-keys")["SecretString"]
    aws_client.cache_clear()
