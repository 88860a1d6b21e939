"""A source table that is a foreign table: another server's rows, with neither xmin nor a lock here."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from include.common.errors import DeclarationError
from include.totesys import DECLARED
from local.postgres import HOST, PostgresServer
from tests.totesys.servers.conftest import Filled, Pipeline, execute

ELSEWHERE = """
    CREATE EXTENSION postgres_fdw;
    CREATE SERVER elsewhere FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host '{host}', port '{port}', dbname 'totesys');
    CREATE USER MAPPING FOR CURRENT_USER SERVER elsewhere OPTIONS (user 'postgres', password_required 'false');
    CREATE SCHEMA remote;
    ALTER TABLE design SET SCHEMA remote;
    CREATE TABLE remote.newer (LIKE remote.design INCLUDING ALL);
    INSERT INTO remote.newer SELECT * FROM remote.design;
    UPDATE remote.newer SET design_name = 'Newer', last_updated = last_updated - interval '1 year' WHERE design_id = 1;
    CREATE FOREIGN TABLE public.design (
        design_id integer NOT NULL, created_at timestamp(3) NOT NULL, last_updated timestamp(3) NOT NULL,
        design_name text NOT NULL, file_location text NOT NULL, file_name text NOT NULL
    ) SERVER elsewhere OPTIONS (schema_name 'remote', table_name 'design')"""


@pytest.fixture
def server(filled: Filled) -> PostgresServer:
    """A source whose designs are a foreign table."""
    server = filled(15)
    execute(server, ELSEWHERE.format(host=HOST, port=server.port))
    return server


@pytest.fixture
def pipeline(server: PostgresServer, pipeline_of: Callable[..., Pipeline]) -> Pipeline:
    """A pipeline of that source, declared as what it is, after its first run."""
    made = pipeline_of(server.url("totesys"), server.url("warehouse"))
    made.system.declare(replace(DECLARED.sources["design"], follow="stamp"))
    made.system.run_cleanly()
    return made


def test_a_foreign_table_is_followed_by_its_stamps(server: PostgresServer, pipeline: Pipeline) -> None:
    execute(server, "UPDATE remote.design SET design_name = 'Other', last_updated = now() WHERE design_id = 2")
    execute(server, "DELETE FROM remote.design WHERE design_id = (SELECT max(design_id) FROM remote.design)")
    pipeline.system.run_cleanly()
    assert pipeline.differences(server.url("totesys")) == []


def test_a_foreign_table_that_leads_elsewhere_is_compared_whole(server: PostgresServer, pipeline: Pipeline) -> None:
    execute(server, "ALTER FOREIGN TABLE design OPTIONS (SET table_name 'newer')")
    pipeline.system.run_cleanly()
    assert pipeline.system.warehouse("SELECT design_name FROM dim_design WHERE design_id = 1") == [("Newer",)]
    assert pipeline.differences(server.url("totesys")) == []


def test_a_foreign_table_has_no_xmin(pipeline: Pipeline) -> None:
    pipeline.system.declare(replace(DECLARED.sources["design"], follow="xmin"))
    done = pipeline.system.run("design")
    (told,) = {str(error) for error in done.failures.values() if isinstance(error, DeclarationError)}
    assert 'design is a view or a foreign table, without xmin: declare follow="stamp", or "whole"' in told
