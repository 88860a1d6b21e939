"""After any history of changes, losses and kills the lake tells what the warehouse holds, to every engine."""

# ruff: noqa: S311, S608 - the statements, and what chance does, are the tests' own

import os
import signal
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import date, datetime
from random import Random
from typing import Any

import polars
import psycopg
import pytest
from botocore.client import BaseClient
from pyiceberg.table import Table

from include.common.errors import ServiceError
from include.common.settings import aws_client
from include.lake import iceberg
from include.lake.iceberg import open_table
from include.pipeline import audit_versions, prepare
from include.tables.star import Dimension, Fact
from include.tables.steps import Step
from include.warehouse.load import load
from include.warehouse.rebuild import rebuild
from tests.machinery.conftest import MakeSystem, declare, mirror
from tests.machinery.test_lake import (
    CLOCKED,
    CURRENT,
    EMPTY,
    LATEST,
    NOTED,
    VALUES,
    VERSIONS,
    VISITS,
    answer,
    database,  # noqa: F401 - a fixture
    files_of,
    in_warehouse,
)
from tests.system import System, s3_at

THOROUGH = os.environ.get("HYPOTHESIS_PROFILE") == "thorough"
SEED = int(os.environ.get("PROOF_SEED", "0"))
"""CI draws one and prints it, so that it tries other histories each time."""

ROUNDS = 5
CALLS = 40
"""Among how many of a run's requests to AWS and commits the one is drawn at which it is killed, if it comes so far."""

HELD = "SELECT (SELECT count(*) FROM fact_visit WHERE c3 = 13) + (SELECT count(*) FROM dim_visit WHERE c3 = 13)"
REFUSING = "ALTER TABLE fact_visit ADD CHECK (c3 <> 13); ALTER TABLE dim_visit ADD CHECK (c3 <> 13)"
TOLERANT = """
    ALTER TABLE fact_visit DROP CONSTRAINT IF EXISTS fact_visit_c3_check;
    ALTER TABLE dim_visit DROP CONSTRAINT IF EXISTS dim_visit_c3_check"""
REMEMBERED = """
    CREATE TABLE pipeline.noted_ever (key text);
    CREATE FUNCTION pipeline.remember() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN INSERT INTO pipeline.noted_ever VALUES (NEW.key); RETURN NEW; END $$;
    CREATE TRIGGER remember AFTER INSERT ON pipeline.file FOR EACH ROW EXECUTE FUNCTION pipeline.remember()"""
"""Which files loads have ever noted that were committed."""

QUESTIONS = (VERSIONS, CURRENT, LATEST)
Version = tuple[Any, ...]


def random_change(rng: Random) -> str:
    place, rank = rng.choice("abcdef"), rng.choice((1, 2, 13, 13, 99))
    key = f"place = '{place}' AND at = '2024-01-0{rng.randint(1, 2)}'"
    return rng.choice((
        f"UPDATE visit SET rank = {rank} WHERE place = '{place}'",
        f"DELETE FROM visit WHERE {key}",
        f"DELETE FROM visit WHERE {key}; INSERT INTO visit VALUES ('{place}', '2024-01-01', '08:00', {rank}, 2.50)"
        " ON CONFLICT DO NOTHING",
        f"INSERT INTO visit VALUES ('{place}', '2024-01-02', '24:00', {rank}, 1.00) ON CONFLICT DO NOTHING",
        f"INSERT INTO visit VALUES ('{place}', 'infinity', '07:55:11.5', {rank}, NULL) ON CONFLICT DO NOTHING",
        "SELECT",
    ))  # fmt: skip


@contextmanager
def losing(lost: str) -> Iterator[None]:
    """Commits to the lake are lost: before they count (`_append`), or after (`_forget`)."""
    with pytest.MonkeyPatch.context() as patch:
        if lost:
            patch.setattr(lost, lambda *_: (_ for _ in ()).throw(ServiceError("lost")))
        yield


def killed_run(system: System, number: int) -> None:
    """A run in a fork of this process, which is killed at its n-th request to AWS or commit, if it comes so far."""
    for client in (aws_client("s3"), aws_client("glue"), s3_at(system.endpoints.aws_url)):
        client.close()
    child = os.fork()
    if child:
        os.waitpid(child, 0)
        return
    try:
        reached = 0

        def counted(original: Any) -> Any:
            def call(*arguments: Any, **named: Any) -> Any:
                nonlocal reached
                reached += 1
                if reached == number:
                    os.kill(os.getpid(), signal.SIGKILL)
                return original(*arguments, **named)

            return call

        BaseClient._make_api_call = counted(BaseClient._make_api_call)
        psycopg.Connection.commit = counted(psycopg.Connection.commit)  # type: ignore[method-assign]
        iceberg.catalogue.cache_clear()
        system.run(accept=("visit",))
    finally:
        os._exit(0)


def read_by_pyiceberg(found: Table) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = found.scan().to_arrow().to_pylist()
    return rows


def read_by_polars(found: Table) -> list[dict[str, Any]]:
    return polars.scan_iceberg(found).collect().to_dicts()


