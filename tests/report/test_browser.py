"""The page in a real Chromium: from a file, without a network."""

import json

import pytest

from counterpoise.report.build import build_report
from counterpoise.report.page import render_page

MEGABYTE = 1_000_000
DRAWN = "return document.querySelectorAll('.plot .main-svg').length"
OPEN = "document.querySelectorAll('details:not(.grid .numbers)').forEach((d) => { d.open = true; })"
COUNT_SHIFTS = """
window.shifts = 0;
new PerformanceObserver((list) => { for (const e of list.getEntries()) if (!e.hadRecentInput) window.shifts += e.value; })
  .observe({ type: "layout-shift", buffered: true });
"""


def errors(browser):
    return [entry["message"] for entry in browser.get_log("browser") if entry["level"] != "DEBUG"]


def requests(browser):
    """Addresses asked for, beside the page itself and what it made in memory."""
    messages = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    asked = [m["params"]["request"]["url"] for m in messages if m["method"] == "Network.requestWillBeSent"]
    assert any(url.startswith("file:") for url in asked)  # the log is on
    return [url for url in asked if not url.startswith(("file:", "data:", "blob:"))]


def test_it_is_small(five):
    assert five.stat().st_size < 6 * MEGABYTE


def test_it_draws_without_errors_requests_or_shifts(open_page, five):
    from selenium.webdriver.support.ui import WebDriverWait

    browser = open_page(five, before=COUNT_SHIFTS)
    browser.all_drawn()
    visible = browser.execute_script(
        "return [...document.querySelectorAll('.plot')].filter((p) => p.checkVisibility()).length"
    )
    # without a scroll; three layers of SVG for each chart in sight; charts in closed tabs and details are not drawn
    assert browser.execute_script("return window.scrollY") == 0
    assert visible == 2 + 1 + 12
    assert browser.execute_script(DRAWN) == 3 * visible
    # six curves with two edges of a band each
    first = "document.querySelector('.plot[data-chart=curve-0]')"
    assert browser.execute_script(f"return {first}.data.length") == 18
    assert browser.execute_script("return window.shifts") < 0.01
    assert errors(browser) == []
    assert requests(browser) == []
    # The meter would have seen one.
    browser.execute_script("window.scrollTo(0, 0); document.querySelector('h1').style.paddingTop = '300px'")
    WebDriverWait(browser, 10).until(lambda b: b.execute_script("return window.shifts") > 0.01)


@pytest.mark.parametrize("width", [360, 700, 1280])
def test_nothing_moves_while_the_page_is_still_being_read(open_page, five, width):
    browser = open_page(five, width=width, height=740)
    awaited = "return !!document.querySelector(document.querySelector('link[rel=expect]').getAttribute('href'))"
    assert browser.execute_script(awaited)
    # A slow machine may paint when only three of five cards are there, no scroll bar and no button yet.
    places = "return [...document.querySelectorAll('h1, .card')].slice(0, 4).map((e) => JSON.stringify(e.getBoundingClientRect()))"
    whole = browser.execute_script(places)
    browser.execute_script(
        "document.querySelectorAll('.card').forEach((card, i) => { if (i > 2) card.remove(); });"
        "document.querySelectorAll('main, footer').forEach((part) => part.remove());"
        "document.querySelector('.theme').hidden = true;"
    )
    assert browser.execute_script(places) == whole


@pytest.mark.parametrize("width", [320, 360, 414, 1280])
def test_no_page_scrolls_sideways(open_page, five, width):
    browser = open_page(five, width=width, height=740)
    browser.execute_script(OPEN)
    # A window with a scroll bar is a little narrower inside.
    assert (
        browser.execute_script("return document.documentElement.scrollWidth - document.documentElement.clientWidth")
        == 0
    )


