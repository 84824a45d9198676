import json
import math
from fractions import Fraction
from itertools import product
from math import comb

import pytest
import torch
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from scipy.special import betaln

from counterpoise.credit import group_statistics, make_rule
from counterpoise.credit.advantages import EveryStep, step_rule
from counterpoise.credit.posterior import BetaPrior, fit_prior, log_target, mean_slopes
from counterpoise.credit.prior import AtMovingPrior, MovingPrior
from counterpoise.credit.rules.area import Area
from counterpoise.errors import CheckpointError, ConfigError

TINY = 1e-12


def f64(value: float) -> torch.Tensor:
    return torch.tensor([value], dtype=torch.float64)


def area(**settings: object) -> Area:
    made = make_rule("area", **settings)
    assert isinstance(made, Area)
    return made


def credit(rule: Area, n: int, c: int, *, a: float | None = None, b: float | None = None) -> list[float]:
    correct = torch.tensor([True] * c + [False] * (n - c))
    statistics = group_statistics(correct, torch.ones(n).bool(), torch.zeros(n).long())
    ones = torch.ones(n, dtype=torch.float64)
    return rule.under(ones * (rule.a if a is None else a), ones * (rule.b if b is None else b), statistics).tolist()


def exact(a: int, b: int, target: dict[int, Fraction]) -> tuple[Fraction, Fraction, Fraction]:
    """The three means under Beta(a, b) of whole a and b >= 1: integrals of polynomials, term by term."""

    def moment(x: int, y: int) -> Fraction:  # E[p^x (1-p)^y] = B(a + x, b + y) / B(a, b) of factorials
        top = math.factorial(a + x - 1) * math.factorial(b + y - 1) * math.factorial(a + b - 1)
        return Fraction(top, math.factorial(a + b + x + y - 1) * math.factorial(a - 1) * math.factorial(b - 1))

    return tuple(  # type: ignore[return-value]
        sum((w * k * moment(x, k - 1 + y) for k, w in target.items()), Fraction(0)) for x, y in ((0, 0), (1, 0), (0, 1))
    )


@hypothesis_settings(max_examples=40, deadline=None)
@given(st.integers(1, 12), st.integers(1, 12), st.dictionaries(st.integers(1, 40), st.integers(1, 9), min_size=1))
def test_the_means_are_the_integrals_exactly(a: int, b: int, target: dict[int, int]) -> None:
    found = mean_slopes(f64(a), f64(b), target)
    wanted = exact(a, b, {k: Fraction(w) for k, w in target.items()})
    assert [float(value) for value in found] == pytest.approx([float(value) for value in wanted], rel=1e-12)


@hypothesis_settings(max_examples=40, deadline=None)
@given(st.floats(0.01, 50), st.floats(0.01, 50), st.integers(1, 4096))
def test_they_are_quotients_of_beta_functions(a: float, b: float, k: int) -> None:
    found = mean_slopes(f64(a), f64(b), {k: 1.0})
    wanted = [k * math.exp(betaln(a + x, b + k - 1 + y) - betaln(a, b)) for x, y in ((0, 0), (1, 0), (0, 1))]
    assert [float(value) for value in found] == pytest.approx(wanted, rel=1e-8)


@pytest.mark.parametrize(("n", "c"), [(n, c) for n in range(1, 9) for c in range(n + 1)])
def test_with_one_draw_and_no_prior_it_is_rloo_and_of_the_whole_group_dr_grpo(n: int, c: int) -> None:
    correct = torch.tensor([True] * c + [False] * (n - c))
    statistics = group_statistics(correct, torch.ones(n).bool(), torch.zeros(n).long())
    for evidence, name in (("others", "rloo"), ("group", "dr_grpo")):
        if n > 1 or name == "dr_grpo":  # a group of one has the prior instead of no others
            found = credit(area(weights={"1": 1.0}, evidence=evidence, prior="fixed"), n, c, a=TINY, b=TINY)
            assert found == pytest.approx(make_rule(name)(correct.double(), statistics).tolist(), abs=1e-11)


@pytest.mark.parametrize(("evidence", "a"), [("others", 2.0), ("group", 1.0)])
@pytest.mark.parametrize("n", [2, 4, 8])
def test_towards_all_draws_it_is_maxrl_wherever_a_group_has_a_success(evidence: str, a: float, n: int) -> None:
    # E[1/p] under Beta(a + c', b + n' - c') at b = 0: (a + n' - 1) / (a + c' - 1), which is n / c for both
    for c in range(1, n + 1):
        correct = torch.tensor([True] * c + [False] * (n - c))
        statistics = group_statistics(correct, torch.ones(n).bool(), torch.zeros(n).long())
        wanted = make_rule("maxrl")(correct.double(), statistics).tolist()
        gaps = []
        for up_to in (64, 512, 4096):
            found = credit(area(up_to=up_to, evidence=evidence, a=a), n, c, b=0.0)
            gaps.append(max(abs(x - y) for x, y in zip(found, wanted, strict=True)))
        # what is missing is the tail of sum_k E[(1-p)^(k-1)], of order K^(1 - a - c')
        assert gaps[2] < n * n / 4096 and (gaps[2] <= gaps[1] <= gaps[0] or gaps[0] < 1e-12)