def versions_told(rows: Iterable[dict[str, Any]]) -> list[Version]:
    """Every version that a changelog tells, by the rules of docs/lake.md: values, from, to."""
    refused = {(row["load_id"], key_of(row)) for row in rows if row["kind"] == "refused"}
    told = [row for row in rows if row["kind"] != "refused" and (row["load_id"], key_of(row)) not in refused]
    versions: list[Version] = []
    for key in {key_of(row) for row in told}:
        last: tuple[Version, datetime] | None = None
        for row in sorted((row for row in told if key_of(row) == key), key=lambda row: row["observed_at"]):
            values = values_of(row) if row["kind"] == "row" else None
            if last and values != last[0]:
                versions.append((*last[0], last[1], row["observed_at"]))
            if values and not (last and values == last[0]):
                last = values, row["observed_at"]
            if not values:
                last = None
        if last:
            versions.append((*last[0], last[1], None))
    return sorted(versions, key=lambda version: (version[0], version[1], version[5]))


def key_of(row: dict[str, Any]) -> tuple[str, str]:
    return row["k0"], row["k1_as_text"] or as_text(row["k1"])


def values_of(row: dict[str, Any]) -> Version:
    return *key_of(row), row["c2_as_text"] or clock(row["c2"]), row["c3"], row["c4"]


def as_text(day: date | None) -> str:
    return day.isoformat() if day else ""


def clock(microseconds: int) -> str:
    """A time of day as PostgreSQL writes it."""
    seconds, fraction = divmod(microseconds, 1_000_000)
    text = f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"
    return f"{text}.{fraction:06}".rstrip("0") if fraction else text


def latest_told(rows: Iterable[dict[str, Any]]) -> list[Version]:
    """The latest values of each key, also of those that are gone."""
    refused = {(row["load_id"], key_of(row)) for row in rows if row["kind"] == "refused"}
    told = [row for row in rows if row["kind"] == "row" and (row["load_id"], key_of(row)) not in refused]
    latest = {key_of(row): values_of(row) for row in sorted(told, key=lambda row: row["observed_at"])}
    return sorted(latest.values())


def play(system: System, rng: Random) -> None:
    """One run, whatever becomes of it; at times a load of it is repeated, when the warehouse refuses other rows."""
    chance = rng.random()
    if chance < 0.3:
        killed_run(system, rng.randint(1, CALLS))
        return
    lost = "include.lake.iceberg._append" if chance < 0.45 else "include.warehouse.publish._forget"
    with losing(lost if chance < 0.6 else ""):
        done = system.run(full_refresh=rng.random() < 0.1, accept=("visit",))
    if rng.random() < 0.5:
        refuse(system, rng.random() < 0.5)
        for name in ("fact_visit", "dim_visit"):
            files = done.results.get(Step("transform", name))
            if files and rng.random() < 0.5:
                load(system.declared, system.declared.star[name], files)


def refuse(system: System, some: bool) -> None:
    """Have the warehouse refuse the rank 13, where it holds none, or take all."""
    system.edit_warehouse(TOLERANT)
    if some and system.warehouse(HELD) == [(0,)]:
        system.edit_warehouse(REFUSING)


def remembered(system: System) -> set[str]:
    """Every file that a load has noted."""
    return {key for (key,) in system.warehouse("SELECT key FROM pipeline.noted_ever")}


def keys_of(found: Table) -> set[str]:
    return {path.removeprefix("s3://").partition("/")[2] for path in files_of(found)}


def assert_as_of(system: System, versions: list[Version], instant: datetime) -> None:
    """The state at an instant is the versions that were valid then."""
    shown = [version[:5] for version in versions if version[5] <= instant and (not version[6] or version[6] > instant)]
    at = f"{VALUES} FROM fact_visit_at(TIMESTAMPTZ '{instant}') ORDER BY 1, 2"
    assert answer(system, at) == shown


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
@pytest.mark.parametrize("number", range(1000 if THOROUGH else 2))
def test_after_any_history_the_lake_tells_what_the_warehouse_does(
    system_of: MakeSystem,
    database: str,  # noqa: F811
    number: int,
) -> None:
    rng = Random(1000 * SEED + number)
    tables = mirror(Fact, CLOCKED, "fact_visit"), mirror(Dimension, CLOCKED, "dim_visit")
    system = system_of(declare(CLOCKED, *tables), VISITS)
    prepare(system.declared)
    system.edit_warehouse(REMEMBERED)
    for _ in range(ROUNDS):
        for _ in range(rng.randint(1, 3)):
            system.write(random_change(rng))  # type: ignore[arg-type]
        play(system, rng)
        assert all(keys_of(open_table(database, one)) <= remembered(system) for one in tables)
    refuse(system, False)
    system.run_cleanly(accept=("visit",))
    assert system.warehouse(NOTED) == [(0,)]
    fact, dimension = (open_table(database, one) for one in tables)
    assert keys_of(fact) | keys_of(dimension) == remembered(system)
    before = [in_warehouse(system, question) for question in QUESTIONS]
    assert [answer(system, question) for question in QUESTIONS] == before
    for read in (read_by_pyiceberg, read_by_polars):
        assert versions_told(read(fact)) == before[0]
        assert latest_told(read(dimension)) == before[2]
    assert_as_of(system, before[0], rng.choice(before[0])[5])
    assert not any(found.differing for found in audit_versions(system.declared, ()))
    system.edit_warehouse(EMPTY)
    rebuild(system.declared)
    assert [in_warehouse(system, question) for question in QUESTIONS] == before
