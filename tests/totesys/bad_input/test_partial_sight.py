"""A role that sees only some rows or columns is told what to grant, and nothing is closed."""

from collections.abc import Mapping
from dataclasses import replace
from typing import LiteralString
from uuid import uuid4

import psycopg
import pytest
from psycopg import sql

from include.common.errors import DeclarationError
from include.tables.steps import Step
from include.totesys import DECLARED
from tests.messages import one_line
from tests.system import System
from tests.totesys.bad_input.conftest import Recorded

PARTIAL: Mapping[str, tuple[LiteralString, str]] = {
    "row-level security without a policy": (
        "ALTER TABLE design ENABLE ROW LEVEL SECURITY",
        "ALTER ROLE {role} BYPASSRLS",
    ),
    "a policy that shows some": (
        "CREATE POLICY few ON design USING (design_id < 100); ALTER TABLE design ENABLE ROW LEVEL SECURITY",
        "ALTER ROLE {role} BYPASSRLS",
    ),
    "a policy for the owner too": (
        "ALTER TABLE design OWNER TO {role}; ALTER TABLE design ENABLE ROW LEVEL SECURITY;"
        " ALTER TABLE design FORCE ROW LEVEL SECURITY",
        "ALTER ROLE {role} BYPASSRLS or ALTER TABLE public.design NO FORCE ROW LEVEL SECURITY",
    ),
    "some columns": (
        "REVOKE SELECT ON design FROM {role}; GRANT SELECT (design_id, last_updated) ON design TO {role}",
        "GRANT SELECT ON public.design TO {role}",
    ),
    "no column": ("REVOKE SELECT ON design FROM {role}", "GRANT SELECT ON public.design TO {role}"),
    "no schema": ("REVOKE USAGE ON SCHEMA public FROM PUBLIC", "GRANT USAGE ON SCHEMA public TO {role}"),
    "no word of the server": (
        "REVOKE EXECUTE ON FUNCTION pg_control_system() FROM PUBLIC",
        "GRANT EXECUTE ON FUNCTION pg_control_system() TO {role}",
    ),
    "a view whose owner sees some": (
        "ALTER TABLE design RENAME TO base; CREATE VIEW design AS SELECT * FROM base;"
        " ALTER VIEW design OWNER TO {other};"
        " GRANT SELECT ON base TO {other}; GRANT SELECT ON design TO {role};"
        " ALTER TABLE base ENABLE ROW LEVEL SECURITY",
        "ALTER ROLE {other} BYPASSRLS",
    ),
    "a view of a view whose reader sees some": (
        "ALTER TABLE design RENAME TO base; CREATE VIEW middle WITH (security_invoker = on) AS SELECT * FROM base;"
        " CREATE VIEW design WITH (security_invoker = on) AS SELECT * FROM middle;"
        " GRANT SELECT ON base, middle, design TO {role}; ALTER TABLE base ENABLE ROW LEVEL SECURITY",
        "ALTER ROLE {role} BYPASSRLS",
    ),
    "a view whose owner may not read": (
        "ALTER TABLE design RENAME TO base; CREATE VIEW design AS SELECT * FROM base;"
        " ALTER VIEW design OWNER TO {other};"
        " GRANT SELECT ON design TO {role}",
        "GRANT SELECT ON public.base TO {other}",
    ),
}


@pytest.fixture
def roles(system: System, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The pipeline's role, which may read everything, and another."""
    names = {name: f"{name}_{uuid4().hex[:12]}" for name in ("role", "other")}
    with psycopg.connect(system.endpoints.source_url) as connection:
        for name in names.values():
            connection.execute(sql.SQL("CREATE ROLE {} LOGIN").format(sql.Identifier(name)))
        grant = sql.SQL("GRANT SELECT ON ALL TABLES IN SCHEMA public TO {}")
        connection.execute(grant.format(sql.Identifier(names["role"])))
    monkeypatch.setenv("AIRFLOW_CONN_TOTESYS", system.endpoints.source_url.replace("postgres@", f"{names['role']}@"))
    return names


@pytest.mark.parametrize("name", PARTIAL)
def test_partial_sight_is_refused_with_what_to_grant_and_nothing_is_closed(
    system: System, recorded: Recorded, roles: dict[str, str], name: str
) -> None:
    change, grant = PARTIAL[name]
    if "VIEW" in change:
        system.declare(replace(DECLARED.sources["design"], follow="stamp"))
    system.run_cleanly("design")
    known, rows = recorded.table("design"), system.row_versions()
    with psycopg.connect(system.endpoints.source_url) as connection:
        names = {kind: sql.Identifier(role) for kind, role in roles.items()}
        connection.execute(sql.SQL(change).format(**names))
    error = system.run("design").failures[Step("ingest", "design")]
    assert type(error) is DeclarationError
    one_line(error, "design", grant.format(**roles))
    assert (recorded.table("design"), system.row_versions()) == (known, rows)


HIDE: dict[str, LiteralString] = {
    "department": "ALTER TABLE department ENABLE ROW LEVEL SECURITY",
    "staff": "ALTER TABLE staff ENABLE ROW LEVEL SECURITY",
}


@pytest.mark.parametrize("hidden", HIDE)
def test_a_table_and_the_one_that_joins_it_say_of_which_to_grant_more(
    system: System, roles: dict[str, str], hidden: str
) -> None:
    system.run_cleanly("staff")
    system.write(HIDE[hidden])
    failures = system.run("staff", "department").failures
    assert (Step("ingest", "department") in failures) == (hidden == "department")
    for table in {hidden, "staff"}:
        error = failures[Step("ingest", table)]
        assert type(error) is DeclarationError
        one_line(error, f"public.{hidden}", f"ALTER ROLE {roles['role']} BYPASSRLS")


def test_a_role_that_passes_policies_reads_on(system: System, roles: dict[str, str]) -> None:
    system.run_cleanly("design")
    with psycopg.connect(system.endpoints.source_url) as connection:
        connection.execute(sql.SQL("ALTER ROLE {} BYPASSRLS").format(sql.Identifier(roles["role"])))
        connection.execute("ALTER TABLE design ENABLE ROW LEVEL SECURITY")
    system.run_cleanly("design")
    assert system.warehouse("SELECT count(*) FROM pipeline.deleted") == [(0,)]
