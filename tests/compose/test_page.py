"""The page "Warehouse" in Airflow's UI, as somebody sees it who opens it in a browser."""

import re
from pathlib import Path
from typing import Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import FrameLocator, Page, ViewportSize, expect

from tests.compose.stack import Stack, look_away
from tests.totesys.acceptance.oracle import FACTS, SHOWN, expected

Scheme = Literal["light", "dark"]


def open_page(page: Page) -> FrameLocator:
    """The page, opened from the navigation."""
    page.goto("/")
    page.get_by_role("link", name="Warehouse").first.click()
    frame = page.frame_locator("iframe")
    expect(frame.get_by_role("heading", name="Star schema")).to_be_visible()
    return frame


def open_alone(page: Page) -> None:
    """The page without Airflow's around it, when it shows everything."""
    page.goto("/totesys/")
    expect(page.get_by_role("heading", name="Star schema")).to_be_visible()


def number(text: str) -> int:
    return int(re.sub(r"\D", "", text))


def rejected_at_the_source(stack: Stack) -> set[tuple[str, int]]:
    """The facts that cannot be right, by table and key."""
    with stack.connect("totesys") as source:
        return {(table, key) for table in FACTS for key in expected(source, table)[1]}


def test_it_shows_each_tables_rows_the_rejected_ones_and_their_health(
    page: Page, stack: Stack, artefacts: Path
) -> None:
    with stack.at_rest(), stack.connect("totesys") as source:
        source.execute("UPDATE sales_order SET agreed_delivery_date = '2023-02-30' WHERE sales_order_id = 5")
        assert stack.ended(stack.trigger(tables=["sales_order"])) == "success"
        shown = open_page(page)
        orders = source.execute("SELECT count(*) FROM sales_order").fetchone()
        row = shown.locator("#row-fact_sales_order")
        assert (number(row.locator("[data-label=Rows]").inner_text()),) == orders

        rows = shown.locator("#rejected-rows tr")
        listed = {(one.locator("th").inner_text(), number(one.locator(".number").inner_text())) for one in rows.all()}
        assert ("fact_sales_order", 5) in listed
        assert listed <= rejected_at_the_source(stack)
        assert rows.filter(has_text="agreed_delivery_date").filter(has_text="2023-02-30").count()

        nodes = shown.locator("#star svg a.node")
        assert nodes.count() == len(SHOWN) + 1  # and dim_date
        assert not shown.locator("#star svg a.node.bad").count()
        assert shown.locator("#star svg a.node.warn").filter(has_text="fact_sales_order").count()
        page.screenshot(path=artefacts / "page.png")


def test_its_button_runs_one_table(page: Page, stack: Stack) -> None:
    shown = open_page(page)
    shown.get_by_role("button", name="Run dim_design").click()
    shown.get_by_role("dialog").get_by_role("button", name="Run", exact=True).click()
    expect(shown.get_by_role("dialog")).to_be_hidden()
    look_away(page)
    run = stack.last_triggered()
    assert run["conf"]["tables"] == ["dim_design"]
    assert stack.ended(run["dag_run_id"]) == "success"


PHONE, DESK = {"width": 390, "height": 844}, {"width": 1440, "height": 1000}


@pytest.mark.parametrize("size", [PHONE, DESK], ids=["phone", "desk"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_and_can_be_read_by_everybody(page: Page, artefacts: Path, size: ViewportSize, scheme: Scheme) -> None:
    page.set_viewport_size(size)
    page.emulate_media(color_scheme=scheme)
    open_alone(page)
    page.screenshot(path=artefacts / f"page-{scheme}-{size['width']}.png", full_page=True)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    red = page.evaluate("Number(getComputedStyle(document.body).backgroundColor.match(/\\d+/)[0])")
    assert (red < 128) == (scheme == "dark")
    found = Axe().run(page)
    assert not found.violations_count, found.generate_report()


def test_it_tells_what_will_not_settle_and_what_the_model_says(page: Page, artefacts: Path) -> None:
    open_alone(page)
    chapter = page.get_by_role("region", name="Classification", exact=True)
    expect(chapter.get_by_role("heading", name="Will this payment settle on its date?")).to_be_visible()
    for part in chapter.locator("summary").all():
        part.click()
    expect(chapter.get_by_text("it falls due on Saturday or Sunday").first).to_be_visible()
    expect(chapter.get_by_role("rowheader", name="majority")).to_be_visible()
    page.screenshot(path=artefacts / "page-classification.png", full_page=True)
    found = Axe().run(page)
    assert not found.violations_count, found.generate_report()


def test_it_can_be_worked_with_the_keyboard_alone(page: Page) -> None:
    open_alone(page)
    button = page.get_by_role("button", name="Run dim_design")
    for _ in range(100):
        if button.evaluate("it => it === document.activeElement"):
            break
        page.keyboard.press("Tab")
    expect(button).to_be_focused()
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog", name="Run dim_design")
    expect(dialog).to_be_visible()
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(button).to_be_focused()


def test_it_shows_a_run_that_has_ended_by_itself(page: Page, stack: Stack) -> None:
    open_alone(page)
    shown = page.locator("#run-rows tr")
    before = shown.count()
    assert stack.ended(stack.trigger(tables=["payment_type"])) == "success"
    expect(shown).not_to_have_count(before)


def test_it_shows_nothing_to_who_has_not_logged_in(anonymous: Page, stack: Stack) -> None:
    answer = anonymous.request.get(f"{stack.url}/totesys/status")
    assert answer.status == 401
