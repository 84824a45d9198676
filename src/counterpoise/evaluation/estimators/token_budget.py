"""pass@B: the chance of a right response within a total budget of B response tokens, drawn one after the other until it is spent."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import permutations

import numpy as np
import numpy.typing as npt

from counterpoise.errors import UsageError
from counterpoise.evaluation.estimators.subsets import FloatArray
from counterpoise.streams import numpy_generator

__all__ = ["MAX_BUDGET", "pass_at_tokens"]

MAX_BUDGET = 1 << 40
"""Largest budget, in tokens."""

_ORDERS = 1000
"""Orders of the wrong responses that are averaged over; all of them where there are no more."""


def pass_at_tokens(
    right: Sequence[npt.ArrayLike],
    wrong: Sequence[npt.ArrayLike],
    tokens: npt.ArrayLike,
    *,
    seed: int = 0,
    keys: Sequence[str] | None = None,
    orders: int = _ORDERS,
) -> FloatArray:
    """Chance that responses, drawn one after the other until B tokens are spent, hold a right one.

    A response that no longer fits ends the draws and does not count: an answer stands at a response's end. With the n scored responses of
    a problem in random order, of lengths t_1, t_2, …, and r the place of the first right one,

        pass@B = P(t_1 + … + t_r <= B) = sum over j of P(J = j) * P(S_j + T <= B)

    where J = r - 1 counts the wrong ones before it, `P(J = j) = c/(n - j) * product over i < j of (w - i)/(n - i)` for c right and w wrong
    ones, S_j is the sum of j of the wrong lengths, drawn without replacement, and T the length of one of the right ones; given J the two
    are independent. P(J = j) and the distribution of T are exact. S_j runs over all orders of the wrong responses where there are at most
    `orders`, and else over so many random ones: unbiased, with a standard error of at most 1/(2 sqrt(orders)) for one problem, divided by
    the root of their number for a mean over problems. Since the first draws of n without replacement are draws of the policy, the value is
    an unbiased estimate of the policy's own wherever the draws do not run out before the budget is spent, and it is undefined elsewhere:
    where all lengths together are less than B.

    For responses of one length L it is pass@k at `k = floor(B / L)`. Evaluation at equal total tokens is that of Wang et al. 2024, arXiv
    2406.06461, who set strategies against one another at equal budgets; best of as many samples as a budget allows is the curve of Brown et
    al. 2024, arXiv 2407.21787, over cost. Neither has lengths that differ from draw to draw; that is our own.

    Args:
        right: (P,) rows of lengths in tokens of the right responses of each problem.
        wrong: (P,) rows of those of the wrong ones, no answer included.
        tokens: (B,) budgets, whole numbers from 1 to `MAX_BUDGET`.
        seed: of the orders, which come from the stream (seed, "evaluation", "token budget", key).
        keys: (P,) names of the problems, so that one is drawn alike wherever it stands; their places otherwise.
        orders: most orders that are averaged over.

    Returns:
        (P, B) chances in [0, 1]; NaN where the lengths of a problem together are less than the budget, or it has no response.

    Raises:
        UsageError: rows of different number, a length that is not a whole number from 0, or a budget out of range.
    """
    if len(right) != len(wrong):
        raise UsageError(f"right has {len(right)} problems and wrong has {len(wrong)}; give one row of lengths of each")
    budgets_B = _whole(tokens, "tokens")
    if budgets_B.size and not 1 <= budgets_B.min() <= budgets_B.max() <= MAX_BUDGET:
        raise UsageError(f"a budget is a whole number of tokens from 1 to {MAX_BUDGET}; got {budgets_B.tolist()}")
    values_PB = np.full((len(right), budgets_B.size), np.nan)
    for row, (good, bad) in enumerate(zip(right, wrong, strict=True)):
        good_C, bad_W = _whole(good, "right"), _whole(bad, "wrong")
        spent = budgets_B <= good_C.sum() + bad_W.sum()
        if not spent.any() or not good_C.size + bad_W.size:
            continue
        if not good_C.size:
            values_PB[row, spent] = 0.0
            continue
        generator = numpy_generator(seed, "evaluation", "token budget", str(row) if keys is None else keys[row])
        values_PB[row, spent] = _within(good_C, bad_W, budgets_B[spent], generator, orders)
    return values_PB


_Whole = npt.NDArray[np.int64]


def _within(
    right_C: _Whole, wrong_W: _Whole, budgets_B: _Whole, generator: np.random.Generator, orders: int
) -> FloatArray:
    """The sum over j, at every budget."""
    n, c, w = right_C.size + wrong_W.size, right_C.size, wrong_W.size
    most = int(budgets_B.max())
    # More than so many wrong ones fit into no budget.
    j = int(np.searchsorted(np.cumsum(np.sort(wrong_W)), most, side="right"))
    before = np.concatenate(([1.0], np.cumprod((w - np.arange(j)) / (n - np.arange(j)))))
    chances_J = before * c / (n - np.arange(j + 1))
    sums_MJ = np.zeros((1, 1), dtype=np.int64)
    if j:
        ordered_MW = _orders(wrong_W, generator, orders)[:, :j]
        sums_MJ = np.concatenate(
            [np.zeros((len(ordered_MW), 1), dtype=np.int64), np.cumsum(ordered_MW, axis=1)], axis=1
        )
    # A place in `shares` is a length that is left: that of nothing, then 0, 1, …, the longest right response.
    longest = int(right_C.max())
    shares = np.concatenate(([0.0], np.cumsum(np.bincount(right_C)) / c))
    found = [
        shares[np.clip(budget - sums_MJ, -1, longest) + 1].mean(axis=0) @ chances_J for budget in budgets_B.tolist()
    ]
    chances_B: FloatArray = np.clip(np.asarray(found, dtype=np.float64), 0.0, 1.0)
    return chances_B


def _orders(values_W: _Whole, generator: np.random.Generator, most: int) -> _Whole:
    """All orders of the values, or so many random ones."""
    if values_W.size < 20 and math.factorial(values_W.size) <= most:
        return np.array(list(permutations(values_W.tolist())), dtype=np.int64)
    return generator.permuted(np.broadcast_to(values_W, (most, values_W.size)), axis=1)


def _whole(values: npt.ArrayLike, name: str) -> _Whole:
    array = np.asarray(values)
    whole = array.ndim == 1 and (array.size == 0 or (np.issubdtype(array.dtype, np.integer) and int(array.min()) >= 0))
    if not whole:
        raise UsageError(f"{name} must be rows of whole numbers of tokens, from 0; got {str(values)[:60]}")
    return array.astype(np.int64)
