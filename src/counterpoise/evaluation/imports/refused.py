"""Rows that cannot be used: all of them counted, the first ones kept, so that a file of nothing else fills no memory."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

from counterpoise.files import Damage

__all__ = ["Refused"]

_KEPT = 10
_REASONS = 100
_OTHER = "other reasons"


class Refused:
    """What was kept out, and why."""

    def __init__(self) -> None:
        self.first: list[Damage] = []
        """The first ten."""
        self.of: Counter[Path] = Counter()
        """Rows of each file."""
        self.reasons: Counter[str] = Counter()
        """Rows by reason, the place inside a line left out; beyond a hundred reasons they are `other reasons`."""

    @property
    def total(self) -> int:
        """Rows in all."""
        return self.of.total()

    def add(self, damage: Damage) -> None:
        """Note one row."""
        self.of[damage.path] += 1
        if len(self.first) < _KEPT:
            self.first.append(damage)
        # `json` ends its reasons with a place, which would make every torn line a reason of its own.
        reason = re.sub(r": line \d+ column \d+ \(char \d+\)$", "", damage.reason)
        known = reason in self.reasons or len(self.reasons) < _REASONS
        self.reasons[reason if known else _OTHER] += 1

    def why(self, most: int = 3) -> str:
        """The most frequent reasons with their counts, e.g. `the response is null (12); not JSON: Expecting value (1)`."""
        shown = self.reasons.most_common(most)
        rest = self.total - sum(count for _, count in shown)
        listed = [f"{reason} ({count})" for reason, count in shown] + ([f"and others ({rest})"] if rest else [])
        return "; ".join(listed)
