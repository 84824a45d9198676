"""Content-hash identity and the train/test split that follows from it.

A split by seed or by index leaks: generators that share most of their items under neighbouring seeds put the same problem on both sides.
A split by content cannot.
"""

from __future__ import annotations

import hashlib
from typing import Literal

from counterpoise.errors import UsageError

__all__ = ["Split", "problem_id", "split_of"]

Split = Literal["train", "test"]

_SPLIT_SALT = b"counterpoise/split/1"


def problem_id(task_type: str, *content: str) -> str:
    """32 hexadecimal characters: blake2b-128 over the parts, each preceded by its length in UTF-8 bytes (8 bytes, big-endian).

    The length prefix keeps `("a", "bc")` and `("ab", "c")` apart.

    Args:
        task_type: Kind of task; the same text under two kinds is two problems.
        content: What makes the problem what it is, e.g. question and gold.
    """
    digest = hashlib.blake2b(digest_size=16)
    for part in (task_type, *content):
        # surrogatepass: a lone surrogate read from a sloppy JSON file is still content, not a reason to crash
        payload = part.encode("utf-8", "surrogatepass")
        digest.update(len(payload).to_bytes(8, "big"))
        digest.update(payload)
    return digest.hexdigest()


def split_of(problem_id: str, *, test_fraction: float = 0.1) -> Split:
    """The side a problem is on: test when a salted 64-bit hash of its id falls below `test_fraction * 2**64`.

    The hash is salted so that the side says nothing about the id itself (ordering by id does not separate the sides), and a larger
    `test_fraction` only ever moves problems from train to test.

    Args:
        problem_id: Any string; normally from `problem_id`.
        test_fraction: Expected share of the test side, in [0, 1].

    Raises:
        UsageError: `test_fraction` is outside [0, 1] or NaN.
    """
    if not 0.0 <= test_fraction <= 1.0:
        raise UsageError(
            f"test_fraction is {test_fraction}, expected a number from 0 to 1 (the share of problems held out)"
        )
    payload = problem_id.encode("utf-8", "surrogatepass")
    digest = hashlib.blake2b(payload, digest_size=8, salt=b"", key=_SPLIT_SALT).digest()
    return "test" if int.from_bytes(digest, "big") < test_fraction * 2.0**64 else "train"
