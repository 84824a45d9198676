"""Shares of the kinds of responses."""

import math

import numpy as np
import pytest

from counterpoise.errors import DataError
from counterpoise.evaluation.kinds import kind_changes, kind_intervals, kind_shares
from counterpoise.evaluation.store.rollouts import StoredRollout
from counterpoise.types import Problem, StopReason


def problem(name):
    return Problem(problem_id=name, task_type="t", question="?", gold="1", verifier="exact")


PROBLEMS = {name: problem(name) for name in "abcd"}


def drawn(**texts):
    return [
        StoredRollout(problem_id=name, sample=i, seed=0, text=text, tokens=1, stop_reason=StopReason.EOS)
        for name, written in texts.items()
        for i, text in enumerate(written)
    ]


def first_letter(_, response):
    return response[:1] or "other"


def test_problems_count_alike_however_often_they_were_drawn():
    found = kind_shares(drawn(a=["x", "y"], b=["x"] * 6, unknown=["z"]), PROBLEMS, first_letter)
    assert found.kinds == ("x", "y")
    assert found.problem_ids == ("a", "b")
    np.testing.assert_allclose(found.shares, [[0.5, 0.5], [1.0, 0.0]])
    means = [one.estimate for one in kind_intervals(found, ["x", "y", "z"], confidence=0.95, seed=0)]
    assert means == [0.75, 0.25, 0.0]
    assert math.isclose(found.effective, math.exp(-(0.75 * math.log(0.75) + 0.25 * math.log(0.25))))


def test_as_many_equal_kinds_are_that_many():
    assert math.isclose(kind_shares(drawn(a=list("wxyz")), PROBLEMS, first_letter).effective, 4.0)


def test_changes_are_paired_by_problem():
    base = kind_shares(drawn(a=["x", "y"], b=["x", "y"]), PROBLEMS, first_letter)
    after = kind_shares(drawn(b=["x", "x"], a=["x", "x"]), PROBLEMS, first_letter)
    changes = kind_changes(base, after, ["x", "y"], confidence=0.95, seed=0)
    assert [(one.estimate, one.low, one.high) for one in changes] == [(0.5, 0.5, 0.5), (-0.5, -0.5, -0.5)]
    with pytest.raises(DataError, match="did not answer the same problems"):
        kind_changes(base, kind_shares(drawn(c=["x"]), PROBLEMS, first_letter), ["x"], confidence=0.95, seed=0)


def test_responses_to_other_problems_alone_are_refused():
    with pytest.raises(DataError, match="none of the stored responses answers a problem of the task"):
        kind_shares(drawn(unknown=["x"]), PROBLEMS, first_letter)
