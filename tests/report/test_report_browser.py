"""The report page in a real browser: filters, keyboard, small screens, dark, print, speed."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from replications.judging.ledger import Ledger
from replications.report.page import render
from tests import browser as browsers
from tests.report.big_page import SEEDS, many, page_of


@pytest.fixture(scope="module")
def ledger() -> Ledger:
    """The ledger that the page shows."""
    return many()


@pytest.fixture(scope="module")
def page(ledger: Ledger, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page with everything on it."""
    path = tmp_path_factory.mktemp("report") / "report.html"
    path.write_text(render(page_of(ledger)), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """One browser for all tests of this file."""
    browsers.skip_or_fail()
    with browsers.chromium(tmp_path_factory.mktemp("profile")) as started:
        yield started


@pytest.fixture
def browser(chromium: Any, page: Path) -> Any:
    """The browser with the page just opened, 1280 wide, light."""
    chromium.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})
    browsers.resize(chromium, 1280)
    browsers.media(chromium)
    browsers.load(chromium, "about:blank")
    browsers.requests(chromium)
    chromium.get_log("browser")
    browsers.load(chromium, page.as_uri())
    return chromium


def one(browser: Any, selector: str) -> Any:
    return browser.find_element("css selector", selector)


def shown(browser: Any) -> str:
    """What the page says of how much it shows, on one line.

    Resetting a form empties its output, and the page counts again one task later: hence the wait.
    """
    from selenium.webdriver.support.wait import WebDriverWait

    counted = WebDriverWait(browser, 10, poll_frequency=0.02).until(
        lambda page: one(page, "output").get_property("value")
    )
    return " ".join(counted.split())


def visible(browser: Any, selector: str = "tbody.claim") -> int:
    """How many elements are to be seen, on the screen or off it."""
    script = "return [...document.querySelectorAll(arguments[0])].map(e => e.checkVisibility())"
    return sum(browser.execute_script(script, selector))


def keys(browser: Any, *pressed: str) -> None:
    """Press keys one after the other, wherever the focus is."""
    from selenium.webdriver import ActionChains

    ActionChains(browser).send_keys(*pressed).perform()


def focused(browser: Any) -> Any:
    return browser.switch_to.active_element


# ---- the file -----------------------------------------------------------------------------------


def test_it_asks_for_nothing_and_the_console_is_silent(browser: Any, page: Path) -> None:
    drawn = """
        const image = document.images[0];
        image.loading = "eager";
        return image.decode().then(() => image.naturalWidth);"""
    assert browser.execute_script(drawn) == 1
    outside = [url for url in browsers.requests(browser) if not url.startswith("data:")]
    assert outside == [page.as_uri()]
    assert browser.get_log("browser") == []
    assert browser.execute_script("return window.hacked") is None


def test_no_script_or_request_could_be_added(browser: Any) -> None:
    browser.execute_script("document.body.append(document.createElement('img'))")
    browser.execute_script("document.body.lastChild.src = 'https://example.org/x.png'")
    browser.execute_script(
        "const s = document.createElement('script'); s.textContent = 'window.hacked = 1';"
        "document.body.append(s)"
    )
    assert browser.execute_script("return window.hacked") is None
    refused = browsers.console(browser, 2)
    assert len(refused) == 2
    assert all("Content Security Policy" in message for message in refused)


# ---- filters ------------------------------------------------------------------------------------


def test_typing_filters_and_the_count_is_announced(browser: Any) -> None:
    assert shown(browser) == "200 of 200 claims, 1200 of 1200 rows"
    one(browser, "[name=text]").send_keys("zebra")
    assert shown(browser) == "20 of 200 claims, 120 of 1200 rows"
    assert visible(browser) == 20
    assert one(browser, "output").get_attribute("aria-live") == "polite"
    one(browser, "[name=text]").send_keys(" nowhere")
    assert shown(browser) == "0 of 200 claims, 0 of 1200 rows"
    assert visible(browser, "section.system") == 0


