"""The source and the warehouse of the applied environments: embedded servers that ask for passwords and TLS."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import psycopg
from psycopg import sql

from local.postgres import PostgresServer
from tests.terraform.tls import TlsGate, write_certificate

RDS_PORT = 5432
"""The warehouse's port, which nothing here can choose; so an address of this machine is chosen at which it is free."""

PASSWORDS_ASKED = """
host all postgres 127.0.0.1/32 trust
host all all      127.0.0.1/32 scram-sha-256
"""

ORDERS = 200


@dataclass(frozen=True)
class Databases:
    """Where both are: the superuser's URLs for the test, and what the pipeline connects to."""

    source_url: str
    warehouse_server: PostgresServer
    host: str
    source_port: int
    certificate: Path
    source_password: str

    @property
    def warehouse_url(self) -> str:
        """The warehouse's URL for the test."""
        return self.warehouse_server.url("warehouse")

    def make_instance(self, user: str, password: str) -> None:
        """Make of the warehouse's server what RDS makes of a new instance: a master user, and one database."""
        with psycopg.connect(self.warehouse_server.url(), autocommit=True) as connection:
            names = {"user": sql.Identifier(user), "password": sql.Literal(password)}
            connection.execute(
                sql.SQL("CREATE ROLE {user} LOGIN CREATEDB CREATEROLE PASSWORD {password}").format(**names)
            )
            connection.execute(sql.SQL("CREATE DATABASE warehouse OWNER {user}").format(**names))


@contextmanager
def running_databases() -> Iterator[Databases]:
    """A filled ToteSys with a role that may only read it, and an empty server for the warehouse."""
    with TemporaryDirectory(prefix="totesys-databases-") as name:
        folder = Path(name)
        folder.chmod(0o755)  # the servers run as another user
        yield from _running(folder)


def _running(folder: Path) -> Iterator[Databases]:
    rules = folder / "pg_hba.conf"
    rules.write_text(PASSWORDS_ASKED)
    host = free_host()
    files = write_certificate(folder, host)
    with ExitStack() as running:
        settings = {"hba_file": str(rules)}
        source, warehouse = (running.enter_context(PostgresServer(settings=settings)) for _ in range(2))
        fill(source.create_database("totesys"), "reader's password")
        gates = [
            running.enter_context(TlsGate((host, port), ("127.0.0.1", server.port), files))
            for port, server in ((0, source), (RDS_PORT, warehouse))
        ]
        yield Databases(source.url("totesys"), warehouse, host, gates[0].port, files[0], "reader's password")


def fill(url: str, password: str) -> None:
    """Fill a source, with one row that no warehouse can take, and make its reader."""
    from local import totesys  # where it was deleted, the modules are still to be proven

    with psycopg.connect(url) as connection:
        totesys.create_schema(connection)
        totesys.fill(connection, sales_orders=ORDERS, seed=1)
        connection.execute("UPDATE sales_order SET agreed_delivery_date = '2023-02-30' WHERE sales_order_id = 7")
        role = sql.SQL("CREATE ROLE totesys_reader LOGIN PASSWORD {}").format(sql.Literal(password))
        connection.execute(role)
        connection.execute("GRANT SELECT ON ALL TABLES IN SCHEMA public TO totesys_reader")


def free_host() -> str:
    """An address of this machine at which nothing listens on RDS's port."""
    for host in (*(f"127.0.{number}.1" for number in range(1, 100)), "127.0.0.1"):
        with socket.socket() as probe:
            try:
                probe.bind((host, RDS_PORT))
            except OSError:
                continue
            return host
    raise RuntimeError(f"nothing can listen on port {RDS_PORT} of this machine")
