"""Two draws of a base are one base, another policy or another sampling is not."""

import numpy as np
import pytest

from counterpoise.errors import UsageError
from counterpoise.evaluation.estimators.passk import pass_at_k
from counterpoise.evaluation.statistics.redraws import redrawn

KS = [1, 2, 4, 8, 16, 32, 64, 128]
N, P = 128, 200


def drawn(rates, rng):
    right = rng.binomial(N, rates)
    return pass_at_k([N] * len(rates), right.tolist(), KS).mean(axis=0).tolist()


@pytest.mark.parametrize("spread", [(0.5, 0.5), (2, 2), (0.05, 2), (8, 0.3)])
def test_what_is_drawn_again_passes(spread):
    rng = np.random.default_rng(7)
    for _ in range(300):
        rates = rng.beta(*spread, size=P)
        assert redrawn(drawn(rates, rng), drawn(rates, rng), KS, problems=P)


@pytest.mark.parametrize("power", [0.8, 1.25])
def test_a_policy_drawn_colder_or_hotter_does_not(power):
    rng = np.random.default_rng(8)
    for _ in range(50):
        rates = rng.beta(2, 2, size=P)
        other = rates**power / (rates**power + (1 - rates) ** power)
        assert not redrawn(drawn(rates, rng), drawn(other**2, rng), KS, problems=P)
        assert not redrawn(drawn(rates, rng), drawn(rates**power, rng), KS, problems=P)


def test_the_bound_is_that_of_a_u_statistic():
    """With one problem and the largest k, the variance of pass@n is q (1 - q): the bound is met, never passed."""
    n, p = 8, 0.1
    q = 1 - (1 - p) ** n
    rng = np.random.default_rng(9)
    last = pass_at_k([n] * 40_000, rng.binomial(n, [p] * 40_000).tolist(), [1, 2, 4, 8])
    spreads = last.var(axis=0)
    for k, spread in zip([1, 2, 4, 8], spreads, strict=True):
        kernel = 1 - (1 - p) ** k
        assert spread <= 1.03 * k / n * kernel * (1 - kernel)
    assert spreads[-1] == pytest.approx(q * (1 - q), rel=0.03)


def test_where_a_draw_would_explain_a_lot_only_equal_curves_are_one():
    assert not redrawn([0.375, 0.6, 0.8], [0.25, 0.45, 0.8], [1, 2, 4], problems=6)
    assert not redrawn([0.5, 0.6, 0.8], [0.5, 0.6, 0.8], [1, 2, 4], problems=0)
    assert redrawn([0.0, 0.0], [0.0, 0.0], [1, 2], problems=200)
    assert redrawn([0.0, 0.0], [1 / (200 * 128), 1 / (200 * 64)], [1, 2], problems=200)


@pytest.mark.parametrize(("one", "other", "ks"), [([], [], []), ([0.1], [0.1, 0.2], [1, 2]), ([0.1], [0.1], [1, 2])])
def test_other_lengths_are_refused(one, other, ks):
    with pytest.raises(UsageError, match="expected as many of each, at least one"):
        redrawn(one, other, ks, problems=3)