def test_tabs_by_mouse_and_keyboard(open_page, five):
    from selenium.webdriver.common.keys import Keys

    browser = open_page(five)

    def shown():
        return [
            panel.get_attribute("id")
            for panel in browser.find_elements("css selector", "[id^=panel-types-]")
            if panel.is_displayed()
        ]

    tabs = browser.find_elements("css selector", "[id^=tab-types-]")
    assert [tab.text for tab in tabs] == ["all problems", "algebra", "toy"] and shown() == ["panel-types-0"]

    def tables():
        return [table.text for table in browser.find_elements("css selector", "[data-with] h3") if table.is_displayed()]

    assert tables() == ["Table, all problems"]
    browser.execute_script("arguments[0].scrollIntoView({ block: 'center', behavior: 'instant' })", tabs[1])
    tabs[1].click()
    assert shown() == ["panel-types-1"] and tables() == ["Table, algebra"]
    browser.all_drawn()
    assert browser.execute_script("return !!document.querySelector('.plot[data-chart=curve-1] .main-svg')")
    tabs[1].send_keys(Keys.ARROW_RIGHT)
    assert shown() == ["panel-types-2"] and browser.switch_to.active_element == tabs[2]
    tabs[2].send_keys(Keys.ARROW_RIGHT)
    assert shown() == ["panel-types-0"]
    tabs[0].send_keys(Keys.END)
    assert shown() == ["panel-types-2"] and tabs[2].get_attribute("aria-selected") == "true"
    assert errors(browser) == []


def test_the_first_stop_of_the_keyboard_leads_past_the_head(open_page, five):
    from selenium.webdriver.common.keys import Keys

    browser = open_page(five)
    browser.find_element("css selector", "body").send_keys(Keys.TAB)
    skip = browser.switch_to.active_element
    assert skip.text == "Skip to the charts" and skip.is_displayed()
    assert browser.execute_script("return getComputedStyle(document.activeElement).outlineStyle") == "solid"
    skip.send_keys(Keys.ENTER)
    assert browser.execute_script("return document.activeElement.id") == "content"


def test_dark_by_wish_and_by_switch(open_page, five):
    ink = "return document.querySelector('.plot[data-chart=curve-0]').layout.font.color"
    page = "return getComputedStyle(document.body).backgroundColor"
    browser = open_page(five, chart="curve-0", dark=True)
    assert (browser.execute_script(ink), browser.execute_script(page)) == ("#e8eaf0", "rgb(17, 20, 27)")
    switch = browser.find_element("css selector", ".theme")
    assert switch.text == "Light"  # what it does, not what is
    switch.click()
    assert (browser.execute_script(ink), browser.execute_script(page)) == ("#1b2130", "rgb(247, 246, 242)")
    assert switch.text == "Dark"


def test_paper_is_white_and_has_no_tabs(open_page, five):
    browser = open_page(five, chart="curve-0", dark=True)
    browser.execute_script("dispatchEvent(new Event('beforeprint'))")
    ink = "return document.querySelector('.plot[data-chart=curve-1]').layout.font.color"
    assert browser.execute_script(ink) == "#1b2130"
    assert browser.execute_script("return document.querySelectorAll('[role=tabpanel][hidden]').length") == 0
    browser.execute_script("dispatchEvent(new Event('afterprint'))")
    # of three task types, five runs' rollouts and five configurations one each is shown
    assert browser.execute_script("return document.querySelectorAll('[role=tabpanel][hidden]').length") == 2 + 4 + 4
    first = "return document.querySelector('.plot[data-chart=curve-0]').layout.font.color"
    assert browser.execute_script(first) == "#e8eaf0"
    assert errors(browser) == []


def test_controls(open_page, five):
    from selenium.webdriver.support.ui import Select

    browser = open_page(five, chart="curve-0")
    lines = "return document.querySelector('.plot[data-chart=curve-0]').data.map((t) => t.name).filter(Boolean)"
    names = ["base", "psr", "nsr", "weighted_reinforce", "grpo", "dynamic"]
    assert browser.execute_script(lines) == names
    browser.find_element("css selector", "#passk [data-hide='1']").click()
    assert browser.execute_script(lines) == [name for name in names if name != "psr"]
    # the run's other button says so too
    assert browser.find_element("css selector", "#training [data-hide='1']").get_attribute("aria-pressed") == "false"
    Select(browser.find_element("id", "paper")).select_by_value("qwen2.5-math-7b:AMC23")
    assert "paper: NSR" in browser.execute_script(lines)
    assert "Table 1" in browser.find_element("id", "paper-source").text
    Select(browser.find_element("css selector", "select.reference")).select_by_value("nsr")
    differences = (
        "return document.querySelector('.plot[data-chart=difference-0]').data.map((t) => t.name).filter(Boolean)"
    )
    assert browser.execute_script(differences) == [
        f"{name} − nsr" for name in ("base", "weighted_reinforce", "grpo", "dynamic")
    ]
    assert "nsr" in browser.find_element("css selector", ".plot[data-chart=difference-0]").get_attribute("aria-label")
    assert errors(browser) == []


