"""The gate in front of a PostgreSQL server lets TLS through and nothing else."""

from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from local.postgres import PostgresServer
from tests.terraform.tls import TlsGate, write_certificate


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    return write_certificate(tmp_path, "127.0.0.1")


@pytest.fixture
def gate(postgres_servers: Callable[[int], PostgresServer], files: tuple[Path, Path]) -> Iterator[TlsGate]:
    with TlsGate(("127.0.0.1", 0), ("127.0.0.1", postgres_servers(18).port), files) as running:
        yield running


def connect(gate: TlsGate, **options: str) -> psycopg.Connection:
    return psycopg.connect(host=gate.host, port=gate.port, user="postgres", dbname="postgres", **options)  # type: ignore[arg-type]


def test_rows_pass_in_both_directions(gate: TlsGate, files: tuple[Path, Path]) -> None:
    with connect(gate, sslmode="verify-full", sslrootcert=str(files[0])) as connection:
        assert connection.pgconn.ssl_in_use
        connection.execute("CREATE TEMP TABLE t (x text)")
        with connection.cursor().copy("COPY t FROM STDIN") as copy:
            for _ in range(1000):
                copy.write("x" * 1000 + "\n")
        assert connection.execute("SELECT sum(length(x)) FROM t").fetchone() == (1_000_000,)


def test_a_connection_without_tls_is_closed(gate: TlsGate) -> None:
    with pytest.raises(psycopg.OperationalError):
        connect(gate, sslmode="disable")
