import itertools
from collections import Counter
from fractions import Fraction
from math import comb

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from counterpoise.errors import UsageError
from counterpoise.evaluation.estimators import majority
from counterpoise.evaluation.estimators.hypergeometric import expected_score
from counterpoise.evaluation.estimators.majority import maj_at_k

problems = st.lists(st.tuples(st.integers(0, 4), st.booleans()), min_size=0, max_size=4)


def vote(ballots, right):
    """Chance that a fair draw among the most frequent answers of one subset is right; None does not vote."""
    tally = Counter(ballot for ballot in ballots if ballot is not None)
    if not tally:
        return Fraction(0)
    winners = [answer for answer, count in tally.items() if count == max(tally.values())]
    return Fraction(sum(right[answer] for answer in winners), len(winners))


def enumerated(classes, silent, k):
    right = [flag for _, flag in classes]
    ballots = [answer for answer, (count, _) in enumerate(classes) for _ in range(count)] + [None] * silent
    subsets = list(itertools.combinations(ballots, k))
    return sum(vote(subset, right) for subset in subsets) / len(subsets)


def counted(classes, silent, k):
    """The same by counting subsets in integers: for each winning count t, ways by (drawn, tied, tied and right)."""
    total = Fraction(0)
    for t in range(1, k + 1):
        ways = Counter({(drawn, 0, 0): comb(silent, drawn) for drawn in range(min(silent, k) + 1)})
        for size, right in classes:
            after = Counter()
            for (drawn, tied, good), number in ways.items():
                for x in range(min(size, t, k - drawn) + 1):
                    after[drawn + x, tied + (x == t), good + (x == t and right)] += number * comb(size, x)
            ways = after
        total += sum(Fraction(n * good, tied) for (drawn, tied, good), n in ways.items() if drawn == k and tied)
    return total / comb(sum(size for size, _ in classes) + silent, k)


def value(classes, silent, k):
    sizes, flags = [size for size, _ in classes], [flag for _, flag in classes]
    return float(maj_at_k([sizes], [flags], [k], silent=[silent])[0, 0])


@pytest.mark.parametrize(
    ("classes", "k", "expected"),
    [
        ([(2, True), (2, False)], 1, 1 / 2),  # one vote is the mean
        ([(2, True), (2, False)], 2, 1 / 2),  # 1/6 both right, 1/6 both wrong, 4/6 a tie won half the time
        ([(2, True), (1, False)], 3, 1.0),  # two against one
        (
            [(2, True), (1, False), (1, False)],
            3,
            2 / 3,
        ),  # AAB and AAC are right, ABC (twice) one time in three: (2 + 2/3)/4
        ([(1, True), (1, True), (1, False)], 3, 2 / 3),  # a tie of three, two of them right
        ([(1, True), (3, False)], 4, 0.0),
    ],
)
def test_hand_worked(classes, k, expected):
    assert value(classes, 0, k) == pytest.approx(expected, abs=1e-13)


def test_silent_responses_are_drawn_and_do_not_vote():
    # A right, B wrong, one silent; pairs: AB 1/2, A- 1, B- 0: 1/2.
    assert value([(1, True), (1, False)], 1, 2) == pytest.approx(0.5, abs=1e-13)
    # A right and two silent; pairs: A- twice, -- once: 2/3
    assert value([(1, True)], 2, 2) == pytest.approx(2 / 3, abs=1e-13)


@settings(deadline=None)
@given(problems, st.integers(0, 2), st.data())
def test_is_the_mean_over_all_subsets(classes, silent, data):
    n = sum(size for size, _ in classes) + silent
    if n:
        k = data.draw(st.integers(1, n))
        if comb(n, k) < 3000:
            assert value(classes, silent, k) == pytest.approx(float(enumerated(classes, silent, k)), abs=1e-12)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 12), st.booleans()), min_size=1, max_size=6), st.integers(0, 5), st.data())
def test_agrees_with_rational_arithmetic(classes, silent, data):
    k = data.draw(st.integers(1, sum(size for size, _ in classes) + silent))
    assert value(classes, silent, k) == pytest.approx(float(counted(classes, silent, k)), abs=1e-12)


@pytest.mark.parametrize("k", [1, 64, 128, 255, 256])
def test_two_classes_at_256_are_a_hypergeometric_tail(k):
    # right beats wrong when X > k - X and wins half of the ties
    wins = expected_score(
        np.array([256]), np.array([131]), np.array([k]), lambda k, x: (x > k - x) + 0.5 * (x == k - x)
    )
    assert value([(131, True), (125, False)], 0, k) == pytest.approx(wins[0, 0], abs=1e-12)


@pytest.mark.parametrize("k", [2, 9, 40, 90])
def test_many_classes_of_few_sizes_agree_with_rational_arithmetic(k):
    # 91 responses: what is left out below 1e-18 and the powers over classes of one size do not show
    classes = [(23, True), (2, True), (17, False)] + [(3, False)] * 5 + [(1, False)] * 31
    assert value(classes, 3, k) == pytest.approx(float(counted(classes, 3, k)), abs=1e-12)


