"""On rewards of -1 and +1, graded rules and rewards are PSR, NSR and Weighted-REINFORCE bit for bit, unscored rows included."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from counterpoise.credit import Rule, make_rule, signed_credit
from counterpoise.credit.rules.hinge import Hinge
from counterpoise.credit.threshold import MovingThreshold
from counterpoise.rewards.aggregators import AGGREGATORS
from counterpoise.rewards.binary import binary
from counterpoise.rewards.registry import make_reward
from counterpoise.types import Credit, Sum, Verdict, VerdictValue

VERDICTS = st.lists(
    st.tuples(
        st.sampled_from([value for value in VerdictValue if value is not VerdictValue.ABSTAINED]), st.integers(0, 4)
    ),
    min_size=1,
    max_size=24,
)
POWERS, WEIGHTS = st.floats(0.1, 5), st.floats(0, 3)
INSIDE = st.floats(math.nextafter(-1.0, 0.0), math.nextafter(1.0, 0.0))
Rows = list[tuple[VerdictValue, int]]


def credited(rows: Rows, rule: Rule, rewards: list[float] | None = None, *, unscored: float = math.nan) -> Credit:
    values = [value for value, _ in rows]
    scored = torch.tensor([value is not VerdictValue.UNSCORED for value in values])
    correct = torch.tensor([value is VerdictValue.CORRECT for value in values])
    given = torch.tensor(
        rewards or [1.0 if value is VerdictValue.CORRECT else -1.0 for value in values], dtype=torch.float64
    )
    return signed_credit(
        rewards=torch.where(scored, given, unscored),
        correct=correct,
        scored=scored,
        group_ids=torch.tensor([group for _, group in rows]),
        rule=rule,
    )


def assert_same(one: Credit, other: Credit) -> None:
    assert torch.equal(one.plus, other.plus) and torch.equal(one.minus, other.minus)


def sources(weight: float) -> list[tuple[dict[str, float], Rule]]:
    """Settings of hinge, and what it is then."""
    return [
        ({"lambda_": weight}, make_rule("weighted_reinforce", lambda_=weight)),
        ({"lambda_": 0.0}, make_rule("nsr")),
        ({"lambda_": 1.0, "minus": 0.0}, make_rule("psr")),
    ]


@settings(max_examples=60, deadline=None)
@given(VERDICTS, INSIDE, POWERS, POWERS, WEIGHTS, st.booleans(), st.sampled_from([math.nan, math.inf, 0.0, 7.0]))
def test_hinge_at_any_constant_threshold(
    rows: Rows, tau: float, a: float, b: float, weight: float, correct_only: bool, unscored: float
) -> None:
    shape = {"tau": tau, "plus_power": a, "minus_power": b, "correct_only": correct_only}
    for own, rule in sources(weight):
        assert_same(credited(rows, make_rule("hinge", **shape, **own), unscored=unscored), credited(rows, rule))


@settings(max_examples=30, deadline=None)
@given(st.lists(VERDICTS, min_size=1, max_size=6), POWERS, POWERS, WEIGHTS, st.floats(0, 0.999), st.floats(1e-6, 0.499))
def test_hinge_at_a_moving_threshold_step_after_step(
    steps: list[Rows], a: float, b: float, weight: float, smoothing: float, margin: float
) -> None:
    for own, rule in sources(weight):
        hinge = make_rule(
            "hinge", threshold="ema", smoothing=smoothing, margin=margin, plus_power=a, minus_power=b, **own
        )
        assert isinstance(hinge, Hinge)
        threshold = MovingThreshold(hinge)
        for rows in steps:
            scored = [value is VerdictValue.CORRECT for value, _ in rows if value is not VerdictValue.UNSCORED]
            taus = threshold.update({"t": Sum(total=2.0 * sum(scored) - len(scored), count=len(scored))})
            at = hinge.at(torch.full((len(rows),), taus["t"], dtype=torch.float64))
            assert_same(credited(rows, at), credited(rows, rule))


@settings(max_examples=50, deadline=None)
@given(VERDICTS, st.floats(0.001, 0.999), POWERS, POWERS, WEIGHTS)
def test_hinge_at_a_group_s_quantile_where_it_is_inside(
    rows: Rows, q: float, a: float, b: float, weight: float
) -> None:
    """A quantile on an end of the range leaves no room on that side: those rows get nothing, the others are what they were."""
    for own, rule in sources(weight):
        found = credited(
            rows, make_rule("hinge", threshold="group_quantile", tau=q, plus_power=a, minus_power=b, **own)
        )
        wanted = credited(rows, rule)
        for index, (_, group) in enumerate(rows):
            scored = [
                value is VerdictValue.CORRECT
                for value, other in rows
                if other == group and value is not VerdictValue.UNSCORED
            ]
            rank = (len(scored) - 1) * q
            wrong = scored.count(False)
            inside = wrong - 1 < rank < wrong and len(set(scored)) == 2
            pairs = ((found.plus, wanted.plus), (found.minus, wanted.minus))
            if inside:
                assert all(torch.equal(one[index], other[index]) for one, other in pairs)
            else:
                assert all(one[index] in (0.0, other[index]) for one, other in pairs)


@settings(max_examples=50, deadline=None)
@given(VERDICTS, WEIGHTS, st.sampled_from([math.nan, 7.0]))
def test_soft(rows: Rows, weight: float, unscored: float) -> None:
    for lambda_, rule in ((weight, make_rule("weighted_reinforce", lambda_=weight)), (0.0, make_rule("nsr"))):
        assert_same(credited(rows, make_rule("soft", lambda_=lambda_), unscored=unscored), credited(rows, rule))


def verdict(value: VerdictValue, /, **parts: float) -> Verdict:
    return Verdict(value=value, answer="x", basis="r", seconds=0.0, verifier="v", version="1", parts=parts)


@settings(max_examples=30, deadline=None)
@given(VERDICTS, st.floats(0.001, 0.999), st.floats(0.01, 5), INSIDE, POWERS, POWERS, WEIGHTS, st.booleans())
@pytest.mark.parametrize("aggregator", sorted(AGGREGATORS))
def test_vector_of_one_dimension(
    aggregator: str, rows: Rows, own_tau: float, own: float, tau: float, a: float, b: float, weight: float, named: bool
) -> None:
    """The dimension is the verdict, or a part that is 1 and 0 with it; a weight below 1 weakens the penalty of `and_or`, as it says."""
    name = "verdict" if named else "value"
    dimension_weight = max(own, 1.0) if aggregator == "and_or" else own
    reward = make_reward(
        "vector", dimensions={name: {"tau": own_tau, "weight": dimension_weight}}, aggregator=aggregator
    )
    values = [reward(verdict(value, value=float(value is VerdictValue.CORRECT))).value for value, _ in rows]
    for value, (truth, _) in zip(values, rows, strict=True):
        assert value == binary(verdict(truth)).value or truth is VerdictValue.UNSCORED
    for settings_of_hinge, rule in sources(weight):
        hinge = make_rule("hinge", tau=tau, plus_power=a, minus_power=b, **settings_of_hinge)
        assert_same(credited(rows, hinge, values), credited(rows, rule))
