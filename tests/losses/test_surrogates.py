"""Each surrogate's value and gradient on single tokens, with the arithmetic beside it."""

import math
from typing import Any

import pytest
import torch

from counterpoise.errors import ConfigError, UnknownNameError, UsageError
from counterpoise.losses import make_loss
from counterpoise.types import LossOutput, Sum


def token(name: str, ratio: float, advantage: float, **settings: Any) -> tuple[float, float, LossOutput]:
    """Loss, its gradient in log pi, and the output, of one token with `log pi = -1` and this importance ratio."""
    log_probs = torch.tensor([[-1.0]], dtype=torch.float64, requires_grad=True)
    output = make_loss(name, **settings)(
        log_probs=log_probs,
        old_log_probs=log_probs.detach() - math.log(ratio),
        plus=torch.tensor([max(advantage, 0.0)], dtype=torch.float64),
        minus=torch.tensor([max(-advantage, 0.0)], dtype=torch.float64),
        mask=torch.ones(1, 1).bool(),
    )
    (gradient,) = torch.autograd.grad(output.row_sums.sum(), log_probs)
    return float(output.row_sums.detach()), float(gradient), output


@pytest.mark.parametrize(
    ("name", "settings", "ratio", "advantage", "value", "gradient"),
    [
        # reinforce: -A log pi, whatever the ratio
        ("reinforce", {}, 2.0, 3.0, 3.0, -3.0),
        ("reinforce", {}, 2.0, -3.0, -3.0, 3.0),
        # ppo_clip: -A min(R, 1.2) above, A max(R, 0.8) below
        ("ppo_clip", {}, 1.0, 2.0, -2.0, -2.0),
        ("ppo_clip", {}, 1.1, 2.0, -2.2, -2.2),
        ("ppo_clip", {}, 1.5, 2.0, -2.4, 0.0),
        ("ppo_clip", {}, 0.5, 2.0, -1.0, -1.0),  # a positive that fell is not clipped
        ("ppo_clip", {}, 0.5, -2.0, 1.6, 0.0),
        ("ppo_clip", {}, 0.9, -2.0, 1.8, 1.8),
        ("ppo_clip", {}, 5.0, -2.0, 10.0, 10.0),  # a negative that grew is not clipped ...
        ("ppo_clip", {"dual_clip": 3.0}, 5.0, -2.0, 6.0, 0.0),  # ... but by the dual clip
        # log pi_old is -1: below a floor of 0.4 > exp(-1), above one of 0.3; positives do not mind
        ("ppo_clip", {"probability_floor": 0.4}, 1.0, -2.0, 2.0, 0.0),
        ("ppo_clip", {"probability_floor": 0.3}, 1.0, -2.0, 2.0, 2.0),
        ("ppo_clip", {"probability_floor": 0.4}, 1.0, 2.0, -2.0, -2.0),
        ("ppo_clip", {"clip_low": 0.6}, 0.5, -2.0, 1.0, 1.0),
        ("ppo_clip", {"clip_high": 0.6}, 1.5, 2.0, -3.0, -3.0),
        # cispo: -A sg(clip(R)) log pi
        ("cispo", {}, 2.0, 3.0, 6.0, -6.0),
        ("cispo", {}, 7.0, 3.0, 15.0, -15.0),  # 5 * 3, and the gradient stays
        ("cispo", {}, 0.01, -3.0, -0.03, 0.03),
        ("cispo", {"clip_low": 0.2, "clip_high": 0.2}, 0.5, 3.0, 2.4, -2.4),
        ("cispo", {"clip_high_minus": 0.0}, 2.0, -3.0, -3.0, 3.0),
        ("cispo", {"clip_low_minus": 0.2}, 0.5, -3.0, -2.4, 2.4),
        # gspo on one token is ppo_clip with its own bounds
        ("gspo", {}, 1.0, 2.0, -2.0, -2.0),
        ("gspo", {}, 1.5, 2.0, -2.0008, 0.0),
        ("gspo", {}, 0.5, -2.0, 1.9994, 0.0),
        ("gspo", {"clip_high": 1.0}, 1.5, 2.0, -3.0, -3.0),
        # topr: positives without ratio, negatives with min(R, 1)
        ("topr", {}, 0.1, 2.0, 2.0, -2.0),
        ("topr", {}, 9.0, 2.0, 2.0, -2.0),
        ("topr", {}, 0.25, -2.0, -0.5, 0.5),
        ("topr", {}, 9.0, -2.0, -2.0, 2.0),
    ],
)
def test_one_token(
    name: str, settings: dict[str, Any], ratio: float, advantage: float, value: float, gradient: float
) -> None:
    found = token(name, ratio, advantage, **settings)
    assert found[:2] == pytest.approx((value, gradient), rel=1e-12, abs=1e-12)