def test_smoothing_is_a_centred_mean_and_can_be_switched_off(open_page, five):
    from selenium.webdriver.support.ui import Select

    browser = open_page(five, chart="reward")
    values = "return document.querySelector('.plot[data-chart=reward]').data.slice(0, 2).map((t) => Array.from(t.y))"
    raw, smooth = browser.execute_script(values)
    # 4% of 500 steps: ten to the left, ten to the right
    assert smooth[100] == pytest.approx(sum(raw[90:111]) / 21)
    Select(browser.find_element("id", "smoothing")).select_by_value("0")
    assert browser.execute_script(values)[0] == raw


def test_the_data_of_a_chart_as_a_table(open_page, five):
    from selenium.webdriver.support.wait import WebDriverWait

    browser = open_page(five)
    details = browser.find_element("css selector", "details.numbers[data-chart=weights]")
    browser.execute_script("arguments[0].scrollIntoView({ block: 'center', behavior: 'instant' })", details)
    details.find_element("css selector", "summary").click()
    # the table is made by the toggle event, which comes after the click has returned
    WebDriverWait(browser, 20).until(lambda _: details.find_elements("css selector", "thead th"))
    heads = [cell.get_attribute("textContent") for cell in details.find_elements("css selector", "thead th")]
    assert heads[:3] == ["step", "psr, right rollouts", "psr, wrong rollouts"] and len(heads) == 11
    assert browser.execute_script("return arguments[0].querySelectorAll('tbody tr').length", details) == 500


def test_a_browser_that_cannot_unpack_says_so(open_page, five):
    browser = open_page(five, before="delete window.DecompressionStream;")
    notice = browser.find_element("id", "no-charts")
    assert notice.is_displayed() and "this browser has no DecompressionStream" in notice.text
    assert browser.find_element("css selector", ".table1").is_displayed()
    assert errors(browser) == []


def test_hostile_texts_do_nothing(open_page, make_run, disk, tmp_path):
    hostile = (
        '</script><script>document.title="owned"</script><img src=x onerror="document.title=1"><a href="javascript:1">'
    )
    path = make_run(
        "nsr",
        records=[{"step": s, f"reward{hostile}": 0.1 * s, "reward": 0.5} for s in range(1, 9)],
        events=[{"kind": hostile, "step": 4, "message": hostile}],
        evaluations={0: disk.counts(1, 2), 8: disk.counts(3, 4)},
        samples=[disk.sample(step=8, tokens=list(hostile), question=hostile)],
    )
    page = tmp_path / "hostile.html"
    page.write_text(render_page(build_report([str(path)], resamples=50, title=hostile)), encoding="utf-8")
    browser = open_page(page)
    browser.execute_script(OPEN)
    browser.all_drawn()
    assert browser.title == hostile
    assert browser.execute_script("return document.querySelectorAll('img, a[href^=javascript]').length") == 0
    assert errors(browser) == [] and requests(browser) == []


@pytest.mark.parametrize("what", ["empty", "counts"])
def test_pages_with_little_in_them(browser, make_run, disk, tmp_path, what):
    if what == "empty":
        target = make_run("empty")
    else:
        target = tmp_path / "counts.jsonl"
        disk.lines(target, [{"id": "a", "n": 4, "c": 2}, {"id": "b", "n": 4, "c": 4}])
    page = tmp_path / "page.html"
    page.write_text(render_page(build_report([str(target)], resamples=50)), encoding="utf-8")
    browser.get_log("browser")
    browser.get(page.as_uri())
    assert browser.find_element("id", "findings").is_displayed()
    assert errors(browser) == []
