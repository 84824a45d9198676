"""What a step did to right responses of each kind, on tables made by hand."""

import numpy as np
import pytest

from counterpoise.diagnostics.kind_moves import KindTable, kind_moves, read_kinds, shared_with_wrong


def table(*rows):
    """(problem, right, kind, tokens, changes) of each rollout."""
    return KindTable(
        problem=[row[0] for row in rows],
        right=[row[1] for row in rows],
        kind=[row[2] for row in rows],
        token_ids=[np.array(row[3]) for row in rows],
        log_prob_change=[np.array(row[4], dtype=np.float64) for row in rows],
    )


ROWS = table(
    (0, True, "a", [1, 2, 3], [-0.3, -0.1, 0.2]),  # 1 2 stand in the wrong one
    (0, False, "x", [1, 2, 9], [-0.3, -0.1, -0.5]),
    (0, False, "x", [1, 7], [-0.3, -0.2]),
    (1, True, "a", [4, 5], [0.1, 0.1]),  # no wrong one to this question
    (1, True, "b", [6, 5], [0.5, 0.0]),
    (2, True, "b", [8], [0.3]),  # begins like a wrong one to another question only
    (3, False, "y", [8], [0.0]),
)


def moves(rows):
    return {move.kind: move for move in kind_moves(rows, generator=np.random.default_rng(0))}


def test_first_tokens_are_shared_with_wrong_responses_to_the_same_question_alone():
    assert shared_with_wrong(ROWS) == [2, 3, 2, 0, 0, 0, 1]


def test_changes_are_told_apart_by_what_is_shared():
    found = moves(ROWS)
    assert set(found) == {"a", "b"}  # kinds without a right response have no row
    a = found["a"]
    assert (a.right, a.share, a.tokens, a.shared_tokens) == (2, 0.5, 2.5, 1.0)
    assert a.shared_change == pytest.approx((-0.4 + 0.0) / 2)
    assert a.own_change == pytest.approx((0.2 + 0.2) / 2)
    assert a.change.value == pytest.approx(0.0)
    assert a.change.low <= 0.0 <= a.change.high
    assert found["b"].shared_change == 0.0
    assert found["b"].change.value == pytest.approx(0.4)


def test_one_problem_has_no_interval():
    (only,) = kind_moves(table((0, True, "a", [1], [0.5])), generator=np.random.default_rng(0))
    assert only.change.value == 0.5 and np.isnan(only.change.low)


def test_nothing_right_has_no_rows():
    assert kind_moves(table((0, False, "a", [1], [0.5])), generator=np.random.default_rng(0)) == ()


def test_growth_in_proportion_to_the_own_share_is_said():
    rows = [
        (number, True, kind, [1], [change])
        for kind, count, change in (("a", 6, 0.6), ("b", 3, 0.3), ("c", 1, 0.1))
        for number in range(count)
    ]
    said = read_kinds(kind_moves(table(*rows), generator=np.random.default_rng(0)))
    assert said == (
        "Right responses share 0.0 of 1.0 tokens with a wrong one to the same question; the step changes them by +0 nats on those and "
        "by +0.46 on the others. Over 3 kinds the change goes with a kind's own share: correlation +1.00."
    )


def test_two_kinds_have_no_correlation():
    assert "correlation" not in read_kinds(kind_moves(ROWS, generator=np.random.default_rng(0)))
