"""How often the intervals of an evaluation and of a study hold what they promise: bands, single intervals, seeds.

    python benchmarks/coverage.py bands 10,20,30,60,100 500      problems, repetitions: about 2 minutes of CPU
    python benchmarks/coverage.py seeds 64,256 1500              problems, studies

Bands: problems whose success rate is drawn from a distribution are answered 128 times each; the truth is the curve of the
distribution. Pairs are a policy and the same policy sharpened (logits times 1.3), shifted and jittered problem by problem; their truth is
the mean of two million problems. A nominal 95% throughout.
Seeds: x_sp = a_s + b_p + e_sp, all normal, var(b) = var(e) = 1, var(a) as given.
"""

from __future__ import annotations

import sys
from collections.abc import Callable

import numpy as np
from scipy.special import betaln

from counterpoise.evaluation.estimators.passk import pass_at_k
from counterpoise.evaluation.statistics.bands import simultaneous_band
from counterpoise.evaluation.statistics.seeds import seeded_intervals

KS = np.array([1, 2, 4, 8, 16, 32, 64, 128])
N = 128
RESAMPLES = 400

Draw = Callable[[np.random.Generator, int], np.ndarray]


def curve(a: float, b: float) -> tuple[Draw, np.ndarray]:
    """Rates from Beta(a, b): pass@k = 1 - B(a, b + k)/B(a, b)."""

    def draw(generator: np.random.Generator, problems: int) -> np.ndarray:
        return pass_at_k(np.full(problems, N), generator.binomial(N, generator.beta(a, b, problems)), KS)

    return draw, 1 - np.exp(betaln(a, b + KS) - betaln(a, b))


def pair(a: float, b: float, shift: float, jitter: float) -> tuple[Draw, np.ndarray]:
    """Differences of pass@k between a policy with rates from Beta(a, b) and what training made of it."""

    def rates(generator: np.random.Generator, problems: int) -> tuple[np.ndarray, np.ndarray]:
        before = np.clip(generator.beta(a, b, problems), 1e-9, 1 - 1e-9)
        moved = 1.3 * np.log(before / (1 - before)) + shift + jitter * generator.normal(size=problems)
        return before, 1 / (1 + np.exp(-moved))

    def draw(generator: np.random.Generator, problems: int) -> np.ndarray:
        before, after = (
            pass_at_k(np.full(problems, N), generator.binomial(N, rate), KS) for rate in rates(generator, problems)
        )
        return after - before

    before, after = rates(np.random.default_rng(99), 2_000_000)
    return draw, np.array([((1 - before) ** k - (1 - after) ** k).mean() for k in KS])


CASES = {
    "Beta(1, 3)": curve(1, 3),
    "Beta(1, 1)": curve(1, 1),
    "Beta(2, 2)": curve(2, 2),
    "Beta(8, 8)": curve(8, 8),
    "Beta(0.3, 2), skewed": curve(0.3, 2),
    "Beta(0.5, 8), skewed": curve(0.5, 8),
    "Beta(0.2, 1), skewed": curve(0.2, 1),
    "Beta(0.39, 0.1), two peaks": curve(0.39, 0.1),
    "pair of Beta(1, 3)": pair(1, 3, 0.5, 0.5),
    "pair of Beta(0.3, 2)": pair(0.3, 2, 0.5, 0.5),
    "pair of Beta(0.5, 0.5)": pair(0.5, 0.5, 0.8, 0.5),
    "pair of Beta(1, 1), small": pair(1, 1, 0.2, 0.2),
    "pair of Beta(0.3, 2), no shift": pair(0.3, 2, 0.0, 0.8),
}


def bands(problems: int, repetitions: int) -> None:
    """Share of repetitions in which the band holds the whole curve, its mean half width, and the shares of the intervals of single k."""
    for name, (draw, truth) in CASES.items():
        generator, held, width, single = np.random.default_rng(problems), 0, 0.0, np.zeros(len(KS))
        for _ in range(repetitions):
            points = simultaneous_band(draw(generator, problems), generator=generator, resamples=RESAMPLES)
            low, high = (np.array([getattr(point, end) for point in points]) for end in ("band_low", "band_high"))
            held += bool(((low - 1e-12 <= truth) & (truth <= high + 1e-12)).all())
            width += float((high - low).mean()) / 2
            single += [point.low - 1e-12 <= t <= point.high + 1e-12 for point, t in zip(points, truth, strict=True)]
        # Where nearly all problems are solved (or nearly none differ) no interval of single k can hold: shown, not judged.
        shares = " ".join(f"{100 * share:.0f}" for share in single / repetitions)
        print(
            f"{problems:4d} problems  {name:32s} band {100 * held / repetitions:5.1f}%  half width {100 * width / repetitions:5.1f}"
            f"  each k {shares}",
            flush=True,
        )


def seeds(problems: int, studies: int) -> None:
    """Share of studies whose interval holds 0, for two and three seeds."""
    generator = np.random.default_rng(problems)
    for count in (2, 3):
        for spread in (0.0, 0.03, 0.1, 0.2, 0.4, 1.0, 4.0):
            shapes = {(count, 1, studies): spread, (1, problems, studies): 1.0, (count, problems, studies): 1.0}
            values = sum(np.sqrt(variance) * generator.normal(size=shape) for shape, variance in shapes.items())
            held = np.mean([found.low <= 0.0 <= found.high for found in seeded_intervals(values)])
            print(f"{count} seeds, {problems:4d} problems, var(seed) {spread:4.2f}: {100 * held:.1f}%", flush=True)


if __name__ == "__main__":
    what, sizes, repeat = sys.argv[1:]
    for size in map(int, sizes.split(",")):
        {"bands": bands, "seeds": seeds}[what](size, int(repeat))
