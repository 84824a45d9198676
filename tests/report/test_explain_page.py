"""The page of the token microscope: what it holds, what it escapes, and how it behaves in a browser."""

import os
import re
import shutil
from dataclasses import replace

import pytest

from counterpoise.diagnostics.explanation import (
    Alternative,
    Explanation,
    Fit,
    Measured,
    Member,
    Move,
    Quadrant,
    RuleStep,
    TokenView,
)
from counterpoise.report.explain_page import explain_page

EVIL = "<script>document.title='taken'</script>\"'><img src=x onerror=\"document.title='taken'\">"
NAN = float("nan")
VALUES = ("token_share", "credit_share", "probability", "surprise", "entropy", "log_prob_change", "probability_change")
VALUES += ("entropy_change", "predicted_log_prob_change", "predicted_probability_change", "predicted_entropy_change")


def move(rule, credit, text):
    kinds = {"token_id": 1, "gradient": -0.3, "gradient_probability": -0.2, "predicted": NAN, "realised": 0.55}
    return Move(
        rule=rule,
        credit=credit,
        context_credit=credit,
        predicted=NAN,
        realised=0.55,
        entropy_slope=NAN,
        predicted_entropy=NAN,
        realised_entropy=0.7,
        alternatives=(
            Alternative(text=text, chosen=True, probability=0.6, **kinds),
            Alternative(text="other", chosen=False, probability=0.4, **kinds),
        ),
    )


def token(index, text):
    return TokenView(
        index=index,
        token_id=1,
        text=text,
        probability=0.6,
        entropy=0.67,
        collision=0.52,
        rank=1,
        visitors=(1, 1),
        sharers=(0, 1),
        moves=(move("nsr", -1.0, text), move("psr", 0.0, text)),
    )


def rule(name, advantage):
    estimate = {value: Measured(value=0.25, low=NAN, high=NAN) for value in VALUES}
    four = tuple(
        Quadrant(right=r, confident=c, tokens=3, values=estimate) for r in (True, False) for c in (True, False)
    )
    fitted = Fit(step=-0.1, correlation=0.5, same_sign=0.6, tokens=6)
    return RuleStep(
        rule=name,
        advantage=advantage,
        group_advantages=(0.0, advantage),
        gradient_norm=1.0,
        fit=fitted,
        batch_gradient_norm=1.0,
        batch_fit=fitted,
        quadrants=four,
        quadrants_by_entropy=four,
    )


FOUND = Explanation(
    model="lab",
    task="countdown",
    problem_id="abc",
    question=EVIL,
    gold=EVIL,
    prompt=EVIL,
    response=EVIL,
    given=True,
    verdict="wrong",
    answer=EVIL,
    chosen_as="the response you gave",
    group=(Member(text="1+1", verdict="correct", log_prob=-1.0), Member(text=EVIL, verdict="wrong", log_prob=-2.0)),
    position=1,
    tokens=(token(0, EVIL), token(1, " b"), token(2, "\n")),
    rules=(rule("nsr", -1.0), rule("psr", 0.0)),
    problems=2,
    rollouts=4,
    confident_probability=0.5,
    confident_entropy=0.3,
    settings={
        "temperature": 1.0,
        "learning_rate": 3e-5,
        "optimiser": "AdamW",
        "loss": "ppo_clip",
        "denominator": "tokens_signed",
        "seed": 0,
    },
)


def test_text_of_the_model_is_escaped_everywhere():
    page = explain_page(FOUND)
    # The page's own script alone has the nonce without which none runs.
    nonce = re.search(r"script-src 'nonce-([\w-]{22})'", page)[1]
    assert page.count("<script") == 1 and f'<script nonce="{nonce}">' in page
    assert "<img" not in page
    assert "&lt;script&gt;" in page


def test_nothing_is_fetched_from_anywhere():
    page = explain_page(FOUND)
    assert "http" not in page.replace("http-equiv", "")
    assert "default-src 'none'" in page and "base-uri 'none'; form-action 'none'" in page
    assert "src=" not in page.replace("src=x", "")
    assert 'href="data:,"' in page


