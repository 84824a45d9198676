"""Runs on disk as training and evaluation write them, without a model; and a real browser."""

import json
import math
import os
import shutil
from types import SimpleNamespace

import numpy as np
import pytest
import tomli_w

from counterpoise.evaluation.estimators.passk import k_sweep
from counterpoise.evaluation.statistics.counts import ProblemCounts
from counterpoise.evaluation.statistics.curve import pass_at_k_curve
from counterpoise.evaluation.store.rollouts import Manifest, RolloutStore, StoredRollout, StoredVerdict
from counterpoise.evaluation.summary import EvaluationResult
from counterpoise.report.build import build_report
from counterpoise.report.page import render_page
from counterpoise.types import SamplingSettings, StopReason, Verdict, VerdictValue

ALL_DRAWN = """
return [...document.querySelectorAll(".plot")].filter((p) => p.checkVisibility()).every((p) => p.querySelector(".main-svg"));
"""
SIGNED = ("", "_plus", "_minus")
JUDGED = ("", "_correct", "_wrong")
SHARES = (
    *(
        "success_rate",
        "coverage",
        "no_answer_share",
        "unscored",
        "groups_all_right",
        "groups_all_wrong",
        "groups_mixed",
    ),
    *(
        "groups_unscored",
        "polarity_share_rows",
        "polarity_share_tokens",
        "zero_credit",
        "gradient_cosine",
        "clipped_plus",
    ),
    *("clipped_minus", "correct_pushed_down", "wrong_pushed_up", "gradient_clipped"),
)
NUMBERS = (
    *(
        "reward",
        "lambda_plus",
        "lambda_minus",
        "weight_plus",
        "weight_minus",
        "plus",
        "minus",
        "emphasis",
        "ratio_plus",
        "ratio_minus",
        "approx_kl",
    ),
    *("log_prob_change_correct", "log_prob_change_wrong", "log_prob_change_anchor", "sampler_gap", "sampler_gap_max"),
    *("learning_rate", "optimiser_steps", "tokens_sampled", "tokens_trained", "tokens_saved", "tokens_per_second"),
    *("seconds", "seconds_sample", "seconds_verify", "seconds_credit", "seconds_update", "peak_memory_gib"),
    *(f"entropy_sampled{v}" for v in JUDGED),
    *(f"response_tokens{v}" for v in JUDGED),
    *(f"truncated_share{v}" for v in JUDGED),
    *(f"repetition{v}" for v in JUDGED),
    *(f"gradient_norm{s}" for s in SIGNED),
    *(f"entropy{s}" for s in SIGNED),
    *(f"loss{s}" for s in SIGNED),
    *(f"surprisal{v}_p{q}" for v in JUDGED for q in (50, 90, 99)),
    *(f"entropy{s}_p{q}" for s in SIGNED for q in (50, 90, 99)),
    *(f"ratio{s}_{q}" for s in SIGNED[1:] for q in ("p01", "p50", "p99", "max")),
    *(f"tokens_per_second_{stage}" for stage in ("sample", "verify", "update")),
    *("tokens_trained_plus", "tokens_trained_minus", "tokens_saved_correct", "tokens_saved_wrong"),
    *("anchor_kl", "distinct_answers", "seconds_diagnostics"),
    "a_column_nobody_declared",
)


def counts(*correct, n=16, first=0, task_type="toy"):
    return tuple(
        ProblemCounts(problem_id=f"p{first + i}", n=n, c=c, task_type=task_type) for i, c in enumerate(correct)
    )


def manifest(model="m", **changes):
    settings = SamplingSettings(temperature=0.6, top_p=0.95, max_tokens=8)
    return Manifest(
        **{"model": model, "task": "toy:test", "template": "plain", "settings": settings, "seed": 0} | changes
    )


def save_evaluation(directory, rows, **changes):
    """What `eval` leaves without its rollouts."""
    n = max(row.n for row in rows)
    directory.mkdir(parents=True)
    EvaluationResult(
        manifest=manifest(**changes),
        n=n,
        verifiers={"toy": "1"},
        confidence=0.95,
        curve=pass_at_k_curve(rows, k_sweep(n), generator=np.random.default_rng(0), resamples=10),
        by_task_type={},
        counts=rows,
        rollouts=n * len(rows),
        unscored=0,
        unscored_reasons={},
        truncation_rate=0.0,
        no_answer_rate=0.0,
        mean_tokens=1.0,
        distinct_answers=1.0,
    ).save(directory)
    return directory


