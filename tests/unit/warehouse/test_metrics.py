"""Metrics in the warehouse: views that follow their declarations, show what is so, and keep who may read them."""

from dataclasses import replace

import psycopg
import pytest
from psycopg import sql

from include.common.errors import DataError
from include.tables.figures import Count
from include.tables.metrics import Metric
from include.warehouse import tables as warehouse
from include.warehouse.metrics import definition_of
from tests.messages import one_line
from tests.shop import DECLARED
from tests.system import Rows, System

BY_DAY = """
    SELECT created_date, currency_id, currency_code, count(*), sum(units_sold), sum(units_sold * unit_price)
      FROM current_sale JOIN dim_currency USING (currency_id) GROUP BY 1, 2, 3 ORDER BY 1, 2"""

OWED = """
    SELECT currency_id, method_name, count(*), sum((NOT paid AND payment_date < (now() AT TIME ZONE 'UTC')::date)::int),
           round(sum((NOT paid AND payment_date < (now() AT TIME ZONE 'UTC')::date)::int)::numeric / count(*), 4),
           sum(CASE WHEN paid THEN 0.00 ELSE payment_amount END)
      FROM fact_payment JOIN dim_method USING (method_id) WHERE valid_to IS NULL GROUP BY 1, 2 ORDER BY 1, 2"""

WRITTEN = '''\
CREATE VIEW "public"."metric_owed" AS
SELECT "fact_payment"."currency_id" AS "currency_id",
       "method_id"."method_name" AS "method",
       count(*) AS "payments",
       count(*) FILTER (WHERE "fact_payment"."paid" = false AND "fact_payment"."payment_date" < (now() AT TIME ZONE 'UTC')::date) AS "overdue",
       (count(*) FILTER (WHERE "fact_payment"."paid" = false AND "fact_payment"."payment_date" < (now() AT TIME ZONE 'UTC')::date)::numeric / nullif(count(*), 0))::numeric(38,4) AS "overdue_share",
       coalesce(sum("fact_payment"."payment_amount") FILTER (WHERE "fact_payment"."paid" = false), 0)::numeric(38,2) AS "owed"
  FROM "public"."fact_payment" AS "fact_payment"
  LEFT JOIN "public"."dim_method" AS "method_id" ON "method_id"."method_id" = "fact_payment"."method_id"
 WHERE "fact_payment"."valid_to" IS NULL
 GROUP BY "fact_payment"."currency_id", "method_id"."method_name"'''  # noqa: E501 - as it is written


@pytest.fixture
def loaded(system: System) -> System:
    """A system whose warehouse is filled."""
    system.run_cleanly()
    return system


def declare_metrics(system: System, *metrics: Metric) -> None:
    system.declared = replace(system.declared, metrics={metric.name: metric for metric in metrics})
    warehouse.prepare(system.declared)


def types_of(system: System, view: str) -> dict[str, str]:
    with psycopg.connect(system.endpoints.warehouse_url) as connection:
        query = "SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = %s::regclass"
        return dict(connection.execute(f"{query} AND attnum > 0 ORDER BY attnum", [view]).fetchall())


def objects(system: System) -> Rows:
    return system.warehouse(
        "SELECT viewname, viewname::regclass::oid::text FROM pg_views WHERE viewname LIKE 'metric%'"
        " UNION ALL SELECT proname, oid::text FROM pg_proc WHERE proname LIKE 'metric%' ORDER BY 1"
    )


def test_the_statement_of_a_metric_is_readable() -> None:
    assert definition_of(DECLARED.metrics["owed"]).definition == WRITTEN


@pytest.mark.postgres_versions(16, 18)
def test_metrics_show_what_sql_by_hand_does(loaded: System) -> None:
    assert loaded.warehouse("SELECT * FROM metric_takings_by_day ORDER BY 1, 2") == loaded.warehouse(BY_DAY)
    assert loaded.warehouse("SELECT * FROM metric_owed ORDER BY 1, 2") == loaded.warehouse(OWED)
    assert loaded.warehouse("SELECT sum(overdue) > 0, sum(owed) > 0 FROM metric_owed") == [(True, True)]


def test_a_view_has_the_columns_and_types_that_its_metric_tells(loaded: System) -> None:
    for metric in loaded.declared.metrics.values():
        assert list(types_of(loaded, metric.view).items()) == list(metric.columns.items())