@pytest.mark.parametrize(
    ("name", "settings", "ratio", "advantage", "clipped"),
    [
        ("reinforce", {}, 9.0, 1.0, (0, 0)),
        ("ppo_clip", {}, 1.5, 1.0, (1, 0)),
        ("ppo_clip", {}, 0.5, 1.0, (0, 0)),
        ("ppo_clip", {}, 0.5, -1.0, (0, 1)),
        ("ppo_clip", {"dual_clip": 3.0}, 4.0, -1.0, (0, 1)),
        ("ppo_clip", {"probability_floor": 0.4}, 1.0, -1.0, (0, 1)),
        ("cispo", {}, 7.0, 1.0, (1, 0)),
        ("cispo", {}, 7.0, -1.0, (0, 1)),
        ("gspo", {}, 1.1, 1.0, (1, 0)),
        ("gspo", {}, 0.9, -1.0, (0, 1)),
        ("topr", {}, 7.0, 1.0, (0, 0)),
        ("topr", {}, 7.0, -1.0, (0, 1)),
    ],
)
def test_clipped_tokens_are_counted_by_sign(
    name: str, settings: dict[str, Any], ratio: float, advantage: float, clipped: tuple[int, int]
) -> None:
    metrics = token(name, ratio, advantage, **settings)[2].metrics
    assert (metrics["clipped_plus"].total, metrics["clipped_minus"].total) == clipped
    assert (metrics["clipped_plus"].count, metrics["clipped_minus"].count) == (advantage > 0, advantage < 0)


def test_ratio_and_kl_are_sums_over_tokens() -> None:
    metrics = token("ppo_clip", 2.0, -1.0)[2].metrics
    assert metrics["ratio_minus"].mean == pytest.approx(2.0)
    assert metrics["ratio_plus"] == Sum(total=0.0, count=0.0)
    assert metrics["approx_kl"].total == pytest.approx(2.0 - 1.0 - math.log(2.0))


def test_gspo_with_sequence_mean_is_the_sequence_loss() -> None:
    # s = exp((0.1 + 0.3 - 0.1) / 3) = e^0.1; the row sums to 3 * -(A s), and d/d log pi_t = -(A s)
    log_probs = torch.full((1, 4), -1.0, dtype=torch.float64, requires_grad=True)
    old = log_probs.detach() - torch.tensor([[0.1, 0.3, -0.1, 9.0]], dtype=torch.float64)
    output = make_loss("gspo", clip_high=0.5)(
        log_probs=log_probs,
        old_log_probs=old,
        plus=torch.tensor([2.0]),
        minus=torch.tensor([0.0]),
        mask=torch.tensor([[True, True, True, False]]),
    )
    assert float(output.row_sums.detach()) == pytest.approx(-6 * math.exp(0.1), rel=1e-12)
    (gradient,) = torch.autograd.grad(output.row_sums.sum() / 3, log_probs)
    direct = log_probs.detach().clone().requires_grad_()
    ratio = torch.exp((direct - old)[0, :3].mean())
    (expected,) = torch.autograd.grad(-2.0 * ratio, direct)
    torch.testing.assert_close(gradient, expected, rtol=1e-12, atol=1e-12)


