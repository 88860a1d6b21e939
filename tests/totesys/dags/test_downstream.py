"""The example in the docs of a DAG that follows a load is parsed and run as it stands there."""

import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

import pytest
from airflow.dag_processing.dagbag import BundleDagBag
from airflow.sdk import Asset

from include.totesys import DECLARED
from tests.dags.conftest import REPOSITORY
from tests.system import System


@pytest.fixture
def example(tmp_path: Path) -> Any:
    """The DAG of the docs."""
    text = (REPOSITORY / "docs" / "operations.md").read_text()
    (code,) = re.findall(r"^```python\n(.*?)^```", text, re.M | re.S)
    (tmp_path / "revenue_by_day.py").write_text(code)
    bag = BundleDagBag(tmp_path, bundle_path=tmp_path, bundle_name="dags-folder")
    assert bag.import_errors == {}
    return bag.dags["revenue_by_day"]


def test_it_is_scheduled_by_the_asset_that_the_load_updates(example: Any) -> None:
    folder = REPOSITORY / "dags"
    with mock.patch("include.declared.DECLARED", DECLARED):
        dags = BundleDagBag(folder, bundle_path=folder, bundle_name="dags-folder").dags
    updated = dags["totesys_warehouse"].get_task("load.fact_sales_order").outlets
    assert list(example.timetable.asset_condition.objects) == updated


def test_its_task_counts_what_the_source_has(example: Any, system: System, capsys: pytest.CaptureFixture[str]) -> None:
    system.run_cleanly("sales_order")
    event = SimpleNamespace(extra={"new": 200, "changed": 0, "deleted": 0, "rejected": 0})
    work = example.get_task("count_revenue").python_callable
    counted = work(triggering_asset_events={Asset("warehouse/fact_sales_order"): [event]})
    assert "200 new sales orders" in capsys.readouterr().out
    revenue = """
        SELECT sales_order.created_at::date::text, currency_code, sum(units_sold * unit_price)::text
          FROM sales_order JOIN currency USING (currency_id) GROUP BY 1, 2 ORDER BY 1, 2"""
    assert [tuple(row) for row in counted] == system.source(revenue)
