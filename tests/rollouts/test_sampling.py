from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from counterpoise.errors import UsageError
from counterpoise.rollouts.sampling import check_request, draw, entropy_and_slope, inverse_cdf, row_uniforms, truncate
from counterpoise.types import SamplingSettings


def slow_truncate(weights: list[float], top_k: int, top_p: float) -> list[float]:
    """The definitions, token by token: fewer than k above; mass above under top_p of what is left."""
    if top_k:
        weights = [w if sum(o > w for o in weights) < top_k else 0.0 for w in weights]
    if top_p < 1:
        total = math.fsum(weights)
        weights = [w if math.fsum(o for o in weights if o > w) < top_p * total else 0.0 for w in weights]
    return weights


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.sampled_from([0.0, 0.125, 0.25, 0.5, 1.0, 2.0, 3.5]), min_size=1, max_size=12).filter(any),
    st.integers(0, 13),
    st.sampled_from([0.1, 0.3, 0.55, 0.9, 0.99, 1.0]),
)
def test_truncate_is_its_definition_ties_included(weights: list[float], top_k: int, top_p: float) -> None:
    fast = truncate(torch.tensor([weights]), top_k=top_k, top_p=top_p)[0].tolist()
    assert fast == slow_truncate(weights, top_k, top_p)


@pytest.mark.parametrize("scale", [0.01, 1.0, 8.0])
def test_truncate_of_a_wide_row_sorts_as_far_as_it_must(scale: float) -> None:
    # scale 0.01 is nearly flat: 0.9 of the mass needs some 1800 of 2000 tokens, past the first 256 candidates.
    logits = scale * torch.randn(2, 2000, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    weights = logits.softmax(-1).float()
    fast = truncate(weights, top_k=0, top_p=0.9)
    ordered, order = weights.double().sort(-1, descending=True)
    kept = (ordered.cumsum(-1) - ordered) < 0.9 * ordered.sum(-1, keepdim=True)
    expected = torch.zeros_like(weights, dtype=torch.bool).scatter(-1, order, kept)
    assert torch.equal(fast > 0, expected)


@pytest.mark.parametrize("width", [7, 256, 2048, 2000])
def test_inverse_cdf_is_the_first_index_past_the_uniform(width: int) -> None:
    generator = torch.Generator().manual_seed(1)
    weights = torch.randn(400, width, generator=generator).mul(3).exp()
    weights[:, ::3] = 0
    uniforms = torch.rand(400, generator=generator, dtype=torch.float64)
    exact = weights.double().cumsum(-1) / weights.double().sum(-1, keepdim=True)
    expected = (exact <= uniforms[:, None]).sum(-1)
    # Block sums are float32, so a uniform within 1e-6 of a step may fall to either side; none of these 400 does.
    assert torch.equal(inverse_cdf(weights, uniforms), expected)


@pytest.mark.parametrize("width", [5, 1024])
@pytest.mark.parametrize("uniform", [0.0, 1 - 2**-53])
def test_inverse_cdf_never_takes_a_zero_weight_at_either_end(width: int, uniform: float) -> None:
    weights = torch.zeros(1, width)
    weights[0, 3] = 0.7
    assert inverse_cdf(weights, torch.tensor([uniform], dtype=torch.float64)).tolist() == [3]


@pytest.mark.parametrize("width", [11, 600])
def test_frequencies_follow_the_cut_distribution(width: int) -> None:
    generator = torch.Generator().manual_seed(2)
    logits = torch.full((width,), -20.0)
    logits[:9] = torch.randn(9, generator=generator)
    request = SamplingSettings(temperature=0.7, top_k=6, top_p=0.9)
    uniforms = torch.rand(20_000, generator=generator, dtype=torch.float64)
    tokens, _ = draw(logits.expand(20_000, -1), uniforms, request)
    weights = np.array(slow_truncate((logits / 0.7).double().softmax(-1).tolist(), 6, 0.9))
    counts = np.bincount(tokens.numpy(), minlength=width)
    assert counts[weights == 0].sum() == 0
    expected = weights[weights > 0] / weights.sum() * 20_000
    assert stats.chisquare(counts[weights > 0], expected).pvalue > 0.01


@pytest.mark.parametrize("width", [60, 1000])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_log_probs_are_those_of_the_uncut_policy(width: int, dtype: torch.dtype) -> None:
    generator = torch.Generator().manual_seed(3)
    logits = (5 * torch.randn(64, width, generator=generator)).to(dtype)
    uniforms = torch.rand(64, generator=generator, dtype=torch.float64)
    tokens, log_probs = draw(logits, uniforms, SamplingSettings(temperature=0.5, top_k=2, top_p=0.8))
    exact = (logits.double() / 0.5).log_softmax(-1).gather(-1, tokens[:, None])[:, 0]
    assert log_probs.dtype == torch.float32
    torch.testing.assert_close(log_probs.double(), exact, atol=2e-6, rtol=2e-6)


def test_greedy_takes_the_largest_logit_at_temperature_one() -> None:
    tokens, log_probs = draw(torch.tensor([[0.0, 2.0, 2.0]]), torch.tensor([0.9]), SamplingSettings(temperature=0.0))
    # 2 - log(1 + 2 e^2)
    assert tokens.tolist() == [1]
    assert log_probs.item() == pytest.approx(2 - math.log(1 + 2 * math.exp(2)), abs=1e-6)


def test_forbidden_tokens_are_never_drawn_and_broken_rows_are_nan() -> None:
    inf = math.inf
    logits = torch.tensor([[0.0, -inf, 0.0], [math.nan, 0.0, 0.0], [inf, 0.0, 0.0], [-inf, -inf, -inf]])
    tokens, log_probs = draw(logits, torch.full((4,), 0.5), SamplingSettings())
    assert tokens[0].item() == 2
    assert log_probs[0].item() == pytest.approx(-math.log(2), abs=1e-6)
    assert log_probs[1:].isnan().all() and ((tokens >= 0) & (tokens < 3)).all()


def test_a_rows_uniforms_depend_on_its_name_alone() -> None:
    alone = row_uniforms(7, [("a", 0, 1)], 5)
    among = row_uniforms(7, [("b", 0, 0), ("a", 0, 1), ("a", 1, 1)], 9)
    assert np.array_equal(alone[0], among[1, :5])
    assert not np.array_equal(among[1], among[2])
    assert len(np.unique(row_uniforms(7, [("a", 0, g) for g in range(100)], 50))) == 5000
    assert not np.array_equal(alone, row_uniforms(8, [("a", 0, 1)], 5))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"temperature": -1.0}, "temperature is -1.0; use a finite number >= 0 (0 is greedy)"),
        ({"temperature": math.nan}, "temperature is nan; use a finite number >= 0 (0 is greedy)"),
        ({"top_p": 0.0}, "top_p is 0.0; use a number in (0, 1] (1 switches it off)"),
        ({"top_k": -1}, "top_k is -1; use a count >= 0 (0 switches it off)"),
        ({"max_tokens": 0}, "max_tokens is 0; allow at least 1 response token"),
        ({"stop": ("",)}, "stop holds the empty string, which ends every response at once; remove it"),
    ],
)
def test_settings_that_describe_no_distribution_are_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        check_request(SamplingSettings(**change), 1)
    assert str(caught.value) == message


def test_an_empty_group_is_refused() -> None:
    with pytest.raises(UsageError, match="group_size is 0; draw at least 1 rollout per prompt"):
        check_request(SamplingSettings(), 0)


def test_entropy_and_its_slope_are_those_of_the_tempered_policy() -> None:
    logits = torch.randn(5, 7, generator=torch.Generator().manual_seed(0))
    logits[1, 2] = -torch.inf
    tokens = torch.tensor([0, 3, 6, 2, 5])
    for temperature in (0.0, 1.0, 0.6):
        entropy, slope = entropy_and_slope(logits, tokens, SamplingSettings(temperature=temperature))
        log_p = torch.log_softmax(logits.double() / (temperature or 1.0), -1)
        p = log_p.exp()
        exact = -torch.xlogy(p, p).sum(-1)
        above = torch.where(p > 0, log_p, 0.0) + exact[:, None]
        bracket = (p * above).gather(-1, tokens[:, None])[:, 0] - (p * p * above).sum(-1)
        torch.testing.assert_close(entropy.double(), exact, atol=1e-6, rtol=0)
        torch.testing.assert_close(slope.double(), bracket, atol=1e-6, rtol=0)
