"""maj@k: the chance that a majority vote among k responses is right."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from counterpoise.errors import UsageError
from counterpoise.evaluation.estimators.subsets import (
    MAX_ROLLOUTS,
    FloatArray,
    IntArray,
    check_k,
    integers,
)
from counterpoise.lazy import special

__all__ = ["maj_at_k"]

_NEGLIGIBLE = 1e-18
"""Share of a chance that is left out; a thousand such terms stay below the rounding of one double."""
_TABLES = 1 << 26
"""Bytes of tables that are kept at a time."""


def maj_at_k(
    counts: Sequence[npt.ArrayLike],
    correct: Sequence[npt.ArrayLike],
    k: npt.ArrayLike,
    *,
    silent: npt.ArrayLike | None = None,
) -> FloatArray:
    """Unbiased chance that the most frequent answer among k responses to a problem is right, ties broken at random.

    The mean over all k-subsets of the n responses of `(right answers among the most frequent) / (most frequent answers)`; exact, without
    sampling (majority voting: Wang et al. 2022, arXiv 2203.11171). Answers are grouped beforehand, best by the verifier's equivalence:
    grouped by their text, one answer in two spellings splits its votes. A response without an answer is drawn but does not vote; a
    subset without any vote is wrong.

    Algorithm. Draws without replacement are independent binomial draws X_j ~ B(a_j, k/n) from each class, given that their sum is k.
    For a winning count t and a tie weight y, class j contributes `P(X_j < t) + y P(X_j = t)`, and a correct winner i
    `P(X_i = t)` instead; the integral over y in [0, 1] turns the y^s of s further tied classes into the 1/(1 + s) of a fair draw (Gauss and
    Legendre's rule with enough nodes is exact). The condition on the sum is one coefficient of a polynomial in the number drawn, read
    off its values at roots of unity, as many as keep every coefficient of weight from folding onto it. Winning counts and coefficients
    with less than 1e-18 of the whole are left out, classes of one size are taken together, equal problems once. What a class contributes
    depends on n, k and its size alone, so it is computed once for all problems. All terms are
    probabilities and the error is absolute, near 1e-13; benchmarks/estimators.py measures the time.

    Args:
        counts: for each of P problems, the responses in each class of equal answers; ragged, an empty list where nothing answered.
        correct: for each problem, whether each class is right; several may be.
        k: (K,) numbers of votes, each at least 1.
        silent: (P,) responses without an answer; none by default.

    Returns:
        (P, K) chances in [0, 1]; NaN where answers and silent responses are fewer than k, because k-subsets do not exist there.

    Raises:
        UsageError: lengths that differ, counts that are not integers >= 0, flags that are not true or false, more than `MAX_ROLLOUTS`
            responses, or k < 1.
    """
    k_K = check_k(k)
    silent_P = np.zeros(len(counts), dtype=np.int64) if silent is None else integers("silent", silent)
    if not len(counts) == len(correct) == len(silent_P) or (silent_P < 0).any():
        raise UsageError(
            f"counts, correct and silent need one entry >= 0 for each problem; got {len(counts)}, {len(correct)} and {len(silent_P)}"
        )
    values_PK = np.full((len(counts), k_K.size), np.nan)
    met: dict[tuple[bytes, bytes, int], int] = {}
    votes_P = []
    for row, (classes, flags, mute) in enumerate(zip(counts, correct, silent_P.tolist(), strict=True)):
        sizes_M, right_M = _classes(row, classes, flags)
        n = int(sizes_M.sum()) + mute
        if n > MAX_ROLLOUTS:
            raise UsageError(f"problem {row} (from 0) has {n} responses; at most {MAX_ROLLOUTS} are taken")
        earlier = met.setdefault((sizes_M.tobytes(), right_M.tobytes(), mute), row)
        wrong = sorted(Counter(sizes_M[~right_M].tolist()).items())
        right = sizes_M[right_M].tolist()
        votes_P.append(_Votes(sizes=sizes_M.tolist(), wrong=wrong, right=right, silent=mute, n=n, same_as=earlier))
    by_n = sorted(range(len(votes_P)), key=lambda row: votes_P[row].n)  # the tables of one n at a time bound the memory
    for column, drawn in enumerate(k_K.tolist()):
        draws: dict[int, _Draws] = {}
        for row in by_n:
            votes = votes_P[row]
            if votes.same_as != row:
                values_PK[row, column] = values_PK[votes.same_as, column]
            elif drawn <= votes.n:
                if votes.n not in draws:
                    draws = {votes.n: _Draws(votes.n, drawn)}
                values_PK[row, column] = _vote(votes, draws[votes.n])
    return values_PK


@dataclass(frozen=True, slots=True, kw_only=True)
class _Votes:
    """The answers to one problem."""

    sizes: list[int]
    """Responses of each class, ascending."""
    wrong: list[tuple[int, int]]
    """Sizes of the wrong classes, ascending, each with how many have it."""
    right: list[int]
    """Sizes of the right ones."""
    silent: int
    """Responses without an answer."""
    n: int
    """All responses."""
    same_as: int
    """Row of the first problem with the same classes: this one, or an earlier one."""


def _classes(row: int, classes: npt.ArrayLike, flags: npt.ArrayLike) -> tuple[IntArray, npt.NDArray[np.bool_]]:
    sizes_M = integers(f"the counts of problem {row} (from 0)", classes)
    right_M = np.asarray(flags)
    if right_M.size == 0:
        right_M = np.zeros(0, dtype=np.bool_)
    if right_M.dtype != np.bool_ or right_M.shape != sizes_M.shape or (sizes_M < 0).any():
        raise UsageError(
            f"problem {row} (from 0) needs a count >= 0 and true or false for each answer class; "
            f"got {sizes_M.tolist()} and {right_M.tolist()}"
        )
    sizes_M, right_M = sizes_M[sizes_M > 0], right_M[sizes_M > 0]
    order = np.lexsort((right_M, sizes_M))
    return sizes_M[order], right_M[order]


class _Draws:
    """What drawing k of n comes to for a class of any size: equal for all problems, so each is computed once.

    Args:
        n: responses.
        k: votes.
    """

    def __init__(self, n: int, k: int) -> None:
        self.n, self.k = n, k
        self.drawn = _binomial(n, k / n)
        points = _points(self.drawn, k)
        self.turns_F = np.exp(-2j * np.pi * np.arange(points // 2 + 1) / points)
        # A real polynomial's values at conjugate points are conjugate: half of the points are enough.
        twice_F = np.full(self.turns_F.size, 2.0)
        twice_F[0] = 1.0
        if points % 2 == 0:
            twice_F[-1] = 1.0
        self.wanted_F = np.exp(2j * np.pi * (k * np.arange(self.turns_F.size) % points) / points) * twice_F / points
        self._rows = min(k, n)
        self._powers_tF = self.turns_F ** np.arange(self._rows + 1)[:, None]
        self._one_F = 1 - k / n + k / n * self.turns_F
        self._factors: dict[tuple[int, int], npt.NDArray[np.complex128]] = {}
        self._winning: dict[int, tuple[int, int]] = {}
        self._bytes = 0

    def anything(self, size: int) -> npt.NDArray[np.complex128]:
        """(F,) generating function of the number drawn from `size` responses, however many: `(1 - p + p z) ** size`."""
        return _power(self._one_F, size) if size else np.ones_like(self._one_F)

    def exactly(self, size: int) -> npt.NDArray[np.complex128]:
        """(t, F) `P(X = t) z^t` for t = 0, 1, …: the class holds the winning count."""
        if (size, 0) not in self._factors:
            self._keep((size, 0), self._terms(size))
        return self._factors[size, 0]

    def below(self, size: int, nodes: int) -> npt.NDArray[np.complex128]:
        """(t, nodes, F) `P(X < t) + y P(X = t)`, each term times its turn, for t = 0, 1, … and y at so many nodes.

        Only as many t have rows as can have that many classes tied: with `nodes` > 1 more than `nodes` classes hold t each.
        """
        if (size, nodes) not in self._factors:
            rows = self._rows if nodes == 1 else min(self._rows, self.k // nodes)
            terms_tF = self._terms(size)[: rows + 1]
            below_tF = np.cumsum(terms_tF, axis=0) - terms_tF
            ties = _gauss(nodes)[0][None, :, None]
            self._keep((size, nodes), below_tF[:, None, :] + ties * terms_tF[:, None, :])
        return self._factors[size, nodes]

    def winning(self, size: int) -> tuple[int, int]:
        """The least and the largest t that a right class of this size draws with a chance above `_NEGLIGIBLE`; (1, 0) for none."""
        if size not in self._winning:
            counts_t = np.arange(max(1, self.k - (self.n - size)), min(self.k, size) + 1)
            own, rest = _binomial(size, self.k / self.n), _binomial(self.n - size, self.k / self.n)
            likely = counts_t[own[counts_t] * rest[self.k - counts_t] > _NEGLIGIBLE * self.drawn[self.k]]
            self._winning[size] = (int(likely[0]), int(likely[-1])) if likely.size else (1, 0)
        return self._winning[size]

    def _terms(self, size: int) -> npt.NDArray[np.complex128]:
        """Rows to twice the size: a class is asked for in stretches that begin at its size or below, and end before they double."""
        chances_t = np.zeros(min(self._rows, 2 * size) + 1)
        chances = _binomial(size, self.k / self.n)[: chances_t.size]
        chances_t[: chances.size] = chances
        terms_tF: npt.NDArray[np.complex128] = chances_t[:, None] * self._powers_tF[: chances_t.size]
        return terms_tF

    def _keep(self, key: tuple[int, int], table: npt.NDArray[np.complex128]) -> None:
        self._bytes += table.nbytes
        if self._bytes > _TABLES:
            self._factors, self._bytes = {}, table.nbytes
        self._factors[key] = table


def _vote(votes: _Votes, draws: _Draws) -> float:
    k = draws.k
    if not votes.right:
        return 0.0
    if not votes.wrong and k > votes.silent:
        return 1.0
    ends = [draws.winning(size) for size in votes.right]
    joint = 0.0
    low, high = min(first for first, last in ends if last), max(last for _, last in ends)
    for first, last, nodes in _stretches(votes.sizes, low, high, k):
        counts = slice(first, last + 1)
        # A class that is too small to tie may have drawn anything, and many such classes are as one.
        small = sum(votes.sizes[: bisect_left(votes.sizes, first)])
        nobody: npt.NDArray[np.complex128] = draws.anything(votes.silent + small)[None, None, :]
        # Most classes share their size with others, and the wrong ones never win: one power for each size, before the right ones.
        for size, times in votes.wrong:
            if size >= first:
                nobody = nobody * _power(draws.below(size, nodes)[counts], times)
        winner: npt.NDArray[np.complex128] | None = None
        for size in votes.right:
            if size >= first:
                exactly = nobody * draws.exactly(size)[counts, None, :]
                factor = draws.below(size, nodes)[counts]
                winner, nobody = exactly if winner is None else winner * factor + exactly, nobody * factor
        if winner is not None:
            by_node = (winner.sum(axis=0) @ draws.wanted_F).real
            # without another class that could tie there is nothing to integrate over
            joint += float(by_node @ _gauss(nodes)[1]) if by_node.size == nodes else float(by_node[0])
    return min(max(joint / float(draws.drawn[k]), 0.0), 1.0)


def _stretches(sizes: Sequence[int], low: int, high: int, k: int) -> Iterator[tuple[int, int, int]]:
    """Winning counts `low` to `high` in stretches (first, last, nodes) for which as many nodes are enough.

    At most k // t classes hold t each, so s further ones give a degree of at most min(k // t, classes that large) - 1 in y, for which
    degree // 2 + 1 nodes are exact; more are exact too, and powers of two let problems share their tables. A stretch ends where t has
    doubled, too: the larger t, the fewer classes have to be looked at.
    """
    first, nodes = low, 0
    for t in range(low, high + 1):
        needed = (min(k // t, len(sizes) - bisect_left(sizes, t)) + 1) // 2
        power = 1 << max(0, needed - 1).bit_length()
        if nodes and (power != nodes or t >= 2 * first):
            yield first, t - 1, nodes
            first = t
        nodes = power
    if nodes:
        yield first, high, nodes


def _points(drawn: FloatArray, k: int) -> int:
    """Roots of unity that keep every coefficient of weight from folding onto the k-th.

    No coefficient exceeds the chance that so many are drawn at all, so what lies beyond the last count with a chance above
    `_NEGLIGIBLE` of the k-th's adds less than that.
    """
    heavy = np.flatnonzero(drawn > _NEGLIGIBLE * drawn[k])
    return int(max(k - heavy[0], heavy[-1] - k)) + 1


@lru_cache(maxsize=1024)
def _gauss(nodes: int) -> tuple[FloatArray, FloatArray]:
    """Nodes and weights of Gauss and Legendre's rule on [0, 1]."""
    places, weights = special.roots_legendre(nodes)
    return (places + 1) / 2, weights / 2


def _power(base: npt.NDArray[np.complex128], exponent: int) -> npt.NDArray[np.complex128]:
    """`base ** exponent` by squaring; numpy takes a logarithm for complex numbers, which is slower and less exact."""
    power = base
    for bit in f"{exponent:b}"[1:]:
        power = power * power
        if bit == "1":
            power = power * base
    return power


def _binomial(size: int, chance: float) -> FloatArray:
    """P(X = x) for x = 0..size."""
    x = np.arange(size + 1)
    ways = special.gammaln(size + 1) - special.gammaln(x + 1) - special.gammaln(size - x + 1)
    probabilities: FloatArray = np.exp(ways + special.xlogy(x, chance) + special.xlog1py(size - x, -chance))
    return probabilities
