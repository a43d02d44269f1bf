"""A real browser without a window, and what the page of a ledger looks like to it."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from selenium.webdriver import Chrome

REQUIRE = "REPLICATIONS_BROWSER"
FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def missing() -> str:
    """What is missing to run a browser here, with the remedy; empty if nothing is."""
    programs = [name for name in ("chromium", "chromedriver") if shutil.which(name) is None]
    if programs:
        return f"{' and '.join(programs)} not found; run: apt-get install chromium chromium-driver"
    try:
        import selenium  # noqa: F401
    except ImportError:
        return "selenium is not installed; run: pip install 'interp-claims[browser]'"
    return ""


def skip_or_fail() -> None:
    """Skip where there is no browser; fail if REPLICATIONS_BROWSER=require."""
    reason = missing()
    if reason and os.environ.get(REQUIRE) == "require":
        pytest.fail(f"{REQUIRE}=require: {reason}")
    if reason:
        pytest.skip(reason)


@contextmanager
def chromium(profile: Path) -> Iterator[Chrome]:
    """A headless Chromium with a profile of its own, its console and its requests recorded."""
    from selenium.webdriver import Chrome, ChromeOptions
    from selenium.webdriver.chrome.service import Service

    options = ChromeOptions()
    options.binary_location = str(shutil.which("chromium"))
    for flag in (*FLAGS, f"--user-data-dir={profile}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    browser = Chrome(options=options, service=Service(str(shutil.which("chromedriver"))))
    try:
        yield browser
    finally:
        browser.quit()


def load(browser: Chrome, address: str) -> None:
    """Go to an address and wait for the whole page.

    On a loaded machine `get` has returned in the middle of a page, after its head was read.
    """
    from selenium.webdriver.support.wait import WebDriverWait

    browser.get(address)
    whole = "return location.href === arguments[0] && document.readyState === 'complete'"
    WebDriverWait(browser, 30, poll_frequency=0.02).until(
        lambda page: page.execute_script(whole, address)
    )


def console(browser: Chrome, count: int) -> list[str]:
    """The first messages of the console, at least `count` of them; it is written with a delay."""
    from selenium.webdriver.support.wait import WebDriverWait

    messages: list[str] = []

    def enough(page: Chrome) -> bool:
        entries = page.get_log("browser")  # type: ignore[no-untyped-call]
        messages.extend(entry["message"] for entry in entries)
        return len(messages) >= count

    WebDriverWait(browser, 10, poll_frequency=0.02).until(enough)
    return messages


def resize(browser: Chrome, width: int, height: int = 900) -> None:
    """Give the page a size, in CSS pixels."""
    size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)


def media(browser: Chrome, *, scheme: str = "light", kind: str = "") -> None:
    """Ask for a colour scheme, or for the page as it is printed."""
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": kind, "features": features})


def requests(browser: Chrome) -> list[str]:
    """The addresses asked for since the last call."""
    entries: list[dict[str, Any]] = browser.get_log("performance")  # type: ignore[no-untyped-call]
    messages = [json.loads(entry["message"])["message"] for entry in entries]
    sent = [m["params"] for m in messages if m["method"] == "Network.requestWillBeSent"]
    return [params["request"]["url"] for params in sent]


def colours(browser: Chrome, selector: str) -> tuple[list[float], list[float]]:
    """The colour of an element's text and of its background, 0 to 1."""
    script = """
        const style = getComputedStyle(document.querySelector(arguments[0]));
        return [style.color, style.backgroundColor].map(c => c.match(/[\\d.]+/g).map(Number));"""
    ink, back = browser.execute_script(script, selector)
    return [c / 255 for c in ink[:3]], [c / 255 for c in back[:3]]


def luminance(colour: list[float]) -> float:
    """Relative luminance as the accessibility guidelines define it."""
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in colour]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
