"""Which wrong answers of a problem are the same, in bounded time and without keeping their texts: what maj@k counts.

Rule. The responses judged correct are one class. Wrong answers are one class when their texts are equal in Unicode's compatibility form
(NFKC) with single spaces. The most frequent classes of a problem are then compared by the verifier, the more frequent answer as the gold,
where it can say so cheaply, and a class joins the first it is called equal to. `compared_classes` says how many take part. Responses
without an answer belong to no class and do not vote.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Mapping

from counterpoise.types import Problem

__all__ = ["Equivalent", "WrongAnswers", "compared_classes"]

Equivalent = Callable[[Problem, str, str], bool]
"""(problem, one answer, another) -> whether they are the same answer; quick, total, False where only the text could tell."""

_COMPARISONS = 50_000
"""Most comparisons of an evaluation: a second or two."""
_MOST_CLASSES = 32
_LONGEST = 200
"""Longer answers are compared by their text alone."""


def compared_classes(problems: int) -> int:
    """Classes of each problem that the verifier compares: 32, or fewer (2 at least) where all pairs would be over 50,000 comparisons."""
    most = _MOST_CLASSES
    while most > 2 and problems * most * (most - 1) // 2 > _COMPARISONS:
        most -= 1
    return most


class WrongAnswers:
    """How often each wrong answer of each problem was given, by a hash of its text.

    Args:
        problem_ids: the problems.
    """

    def __init__(self, problem_ids: Iterable[str]) -> None:
        # Hashes are equal within this process, which is enough.
        self._sizes: dict[str, Counter[int]] = {problem_id: Counter() for problem_id in problem_ids}

    def add(self, problem_id: str, answer: str) -> None:
        """Count one wrong answer."""
        self._sizes[problem_id][hash(_normalised(answer))] += 1

    def classes(
        self, problems: Mapping[str, Problem], wrong: Iterable[tuple[str, str]], equivalent: Equivalent | None
    ) -> dict[str, tuple[int, ...]]:
        """Sizes of each problem's classes, largest first.

        Args:
            problems: by id.
            wrong: (problem id, answer) of every answer that was added, read again for the texts of the most frequent ones.
            equivalent: the verifier's word; None leaves the classes of equal texts.
        """
        texts: dict[str, dict[int, str]] = {problem_id: {} for problem_id in self._sizes}
        if equivalent is not None:
            most = compared_classes(len(self._sizes))
            wanted = {name: {key for key, _ in sizes.most_common(most)} for name, sizes in self._sizes.items()}
            for problem_id, answer in wrong:
                key = hash(_normalised(answer))
                if key in wanted[problem_id] and len(answer) <= _LONGEST:
                    texts[problem_id].setdefault(key, answer)
            for problem_id, found in texts.items():
                _merge(problems[problem_id], self._sizes[problem_id], found, equivalent)
        return {name: tuple(sorted(sizes.values(), reverse=True)) for name, sizes in self._sizes.items()}


def _merge(problem: Problem, sizes: Counter[int], texts: Mapping[int, str], equivalent: Equivalent) -> None:
    """Join each class to the first, more frequent one that the verifier calls equal to it."""
    heads: list[int] = []
    for key in sorted(texts, key=lambda key: (-sizes[key], texts[key])):
        same = next((head for head in heads if equivalent(problem, texts[head], texts[key])), None)
        if same is None:
            heads.append(key)
        else:
            sizes[same] += sizes.pop(key)


def _normalised(answer: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", answer).split())
