"""What is measured of judged groups, on groups made by hand."""

import math

import numpy as np
import pytest

from counterpoise.jobs.profile import Group, measure_profile
from counterpoise.types import Problem, Rollout, StopReason, Verdict, VerdictValue

C, W, N, U = VerdictValue.CORRECT, VerdictValue.WRONG, VerdictValue.NO_ANSWER, VerdictValue.UNSCORED


def group(name, values, *, lengths=None, cut=(), parts=None, log_prob=-0.5, kind="sums"):
    lengths = lengths or [2] * len(values)
    rollouts = [
        Rollout(
            problem_id=name,
            prompt_ids=np.array([1]),
            token_ids=np.arange(length),
            mask=np.ones(length, dtype=bool),
            log_probs=np.full(length, log_prob, dtype=np.float32),
            text="x",
            temperature=1.0,
            stop_reason=StopReason.LENGTH if at in cut else StopReason.EOS,
            policy_version=0,
        )
        for at, length in enumerate(lengths)
    ]
    verdicts = [
        Verdict(
            value=value,
            answer=None if value is N else "x",
            basis="r",
            seconds=0.0,
            verifier="v",
            version="1",
            parts=(parts[at] or {}) if parts else {},
        )
        for at, value in enumerate(values)
    ]
    problem = Problem(problem_id=name, task_type=kind, question="q", gold="g", verifier="v")
    return Group(problem=problem, rollouts=rollouts, verdicts=verdicts)


def measure(*groups, **settings):
    return measure_profile("all", groups, seed=0, **settings)


GROUPS = (
    group("a", [C, C, C, C]),
    group("b", [C, W, W, W], lengths=[2, 2, 2, 4], cut=(3,)),
    group("c", [W, W, N, N], cut=(2,)),
    group("d", [U, U, U, U]),
    group("e", [C, W, U, U]),
)


def test_shares_and_means():
    found = measure(*GROUPS)
    assert (found.problems, found.group_size, found.rollouts) == (4, 4, 20)
    assert found.pass_rate.value == pytest.approx((1 + 1 / 4 + 0 + 1 / 2) / 4)
    assert found.coverage.value == 3 / 4
    assert (found.all_right, found.mixed, found.all_wrong) == (1 / 4, 2 / 4, 1 / 4)
    assert found.unscored == 6 / 20
    assert found.no_answer == 2 / 14
    assert found.no_answer_cut == 1 / 2
    assert found.truncated == 2 / 20
    assert found.response_tokens == 42 / 20
    assert found.entropy == pytest.approx(0.5)


def test_pass_at_k_is_estimated_up_to_the_group_and_extrapolated_beyond():
    found = measure(*GROUPS[:3])
    assert [(one.k, one.extrapolated) for one in found.pass_at] == [
        (1, False), (2, False), (4, False), (8, True), (16, True), (32, True),
    ]  # fmt: skip
    # pass@2: 1, 1 - C(3,2)/C(4,2) = 1/2, 0
    assert found.pass_at_k(2) == pytest.approx(1 / 2)
    assert found.pass_at_k(4) == found.coverage.value
    assert math.isnan(found.pass_at_k(3))


def test_what_each_rule_would_make_of_them():
    shares = {rule.rule: rule for rule in measure(*GROUPS[:3]).rules}
    # 5 right rollouts with 10 tokens, 7 wrong ones with 16
    assert (shares["nsr"].polarity_share, shares["nsr"].trained) == (0.0, pytest.approx(7 / 12))
    assert (shares["psr"].polarity_share, shares["psr"].trained) == (1.0, pytest.approx(5 / 12))
    assert shares["reinforce"].polarity_share == pytest.approx(10 / 26)
    assert shares["weighted_reinforce(0.1)"].polarity_share == pytest.approx(1 / 17)
    # of three groups one has both signs
    assert (shares["grpo"].trained, shares["grpo"].thrown_away) == (pytest.approx(1 / 3), pytest.approx(2 / 3))
    # one right rollout of 2 tokens at 3 parts of credit, wrong ones of 2, 2 and 4 tokens at 1 part each
    assert shares["grpo"].polarity_share == pytest.approx(6 / (6 + 8))


def test_surprisal_by_verdict():
    found = measure(group("a", [C, C], log_prob=-0.25), group("b", [W, W], log_prob=-1.0))
    assert (found.surprisal_right, found.surprisal_wrong, found.entropy) == (0.25, 1.0, 0.625)


def test_without_a_success_coverage_bounds_the_pass_rate():
    found = measure(*(group(str(at), [W, W]) for at in range(10)))
    assert (found.pass_rate.value, found.pass_rate.low) == (0.0, 0.0)
    assert found.pass_rate.high == found.coverage.high == pytest.approx(1 - 0.025 ** (1 / 10))
    assert math.isnan(found.pass_at_k(16))


def test_with_nothing_but_successes_the_interval_has_a_width():
    found = measure(*(group(str(at), [C, C]) for at in range(10)))
    assert found.pass_rate.low == pytest.approx(0.025 ** (1 / 10))
    assert found.pass_rate.high == 1.0


def test_nothing_scored_is_undefined_and_not_zero():
    found = measure(group("a", [U, U]))
    assert (found.problems, found.unscored, found.pass_at) == (0, 1.0, ())
    assert math.isnan(found.pass_rate.value)
    assert math.isnan(found.coverage.value)
    assert math.isnan(found.all_wrong)


def test_graded_parts_and_where_they_see_more_than_the_verdict():
    half, none = {"tests_passed": 0.5}, {"tests_passed": 0.0}
    found = measure(
        group("a", [W, W], parts=[half, none]),  # differs
        group("b", [W, W], parts=[none, none]),
        group("c", [W, N], parts=[half, None]),  # no answer is 0 of everything
        group("d", [C, W], parts=[{"tests_passed": 1.0}, half]),  # has a success
    )
    (part,) = found.parts
    assert (part.name, part.low, part.high) == ("tests_passed", 0.0, 1.0)
    assert part.mean == pytest.approx((0.5 + 0.5 + 1.0 + 0.5) / 8)
    assert part.mean_wrong == pytest.approx(1.5 / 7)
    assert part.varied == pytest.approx(2 / 3)
