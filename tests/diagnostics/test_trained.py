import math

import numpy as np
import pytest
import torch

from counterpoise.diagnostics.histogram import Histogram
from counterpoise.diagnostics.trained import TrainedTokens


def _batch(rows, span=5, seed=0):
    draw = torch.Generator().manual_seed(seed)
    mask = torch.arange(span)[None] < torch.randint(1, span + 1, (rows, 1), generator=draw)
    advantages = torch.randn(rows, generator=draw)
    return {
        "log_probs": -torch.rand(rows, span, generator=draw),
        "old_log_probs": -torch.rand(rows, span, generator=draw),
        "entropy": 3 * torch.rand(rows, span, generator=draw),
        "plus": advantages.clamp(min=0),
        "minus": (-advantages).clamp(min=0),
        "mask": mask,
    }


def test_tokens_are_counted_by_sign_and_padding_is_not():
    tokens = TrainedTokens()
    tokens(
        log_probs=torch.tensor([[-1.0, -2.0], [-1.0, 9.0], [-3.0, -3.0]]),
        old_log_probs=torch.tensor([[-1.0, -1.0], [-2.0, 0.0], [-3.0, -3.0]]),
        entropy=torch.tensor([[0.5, 1.0], [2.0, 9.0], [4.0, 4.0]]),
        plus=torch.tensor([1.0, 0.0, 0.0]),
        minus=torch.tensor([0.0, 1.0, 0.0]),
        mask=torch.tensor([[True, True], [True, False], [True, True]]),
    )
    found = tokens.histograms()
    assert {name: histogram.count for name, histogram in found.items()} == {
        "entropy": 5, "entropy_plus": 2, "entropy_minus": 1, "ratio_plus": 2, "ratio_minus": 1,
    }  # fmt: skip
    # row 0: log-ratios 0 and -1; row 1: +1, its padding (9) is not seen
    assert (found["ratio_plus"].low, found["ratio_plus"].high) == (-1.0, 0.0)
    assert (found["ratio_minus"].low, found["ratio_minus"].high) == (1.0, 1.0)
    assert (found["entropy"].low, found["entropy"].high) == (0.5, 4.0)


def test_micro_batches_add_up_to_what_numpy_finds_in_the_whole():
    batch = _batch(40)
    whole, parts = TrainedTokens(), TrainedTokens()
    whole(**batch)
    for start, stop in ((0, 7), (7, 8), (8, 40)):
        parts(**{name: value[start:stop] for name, value in batch.items()})
    one, other = whole.histograms(), parts.histograms()
    for name in one:
        assert np.array_equal(one[name].counts, other[name].counts)
        assert (one[name].low, one[name].high) == (other[name].low, other[name].high)
    up = batch["mask"] & (batch["plus"] > 0)[:, None]
    exact = Histogram.of((batch["log_probs"] - batch["old_log_probs"])[up].numpy())
    # float32 and float64 may differ by a bin at its edge
    assert np.abs(np.cumsum(one["ratio_plus"].counts - exact.counts)).max() <= 1
    for share in (0.01, 0.5, 0.99):
        assert one["ratio_plus"].quantile(share) == pytest.approx(exact.quantile(share), rel=0.021, abs=2e-4)


def test_credit_by_token_and_what_is_not_finite():
    tokens = TrainedTokens()
    tokens(
        log_probs=torch.tensor([[-1.0, math.nan, 100.0]]),
        old_log_probs=torch.zeros(1, 3),
        entropy=torch.tensor([[math.nan, 1.0, 1.0]]),
        plus=torch.tensor([[1.0, 1.0, 0.0]]),
        minus=torch.tensor([[0.0, 0.0, 1.0]]),
        mask=torch.ones(1, 3, dtype=torch.bool),
    )
    found = tokens.histograms()
    assert (found["entropy"].count, found["ratio_plus"].count) == (2, 1)
    assert found["ratio_minus"].high == 20.0


def test_nothing_seen_is_empty():
    assert all(histogram.count == 0 for histogram in TrainedTokens().histograms().values())
