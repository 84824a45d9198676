"""Options of a multiple-choice problem: their order, how they are written, and the odds of a guess."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from string import ascii_uppercase
from types import MappingProxyType
from typing import Any

from counterpoise.errors import DataError
from counterpoise.lazy import np
from counterpoise.types import Problem

__all__ = ["MAX_OPTIONS", "choice_problem", "shuffled"]

MAX_OPTIONS = 26
"""One letter each."""

_NO_META: Mapping[str, Any] = MappingProxyType({})


def shuffled(count: int, identity: str) -> list[int]:
    """An order of `count` options that follows from a problem's id (a hexadecimal number) alone, whatever the file or the seed."""
    return [int(index) for index in np.random.default_rng(int(identity, 16)).permutation(count)]


def choice_problem(
    *,
    identity: str,
    task_type: str,
    question: str,
    options: Sequence[str],
    right: int,
    shuffle: bool,
    meta: Mapping[str, Any] = _NO_META,
    where: str,
) -> Problem:
    r"""A problem whose question lists the options as `A. …` and whose gold is `B of 4`; `meta["guess_rate"]` is one over their number.

    Args:
        identity: the problem's id; it fixes the order.
        task_type: kind of task.
        question: without the options.
        options: 2 to 26 different texts.
        right: position of the right one.
        shuffle: put them into the order of `shuffled`; otherwise they stay.
        meta: further extras.
        where: file and line, for messages.

    Raises:
        DataError: too few or too many options, two the same, or no such position.
    """
    texts = [option.strip() for option in options]
    if not 2 <= len(texts) <= MAX_OPTIONS or not all(texts) or len(set(texts)) < len(texts):
        raise DataError(
            f"{where}: expected 2 to {MAX_OPTIONS} options that are not empty and all different, found {texts!r:.80}"
        )
    if not 0 <= right < len(texts):
        raise DataError(f"{where}: the answer is option {right + 1}, and there are {len(texts)}")
    order = shuffled(len(texts), identity) if shuffle else list(range(len(texts)))
    letter = ascii_uppercase[order.index(right)]
    listed = "\n".join(f"{name}. {texts[index]}" for name, index in zip(ascii_uppercase, order, strict=False))
    return Problem(
        problem_id=identity,
        task_type=task_type,
        question=f"{question}\n{listed}\nAnswer with the letter of one option.",
        gold=f"{letter} of {len(texts)}",
        verifier="choice",
        demonstration=f"\\boxed{{{letter}}}",
        meta=MappingProxyType({**meta, "guess_rate": 1 / len(texts)}),
    )
