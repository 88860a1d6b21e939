"""The API's start page, as somebody sees it who opens it in a browser, has a key, and no mouse or no light."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, ViewportSize, expect

from include.totesys import DECLARED
from tests.compose.start_page import EMPTY, FORBIDDEN, KEY, NASTY, rows_of, served

Scheme = Literal["light", "dark"]
PHONE: ViewportSize = {"width": 390, "height": 844}
DESK: ViewportSize = {"width": 1440, "height": 1000}


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with served() as url:
        yield url


@pytest.fixture
def start(browser: Browser, address: str) -> Iterator[Page]:
    """The page, opened; nothing may go wrong in it but what a test refuses, and nothing be loaded from elsewhere."""
    context = browser.new_context(base_url=address, viewport=DESK)
    context.set_default_timeout(60_000)
    page = context.new_page()
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda said: wrong.append(said.text) if said.type == "error" else None)
    page.on("request", lambda asked: None if asked.url.startswith(address) else wrong.append(asked.url))
    page.goto("/")
    yield page
    context.close()
    assert not [text for text in wrong if "status of 401" not in text and "status of 403" not in text]


def give_key(page: Page, key: str = KEY) -> None:
    page.get_by_label("API key").fill(key)
    page.keyboard.press("Enter")


def open_all(page: Page) -> None:
    give_key(page)
    expect(page.locator("section[aria-busy=false]")).to_have_count(len(DECLARED.metrics))
    expect(page.locator("#read")).to_contain_text("27 Nov 2026")


def kept(page: Page) -> dict[str, str]:
    stored: dict[str, str] = json.loads(page.evaluate("JSON.stringify({...sessionStorage, ...localStorage})"))
    return stored


def test_every_metric_has_a_tile_with_its_figures(start: Page) -> None:
    open_all(start)
    for metric in DECLARED.metrics.values():
        tile = start.get_by_role("region", name=metric.title, exact=True)
        if metric.name == EMPTY:
            expect(tile).to_contain_text("Nothing yet")
        elif metric.name == FORBIDDEN:
            expect(tile).to_contain_text("does not cover")
        else:
            expect(tile.get_by_role("img")).to_be_visible()
            tile.get_by_text("All figures").click()
            expect(tile.locator("tbody tr")).to_have_count(len(rows_of(metric)))
    assert not start.locator("section b").count()
    chart = start.get_by_role("region", name="Revenue by counterparty", exact=True).get_by_role("img")
    assert f"20 · {NASTY} 20 20,005.00; 19" in str(chart.get_attribute("aria-label"))


def test_a_chart_shows_one_currency_at_a_time(start: Page) -> None:
    open_all(start)
    tile = start.get_by_role("region", name="Revenue by day", exact=True)
    assert tile.get_by_label("of").locator("option").all_inner_texts() == ["GBP", "USD", "EUR"]
    tile.get_by_label("of").select_option(label="EUR")
    tile.get_by_label("Show").select_option(label="units")
    assert "Revenue by day, units, EUR: 90 days" in str(tile.get_by_role("img").get_attribute("aria-label"))


def test_the_key_is_kept_in_the_tab_until_it_is_forgotten_or_refused(start: Page) -> None:
    give_key(start, "another")
    expect(start.get_by_role("alert").first).to_contain_text("not known")
    assert kept(start) == {}
    open_all(start)
    assert kept(start) == {"warehouse-key": KEY}
    assert KEY not in start.url
    start.reload()
    expect(start.locator("section[aria-busy=false]")).to_have_count(len(DECLARED.metrics))
    start.get_by_role("button", name="Forget the key").click()
    assert kept(start) == {}
    assert not start.locator("section").count()


def test_it_can_be_worked_with_the_keyboard_alone(start: Page) -> None:
    start.get_by_label("API key").focus()
    start.keyboard.type(KEY)
    start.keyboard.press("Enter")
    expect(start.locator("section[aria-busy=false]")).to_have_count(len(DECLARED.metrics))
    figures = start.locator("summary").first
    for _ in range(30):
        if figures.evaluate("it => it === document.activeElement"):
            break
        start.keyboard.press("Tab")
    expect(figures).to_be_focused()
    start.keyboard.press("Enter")
    expect(start.locator("table").first).to_be_visible()


@pytest.mark.parametrize("size", [PHONE, DESK], ids=["phone", "desk"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_and_can_be_read_by_everybody(start: Page, artefacts: Path, size: ViewportSize, scheme: Scheme) -> None:
    start.set_viewport_size(size)
    start.emulate_media(color_scheme=scheme)
    found = Axe().run(start)
    assert not found.violations_count, found.generate_report()
    open_all(start)
    start.get_by_text("All figures").first.click()
    start.screenshot(path=artefacts / f"start-{scheme}-{size['width']}.png", full_page=True)
    assert start.evaluate("document.documentElement.scrollWidth <= innerWidth")
    red = start.evaluate("Number(getComputedStyle(document.body).backgroundColor.match(/\\d+/)[0])")
    assert (red < 128) == (scheme == "dark")
    found = Axe().run(start)
    assert not found.violations_count, found.generate_report()
