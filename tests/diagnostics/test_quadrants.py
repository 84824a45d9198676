"""Six tokens of three problems whose quadrants are counted by hand."""

import numpy as np
import pytest

from counterpoise.diagnostics.quadrants import TokenTable, quadrants
from counterpoise.errors import UsageError

HALF = np.log(0.5)


def table(**changes):
    columns = {
        "problem": np.array([0, 0, 0, 1, 1, 2]),
        "right": np.array([True, True, False, False, False, True]),
        "credit": np.array([0.0, 0.0, -1.0, -1.0, -2.0, 0.0]),
        "log_prob": np.array([HALF, HALF / 2, HALF, 2 * HALF, 3 * HALF, HALF]),
        "entropy": np.array([0.1, 0.2, 0.3, 0.4, 0.5, 0.6]),
        "log_prob_change": np.array([0.1, 0.2, -0.1, -0.2, -0.3, 0.0]),
        "entropy_change": np.array([1.0, 2.0, 3.0, 4.0, 5.0, 6.0]),
        "predicted_log_prob_change": np.array([0.0, 0.0, -0.2, -0.2, -0.4, 0.0]),
        "predicted_entropy_change": np.full(6, np.nan),
        **changes,
    }
    return TokenTable(**columns)


def found(tokens, **settings):
    flags = np.exp(tokens.log_prob) >= 0.5
    return quadrants(tokens, confident=flags, generator=np.random.default_rng(0), **settings)


def test_shares_and_means_by_hand():
    right_sure, right_unsure, wrong_sure, wrong_unsure = found(table())
    assert [q.tokens for q in (right_sure, right_unsure, wrong_sure, wrong_unsure)] == [3, 0, 1, 2]
    assert [q.values["token_share"].value for q in (right_sure, right_unsure, wrong_sure, wrong_unsure)] == [
        0.5,
        0,
        1 / 6,
        1 / 3,
    ]
    assert [q.values["credit_share"].value for q in (right_sure, wrong_sure, wrong_unsure)] == [0.0, 0.25, 0.75]
    values = {name: estimate.value for name, estimate in wrong_unsure.values.items()}
    assert values["probability"] == pytest.approx((0.25 + 0.125) / 2)
    assert values["surprise"] == pytest.approx(2.5 * np.log(2))
    assert values["entropy"] == pytest.approx(0.45)
    assert values["log_prob_change"] == pytest.approx(-0.25)
    assert values["probability_change"] == pytest.approx((0.25 * np.expm1(-0.2) + 0.125 * np.expm1(-0.3)) / 2)
    assert values["predicted_probability_change"] == pytest.approx((0.25 * -0.2 + 0.125 * -0.4) / 2)
    assert values["entropy_change"] == pytest.approx(4.5)
    assert np.isnan(values["predicted_entropy_change"])


def test_an_empty_quadrant_has_no_means():
    empty = found(table())[1]
    assert np.isnan(empty.values["probability"].value)
    assert np.isnan(empty.values["probability"].low)


def test_the_interval_is_over_problems_and_a_problem_counted_twice_is_no_evidence():
    once = table()
    # Every token stored twice under the same problem changes neither the value nor its interval.
    names = TokenTable.__dataclass_fields__
    twice = TokenTable(**{name: np.tile(getattr(once, name), 2) for name in names})
    for one, two in zip(found(once), found(twice), strict=True):
        for name, estimate in one.values.items():
            assert (two.values[name].value, two.values[name].low) == pytest.approx(
                (estimate.value, estimate.low), nan_ok=True
            )
    wide = found(once)[0].values["token_share"]
    assert wide.low < wide.value < wide.high


def test_the_interval_covers_the_truth_about_as_often_as_it_says():
    draw = np.random.default_rng(7)
    hits = 0
    for trial in range(100):
        right = np.repeat(draw.random(40) < 0.3, 5)
        tokens = 200
        columns = {name: np.full(tokens, 0.1) for name in TokenTable.__dataclass_fields__}
        columns |= {"problem": np.repeat(np.arange(40), 5), "right": right, "log_prob": np.full(tokens, HALF)}
        first = quadrants(
            TokenTable(**columns),
            confident=np.ones(tokens, dtype=np.bool_),
            generator=np.random.default_rng(trial),
            resamples=300,
        )[0].values["token_share"]
        hits += first.low <= 0.3 <= first.high
    assert 85 <= hits <= 100


def test_one_problem_has_no_interval():
    single = found(table(problem=np.zeros(6, dtype=np.int64)))[0].values["token_share"]
    assert single.value == 0.5
    assert np.isnan([single.low, single.high]).all()


def test_flags_must_fit():
    with pytest.raises(UsageError, match=r"quadrants of 6 tokens with \(5,\) flags; give one flag a token"):
        quadrants(table(), confident=np.ones(5, dtype=np.bool_), generator=np.random.default_rng(0))
