"""Which draws of an evaluation were met already."""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["Seen"]


class Seen:
    """Which draws were met: one bit each, 128 bytes for 1,024 draws of a problem."""

    def __init__(self) -> None:
        """Nothing was met."""
        self._bits: dict[str, int] = {}
        self.duplicates = 0

    def has(self, problem_id: str, sample: int) -> bool:
        """Whether the draw was met."""
        return bool(self._bits.get(problem_id, 0) >> sample & 1)

    def add(self, problem_id: str, sample: int) -> bool:
        """Note a draw; False, and one more duplicate, when it was there."""
        if self.has(problem_id, sample):
            self.duplicates += 1
            return False
        self._bits[problem_id] = self._bits.get(problem_id, 0) | 1 << sample
        return True

    def lengths(self) -> dict[str, int]:
        """By problem: one more than its last sample that was met."""
        return {problem_id: bits.bit_length() for problem_id, bits in self._bits.items()}

    def beside(self, other: Seen, problem_ids: Iterable[str], n: int) -> int:
        """How many of the first n draws of these problems were met here and not there."""
        first = (1 << n) - 1
        both = ((self._bits.get(name, 0), other._bits.get(name, 0)) for name in problem_ids)
        return sum((ours & ~theirs & first).bit_count() for ours, theirs in both)
