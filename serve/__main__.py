"""`python -m serve run` serves the warehouse; `python -m serve key add` makes a key for somebody."""

import argparse
import os
import sys
from datetime import UTC, datetime

import uvicorn

from include.common.errors import DataError, DeclarationError
from serve.keys import KeyStore, make
from serve.settings import read_settings
from serve.watch import tell_in_lines

GRACE_SECONDS = 30
"""How long requests that are under way may still take when the server is to stop."""


def main() -> int:
    """Do what the command line says; the exit status is 0 where that was done."""
    options = _parser().parse_args()
    try:
        return int(options.do(options))
    except (DeclarationError, DataError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m serve", description=__doc__)
    commands = parser.add_subparsers(required=True)
    run = commands.add_parser("run", help="serve the warehouse")
    run.add_argument("--host", default="127.0.0.1")
    run.add_argument("--port", type=int, default=8900)
    run.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="processes (default: one for each core)")
    run.set_defaults(do=_run)
    keys = commands.add_parser("key", help="who may").add_subparsers(required=True)
    add = keys.add_parser("add", help="make a key, and print it once")
    add.add_argument("--name", required=True, help="whose it is")
    add.add_argument("--routes", default="*", help="tables and metrics, with commas between: dim_*,metrics/*")
    add.add_argument("--personal", action="store_true", help="it names personal data")
    add.add_argument("--expires", type=_day, help="the day, or the instant, from which on it is not good: 2027-01-31")
    add.add_argument("--rate", type=int, default=0, help="requests a minute")
    add.set_defaults(do=_add)
    keys.add_parser("list", help="what keys there are").set_defaults(do=_list)
    remove = keys.add_parser("remove", help="take a key away")
    remove.add_argument("id")
    remove.set_defaults(do=_remove)
    return parser


def _day(text: str) -> str:
    instant = datetime.fromisoformat(text)
    return (instant if instant.tzinfo else instant.replace(tzinfo=UTC)).isoformat()


def _run(options: argparse.Namespace) -> int:
    KeyStore(read_settings())  # so that what is missing is said here, and not by each worker again and again
    tell_in_lines()
    uvicorn.run(
        "serve.app:create",
        factory=True,
        host=options.host,
        port=options.port,
        workers=options.workers,
        access_log=False,
        server_header=False,
        ws="none",
        log_config=None,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )
    return 0


def _add(options: argparse.Namespace) -> int:
    store = KeyStore(read_settings())
    routes = [route.strip() for route in options.routes.split(",") if route.strip()]
    text, key = make(options.name, routes=routes, personal=options.personal, expires=options.expires, rate=options.rate)
    store.write([*store.read(), key])
    print(text)
    return 0


def _list(_: argparse.Namespace) -> int:
    for key in KeyStore(read_settings()).read():
        told = ["of persons too"] if key.personal else []
        told += [f"until {key.expires}"] if key.expires else []
        print(f"{key.id}  {key.name}: {', '.join([*key.routes, *told])}")
    return 0


def _remove(options: argparse.Namespace) -> int:
    store = KeyStore(read_settings())
    keys = store.read()
    kept = [key for key in keys if key.id != options.id]
    if len(kept) == len(keys):
        raise DataError(f"no key has the id {options.id}; `python -m serve key list` tells them")
    store.write(kept)
    return 0


if __name__ == "__main__":
    sys.exit(main())
