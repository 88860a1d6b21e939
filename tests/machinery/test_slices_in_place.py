"""Slices of a first load become the table that they are for: nobody can tell it from one that rows were copied to."""

import re
import subprocess
from collections.abc import Callable
from dataclasses import replace
from typing import Any, LiteralString

import psycopg
import pytest

from include import pipeline
from include.common.errors import ServiceError
from include.common.manifests import LoadResult, StarFiles
from include.common.postgres import connect
from include.tables.declarations import Declarations
from include.tables.star import StarTable
from include.warehouse import alone, beside, fill, load
from include.warehouse.catalogue import is_listened_to
from local.postgres import PostgresServer
from tests.declared import replacing
from tests.shop import DECLARED
from tests.system import System, open_exactly

SLICED = replacing(DECLARED, *(replace(DECLARED.sources[name], slice_rows=100) for name in ("sale", "product")))
"""The shop, a fact and a dimension of which are read in slices; metrics are drawn from the one, rows refer to both."""

TABLES = ("fact_sale", "dim_product")

NUMBER = "SELECT to_regclass('{}')::oid::bigint"

CATALOGUE: dict[str, LiteralString] = {
    "tables": """
        SELECT relname, relnamespace::regnamespace::text, relkind::text, relreplident::text, relpersistence::text,
               relrowsecurity, reloptions, relowner::regrole::text, reltablespace, relam, relchecks, relnatts
          FROM pg_class WHERE relnamespace IN ('public'::regnamespace, 'pipeline'::regnamespace)""",
    "columns": """
        SELECT attrelid::regclass::text, attnum, attname, format_type(atttypid, atttypmod), attnotnull, atthasdef,
               attidentity::text, attgenerated::text, attcollation, attstorage::text, attcompression::text,
               attstattarget, attislocal, attinhcount, attoptions::text, attacl::text, attisdropped
          FROM pg_attribute JOIN pg_class c ON c.oid = attrelid
         WHERE relnamespace IN ('public'::regnamespace, 'pipeline'::regnamespace) AND attnum > 0""",
    "defaults": "SELECT adrelid::regclass::text, adnum, pg_get_expr(adbin, adrelid) FROM pg_attrdef",
    "constraints": """
        SELECT conrelid::regclass::text, conname, contype::text, convalidated, condeferrable, connoinherit, conislocal,
               coninhcount, conindid::regclass::text, conkey, confkey, pg_get_constraintdef(oid)
          FROM pg_constraint WHERE conrelid <> 0 AND connamespace <> 'pg_catalog'::regnamespace""",
    "indexes": """
        SELECT pg_get_indexdef(indexrelid), indisunique, indisprimary, indisvalid, indisready, indislive,
               indisclustered, indisreplident
          FROM pg_index WHERE indrelid::regclass::text !~ '^pg_'""",
    "privileges": """
        SELECT relname, entry::text FROM pg_class, unnest(relacl) AS entry
         WHERE relnamespace IN ('public'::regnamespace, 'pipeline'::regnamespace)""",
    "comments": """
        SELECT pg_describe_object(classoid, objoid, objsubid), description FROM pg_description
          JOIN pg_class c ON c.oid = objoid AND relnamespace IN ('public'::regnamespace, 'pipeline'::regnamespace)""",
    "triggers": """
        SELECT tgrelid::regclass::text, tgtype, tgenabled::text, tgfoid::regproc::text, conname
          FROM pg_trigger JOIN pg_constraint c ON c.oid = tgconstraint""",
    "dependencies": r"""
        SELECT regexp_replace(pg_describe_object(classid, objid, objsubid), '\d{4,}', 'n', 'g'), deptype::text,
               regexp_replace(pg_describe_object(refclassid, refobjid, refobjsubid), '\d{4,}', 'n', 'g')
          FROM pg_depend WHERE objid >= 16384""",
    "views": "SELECT viewname, viewowner, definition FROM pg_views WHERE schemaname = 'public'",
    "sequences": "SELECT sequencename, data_type::text, increment_by, cycle FROM pg_sequences",
}  # fmt: skip
"""What the catalogue tells, asked otherwise than by what is tried here."""


@pytest.fixture
def declared() -> Declarations:
    return SLICED


