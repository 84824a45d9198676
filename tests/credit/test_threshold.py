import json

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from counterpoise.credit import group_statistics, make_rule
from counterpoise.credit.rules.hinge import Hinge
from counterpoise.credit.threshold import MovingThreshold
from counterpoise.errors import CheckpointError, ConfigError, UsageError
from counterpoise.types import Sum


def hinge(**settings: object) -> Hinge:
    made = make_rule("hinge", threshold="ema", low=0.0, **settings)
    assert isinstance(made, Hinge)
    return made


def test_a_step_is_held_against_the_steps_before_it_and_the_first_against_itself() -> None:
    threshold = MovingThreshold(hinge(smoothing=0.75))
    assert threshold.update({"t": Sum(total=4.0, count=10)}) == {"t": 0.4}
    assert threshold.update({"t": Sum(total=8.0, count=10)}) == {"t": 0.4}
    # 0.75 * 0.4 + 0.25 * 0.8
    assert threshold.update({"t": Sum(total=0.0, count=0.0)}) == {"t": pytest.approx(0.5)}
    assert threshold.update({}) == {"t": pytest.approx(0.5)}  # nothing scored, nothing moved


def test_it_starts_where_it_is_told_to() -> None:
    threshold = MovingThreshold(hinge(tau=0.2, smoothing=0.5))
    assert threshold.update({"t": Sum(total=1.0, count=1)}) == {"t": 0.2}
    assert threshold.update({"t": Sum(total=1.0, count=1)}) == {"t": pytest.approx(0.6)}


def test_task_types_have_thresholds_of_their_own() -> None:
    threshold = MovingThreshold(hinge())
    assert threshold.update({"a": Sum(total=1, count=10), "b": Sum(total=9, count=10)}) == {"a": 0.1, "b": 0.9}
    # a type whose first step had nothing scored: the middle, for nobody
    assert threshold.update({"c": Sum(total=0, count=0)}) == {"a": 0.1, "b": 0.9, "c": 0.5}
    assert threshold.update({"c": Sum(total=0.3, count=1)})["c"] == pytest.approx(0.3)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20), st.floats(0, 0.999), st.floats(0.001, 0.4))
def test_it_stays_inside_by_its_margin(means: list[float], smoothing: float, margin: float) -> None:
    threshold = MovingThreshold(hinge(smoothing=smoothing, margin=margin))
    for mean in means:
        (tau,) = threshold.update({"t": Sum(total=mean, count=1)}).values()
        assert margin <= tau <= 1 - margin


@given(st.lists(st.floats(0, 1), min_size=2, max_size=12), st.integers(1, 11))
def test_going_on_from_its_state_is_bit_identical(means: list[float], cut: int) -> None:
    whole, first = MovingThreshold(hinge()), MovingThreshold(hinge())
    taus = [whole.update({"t": Sum(total=mean, count=1)}) for mean in means]
    early = [first.update({"t": Sum(total=mean, count=1)}) for mean in means[:cut]]
    second = MovingThreshold(hinge())
    second.load_state_dict(json.loads(json.dumps(first.state_dict())))
    assert early + [second.update({"t": Sum(total=mean, count=1)}) for mean in means[cut:]] == taus
    assert second.state_dict() == whole.state_dict()


def test_mistakes_are_refused_with_the_way_out() -> None:
    statistics = group_statistics(torch.tensor([True]), torch.tensor([True]), torch.tensor([0]))
    with pytest.raises(
        UsageError, match=r"threshold = 'ema' follows the steps before.*MovingThreshold and call hinge\.at"
    ):
        hinge()(torch.tensor([1.0]), statistics)
    for settings, text in (
        ({"tau": 1.0}, r"tau = 1\.0; expected a number in \(0, 1\)"),
        ({"smoothing": 1.0}, r"smoothing = 1\.0; expected a number in \[0, 0\.999\]"),
        ({"margin": 0.5}, r"margin = 0\.5; expected a number in \(0, 0\.5\)"),
    ):
        with pytest.raises(ConfigError, match=f"hinge: {text}"):
            hinge(**settings)
    for state in (None, {}):
        with pytest.raises(CheckpointError, match="holds no moving threshold"):
            MovingThreshold(hinge()).load_state_dict(state)