@pytest.mark.parametrize("k", [2, 16, 64])
def test_the_mean_slope_under_a_uniform_prior_is_boundary_gating_s_weight(k: int) -> None:
    # arXiv 2606.15455: u(m; n, k) = E_{Beta(m+1, n-m+1)}[k (1-p)^(k-1)] = k prod_{j=1}^{k-1} (n-m+j)/(n+1+j)
    for n, m in product((4, 8), range(5)):
        u = k * math.prod(Fraction(n - m + j, n + 1 + j) for j in range(1, k))
        slope, _, _ = mean_slopes(f64(1.0 + m), f64(1.0 + n - m), {k: 1.0})
        assert float(slope) == pytest.approx(float(u), rel=1e-12)


@pytest.mark.parametrize("k", [2, 16])
@pytest.mark.parametrize("share", [Fraction(1, 16), Fraction(1, 4), Fraction(3, 4)])
def test_in_a_large_group_its_credit_is_boundary_gating_s_but_for_the_scale(k: int, share: Fraction) -> None:
    gaps = []
    for n in (64, 512, 4096):
        c = int(n * share)
        correct = torch.tensor([True] * c + [False] * (n - c))
        statistics = group_statistics(correct, torch.ones(n).bool(), torch.zeros(n).long())
        open_gate = make_rule("boundary", k=k, tau=0.0)
        theirs = open_gate(correct.double(), statistics)
        scale, _, _ = mean_slopes(f64(2.0), f64(float(n)), {k: 1.0})  # u(1)
        own = credit(area(weights={str(k): 1.0}, prior="fixed"), n, c, a=1.0, b=1.0)
        gaps.append(max(abs(own[i] / (float(scale) * float(theirs[i])) - 1.0) for i in (0, n - 1)))
    assert gaps[0] > gaps[1] > gaps[2] and gaps[2] < 0.02 * k


def test_groups_of_one_verdict_get_small_credit_of_its_sign_by_what_the_prior_says() -> None:
    for evidence in ("others", "group"):
        rule = area(up_to=8, evidence=evidence)
        hopeless, hard, even = (credit(rule, 8, 0, a=a, b=1.0)[0] for a in (0.01, 0.3, 1.0))
        assert -0.6 < even < hard < hopeless < 0
        # with K = 8: -E[1 - (1-p)^8] under Beta(1, 8): 1 - 8/16; under Beta(1, 9): 1 - 9/17
        assert even == pytest.approx(-0.5 if evidence == "others" else -8 / 17, abs=1e-12)
        sure, doubtful = (credit(rule, 8, 8, b=b)[0] for b in (0.1, 1.0))
        assert 0 < sure < doubtful < 0.2
        assert max(credit(rule, 8, 1)) > 10 * max(credit(rule, 8, 8))


@pytest.mark.parametrize("settings", [{"up_to": 16}, {"weights": {"1": 0.5, "4": 2.0}}])
def test_its_expected_gradient_is_that_of_the_stated_objective_as_the_others_see_it(
    settings: dict[str, object],
) -> None:
    """An enumerable policy: four answers, two right, logits; every group of n draws is weighed by its probability."""
    n, right = 3, torch.tensor([1, 0, 1, 0]).bool()
    rule = area(prior="fixed", evidence="others", a=0.7, b=1.3, **settings)
    logits = torch.tensor([0.3, 0.9, -0.6, 0.2], dtype=torch.float64)
    probability = torch.softmax(logits, 0)
    scores = torch.eye(4, dtype=torch.float64) - probability  # grad log pi(y) by logits
    total = torch.zeros(4, dtype=torch.float64)
    for draws in product(range(4), repeat=n):
        correct = right[list(draws)]
        statistics = group_statistics(correct, torch.ones(n).bool(), torch.zeros(n).long())
        weights = rule(correct.double(), statistics)
        total += probability[list(draws)].prod() * (weights[:, None] * scores[list(draws)]).sum(0) / n

    def believed(at: torch.Tensor) -> float:
        """sum_c' Bin(c'; n-1, p_0) E[J' | c'] p(theta): its gradient by theta alone is what an update is to follow."""
        p0, p = float(probability[right].sum()), float(torch.softmax(at, 0)[right].sum())
        value = 0.0
        for c in range(n):
            slope, _, _ = mean_slopes(f64(0.7 + c), f64(1.3 + n - 1 - c), rule.target)
            value += comb(n - 1, c) * p0**c * (1 - p0) ** (n - 1 - c) * float(slope) * p
        return value

    h = 1e-5
    steps = torch.eye(4, dtype=torch.float64) * h
    differences = [(believed(logits + step) - believed(logits - step)) / (2 * h) for step in steps]
    assert total.tolist() == pytest.approx(differences, abs=1e-9)