def save_store(directory, rollouts):
    """(problem, sample, text, mean log p, verdict) as `eval` stores them."""
    store = RolloutStore(directory, manifest())
    store.append(
        [
            StoredRollout(problem_id=p, sample=s, seed=0, text=t, tokens=3, stop_reason=StopReason.EOS, mean_log_prob=m)
            for p, s, t, m, _ in rollouts
        ]
    )
    store.append_verdicts(
        [
            StoredVerdict(
                problem_id=p,
                sample=s,
                verdict=Verdict(value=VerdictValue(v), answer=t, basis="r", seconds=0.0, verifier="toy", version="1"),
            )
            for p, s, t, _, v in rollouts
        ]
    )


def sample(step=1, problem="p0", tokens=("2", "+", "3"), log_probs=None, plus=0.0, minus=0.0, **changes):
    """One line of samples.jsonl."""
    return {
        "step": step,
        "problem_id": problem,
        "task_type": "toy",
        "question": f"question {problem}",
        "gold": "5",
        "prompt": "…",
        "text": "".join(tokens),
        "tokens": list(tokens),
        "log_probs": list(log_probs or [-0.1] * len(tokens)),
        "plus": plus,
        "minus": minus,
        "reward": 1.0,
        "verdict": "correct",
        "answer": "5",
        "stop_reason": "eos",
    } | changes


def metrics(steps, *, seed=0):
    """Smooth columns with noise, as a run might have them."""
    rng = np.random.default_rng(seed)
    t = np.arange(steps) / max(steps, 1)
    columns = {
        name: np.clip(0.5 + 0.3 * np.sin(3 * t + seed + i) + 0.05 * rng.standard_normal(steps), 0, 1)
        for i, name in enumerate(SHARES)
    } | {
        name: math.exp(i % 7 - 3) * (1 + 0.4 * np.cos(4 * t + seed + i) + 0.08 * rng.standard_normal(steps))
        for i, name in enumerate(NUMBERS)
    }
    return [
        {"step": s + 1, "time": 1.0e9 + 3.0 * s, **{name: float(values[s]) for name, values in columns.items()}}
        for s in range(steps)
    ]


def lines(path, records):
    path.write_text("".join((r if isinstance(r, str) else json.dumps(r)) + "\n" for r in records), encoding="utf-8")


def build_run(
    path, *, rule="nsr", records=(), evaluations=None, samples=(), events=(), checkpoints=(), config=None, **changes
):
    path.mkdir(parents=True)
    sections = config or {
        "run": {"name": path.name, "directory": str(path.parent), "seed": 0},
        "credit": {"rule": rule},
        "learner": {"steps": 500},
    }
    (path / "config.toml").write_text(tomli_w.dumps(sections))
    if records:
        lines(path / "metrics.jsonl", records)
    if events:
        lines(path / "events.jsonl", events)
    if samples:
        lines(path / "samples.jsonl", samples)
    for step in checkpoints:
        (path / "checkpoints" / f"step-{step:06d}").mkdir(parents=True)
    for step, rows in (evaluations or {}).items():
        save_evaluation(path / "evaluation" / f"step-{step:06d}", rows, **changes)
    return path