@pytest.mark.sampled(2)
@pytest.mark.parametrize(
    ("name", "value", "count"),
    [
        ("state", "fail", "2 of 200 claims, 2 of 1200 rows"),
        ("state", "does not replicate", "200 of 200 claims, 400 of 1200 rows"),
        ("system", "pears", "100 of 200 claims, 600 of 1200 rows"),
        ("kind", "original", "200 of 200 claims, 200 of 1200 rows"),
        ("tier", "2", "100 of 200 claims, 600 of 1200 rows"),
    ],
)
def test_each_filter_counts_right(browser: Any, name: str, value: str, count: str) -> None:
    one(browser, f"[name={name}]").send_keys(value)
    assert shown(browser) == count


@pytest.mark.slow
def test_filters_add_up_and_hide_what_they_do_not_speak_of(browser: Any) -> None:
    assert visible(browser, ".pictures") == 2
    one(browser, "[name=system]").send_keys("apples")
    assert visible(browser, ".pictures") == 1
    one(browser, "[name=kind]").send_keys("retrained")
    one(browser, "[name=text]").send_keys("claim-10 zebra")
    assert shown(browser) == "2 of 200 claims, 10 of 1200 rows"
    assert visible(browser, ".pictures, .lesions") == 0
    one(browser, "tbody.claim:not([hidden]) summary").click()
    assert visible(browser, "tbody.claim:not([hidden]) tr[data-state]") == 5  # of one claim


@pytest.mark.slow
def test_the_keyboard_reaches_and_works_every_filter(browser: Any) -> None:
    from selenium.webdriver import Keys

    keys(browser, Keys.TAB)
    assert focused(browser).text == "Skip to the claims"
    keys(browser, Keys.ENTER)
    names = []
    for _ in range(7):
        keys(browser, Keys.TAB)
        names.append(focused(browser).get_attribute("name") or focused(browser).text)
    assert names == ["text", "state", "system", "kind", "tier", "Clear", "Open all"]
    one(browser, "[name=text]").send_keys("zebra", Keys.TAB, Keys.TAB)
    keys(browser, "p")
    assert shown(browser) == "0 of 200 claims, 0 of 1200 rows"  # zebras are even, pears odd
    keys(browser, Keys.HOME)
    assert shown(browser) == "20 of 200 claims, 120 of 1200 rows"
    keys(browser, Keys.TAB, Keys.TAB, Keys.TAB, Keys.ENTER)
    assert shown(browser) == "200 of 200 claims, 1200 of 1200 rows"
    outline = "return getComputedStyle(document.activeElement).outlineStyle"
    assert browser.execute_script(outline) == "solid"


# ---- details and links --------------------------------------------------------------------------


@pytest.mark.slow
def test_details_open_by_key_and_all_at_once(browser: Any) -> None:
    from selenium.webdriver import Keys

    one(browser, "tbody.claim summary").send_keys(Keys.ENTER)
    assert visible(browser, "tbody.claim tr[data-state]") == 1 + SEEDS
    one(browser, "[name=state]").send_keys("fail")
    one(browser, "button.all").click()
    assert visible(browser, "tbody.claim:not([hidden]) tr[data-state]") == 2


@pytest.mark.slow
def test_a_link_shows_its_claim_whatever_is_filtered(browser: Any) -> None:
    one(browser, "[name=text]").send_keys("zebra")
    link = one(browser, ".failures a")
    link.click()
    target = one(browser, "tbody.claim:target")
    assert target.get_attribute("id") == link.text == "pears/claim-7"
    assert target.is_displayed()
    assert one(browser, "tbody.claim:target details").get_property("open")
    top = browser.execute_script(
        "return document.querySelector(':target').getBoundingClientRect().top"
    )
    assert one(browser, "form.filters").size["height"] <= top < 400


# ---- screens, print, no script ------------------------------------------------------------------