@pytest.mark.postgres_versions(16, 18)
def test_as_of_an_instant_a_metric_shows_what_held_then(loaded: System) -> None:
    before = loaded.warehouse("SELECT * FROM metric_owed ORDER BY 1, 2")
    (instant,) = loaded.warehouse("SELECT max(valid_from)::text FROM fact_payment")[0]
    loaded.write("UPDATE payment SET paid = true, payment_amount = payment_amount * 2 WHERE payment_id % 3 = 0")
    loaded.write("DELETE FROM payment WHERE payment_id % 7 = 0")
    loaded.run_cleanly()
    assert loaded.warehouse("SELECT * FROM metric_owed ORDER BY 1, 2") == loaded.warehouse(OWED) != before
    with psycopg.connect(loaded.endpoints.warehouse_url) as connection:
        asked = "SELECT * FROM metric_owed_as_of(%s) ORDER BY 1, 2"
        then = connection.execute(asked, [instant]).fetchall()
        now = connection.execute("SELECT * FROM metric_owed_as_of(now()) ORDER BY 1, 2").fetchall()
        shown = connection.execute("SELECT * FROM metric_owed ORDER BY 1, 2").fetchall()
        earlier = connection.execute(asked, ["2000-01-01 00:00+00"]).fetchall()
    assert [tuple(map(str, row)) for row in then] == [tuple(map(str, row)) for row in before]
    assert now == shown
    assert earlier == []


def test_what_is_past_is_so_at_the_instant_that_is_asked_for(loaded: System) -> None:
    (day, read_at) = loaded.warehouse(
        "SELECT max(payment_date)::text, max(valid_from)::text FROM current_payment WHERE NOT paid"
    )[0]
    loaded.edit_warehouse("UPDATE fact_payment SET valid_from = '2000-01-01'")
    with psycopg.connect(loaded.endpoints.warehouse_url) as connection:
        query = "SELECT sum(overdue) FROM metric_owed_as_of((%s::date + %s)::timestamp AT TIME ZONE 'UTC')"
        on_it, after = (connection.execute(query, [day, days]).fetchone() for days in (0, 1))
    assert read_at
    assert on_it is not None
    assert after is not None
    assert after[0] > on_it[0]


def test_making_them_twice_makes_nothing_anew(loaded: System) -> None:
    before = objects(loaded)
    assert len(before) == 5
    warehouse.prepare(loaded.declared)
    assert objects(loaded) == before


@pytest.mark.postgres_versions(16, 18)
def test_a_metric_that_is_declared_otherwise_is_made_anew_and_who_may_read_it_still_may(loaded: System) -> None:
    loaded.edit_warehouse(
        "GRANT SELECT ON metric_owed TO PUBLIC; GRANT SELECT ON metric_owed TO pg_monitor WITH GRANT OPTION"
    )
    rights = """
        SELECT coalesce(nullif(grantee, 0)::regrole::text, 'public'), privilege_type, is_grantable
          FROM pg_class, aclexplode(relacl) WHERE relname = 'metric_owed' ORDER BY 1, 2"""
    others, granted = {name for name, _ in objects(loaded)}, loaded.warehouse(rights)
    metric = loaded.declared.metrics["owed"]
    declare_metrics(
        loaded, *(other for other in loaded.declared.metrics.values() if other.name != "owed"),
        replace(metric, values=(Count("everything"),)),
    )  # fmt: skip
    assert list(types_of(loaded, "metric_owed")) == ["currency_id", "method", "everything"]
    assert loaded.warehouse(rights) == granted
    assert {name for name, _ in objects(loaded)} == others
    assert loaded.warehouse("SELECT sum(everything) FROM metric_owed_as_of(now())") == loaded.warehouse(
        "SELECT count(*)::numeric FROM current_payment"
    )


def test_views_of_what_is_no_metric_any_more_go(loaded: System) -> None:
    loaded.edit_warehouse("CREATE VIEW metric_ours AS SELECT 1 AS one")
    declare_metrics(loaded, replace(loaded.declared.metrics["owed"], as_of=False))
    assert [name for name, _ in objects(loaded)] == ["metric_ours", "metric_owed"]
    declare_metrics(loaded)
    assert [name for name, _ in objects(loaded)] == ["metric_ours"]
    assert loaded.warehouse("SELECT count(*) FROM pipeline.metric") == [(0,)]