def test_equal_problems_have_equal_values_wherever_they_stand():
    values = maj_at_k([[3, 1], [2, 2], [1, 3]], [[True, False], [True, False], [False, True]], [2, 3])
    assert values[0].tolist() == values[2].tolist() != values[1].tolist()


def test_fifty_classes_by_monte_carlo():
    generator = np.random.default_rng(2)
    sizes = generator.multinomial(256, generator.dirichlet(np.full(50, 0.6)))
    flags = [True, True] + [False] * 48
    sizes[0] = sizes.max()
    draws = generator.multivariate_hypergeometric(sizes, 16, size=100_000)
    most = draws == draws.max(axis=1, keepdims=True)
    shares = most[:, :2].sum(axis=1) / most.sum(axis=1)
    exact, error = maj_at_k([sizes], [flags], [16])[0, 0], shares.std() / 100_000**0.5
    assert abs(exact - shares.mean()) < 4 * error < 0.01


@settings(max_examples=40, deadline=None)
@given(problems, st.data())
def test_chances_of_all_classes_add_up_to_one(classes, data):
    sizes = [size for size, _ in classes if size]
    if sizes:
        k = data.draw(st.integers(1, sum(sizes)))
        each = maj_at_k([sizes] * len(sizes), list(np.eye(len(sizes), dtype=bool)), [k])
        assert each.sum() == pytest.approx(1.0, abs=1e-12)


@settings(max_examples=40, deadline=None)
@given(problems, st.data())
def test_one_more_right_answer_never_hurts(classes, data):
    n = sum(size for size, _ in classes)
    wrong = [index for index, (size, flag) in enumerate(classes) if size and not flag]
    if wrong:
        k, moved = data.draw(st.integers(1, n)), data.draw(st.sampled_from(wrong))
        better = [(size, flag or index == moved) for index, (size, flag) in enumerate(classes)]
        assert value(classes, 0, k) <= value(better, 0, k) + 1e-12


def test_undefined_and_ragged():
    values = maj_at_k([[3, 1], [], [1], []], [[True, False], [], [False], []], [1, 4], silent=[0, 4, 0, 0])
    assert values[0] == pytest.approx([0.75, 1.0]) and values[1].tolist() == [0, 0] and values[2, 0] == 0
    assert np.isnan(values).tolist() == [[False, False], [False, False], [False, True], [True, True]]


@pytest.mark.parametrize(
    ("counts", "correct", "silent", "message"),
    [
        ([[2]], [[True], [False]], [0], r"one entry >= 0 for each problem; got 1, 2 and 1"),
        ([[2]], [[True]], [-1], r"one entry >= 0 for each problem; got 1, 1 and 1"),
        (
            [[2], [3, 1]],
            [[True], [True]],
            [0, 0],
            r"problem 1 \(from 0\) needs a count >= 0 and true or false for each",
        ),
        ([[2]], [[1]], [0], r"problem 0 \(from 0\) needs a count >= 0 and true or false for each"),
        ([[2.0]], [[True]], [0], r"the counts of problem 0 \(from 0\) must be a list of integers"),
        ([[1 << 20]], [[True]], [1], r"problem 0 \(from 0\) has 1048577 responses; at most 1048576 are taken"),
    ],
)
def test_refuses(counts, correct, silent, message):
    with pytest.raises(UsageError, match=message):
        maj_at_k(counts, correct, [1], silent=silent)


SHARED = [
    ([(23, True), (2, True), (17, False)] + [(3, False)] * 5 + [(1, False)] * 31, 3),
    ([(9, True)] + [(9, False)] * 8 + [(1, False)] * 10, 0),  # nine classes tie at every count
    ([(1, True)] + [(1, False)] * 59, 1),  # up to 30 tie at one vote each: sixteen nodes
    ([(30, True), (31, False)], 30),
    ([(2, True), (58, False)], 1),
    ([(40, True), (1, False)], 50),  # fewer voters than many k
]
"""Problems of 91 and 61 responses whose tables are shared in part."""


@pytest.mark.parametrize("bytes_kept", [1 << 26, 1])
def test_problems_that_share_tables_agree_with_rational_arithmetic(bytes_kept, monkeypatch):
    # a table that does not fit is made again, and no problem sees what another one has left
    monkeypatch.setattr(majority, "_TABLES", bytes_kept)
    ks = [1, 7, 30, 91]
    sizes = [[size for size, _ in classes] for classes, _ in SHARED]
    flags = [[right for _, right in classes] for classes, _ in SHARED]
    values = maj_at_k(sizes, flags, ks, silent=[silent for _, silent in SHARED])
    for row, (classes, silent) in enumerate(SHARED):
        n = sum(size for size, _ in classes) + silent
        exact = [float(counted(classes, silent, k)) if k <= n else np.nan for k in ks]
        assert values[row] == pytest.approx(exact, abs=1e-12, nan_ok=True)
