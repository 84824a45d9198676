"""CPU seconds that each estimator takes for a large evaluation and the whole sweep of k.

`OMP_NUM_THREADS=1 python benchmarks/estimators.py [PROBLEMS] [N]`, by default 10,000 problems with 1,024 rollouts each; k is 1, 2, 4, …, N.
Problems differ in difficulty (Beta(0.5, 1)), and a tenth of the wrong responses has no answer; the other wrong ones repeat like words
(Zipf, exponent 1.6). maj@k, which looks at every class of answers, is timed on fewer problems and scaled up.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

import numpy as np

from counterpoise.evaluation.estimators.passk import k_sweep
from counterpoise.evaluation.estimators.registry import ESTIMATORS
from counterpoise.evaluation.statistics.metrics import TAUS
from counterpoise.streams import numpy_generator

REPEATS = 3
VOTED = 200
"""Problems maj@k is timed on."""


def best_of(call: Callable[[], object]) -> float:
    """Least CPU seconds of a few calls."""
    seconds = []
    for _ in range(REPEATS):
        start = time.process_time()
        call()
        seconds.append(time.process_time() - start)
    return min(seconds)


def wrong_classes(wrong: int, generator: np.random.Generator) -> list[int]:
    """How often each wrong answer was given."""
    answers = np.minimum(generator.zipf(1.6, size=wrong), 1 << 20)
    return np.unique(answers, return_counts=True)[1].tolist()


def main(problems: int = 10_000, rollouts: int = 1024) -> None:
    """Print one line for each estimator."""
    generator, ks = numpy_generator(0, "benchmark", "estimators"), k_sweep(rollouts)
    n = np.full(problems, rollouts)
    c = generator.binomial(rollouts, generator.beta(0.5, 1.0, size=problems))
    silent = generator.binomial(n - c, 0.1)
    rewards = generator.random((problems, rollouts))
    voted = min(problems, VOTED)
    classes = [[int(c[row]), *wrong_classes(n[row] - c[row] - silent[row], generator)] for row in range(voted)]
    right = [[True] + [False] * (len(sizes) - 1) for sizes in classes]
    print(
        f"{problems} problems x {rollouts} rollouts, {len(ks)} k, CPU seconds (best of {REPEATS}), numpy {np.__version__}"
    )
    for name, estimator in ESTIMATORS.items():
        function, note = estimator.function, ""
        given = {"k": ks} if "k" in estimator.settings else {}
        if name == "maj@k":
            seconds = best_of(lambda f=function: f(classes, right, ks, silent=silent[:voted])) * problems / voted
            note = f"  {voted} problems scaled up, {np.mean([len(sizes) for sizes in classes]):.0f} classes a problem"
        elif name == "best@k":
            seconds = best_of(lambda f=function: f(rewards, ks))
        elif name == "g-pass@k":
            seconds = best_of(lambda f=function: [f(n, c, ks, tau) for tau in TAUS])
            note = f"  tau {', '.join(map(str, TAUS))}"
        else:
            given |= {"tau": TAUS} if "tau" in estimator.settings else {}
            seconds = best_of(lambda f=function, g=given: f(n, c, **g))
        print(f"{name:<10} {seconds:9.3f}{note}")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