def test_what_others_have_made_of_a_metric_that_changes_is_named_and_stays(loaded: System) -> None:
    loaded.edit_warehouse("CREATE VIEW analysis AS SELECT sum(owed) FROM metric_owed")
    with pytest.raises(DataError) as raised:
        declare_metrics(loaded)
    one_line(raised.value, "metric_owed", "view analysis", "drop those")
    assert loaded.warehouse("SELECT count(*) FROM analysis") == [(1,)]
    assert len(objects(loaded)) == 5


def test_a_view_of_somebody_that_is_called_as_a_metric_is_not_replaced(system: System) -> None:
    system.edit_warehouse("CREATE VIEW metric_owed AS SELECT 1 AS one")
    with pytest.raises(DataError) as raised:
        warehouse.prepare(system.declared)
    one_line(raised.value, "metric_owed", "already exists")
    assert system.warehouse("SELECT one FROM metric_owed") == [(1,)]


@pytest.mark.parametrize(
    "statement",
    ["DROP VIEW metric_takings_by_shelf", "DROP FUNCTION metric_owed_as_of", "DROP TABLE fact_payment CASCADE"],
)
def test_what_somebody_dropped_comes_back(loaded: System, statement: str) -> None:
    names = [name for name, _ in objects(loaded)]
    with psycopg.connect(loaded.endpoints.warehouse_url) as connection:
        connection.execute(statement.encode())
    loaded.run_cleanly()
    assert [name for name, _ in objects(loaded)] == names
    assert loaded.warehouse("SELECT * FROM metric_owed ORDER BY 1, 2") == loaded.warehouse(OWED)


@pytest.mark.postgres_versions(16, 18)
def test_the_reader_asks_them_and_their_functions(loaded: System) -> None:
    loaded.edit_warehouse("ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC")
    warehouse.prepare(replace(loaded.declared, metrics={}))
    warehouse.prepare(loaded.declared)
    with psycopg.connect(loaded.endpoints.warehouse_url) as connection:
        connection.execute("SET ROLE totesys_reader")
        for metric in loaded.declared.metrics.values():
            view, function = sql.Identifier(metric.view), sql.Identifier(metric.view_as_of or "now")
            assert connection.execute(sql.SQL("SELECT * FROM {}").format(view)).fetchall()
            assert connection.execute(
                sql.SQL("SELECT {}({})").format(function, sql.SQL("now()" * bool(metric.view_as_of)))
            ).fetchall()
        assert connection.execute("SELECT count(*) FROM pipeline.metric").fetchone() == (3,)


@pytest.mark.postgres_versions(16, 18)
def test_a_column_that_becomes_wider_takes_its_metrics_along(loaded: System) -> None:
    loaded.edit_warehouse("GRANT SELECT ON metric_takings_by_day, metric_takings_by_shelf TO pg_monitor")
    rights = "SELECT relname, relacl::text FROM pg_class WHERE relname LIKE 'metric_takings%' ORDER BY 1"
    granted = loaded.warehouse(rights)
    loaded.write("ALTER TABLE sale ALTER unit_price TYPE numeric(14,2), ALTER units_sold TYPE bigint")
    loaded.write("ALTER TABLE product ALTER shelf TYPE varchar; ALTER TABLE currency ALTER currency_code TYPE text")
    loaded.write("UPDATE sale SET units_sold = 3000000000 WHERE sale_id = 1")
    loaded.run_cleanly()
    assert loaded.warehouse("SELECT max(units) > 3000000000 FROM metric_takings_by_shelf") == [(True,)]
    assert loaded.warehouse(
        "SELECT day, currency_id, currency_code, sales, units, takings FROM metric_takings_by_day ORDER BY 1, 2"
    ) == loaded.warehouse(BY_DAY.replace("units_sold)", "units_sold)::bigint"))  # type: ignore[arg-type]
    assert loaded.warehouse("SELECT sum(sales) FROM metric_takings_by_day_as_of(now())") == [("200",)]
    assert loaded.warehouse(rights) == granted