@pytest.mark.sampled(2)
@pytest.mark.parametrize("width", [320, 1280])
def test_the_page_never_scrolls_sideways(browser: Any, width: int) -> None:
    browsers.resize(browser, width)
    beyond = browser.execute_script("""
        document.querySelectorAll("details").forEach((d) => { d.open = true; });
        const groups = document.querySelectorAll(".group");
        groups.forEach((g) => { g.style.contentVisibility = "visible"; });
        const root = document.documentElement;
        return root.scrollWidth - root.clientWidth;""")
    assert beyond == 0


@pytest.mark.slow
def test_without_scripts_everything_is_there_but_the_filters(browser: Any, page: Path) -> None:
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    browsers.load(browser, page.as_uri())
    assert not one(browser, "form.filters").is_displayed()
    assert one(browser, "#apples .claim").is_displayed()
    one(browser, "#apples .claim summary").click()
    assert one(browser, "#apples .claim .subjects").is_displayed()


@pytest.mark.slow
def test_in_print_there_are_no_controls_and_no_dark(browser: Any) -> None:
    browsers.media(browser, scheme="dark", kind="print")
    assert not one(browser, "form.filters").is_displayed()
    assert not one(browser, "header nav").is_displayed()
    assert one(browser, ".claim").is_displayed()
    assert browsers.luminance(browsers.colours(browser, "body")[1]) > 0.9


# ---- eyes ---------------------------------------------------------------------------------------

READ = (
    ".answer", ".legend p", ".claim .id", ".claim .kind", ".v-pass", ".v-fail", ".v-skip",
    ".v-replicates", ".v-does", ".rejected", "summary", "thead th", "nav a", "figcaption", "code",
)  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_from_its_background(browser: Any, scheme: str) -> None:
    browsers.media(browser, scheme=scheme)
    paper = browsers.luminance(browsers.colours(browser, "body")[1])
    assert (paper < 0.05) == (scheme == "dark")
    for selector in READ:
        ink, _ = browsers.colours(browser, selector)
        low, high = sorted((browsers.luminance(ink), paper))
        assert (high + 0.05) / (low + 0.05) >= 4.5, selector


# ---- ears ---------------------------------------------------------------------------------------


def test_headings_labels_tables_and_pictures_are_named(browser: Any) -> None:
    facts = browser.execute_script("""
        const all = (s) => [...document.querySelectorAll(s)];
        return {
          levels: all("h1, h2, h3, h4").map((h) => Number(h.tagName[1])),
          unlabelled: all("input, select").filter((e) => !e.labels.length).length,
          captionless: all("table").filter((t) => !t.caption).length,
          scopeless: all("th").filter((h) => !h.scope).length,
          silent: all("img, svg:not([aria-hidden])")
            .filter((e) => !(e.alt || e.getAttribute("aria-label"))).length,
          nameless: all("section, nav, form, [role=region]")
            .filter((e) => !e.matches(".group") && !e.getAttribute("aria-label") &&
              !document.getElementById(e.getAttribute("aria-labelledby"))).length,
          landmarks: ["header", "nav", "main", "footer"].map((n) => all(n).length),
          twice: all("[id]").length - new Set(all("[id]").map((e) => e.id)).size,
          language: document.documentElement.lang,
          scales: all("svg[role=img]").length,
        };""")
    levels = facts.pop("levels")
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(b <= a + 1 for a, b in pairwise(levels))
    assert facts.pop("scales") > 100
    assert facts.pop("landmarks") == [1, 1, 1, 1]
    assert facts.pop("language") == "en"
    assert facts == dict.fromkeys(facts, 0)


# ---- speed --------------------------------------------------------------------------------------


def test_1200_rows_open_and_filter_without_lag(browser: Any) -> None:
    opened = browser.execute_script(
        "return performance.getEntriesByType('navigation')[0].domContentLoadedEventEnd"
    )
    filtered = browser.execute_script("""
        const field = document.querySelector("[name=text]");
        const started = performance.now();
        field.value = "zebra";
        field.dispatchEvent(new Event("input", { bubbles: true }));
        document.body.offsetHeight;
        return performance.now() - started;""")
    assert opened < 2000
    assert filtered < 1000
    print(f"opened in {opened:.0f} ms, filtered in {filtered:.0f} ms")
