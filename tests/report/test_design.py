"""How the page is laid out, in a real Chromium: what is seen first, what is folded away, and what the reader can leaf through."""

from itertools import pairwise

import pytest

from counterpoise.report.build import build_report
from counterpoise.report.page import render_page

TOPS = "return arguments[0].map((s) => document.querySelector(s).getBoundingClientRect().top)"
BANDS = """
const plot = document.querySelector(".plot[data-chart=" + arguments[0] + "]");
return plot.data.filter((t) => t.legendgroup === "band" && t.visible !== false).map((t) => t.meta);
"""


@pytest.fixture(scope="module")
def one(tmp_path_factory, disk):
    """The page of one run whose cut-off share stays zero, with rollouts of all kinds."""
    kinds = (("correct", "eos"), ("wrong", "eos"), ("no_answer", "length"))
    samples = [
        disk.sample(
            step=40, problem=f"p{i}", tokens=[f"{word}{i} ", "end"], verdict=verdict, stop_reason=stop, solution="2+3"
        )
        for i in range(4)
        for word, (verdict, stop) in zip(("alpha", "beta", "gamma"), kinds, strict=True)
    ]
    flat = {"truncated_share": 0.0, "truncated_share_correct": 0.0, "truncated_share_wrong": 0.0}
    path = disk.build_run(
        tmp_path_factory.mktemp("one") / "nsr",
        records=[{**record, **flat} for record in disk.metrics(40)],
        evaluations={0: disk.counts(*[4] * 30), 40: disk.counts(*[8] * 30)},
        samples=samples,
        events=[{"kind": "resumed", "step": 7, "message": "after an interrupt"}],
    )
    page = path.parent / "one.html"
    page.write_text(render_page(build_report([str(path)], resamples=100)), encoding="utf-8")
    return page


@pytest.mark.parametrize("width", [390, 1280])
def test_the_picture_comes_first(open_page, one, five, width):
    order = [".headline", ".cards", ".plot", ".table1", "#findings", "#training", "#rollouts"]
    for page in (one, five):
        tops = open_page(page, width=width, height=900).execute_script(TOPS, order)
        assert tops == sorted(tops)
        # five runs have five cards; on a telephone a line each
        assert tops[2] < (1000 if page == five and width == 390 else 650)


def test_one_headline_and_the_rest_behind_a_fold(open_page, one):
    browser = open_page(one)
    [headline] = browser.find_elements("css selector", ".headline")
    assert headline.text == "Better than its own base up to 12 tries (+25.0 points at one try, +31.7 at 2 tries)."
    fold = browser.find_element("css selector", "#findings details")
    sentence = fold.find_element("css selector", "li")
    assert not sentence.is_displayed()
    fold.find_element("css selector", "summary").click()
    assert sentence.is_displayed() and sentence.text.startswith("nsr against base, over every k from 1 to 16 at once")


def test_a_card_shows_the_change_before_the_value(open_page, one):
    card = open_page(one).find_element("css selector", ".card")
    change, value = (card.find_element("css selector", name) for name in (".change", ".value"))
    assert (change.text, value.text) == ("▲ +25.0", "50.0%")
    size = "return parseFloat(getComputedStyle(arguments[0]).fontSize)"
    assert card.parent.execute_script(size, change) > 1.5 * card.parent.execute_script(size, value)
    # one card takes the whole row
    width = "return document.querySelector(arguments[0]).clientWidth"
    assert card.size["width"] == card.parent.execute_script(width, ".cards")


def test_close_lines_are_shown_by_their_differences_and_one_band_at_a_time(open_page, five):
    from selenium.webdriver.common.action_chains import ActionChains

    browser = open_page(five, chart="difference-0")
    browser.all_drawn()
    charts = browser.find_elements("css selector", "#panel-types-0 figure")
    assert [chart.find_element("css selector", ".plot").get_attribute("data-chart") for chart in charts] == [
        "difference-0",
        "curve-0",
    ]
    assert charts[0].size["width"] > 1.3 * charts[1].size["width"]
    assert browser.execute_script(BANDS, "difference-0") == []
    button = browser.find_element("css selector", "#passk [data-hide='2']")
    ActionChains(browser).scroll_to_element(button).move_to_element(button).perform()
    # two edges, and the interval of the crossing where there is one
    assert set(browser.execute_script(BANDS, "difference-0")) == {2} == set(browser.execute_script(BANDS, "curve-0"))
    ActionChains(browser).move_to_element(browser.find_element("id", "paper")).perform()
    assert browser.execute_script(BANDS, "difference-0") == []
    # by keyboard as well
    browser.execute_script("arguments[0].focus()", button)
    assert set(browser.execute_script(BANDS, "difference-0")) == {2}
    # names stand at the lines' ends, apart from each other
    named = "return document.querySelector('.plot[data-chart=difference-0]').layout.annotations.map((a) => a.text)"
    assert sorted(browser.execute_script(named)) == ["dynamic", "grpo", "nsr", "psr", "weighted_reinforce"]
    tops = "return [...document.querySelectorAll('.plot[data-chart=difference-0] .annotation')].map((a) => a.getBoundingClientRect().top)"
    tops = sorted(browser.execute_script(tops))
    assert len(tops) == 5 and min(b - a for a, b in pairwise(tops)) > 10
    # also where all lines end at the top
    ends = "return document.querySelectorAll('.plot[data-chart=curve-0] .annotation').length"
    assert browser.execute_script(ends) == 6


