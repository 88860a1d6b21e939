"""A server of the API in this process, on a free port, and keys for it."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import uvicorn

from include.tables.declarations import Declarations
from serve.app import make_app
from serve.keys import KeyStore, make
from serve.settings import Settings

TIMEOUT = 30.0
Keys = dict[str, dict[str, Any]]


@dataclass
class Served:
    """A running server. keys: by name, "all" may see all, "plain" no personal data."""

    url: str
    keys: dict[str, str]

    @property
    def key(self) -> str:
        return self.keys["all"]

    def client(self, key: str | None = None) -> httpx.Client:
        headers = {"Authorization": f"Bearer {self.key if key is None else key}"}
        return httpx.Client(base_url=self.url, headers=headers if key != "" else {}, timeout=TIMEOUT)


def settings_for(warehouse_url: str, home: Path, **said: Any) -> Settings:
    home.mkdir(parents=True, exist_ok=True)
    return Settings(connection=warehouse_url, keys_file=str(home / "keys.json"), **{"rate": 1_000_000, **said})


@contextmanager
def serving(
    settings: Settings, declared: Declarations, keys: dict[str, dict[str, Any]] | None = None
) -> Iterator[Served]:
    """A server until the end. keys: more of them, by name; they are kept before it begins."""
    store = KeyStore(settings)
    made = {name: make(name, **said) for name, said in {"all": {"personal": True}, "plain": {}, **(keys or {})}.items()}
    store.write([key for _, key in made.values()])
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        port = listening.getsockname()[1]
        config = uvicorn.Config(make_app(settings, declared), access_log=False, log_level="warning", ws="none")
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, args=([listening],), daemon=True)
        thread.start()
        while not server.started:
            assert thread.is_alive()
            time.sleep(0.01)
        try:
            yield Served(f"http://127.0.0.1:{port}", {name: text for name, (text, _) in made.items()})
        finally:
            server.should_exit = True
            thread.join(TIMEOUT)