def test_with_many_rollouts_the_believed_slope_is_the_objective_s() -> None:
    # J = sum_k pass@k / k, differentiated by differences at p = 0.3
    def value(p: float) -> float:
        return sum(w * (1 - (1 - p) ** k) for k, w in log_target(32).items())

    slope, _, _ = mean_slopes(f64(0.5 + 3e5), f64(0.5 + 7e5), log_target(32))
    assert float(slope) == pytest.approx((value(0.3 + 1e-6) - value(0.3 - 1e-6)) / 2e-6, rel=1e-4)


def test_the_prior_is_the_likeliest_one_of_the_counts() -> None:
    # counts in proportion to the beta-binomial distribution of Beta(0.5, 2) with n = 16: the maximum is there
    weights = {(16, c): 1e4 * comb(16, c) * math.exp(betaln(0.5 + c, 2 + 16 - c) - betaln(0.5, 2)) for c in range(17)}
    found = fit_prior(weights, BetaPrior(a=1.0, b=1.0))
    assert (found.a, found.b) == (pytest.approx(0.5, rel=0.02), pytest.approx(2.0, rel=0.02))


@pytest.mark.parametrize(("c", "low", "high"), [(0, 0.0, 0.02), (8, 0.98, 1.0)])
def test_counts_all_alike_leave_the_prior_finite(c: int, low: float, high: float) -> None:
    found = fit_prior({(8, c): 1000.0}, BetaPrior(a=1.0, b=1.0))
    assert found.a > 0 and found.b > 0 and low < found.a / (found.a + found.b) < high
    assert fit_prior({}, BetaPrior(a=0.4, b=3.0)) == BetaPrior(a=0.4, b=3.0)


COUNTS = st.dictionaries(
    st.sampled_from([(8, c) for c in range(9)] + [(5, 2)]), st.integers(1, 9).map(float), min_size=1, max_size=4
)


@hypothesis_settings(max_examples=15, deadline=None)
@given(st.lists(COUNTS, min_size=2, max_size=6), st.integers(1, 5))
def test_going_on_from_its_state_is_bit_identical(steps: list[dict[tuple[int, int], float]], cut: int) -> None:
    whole, first = MovingPrior(area()), MovingPrior(area())
    priors = [whole.update({"t": counts}) for counts in steps]
    early = [first.update({"t": counts}) for counts in steps[:cut]]
    second = MovingPrior(area())
    second.load_state_dict(json.loads(json.dumps(first.state_dict())))
    assert early + [second.update({"t": counts}) for counts in steps[cut:]] == priors
    assert second.state_dict() == whole.state_dict()


def test_a_step_is_judged_by_the_steps_before_it_for_each_task_type() -> None:
    moving = MovingPrior(area(a=2.0, b=3.0))
    easy, hard = {(8, 8): 9.0, (8, 7): 3.0}, {(8, 0): 9.0, (8, 1): 3.0}
    assert moving.update({"easy": easy, "hard": hard}) == dict.fromkeys(("easy", "hard"), BetaPrior(a=2.0, b=3.0))
    after = moving.update({"easy": {}, "hard": {}, "new": {}})
    assert after["easy"].a > 5 * after["easy"].b and after["hard"].b > 5 * after["hard"].a
    assert after["new"] == BetaPrior(a=2.0, b=3.0)
    assert moving.update({"easy": {}})["easy"] == after["easy"]  # nothing scored, nothing moved


def test_unscored_rollouts_are_no_evidence() -> None:
    rule = area()
    correct = torch.tensor([1, 0, 0, 0, 0]).bool()
    scored = torch.tensor([1, 1, 1, 0, 0]).bool()
    found = rule(correct.double(), group_statistics(correct, scored, torch.tensor([0, 0, 0, 0, 5])))
    assert found[:3].tolist() == pytest.approx(credit(rule, 3, 1), rel=1e-14) and bool(torch.isfinite(found).all())


def test_only_a_moving_prior_has_a_past() -> None:
    assert isinstance(step_rule(area()), AtMovingPrior) and list(step_rule(area()).states) == ["prior"]
    assert isinstance(step_rule(area(prior="fixed")), EveryStep)


@pytest.mark.parametrize("key", ["0", "x", "-1", "4097", "1.5", "²", "", "01"])
def test_mistakes_are_refused_with_the_way_out(key: str) -> None:
    with pytest.raises(ConfigError, match=r"area: weights has the key .*; expected a table of weights > 0 by k from 1"):
        area(weights={key: 1.0})
    with pytest.raises(ConfigError, match=r"area: weights"):
        area(weights={"1": 0.0})
    for state in (None, {}):
        with pytest.raises(CheckpointError, match="holds no counts for the prior"):
            MovingPrior(area()).load_state_dict(state)