def test_topr_tapers_a_wrong_answer_by_the_probability_of_all_of_it_or_of_each_token() -> None:
    # log-ratios -1 and +0.5: the sequence weighs e^-0.5; the tokens e^-1 and 1
    log_probs = torch.full((1, 2), -1.0, dtype=torch.float64)
    rows = {
        "log_probs": log_probs,
        "old_log_probs": log_probs - torch.tensor([[-1.0, 0.5]], dtype=torch.float64),
        "plus": torch.tensor([0.0]),
        "minus": torch.tensor([1.0]),
        "mask": torch.ones(1, 2).bool(),
    }
    assert float(make_loss("topr")(**rows).row_sums) == pytest.approx(-2 * math.exp(-0.5), rel=1e-12)
    assert float(make_loss("topr", level="token")(**rows).row_sums) == pytest.approx(-math.exp(-1) - 1, rel=1e-12)


def test_metrics_carry_no_gradient_and_credit_gets_none() -> None:
    plus = torch.tensor([1.0], requires_grad=True)
    log_probs = torch.tensor([[-1.0]], requires_grad=True)
    output = make_loss("ppo_clip")(
        log_probs=log_probs,
        old_log_probs=log_probs,
        plus=plus,
        minus=torch.zeros(1),
        mask=torch.ones(1, 1).bool(),
    )
    assert all(isinstance(value, float) for metric in output.metrics.values() for value in (metric.total, metric.count))
    assert torch.autograd.grad(output.row_sums.sum(), [log_probs, plus], allow_unused=True)[1] is None


def test_shapes_and_dtypes_are_checked_at_the_door() -> None:
    good = {
        "log_probs": torch.zeros(2, 3),
        "old_log_probs": torch.zeros(2, 3),
        "plus": torch.zeros(2),
        "minus": torch.zeros(2, 3),
        "mask": torch.ones(2, 3).bool(),
    }
    for name, value, message in [
        ("log_probs", torch.zeros(3), r"log_probs has shape \(3,\); expected \(B, T\)"),
        ("old_log_probs", torch.zeros(2, 2), r"old_log_probs has shape \(2, 2\); expected \(2, 3\) like log_probs"),
        ("plus", torch.zeros(3), r"plus has shape \(3,\); expected \(2,\) or \(2, 3\)"),
        ("minus", torch.zeros(2, 1), r"minus has shape \(2, 1\); expected \(2,\) or \(2, 3\)"),
        ("mask", torch.ones(2, 3), r"mask has dtype torch.float32; expected torch.bool"),
    ]:
        with pytest.raises(UsageError, match=message):
            make_loss("reinforce")(**{**good, name: value})


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("ppo_clip", {"clip_low": 1.5}, r"loss ppo_clip: clip_low = 1.5; expected a number in \[0, 1\]"),
        ("ppo_clip", {"clip_high": -0.1}, r"loss ppo_clip: clip_high = -0.1; expected a number in \[0, inf\)"),
        (
            "ppo_clip",
            {"probability_floor": 1.0},
            r"loss ppo_clip: probability_floor = 1.0; expected a number in \[0, 0.999\]",
        ),
        ("ppo_clip", {"dual_clip": 1.0}, r"loss ppo_clip: dual_clip = 1.0; expected a number in \(1, inf\)"),
        ("ppo_clip", {"clip": 0.2}, r"loss ppo_clip: unknown setting 'clip'; did you mean 'clip_low'"),
        ("cispo", {"clip_low_minus": 2}, "loss cispo: clip_low_minus = 2"),
        ("cispo", {"clip_high_minus": -2}, "loss cispo: clip_high_minus = -2"),
        ("gspo", {"clip_low": True}, "loss gspo: clip_low = True; expected a number"),
        ("topr", {"level": "row"}, "loss topr: level = 'row'; expected one of: sequence, token"),
    ],
)
def test_bad_settings_are_refused(name: str, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        make_loss(name, **settings)


def test_an_unknown_loss_gets_the_nearest_name() -> None:
    with pytest.raises(UnknownNameError, match=r"unknown loss 'ppo_clp'; did you mean 'ppo_clip'"):
        make_loss("ppo_clp")