def test_few_curves_far_apart_stand_side_by_side(open_page, one):
    browser = open_page(one)
    first, second = browser.find_elements("css selector", "#passk figure")
    assert first.find_element("css selector", ".plot").get_attribute("data-chart") == "curve-0"
    assert first.size["width"] == second.size["width"]
    browser.all_drawn()
    assert set(browser.execute_script(BANDS, "curve-0")) == {0, 1}


def test_no_card_holds_white_space_under_its_chart(open_page, one):
    browser = open_page(one)
    browser.all_drawn()
    gaps = """
return [...document.querySelectorAll(".grid figure")].filter((f) => f.checkVisibility()).map((f) => {
  const parts = [...f.children].filter((c) => c.checkVisibility()).map((c) => c.getBoundingClientRect());
  return Math.max(...parts.slice(1).map((part, i) => part.top - parts[i].bottom));
});"""
    assert max(browser.execute_script(gaps)) < 12
    titles = "return [...document.querySelectorAll('.grid .plot .xtitle')].map((t) => t.textContent)"
    assert set(browser.execute_script(titles)) == {"step"}


def test_training_charts_have_ranks_and_flat_ones_are_a_sentence(open_page, one):
    browser = open_page(one)
    large = browser.find_elements("css selector", ".grid.large .plot")
    assert [plot.get_attribute("data-chart") for plot in large] == ["evaluations", "success", "entropy", "length"]
    small = browser.find_element("css selector", ".grid:not(.large) .plot")
    assert large[0].size["height"] > small.size["height"] and large[0].size["width"] > 1.3 * small.size["width"]
    assert "0 at every step: Cut off at the limit" in browser.find_element("id", "constant").text
    folded = browser.find_elements("css selector", "details.others .plot")
    names = {plot.get_attribute("data-chart") for plot in folded}
    assert {"ratio", "clipped", "cosine", "kl"} <= names and not any(plot.is_displayed() for plot in folded)
    browser.find_element("css selector", "details.others summary").click()
    browser.all_drawn()
    assert "● resumed" in browser.find_element("id", "training").text


def test_leafing_through_rollouts(open_page, one):
    browser = open_page(one)
    pager = browser.find_element("css selector", "[data-rollouts]")

    def shown():
        return [article.text.split("\n") for article in pager.find_elements("css selector", "article")]

    def press(selector):
        button = pager.find_element("css selector", selector)
        browser.execute_script("arguments[0].scrollIntoView({ block: 'center', behavior: 'instant' })", button)
        button.click()

    told = pager.find_element("css selector", "[role=status]")
    kinds = [button.text for button in pager.find_elements("css selector", "[data-kind]")]
    assert kinds == ["all 12", "right 4", "wrong 4", "no answer 4", "cut off 4"]
    assert told.text == "1 to 2 of 12" and [one[0].split()[1] for one in shown()] == ["correct", "wrong"]
    press("[data-turn='1']")
    assert told.text == "3 to 4 of 12"
    press("[data-kind='cut off']")
    assert told.text == "1 to 2 of 4" and all(one[0].startswith("✗ no answer") for one in shown())
    assert pager.find_element("css selector", "[data-turn='-1']").get_attribute("aria-disabled") == "true"
    press("[data-kind='']")
    pager.find_element("css selector", "input").send_keys("ALPHA3")
    assert told.text == "1 of 1" and "alpha3" in " ".join(shown()[0])
    pager.find_element("css selector", "input").send_keys("?")
    assert told.text == "none" and shown() == []


def test_a_token_is_coloured_by_its_probability_and_underlined_by_its_credit(open_page, make_run, disk, tmp_path):
    samples = [
        disk.sample(
            tokens=["<b>", "c"],
            log_probs=[-0.1, -3.0],
            plus=[0.5, 0],
            minus=[0, 1],
            gold="5",
            question="5",
            solution="2+3",
        )
    ]
    page = tmp_path / "tokens.html"
    page.write_text(render_page(build_report([str(make_run("a", samples=samples))])), encoding="utf-8")
    browser = open_page(page)
    tokens = browser.find_elements("css selector", ".rollout .t")
    told = [(t.text, t.get_attribute("class"), t.get_attribute("title")) for t in tokens]
    # e^-0.1 is 0.905 and e^-3 0.0498
    assert told == [("<b>", "t p9 u", "p 0.905, credit +0.5"), ("c", "t p0 d", "p 0.0498, credit -1")]
    assert "a solution 2+3; answered 5" in browser.find_element("css selector", ".rollout").text


def test_what_differs_is_a_table_with_a_column_for_each_run(open_page, five):
    table = open_page(five).find_element("css selector", ".differs")
    rows = [
        [cell.text for cell in row.find_elements("css selector", "th, td")]
        for row in table.find_elements("css selector", "tr")
    ]
    names = ["psr", "nsr", "weighted_reinforce", "grpo", "dynamic"]
    assert [cells[0] for cells in rows] == ["key", "credit.rule"]
    assert [[text.replace("\n", "") for text in cells[1:]] for cells in rows] == [names, names]