def test_every_token_has_a_panel_under_every_rule_and_one_is_open():
    page = explain_page(FOUND)
    assert page.count("<section data-token=") == 6
    assert page.count("<section data-token=") - page.count('" hidden>\n  <h2>token') == 1


def test_a_group_of_one_rule_without_a_step_is_a_page_too():
    idle = replace(FOUND.rules[0], fit=None, batch_fit=None, gradient_norm=NAN, batch_gradient_norm=NAN)
    assert "so no step is taken and nothing moves" in explain_page(replace(FOUND, rules=(idle, FOUND.rules[1])))


@pytest.fixture
def browser():
    found = shutil.which("chromium") or shutil.which("google-chrome"), shutil.which("chromedriver")
    if None in found:
        if os.environ.get("CI"):
            pytest.fail("chromium and chromedriver must be installed where CI is set")
        pytest.skip("no chromium with chromedriver in PATH")
    from selenium.webdriver import Chrome, ChromeOptions
    from selenium.webdriver.chrome.service import Service

    options = ChromeOptions()
    options.binary_location = found[0]
    for flag in (
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--window-size=1100,900",
    ):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = Chrome(options=options, service=Service(found[1]))
    yield driver
    driver.quit()


@pytest.mark.slow
def test_in_a_browser_keys_pointer_and_rule_choose_what_is_shown(browser, tmp_path):
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys

    path = tmp_path / "explain.html"
    path.write_text(explain_page(FOUND), encoding="utf-8")
    browser.get(path.as_uri())

    def shown():
        visible = [s for s in browser.find_elements(By.CSS_SELECTOR, "[data-token]") if s.is_displayed()]
        return [(s.get_attribute("data-token"), s.get_attribute("data-rule")) for s in visible]

    tokens = browser.find_elements(By.CSS_SELECTOR, ".token")
    assert shown() == [("0", "0")]
    assert "minus" in tokens[0].get_attribute("class")
    tokens[1].click()
    assert shown() == [("1", "0")]
    tokens[1].send_keys(Keys.ARROW_RIGHT)
    assert shown() == [("2", "0")]
    assert browser.switch_to.active_element == tokens[2]
    browser.find_elements(By.CSS_SELECTOR, "input[name=rule]")[1].click()
    assert shown() == [("2", "1")]
    assert "minus" not in tokens[0].get_attribute("class")
    assert tokens[2].get_attribute("aria-pressed") == "true"
    assert browser.title != "taken"
    # A phone: the page itself never scrolls sideways.
    phone = {"width": 360, "height": 800, "deviceScaleFactor": 1, "mobile": True}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", phone)
    assert browser.execute_script("return document.documentElement.scrollWidth <= 360")
    features = [{"name": "prefers-color-scheme", "value": "dark"}]
    light = browser.execute_script("return getComputedStyle(document.body).backgroundColor")
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    assert browser.execute_script("return getComputedStyle(document.body).backgroundColor") != light
    assert browser.get_log("browser") == []


def test_a_change_of_zero_is_neither_gain_nor_loss():
    (first, *others) = FOUND.tokens
    near = [replace(one, realised=p) for one, p in zip(first.moves[0].alternatives, (0.6000001, 0.41), strict=True)]
    changed = replace(first, moves=(replace(first.moves[0], alternatives=tuple(near)), *first.moves[1:]))
    page = explain_page(replace(FOUND, tokens=(changed, *others)))
    cells = re.findall(r"<td([^<>]*)>([+-]\d+\.\d{3})</td>", page)
    # 0.6000001 - 0.6 and 0.41 - 0.4, in points; all other alternatives go from 0.6 or 0.4 to 0.55
    assert cells[:2] == [("", "+0.000"), (' class="gain"', "+1.000")]
    assert set(cells[2:]) >= {(' class="loss"', "-5.000"), (' class="gain"', "+15.000")}
    assert "<th>change, points</th>" in page and '<span class="guess">predicted</span>' in page
