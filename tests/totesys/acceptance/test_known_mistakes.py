"""What public implementations of this job get wrong, one test each. Source: docs, "what others get wrong"."""

from collections.abc import Callable
from typing import Any
from unittest import mock

import psycopg
import pytest

from include import pipeline
from include.common.errors import DataError, ServiceError
from include.common.settings import aws_client
from include.lake import files as lake
from include.runner import Run
from include.tables.steps import RECORD, Step
from include.totesys import DECLARED
from tests.system import STATE_KEY, System
from tests.totesys.acceptance.faults import Fault, Faults, watched_run

SALE = "SELECT units_sold FROM current_sales_order WHERE sales_order_id = 1"
VERSIONS = "SELECT count(*), count(DISTINCT sales_record_id) FROM fact_sales_order"


def run_with(system: System, fault: Fault) -> Run:
    """A run that meets a failure."""
    faults = Faults([fault])
    with watched_run(faults):
        done = system.run()
    assert faults.fired
    return done


def test_the_state_is_written_after_the_load_so_that_a_failed_load_loses_nothing(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise ServiceError("the warehouse does not answer")

    system.run_cleanly()
    system.write("UPDATE sales_order SET units_sold = 4321 WHERE sales_order_id = 1")
    with monkeypatch.context() as patch:
        patch.setattr(pipeline, "load_table", fail)
        assert Step("load", "fact_sales_order") in system.run().failures
    system.run_cleanly()
    assert system.warehouse(SALE) == [(4321,)]


@pytest.mark.parametrize("content", [b"", b"{", b"{}", b"null", b'{"format": "totesys-warehouse/1", "tables": 1}'])
def test_an_unreadable_state_stops_the_run_before_anything_is_loaded_twice(
    system: System, s3: Any, content: bytes
) -> None:
    system.run_cleanly()
    before = system.row_versions()
    s3.put_object(Bucket=system.endpoints.buckets.state, Key=STATE_KEY, Body=content)
    with pytest.raises(DataError, match=STATE_KEY):
        system.run()
    assert system.row_versions() == before


def test_a_state_that_may_not_be_read_is_no_first_run(system: System) -> None:
    system.run_cleanly()
    before = system.row_versions()
    with watched_run(Faults([Fault("before a request to S3", 0)])), pytest.raises(ServiceError):
        system.run()
    assert system.row_versions() == before


def test_rows_that_arrive_while_a_table_is_read_come_with_the_next_run(system: System) -> None:
    def write_after_the_read(step: Step, going: Run, do: Callable[[], object]) -> object:
        result = do()
        if step == Step("ingest", "sales_order"):
            system.write("UPDATE sales_order SET units_sold = 4321 WHERE sales_order_id = 1")
        return result

    with watched_run(Faults(), write_after_the_read):
        system.run_cleanly()
    assert system.warehouse(SALE) != [(4321,)]
    system.run_cleanly()
    assert system.warehouse(SALE) == [(4321,)]


def test_rows_that_were_written_before_a_read_but_committed_after_it_come_with_the_next_run(system: System) -> None:
    system.run_cleanly()
    with psycopg.connect(system.endpoints.source_url) as slow:
        slow.execute("UPDATE sales_order SET units_sold = 4321 WHERE sales_order_id = 1")
        system.write("UPDATE sales_order SET units_sold = 1234 WHERE sales_order_id = 2")
        system.run_cleanly()
    system.run_cleanly()
    assert system.warehouse(SALE) == [(4321,)]


def test_a_change_of_a_department_alone_reaches_its_staff(system: System) -> None:
    system.run_cleanly()
    system.write("UPDATE department SET department_name = 'Renamed' WHERE department_id = 1")
    system.run_cleanly()
    staff = system.source("SELECT staff_id FROM staff WHERE department_id = 1 ORDER BY 1")
    assert staff
    assert system.warehouse("SELECT staff_id FROM dim_staff WHERE department_name = 'Renamed' ORDER BY 1") == staff


def test_a_change_of_an_address_alone_reaches_its_location_and_its_counterparties(system: System) -> None:
    system.run_cleanly()
    system.write("UPDATE address SET postal_code = '00001' FROM counterparty WHERE address_id = legal_address_id")
    system.run_cleanly()
    assert system.warehouse("SELECT DISTINCT counterparty_legal_postal_code FROM dim_counterparty") == [("00001",)]
    used = system.source("SELECT count(DISTINCT legal_address_id) FROM counterparty")
    assert system.warehouse("SELECT count(*) FROM dim_location WHERE postal_code = '00001'") == used


def test_nothing_depends_on_a_listing_that_stops_before_its_end(system: System) -> None:
    def one_key_a_page(params: dict[str, Any], **_: object) -> None:
        params["MaxKeys"] = 1

    for operation in ("ListObjects", "ListObjectsV2", "ListObjectVersions"):
        aws_client("s3").meta.events.register(f"provide-client-params.s3.{operation}", one_key_a_page)
    system.run_cleanly()
    for units in (4321, 1234):
        system.write("UPDATE sales_order SET units_sold = %s WHERE sales_order_id = 1", units)
        system.run_cleanly()
        assert system.warehouse(SALE) == [(units,)]


@pytest.mark.parametrize("place", ["before a commit", "after a commit"])
def test_a_load_whose_answer_is_lost_is_repeated_without_doubling_a_row(system: System, place: str) -> None:
    system.run_cleanly()
    system.write("UPDATE sales_order SET units_sold = 4321 WHERE sales_order_id = 1")
    prepared = 2  # the commits of the step that prepares the warehouse
    assert Step("load", "fact_sales_order") in run_with(system, Fault(place, prepared)).failures
    system.run_cleanly()
    system.run_cleanly()
    assert system.warehouse(VERSIONS) == [(201, 201)]


def test_a_load_that_is_done_twice_changes_nothing(system: System) -> None:
    done = system.run_cleanly()
    before = system.row_versions()
    for table, files in done.of_kind("transform").items():
        pipeline.load_table(DECLARED, table, files)
    assert system.row_versions() == before


def test_leading_zeros_arrive(system: System) -> None:
    system.write("UPDATE address SET postal_code = '08841', phone = '0081 009772' WHERE address_id = 1")
    system.run_cleanly()
    location = "SELECT postal_code, phone FROM dim_location WHERE location_id = 1"
    assert system.warehouse(location) == [("08841", "0081 009772")]


def test_the_calendar_has_every_day_of_its_century_and_names_it_right(system: System) -> None:
    system.run_cleanly("dim_date")
    wanted = """SELECT d::date, extract(year FROM d)::int, extract(month FROM d)::int, extract(day FROM d)::int,
        extract(isodow FROM d)::int, to_char(d, 'FMDay'), to_char(d, 'FMMonth'), extract(quarter FROM d)::int
        FROM generate_series(timestamp '2000-01-01', '2100-12-31', '1 day') d ORDER BY 1"""
    shown = """SELECT date_id, year, month, day, day_of_week, day_name, month_name, quarter
        FROM dim_date ORDER BY date_id"""
    assert system.warehouse(shown) == system.source(wanted)


def test_record_ids_go_on_after_a_fact_was_emptied(system: System) -> None:
    system.run_cleanly()
    ((highest,),) = system.warehouse("SELECT max(sales_record_id) FROM fact_sales_order")
    with psycopg.connect(system.endpoints.warehouse_url) as warehouse:
        warehouse.execute("DELETE FROM fact_sales_order")
    system.run_cleanly("sales_order", full_refresh=True)
    assert system.warehouse(VERSIONS) == [(200, 200)]
    assert system.warehouse("SELECT min(sales_record_id) FROM fact_sales_order") > [(highest,)]


def test_a_dimension_row_stays_when_the_source_deletes_it_and_facts_still_refer_to_it(system: System) -> None:
    system.run_cleanly()
    system.write("UPDATE sales_order SET design_id = 2 WHERE design_id = 1")
    system.write("DELETE FROM design WHERE design_id = 1")
    system.run_cleanly()
    assert system.warehouse("SELECT count(*) FROM dim_design WHERE design_id = 1") == [(1,)]
    lost = "SELECT count(*) FROM fact_sales_order LEFT JOIN dim_design d USING (design_id) WHERE d.design_id IS NULL"
    assert system.warehouse(lost) == [(0,)]


def test_a_failure_of_any_step_is_a_failure_of_the_run(system: System) -> None:
    system.run_cleanly()
    system.write("UPDATE sales_order SET units_sold = 4321 WHERE sales_order_id = 1")
    for step in ("ingest", "transform", "load"):
        with mock.patch.object(pipeline, f"{step}_table", side_effect=ServiceError("gone")):
            assert {step, RECORD.kind} <= {failed.kind for failed in system.run().failures}


def test_a_row_that_was_lost_in_the_warehouse_is_noticed_and_brought_back(system: System) -> None:
    system.run_cleanly()
    with psycopg.connect(system.endpoints.warehouse_url) as warehouse:
        warehouse.execute("DELETE FROM fact_sales_order WHERE sales_order_id = 7")
    system.write("UPDATE sales_order SET units_sold = 4321 WHERE sales_order_id = 1")
    assert "fact_sales_order" in str(system.run().failures[RECORD])
    system.run_cleanly()
    assert system.warehouse("SELECT count(*) FROM current_sales_order") == [(200,)]


def test_a_file_is_never_written_over(system: System) -> None:
    bucket = system.endpoints.buckets.processed
    lake.write_file(bucket, "once", b"first")
    with pytest.raises(ServiceError, match="already written"):
        lake.write_file(bucket, "once", b"second")
    assert lake.read_file(bucket, "once") == b"first"
