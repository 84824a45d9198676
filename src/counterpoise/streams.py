"""Named seed streams: every random draw of a run comes from `stream(run_seed, what, where...)`.

Adding an index to a seed (`seed + i`) makes neighbouring runs share most of their draws; hashing the names does not.
"""

from __future__ import annotations

import hashlib

from counterpoise.lazy import np

__all__ = ["numpy_generator", "stream"]


def stream(run_seed: int, *names: str | int) -> int:
    """A 63-bit seed that depends on the run's seed and on every name, and on nothing else.

    `stream(0, "rollout", 3)` is the same on every machine and Python version; names are typed, so `3` and `"3"` differ.
    """
    key = repr((int(run_seed), *(n if isinstance(n, str) else int(n) for n in names)))
    return int.from_bytes(hashlib.blake2b(key.encode(), digest_size=8).digest(), "big") >> 1


def numpy_generator(run_seed: int, *names: str | int) -> np.random.Generator:
    """A NumPy generator on the named stream."""
    return np.random.default_rng(stream(run_seed, *names))