def five_runs(directory, *, steps=500, n=256, problems=100):
    """Five runs of a base, with two task types, events, checkpoints and coloured rollouts."""
    rng = np.random.default_rng(1)
    half = problems // 2
    chance = np.concatenate([rng.beta(0.6, 0.6, half), rng.beta(0.4, 1.5, problems - half)])

    def rows(shift, sharp):
        p = np.clip(chance + shift, 0, 1)
        p = np.clip(p + sharp * (p - 0.5), 0, 1)
        drawn = rng.binomial(n, p)
        return counts(*map(int, drawn[:half]), n=n) + counts(
            *map(int, drawn[half:]), n=n, first=half, task_type="algebra"
        )

    base = rows(0, 0)
    made = []
    for i, rule in enumerate(("psr", "nsr", "weighted_reinforce", "grpo", "dynamic")):
        late = [
            sample(
                step=steps - 5 * j,
                problem=f"p{j}",
                tokens=[f"w{t} " for t in range(120)],
                log_probs=list(-rng.exponential(0.4, 120)),
                plus=0.5 * (j % 2),
                minus=0.5 * (1 - j % 2),
                verdict="correct" if j % 2 else "wrong",
                reward=1.0 if j % 2 else -1.0,
            )
            for j in range(12)
        ]
        made.append(
            build_run(
                directory / rule,
                rule=rule,
                records=metrics(steps, seed=i),
                evaluations={
                    0: base,
                    steps // 2: rows(0.02, 0.1 * i),
                    steps: rows(0.05 - 0.01 * i, 0.4 - 0.1 * i),
                },
                samples=late,
                events=[
                    {
                        "time": 1.0,
                        "kind": "guard",
                        "step": steps // 4 + 9 * i,
                        "message": "entropy fell below its floor",
                    },
                    {"time": 2.0, "kind": "interrupted", "step": steps // 2, "message": "stopped by a signal"},
                ],
                checkpoints=(steps // 2, steps),
            )
        )
    return made


@pytest.fixture(scope="session")
def disk():
    """The functions of this file; test files cannot import one another."""
    made = (build_run, counts, lines, metrics, sample, save_evaluation, save_store, five_runs)
    return SimpleNamespace(**{function.__name__: function for function in made})


@pytest.fixture
def make_run(tmp_path):
    """`make_run("nsr", records=…, evaluations={0: counts})`: a run's directory."""
    return lambda name, **given: build_run(tmp_path / "runs" / name, **given)


@pytest.fixture(scope="session")
def browser():
    """Chromium without a window. Absent it is a reason to skip, except in continuous integration."""
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if chromium is None or driver is None:
        message = "chromium and chromedriver are needed to open the report (Debian: chromium, chromium-driver)"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    from selenium import webdriver
    from selenium.webdriver.chrome.options import Options
    from selenium.webdriver.chrome.service import Service

    options = Options()
    options.binary_location = chromium
    # Root has no sandbox of its own; /dev/shm is small in containers.
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--window-size=1280,900"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    made = webdriver.Chrome(options=options, service=Service(driver))
    yield made
    made.quit()


@pytest.fixture(scope="session")
def five(tmp_path_factory, disk):
    """The page of five runs of 500 steps."""
    directory = tmp_path_factory.mktemp("five")
    runs = disk.five_runs(directory / "runs")
    report = build_report([str(run) for run in runs], resamples=200)
    path = directory / "report.html"
    path.write_text(render_page(report), encoding="utf-8")
    return path


@pytest.fixture
def open_page(browser):
    """`open_page(path, chart=…, width=…, dark=…)`: the page, and the chart in sight and drawn."""
    from selenium.webdriver.support.ui import WebDriverWait

    def call(path, *, chart="", width=1280, height=900, dark=False, before=""):
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500}
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        calm = {"name": "prefers-reduced-motion", "value": "reduce"}
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme, calm]})
        for log in ("browser", "performance"):
            browser.get_log(log)
        script = browser.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": before})["identifier"]
        browser.get(path.as_uri())
        browser.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", {"identifier": script})
        if "DecompressionStream" not in before:
            WebDriverWait(browser, 30).until(lambda b: b.execute_script("return !!window.Plotly"))
        if chart:
            plot = browser.find_element("css selector", f".plot[data-chart={chart}]")
            browser.execute_script("arguments[0].scrollIntoView({ block: 'center', behavior: 'instant' })", plot)
            WebDriverWait(browser, 30).until(lambda b: plot.find_elements("css selector", ".main-svg"))
        return browser

    # Waits for every chart that is not behind a fold or in a closed tab, from where the page stands.
    browser.all_drawn = lambda: WebDriverWait(browser, 30).until(lambda b: b.execute_script(ALL_DRAWN))
    return call
