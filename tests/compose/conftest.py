"""One running project of compose.yaml for all tests here, and a browser. It is gone afterwards."""

import os
import shutil
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, ViewportSize, expect, sync_playwright

from tests.compose.stack import ROOT, Stack

ARTEFACTS = ROOT / "build" / "compose"
PORTS = ("AIRFLOW_PORT", "SOURCE_PORT", "WAREHOUSE_PORT", "AWS_PORT", "API_PORT")
BROWSER_MILLISECONDS = 60_000


def pytest_configure() -> None:
    """Take the project down also when the tests are ended from outside."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)


def free_ports() -> dict[str, int]:
    """A free port for each service that has one."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in PORTS]
    try:
        return {name: held.getsockname()[1] for name, held in zip(PORTS, sockets, strict=True)}
    finally:
        for held in sockets:
            held.close()


@pytest.fixture(scope="session")
def artefacts() -> Path:
    """The folder for screenshots and logs."""
    ARTEFACTS.mkdir(parents=True, exist_ok=True)
    return ARTEFACTS


@pytest.fixture(scope="session")
def empty_stack(artefacts: Path) -> Iterator[Stack]:
    """The project, with nothing done yet but what it does by itself."""
    stack = Stack(f"totesys-test-{os.getpid()}", free_ports())
    try:
        stack.compose("up", "--build", "--wait", "--quiet-pull")
        yield stack
        stack.keep_logs(artefacts)
    finally:
        stack.compose("down", "--volumes", "--timeout", "3", check=False)


@pytest.fixture(scope="session")
def stack(empty_stack: Stack) -> Stack:
    """The project after its first run, which begins by itself."""
    assert empty_stack.first_run()["state"] == "success"
    return empty_stack


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """The system's Chromium."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    assert chromium, "no Chromium on the path: install it, on Debian by apt-get install chromium"
    expect.set_options(timeout=BROWSER_MILLISECONDS)
    with sync_playwright() as playwright:
        # Chromium's own sandbox does not work for root; what it imitates of a graphics card takes much of a CPU.
        arguments = ["--no-sandbox", "--disable-gpu"]
        browser = playwright.chromium.launch(executable_path=chromium, args=arguments)
        yield browser
        browser.close()


@contextmanager
def opened(browser: Browser, stack: Stack, **options: Any) -> Iterator[Page]:
    """An empty page of the browser of somebody of their own."""
    size: ViewportSize = {"width": 1440, "height": 1000}
    context = browser.new_context(base_url=stack.url, viewport=size, reduced_motion="reduce", **options)
    context.set_default_timeout(BROWSER_MILLISECONDS)
    page = context.new_page()
    yield page
    page.screenshot(path=ARTEFACTS / "last.png")
    context.close()


@pytest.fixture
def anonymous(browser: Browser, stack: Stack) -> Iterator[Page]:
    """A page of a browser that nobody has logged in with."""
    with opened(browser, stack) as page:
        yield page


@pytest.fixture(scope="session")
def login(browser: Browser, stack: Stack) -> Any:
    """What a browser keeps after admin has logged in."""
    with opened(browser, stack) as page:
        page.goto("/")
        page.get_by_label("Username").fill("admin")
        page.locator("input[type=password]").fill("admin")
        page.get_by_role("button", name="Sign in").click()
        page.get_by_role("link", name="Dags", exact=True).first.wait_for()
        return page.context.storage_state()


@pytest.fixture
def page(browser: Browser, stack: Stack, login: Any) -> Iterator[Page]:
    """An empty page of the browser of somebody who has logged in as admin."""
    with opened(browser, stack, storage_state=login) as page:
        yield page