@pytest.fixture(autouse=True)
def few_rows_fill(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(load, "FILL_ROWS", 1)


def numbers(system: System) -> dict[str, Any]:
    """Which relations the tables are."""
    return {name: system.warehouse(NUMBER.format(name))[0][0] for name in TABLES}  # type: ignore[arg-type]


def catalogue(connection: psycopg.Connection) -> dict[str, list[tuple[Any, ...]]]:
    return {kind: sorted(connection.execute(query).fetchall(), key=repr) for kind, query in CATALOGUE.items()}


def catalogue_of(system: System) -> dict[str, list[tuple[Any, ...]]]:
    with open_exactly(system.endpoints.warehouse_url) as connection:
        return catalogue(connection)


def without_rows(system: System) -> None:
    """Somebody drops everything in the warehouse."""
    system.edit_warehouse("DROP SCHEMA public, pipeline CASCADE; CREATE SCHEMA public")


def assert_as_the_source(system: System) -> None:
    assert [audit for audit in pipeline.audit_tables(system.declared, TABLES) if not audit.equal] == []


@pytest.mark.postgres_versions(16, 18)
def test_nobody_can_tell_a_table_that_took_anothers_place(
    system: System,
    postgres_servers: Callable[[int], PostgresServer],
    postgres_version: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def dumped() -> str:
        programs = postgres_servers(postgres_version).bin_dir
        command = [programs / "pg_dump", "--schema-only", system.endpoints.warehouse_url]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        return re.sub(r"\\(un)?restrict \w+", "", done.stdout)

    pipeline.prepare(SLICED)
    prepared = catalogue_of(system), dumped()
    before = numbers(system)
    system.run_cleanly()
    now = numbers(system)
    assert {name for name in TABLES if now[name] == before[name]} == set()
    assert (catalogue_of(system), dumped()) == prepared
    pipeline.prepare(SLICED)
    assert (catalogue_of(system), dumped()) == prepared
    assert_as_the_source(system)
    renamed = shown(system)
    without_rows(system)
    monkeypatch.setattr(fill, "fill_by_renaming", lambda *_: None)
    pipeline.prepare(SLICED)
    prepared = catalogue_of(system), dumped()
    before = numbers(system)
    system.run_cleanly()
    assert numbers(system) == before
    assert (catalogue_of(system), dumped()) == prepared
    assert shown(system) == renamed


def shown(system: System) -> list[Any]:
    queries = ("SELECT * FROM dim_product ORDER BY 1", "SELECT sale_id, product_id, valid_to FROM fact_sale ORDER BY 1")
    return [system.warehouse(query) for query in queries]


KEPT: dict[str, LiteralString] = {
    "a grant": "GRANT SELECT, UPDATE ON fact_sale TO theirs WITH GRANT OPTION; GRANT SELECT ON fact_sale TO PUBLIC",
    "a view of a view": "CREATE VIEW theirs AS SELECT * FROM current_sale",
    "a grant of a view": "GRANT SELECT ON current_sale, metric_takings_by_shelf TO theirs",
    "a comment on a view": "COMMENT ON VIEW current_sale IS 'theirs'; COMMENT ON COLUMN current_sale.sale_id IS 'too'",
    "a function of a view": "CREATE FUNCTION theirs(current_sale) RETURNS int LANGUAGE sql AS 'SELECT 1'",
}
"""What becomes the new table's, or stays with what hangs on it."""

COPIED: dict[str, LiteralString] = {
    "a grant of a column": "GRANT SELECT (sale_id) ON fact_sale TO theirs",
    "a grant by another": "GRANT SELECT ON fact_sale TO theirs WITH GRANT OPTION; SET ROLE theirs;"
    "GRANT SELECT ON fact_sale TO PUBLIC",
    "a view": "CREATE VIEW theirs AS SELECT * FROM fact_sale",
    "a materialized view": "CREATE MATERIALIZED VIEW theirs AS SELECT sale_id FROM fact_sale",
    "a function": "CREATE FUNCTION theirs() RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT sale_id FROM fact_sale; END",
    "a function of its rows": "CREATE FUNCTION theirs(fact_sale) RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "a column of its rows": "CREATE TABLE theirs (one fact_sale)",
    "an index": "CREATE INDEX theirs ON fact_sale (units_sold)",
    "a check": "ALTER TABLE fact_sale ADD CONSTRAINT theirs CHECK (sale_id > 0)",
    "a comment": "COMMENT ON TABLE fact_sale IS 'theirs'",
    "a comment on a column": "COMMENT ON COLUMN fact_sale.sale_id IS 'theirs'",
    "a comment on an index": "COMMENT ON INDEX fact_sale_pkey IS 'theirs'",
    "a publication": "CREATE PUBLICATION theirs FOR TABLE fact_sale",
    "statistics": "CREATE STATISTICS theirs ON sale_id, clerk_id FROM fact_sale",
    "a target of statistics": "ALTER TABLE fact_sale ALTER sale_id SET STATISTICS 1000",
    "row-level security": "ALTER TABLE fact_sale ENABLE ROW LEVEL SECURITY",
    "a policy": "CREATE POLICY theirs ON fact_sale USING (true)",
    "a rule": "CREATE RULE theirs AS ON DELETE TO fact_sale DO INSTEAD NOTHING",
    "a trigger": "CREATE FUNCTION theirs() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RETURN new; END$$;"
    "CREATE TRIGGER theirs BEFORE UPDATE ON fact_sale FOR EACH ROW EXECUTE FUNCTION theirs()",
    "a column": "ALTER TABLE fact_sale ADD theirs int DEFAULT 1",
    "a default": "ALTER TABLE fact_sale ALTER units_sold SET DEFAULT 7",
    "a place of its values": "ALTER TABLE fact_sale ALTER unit_price SET STORAGE EXTERNAL",
    "a setting of its storage": "ALTER TABLE fact_sale SET (fillfactor = 70)",
    "an identity for replicas": "ALTER TABLE fact_sale REPLICA IDENTITY FULL",
    "a table that inherits": "CREATE TABLE theirs () INHERITS (fact_sale)",
    "an option of a view": "ALTER VIEW current_sale SET (security_barrier = true)",
    "a constraint's name": "CREATE TABLE emptied_fact_sale ()",
}
"""What would be lost with the empty table, or is no longer what it was."""


@pytest.fixture
def to_load(system: System, monkeypatch: pytest.MonkeyPatch) -> StarFiles:
    """What is loaded into sales next: all that it refers to is there, and its slices stand beside it."""
    found = list[StarFiles]()

    def stop(_: Declarations, table: StarTable, files: StarFiles) -> LoadResult:
        found.append(files)
        raise ServiceError("cut off")

    real = pipeline.load
    with monkeypatch.context() as failing:
        failing.setattr(pipeline, "load", lambda *given: (stop if given[1].name == "fact_sale" else real)(*given))
        system.run("sale")
    return found[0]


def took_its_place(connection: psycopg.Connection, files: StarFiles, theirs: LiteralString) -> bool:
    """Whether the slices become a table that others rely on so, which is what it was; all is taken back."""
    with connection.transaction(force_rollback=True):
        connection.execute("CREATE ROLE theirs")
        connection.execute(theirs)
        connection.execute("RESET ROLE")
        known = catalogue(connection)
        filled = beside.fill_by_renaming(connection, SLICED, SLICED.star["fact_sale"], files)
        rows = connection.execute("SELECT count(*) FROM fact_sale").fetchone()
        assert rows == (200 if filled else 0,)
        connection.execute("DROP TABLE IF EXISTS pipeline.sliced_fact_sale")
        found = catalogue(connection)
        beside_it = {kind: [row for row in told if "sliced_fact_sale" not in repr(row)] for kind, told in known.items()}
        assert found == beside_it
    return filled is not None


def test_what_others_have_of_a_table_is_there_when_another_took_its_place_or_that_does_not_happen(
    to_load: StarFiles,
) -> None:
    with connect("warehouse") as connection:
        connection.execute("SELECT")
        found = {name: took_its_place(connection, to_load, theirs) for name, theirs in {**KEPT, **COPIED}.items()}
    assert found == dict.fromkeys(KEPT, True) | dict.fromkeys(COPIED, False)


def test_rows_are_copied_where_others_rely_on_the_table(system: System) -> None:
    pipeline.prepare(SLICED)
    system.edit_warehouse("CREATE VIEW theirs AS SELECT * FROM fact_sale")
    before, known = numbers(system)["fact_sale"], catalogue_of(system)
    system.run_cleanly("sale")
    assert numbers(system)["fact_sale"] == before
    assert catalogue_of(system) == known
    assert system.warehouse("SELECT count(*) FROM theirs") == [(200,)]
    assert_as_the_source(system)


def test_rows_that_refer_to_nothing_are_set_aside_before(system: System) -> None:
    pipeline.prepare(SLICED)
    system.edit_warehouse("ALTER TABLE dim_product ADD CHECK (product_id % 5 <> 3)")
    before = numbers(system)["fact_sale"]
    done = system.run_cleanly("sale")
    lost = {key for (key,) in system.source("SELECT sale_id FROM sale WHERE product_id % 5 = 3")}
    assert lost
    assert set(done.of_kind("load")["fact_sale"].rejected) == lost
    assert system.warehouse("SELECT count(*) FROM current_sale") == [(200 - len(lost),)]
    assert numbers(system)["fact_sale"] != before


def test_everybody_reads_while_indexes_are_made(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    pipeline.prepare(SLICED)
    seen, real = list[tuple[Any, ...]](), beside.put_in_place

    def read_first(connection: psycopg.Connection, declared: Declarations, table: Any, bare: str) -> None:
        if bare == "sliced_fact_sale":
            query: LiteralString = "SELECT (SELECT count(*) FROM {}), (SELECT count(*) > 0 FROM dim_product)"
            for name in ("fact_sale", "current_sale", "metric_takings_by_shelf"):
                with psycopg.connect(system.endpoints.warehouse_url, options="-c lock_timeout=2s") as reader:
                    seen.extend(reader.execute(query.replace("{}", name).encode()).fetchall())
        real(connection, declared, table, bare)

    monkeypatch.setattr(beside, "put_in_place", read_first)
    system.run_cleanly("sale")
    assert seen == [(0, True)] * 3


def test_a_table_that_somebody_reads_stays(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alone, "LOCK_SECONDS", 0.5)
    pipeline.prepare(SLICED)
    before = numbers(system)["fact_sale"]
    with psycopg.connect(system.endpoints.warehouse_url) as reader:
        reader.execute("SELECT count(*) FROM current_sale")
        system.run_cleanly("sale")
        reader.execute("SELECT count(*) FROM fact_sale")
    assert numbers(system)["fact_sale"] == before
    assert_as_the_source(system)


def test_a_load_that_ends_before_it_is_committed_leaves_the_old_table_and_its_slices(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline.prepare(SLICED)
    before, known = numbers(system)["fact_sale"], catalogue_of(system)

    def fail(_: psycopg.Connection, table: Any, *__: object) -> None:
        if table.name == "fact_sale":
            raise ServiceError("cut off")

    with monkeypatch.context() as failing:
        failing.setattr(load, "clear", fail)
        assert "load fact_sale" in map(str, system.run("sale").failures)
    assert system.warehouse("SELECT count(*) FROM fact_sale") == [(0,)]
    assert system.warehouse("SELECT count(*) FROM pipeline.sliced_fact_sale") == [(200,)]
    assert numbers(system)["fact_sale"] == before
    system.run_cleanly("sale")
    assert numbers(system)["fact_sale"] != before
    found = catalogue_of(system)
    assert [kind for kind in CATALOGUE if found[kind] != known[kind]] == []


def test_record_ids_go_on_and_versions_are_kept_after_that(system: System) -> None:
    system.run_cleanly("sale")
    system.write("UPDATE sale SET units_sold = units_sold + 1 WHERE sale_id <= 10")
    system.run_cleanly("sale")
    assert system.warehouse("SELECT count(*), count(DISTINCT sale_record_id) FROM fact_sale") == [(210, 210)]
    assert system.warehouse("SELECT count(*) FROM fact_sale WHERE valid_to IS NOT NULL") == [(10,)]
    assert_as_the_source(system)


def test_a_table_that_slices_stand_beside_can_be_dropped(system: System, to_load: StarFiles) -> None:
    assert to_load.slices
    system.edit_warehouse("DROP VIEW metric_takings_by_shelf CASCADE")
    system.edit_warehouse("DROP VIEW metric_takings_by_day, current_sale CASCADE; DROP TABLE fact_sale")
    system.run_cleanly("sale")
    assert_as_the_source(system)


def test_who_listens_to_the_warehouse_gets_rows_under_the_tables_own_name() -> None:
    with (
        PostgresServer(settings={"wal_level": "logical"}) as server,
        psycopg.connect(server.create_database("warehouse"), autocommit=True) as warehouse,
    ):
        assert not is_listened_to(warehouse)
        warehouse.execute("SELECT pg_create_logical_replication_slot('theirs', 'pgoutput')")
        assert is_listened_to(warehouse)


def test_rows_are_copied_where_somebody_listens(to_load: StarFiles, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(beside, "is_listened_to", lambda _: True)
    with connect("warehouse") as connection:
        connection.execute("SELECT")
        assert not took_its_place(connection, to_load, "SELECT")
