"""Precision by measurement: chosen once, kept as a setting of the run, proven before the first step."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from counterpoise.engines.contract import PARITY_HALF
from counterpoise.engines.local import dry_run as dry
from counterpoise.engines.local import loop, measured, speed
from counterpoise.engines.local.dry_run import dry_run
from counterpoise.engines.local.measured import prove_precision, settle, with_precision
from counterpoise.engines.local.speed import chosen_precision, precision_rates, product_rate, told_rates
from counterpoise.errors import ConfigError, UsageError
from counterpoise.jobs.study import load_study
from counterpoise.runfile import load_config, parse_config
from counterpoise.runs.directory import RunDirectory
from counterpoise.runs.identity import Identity

AUTO = "learner.mixed_precision=auto"
CPU = torch.device("cpu")


@pytest.fixture
def rates(monkeypatch):
    """What is measured, and the shapes that were asked for."""
    made, asked = {"float32": 100.0, "bf16": 10.0}, []

    def measure(device, *, rows, width, products):
        asked.append((device.type, rows, width))
        return dict(made)

    monkeypatch.setattr(measured, "precision_rates", measure)
    return made, asked


@pytest.mark.parametrize(
    ("float32", "bf16", "precision"),
    [
        (98.0, 6.0, "no"),  # emulated
        (98.0, 0.0, "no"),  # the device has none
        (97.0, 155.0, "no"),  # 155 / 97 < 1.75: casts take what the products of a small model gain
        (100.0, 175.0, "bf16"),
        (60_000.0, 700_000.0, "bf16"),
        (0.0, 0.0, "no"),
    ],
)
def test_the_precision_of_given_rates(float32, bf16, precision):
    assert chosen_precision({"float32": float32, "bf16": bf16}) == precision


def test_both_precisions_are_measured_by_a_small_product(monkeypatch):
    shapes = []
    monkeypatch.setattr(
        speed, "product_rate", lambda threads, **asked: shapes.append(asked) or product_rate(threads, rows=2, width=4)
    )
    rates = precision_rates(CPU, rows=512, width=4096)
    assert [(asked["rows"], asked["width"], asked.get("dtype")) for asked in shapes] == [
        (128, 256, None),
        (128, 256, torch.bfloat16),
    ]
    assert min(rates.values()) > 0
    assert told_rates({"float32": 79.6, "bf16": 5.2}) == "GFLOP/s: float32 80, bf16 5"


@pytest.mark.parametrize("products", ["onednn", "torch"])
def test_float32_is_measured_as_the_learner_multiplies(monkeypatch, products):
    asked = []
    monkeypatch.setattr(speed, "product_rate", lambda *_, products="torch", **__: asked.append(products) or 1.0)
    precision_rates(CPU, rows=8, width=8, products=products)
    assert asked == [products, "torch"]  # float32, bf16


def test_a_device_without_bf16_has_no_rate_of_it(monkeypatch):
    def refuse(threads, *, dtype=torch.float32, **shape):
        if dtype == torch.bfloat16:
            raise TypeError("no bfloat16 here")
        return 50.0

    monkeypatch.setattr(speed, "product_rate", refuse)
    assert precision_rates(CPU, rows=8, width=8) == {"float32": 50.0, "bf16": 0.0}


def test_a_run_goes_on_with_the_precision_it_began_with(configure, rates):
    made, asked = rates
    made["bf16"] = 300.0
    run = RunDirectory.create(configure(AUTO))
    assert settle(run) == ["measured: learner.mixed_precision=auto: bf16 (GFLOP/s: float32 100, bf16 300)"]
    assert run.config.learner.mixed_precision == "bf16"
    assert asked == [("cpu", 16, 32)]  # 4 prompts x 4 rollouts, the hidden size of the policy
    made["bf16"] = 1.0  # another machine
    killed = RunDirectory.open(run.path)  # before its configuration was recorded
    settle(killed)
    assert (killed.config.learner.mixed_precision, len(asked)) == ("bf16", 1)
    run.record(run.compare([], [], None))
    again = RunDirectory.open(run.path)
    assert again.config.learner.mixed_precision == "bf16"
    assert Identity.read(run.path / "identity.json").config["learner.mixed_precision"] == "bf16"
    assert settle(again) == [] and len(asked) == 1
    assert measured.measured_lines(again) == [
        "measured: learner.mixed_precision=auto: bf16 (GFLOP/s: float32 100, bf16 300)"
    ]
    with pytest.raises(UsageError, match=r"learner.mixed_precision cannot change when a run is continued"):
        RunDirectory.open(run.path, [AUTO])


@pytest.mark.parametrize("precision", ["fp16", None, 1, ["bf16"]])
def test_a_word_in_the_events_that_is_none_is_measured_again(configure, rates, precision):
    run = RunDirectory.create(configure(AUTO))
    run.note("precision", 0, "by hand", precision=precision)
    settle(run)
    assert run.config.learner.mixed_precision == "no"


def test_a_precision_that_is_set_is_not_measured(configure, rates):
    for name in ("no", "bf16"):
        run = RunDirectory.planned(configure(f"learner.mixed_precision={name}"))
        assert settle(run) == [] and run.config.learner.mixed_precision == name
    assert rates[1] == []


def test_a_wrong_name_is_refused(configure):
    with pytest.raises(ConfigError, match=r"learner.mixed_precision.*'no', 'bf16' or 'auto'"):
        configure("learner.mixed_precision=fp8")
    with pytest.raises(ConfigError, match=r"model.dtype=bfloat16 leaves no float32 to choose"):
        configure(AUTO, "model.dtype=bfloat16", "model.lora.rank=2")


def test_the_header_of_a_run_says_it_and_the_same_is_trained(configure, rates):
    lines, weights = {}, {}
    for name, words in (("auto", AUTO), ("plain", "learner.mixed_precision=no")):
        run = RunDirectory.create(configure(words, "learner.steps=1", name=name))
        result = loop.train(run, observer=(heard := _Heard()))
        lines[name] = heard.lines
        weights[name] = (result.checkpoint.policy / "model.safetensors").read_bytes()
    said = "measured: learner.mixed_precision=auto: no (GFLOP/s: float32 100, bf16 10)"
    assert lines["auto"][5] == said and said not in lines["plain"]
    assert weights["auto"] == weights["plain"]
    assert 'mixed_precision = "no"' in (configure(name="auto").path / "config.toml").read_text()


def test_a_dry_run_measures_proves_and_writes_nothing(configure, rates, monkeypatch):
    proven = []
    monkeypatch.setattr(dry, "prove_precision", lambda config, ready: proven.append(config.learner.mixed_precision))
    run = RunDirectory.planned(configure(AUTO))
    assert "measured: learner.mixed_precision=auto: no (GFLOP/s: float32 100, bf16 10)" in dry_run(run)
    assert proven == ["no"] and not run.path.exists()


@pytest.mark.parametrize(("gap", "refused"), [(0.0, False), (0.049, False), (0.051, True), (float("nan"), True)])
def test_sampler_and_learner_are_one_policy_or_bf16_is_refused(configure, monkeypatch, gap, refused):
    rollout = SimpleNamespace(log_probs=np.zeros(3, dtype=np.float32), mask=np.ones(3, dtype=np.bool_))
    monkeypatch.setattr(measured, "make_prompts", lambda problems, tokenizer, template: problems)
    ready = SimpleNamespace(
        order=SimpleNamespace(at=lambda step: ["one", "two"]),
        policy=SimpleNamespace(tokenizer=None),
        assembly=SimpleNamespace(template=None),
        sampler=SimpleNamespace(sample=lambda prompts, **asked: [[rollout] for _ in prompts]),
        learner=SimpleNamespace(log_probs=lambda rollouts: [np.full(3, gap, dtype=np.float64) for _ in rollouts]),
    )
    assert PARITY_HALF == 0.05
    prove_precision(configure("learner.mixed_precision=no"), ready)  # nothing to prove
    config = configure("learner.mixed_precision=bf16")
    if refused:
        with pytest.raises(ConfigError, match=r"took bf16.* nats a token apart.*set learner.mixed_precision=no"):
            prove_precision(config, ready)
    else:
        prove_precision(config, ready)


def test_a_new_run_that_is_refused_after_measuring_leaves_its_name_free(configure, rates, monkeypatch):
    monkeypatch.setattr(loop, "prove_measured", lambda *_, **__: (_ for _ in ()).throw(ConfigError("too far apart")))
    run = RunDirectory.create(configure(AUTO, "run.threads=auto"))
    with pytest.raises(ConfigError, match="too far apart"):
        loop.train(run)
    assert not run.path.exists()


def test_who_trains_nothing_that_is_kept(configure, rates):
    rates[0]["bf16"] = 300.0
    precision = {
        name: with_precision(configure(AUTO), device).learner.mixed_precision
        for name, device in (("evaluation", None), ("advice", CPU))
    }
    assert precision == {"evaluation": "no", "advice": "bf16"}


def test_runs_that_are_compared_need_one_precision(configure, tmp_path):
    (tmp_path / "run.toml").write_text('[learner]\nmixed_precision = "auto"\n')
    (tmp_path / "study.toml").write_text('run = "run.toml"\n[arms.one]\ncredit = {rule = "nsr"}\n')
    assert load_config(tmp_path / "run.toml") == parse_config({"learner": {"mixed_precision": "auto"}})
    with pytest.raises(ConfigError, match=r"arm one: learner.mixed_precision=auto is measured by each run for itself"):
        load_study(tmp_path / "study.toml")


class _Heard:
    def __init__(self):
        self.lines = []

    def said(self, line):
        self.lines.append(line)

    def __getattr__(self, name):
        return lambda *_, **__: None
