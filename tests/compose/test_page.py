"""The page "Warehouse" in Airflow's UI, as somebody sees it who opens it in a browser."""

import re
from pathlib import Path

from playwright.sync_api import FrameLocator, Page, expect

from tests.acceptance.oracle import FACTS, SHOWN, expected
from tests.compose.stack import Stack

DATES = ("agreed_delivery_date", "agreed_payment_date", "payment_date")


def open_page(page: Page) -> FrameLocator:
    """The page, opened from the navigation."""
    page.get_by_role("link", name="Warehouse").first.click()
    frame = page.frame_locator("iframe")
    expect(frame.get_by_role("heading", name="Star schema")).to_be_visible()
    return frame


def number(text: str) -> int:
    return int(re.sub(r"\D", "", text))


def rejected_at_the_source(stack: Stack) -> set[tuple[str, int]]:
    """The facts that cannot be right, by table and key."""
    with stack.connect("totesys") as source:
        return {(table, key) for table in FACTS for key in expected(source, table)[1]}


def test_it_shows_each_tables_rows_the_rejected_ones_and_their_health(
    page: Page, stack: Stack, artefacts: Path
) -> None:
    with stack.at_rest():
        shown = open_page(page)
        with stack.connect("totesys") as source:
            orders = source.execute("SELECT count(*) FROM sales_order").fetchone()
        row = shown.locator("#row-fact_sales_order")
        assert (number(row.locator("[data-label=Rows]").inner_text()),) == orders

        rows = shown.locator("#rejected-rows tr")
        listed = {(one.locator("th").inner_text(), number(one.locator(".number").inner_text())) for one in rows.all()}
        assert listed
        assert listed <= rejected_at_the_source(stack)
        assert any(name in rows.first.locator(".reason").inner_text() for name in DATES)

        nodes = shown.locator("#star svg a.node")
        assert nodes.count() == len(SHOWN) + 1  # and dim_date
        assert not shown.locator("#star svg a.node.bad").count()
        page.screenshot(path=artefacts / "page.png")


def test_its_button_runs_one_table(page: Page, stack: Stack) -> None:
    shown = open_page(page)
    shown.get_by_role("button", name="Run dim_design").click()
    shown.get_by_role("dialog").get_by_role("button", name="Run", exact=True).click()
    expect(shown.get_by_role("dialog")).to_be_hidden()
    run = stack.runs()[0]
    assert run["conf"]["tables"] == ["dim_design"]
    assert stack.ended(run["dag_run_id"]) == "success"


def test_it_shows_nothing_to_who_has_not_logged_in(anonymous: Page, stack: Stack) -> None:
    answer = anonymous.request.get(f"{stack.url}/totesys/status")
    assert answer.status == 401
