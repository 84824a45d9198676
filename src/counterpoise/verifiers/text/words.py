r"""Answers that are words or dates: compared as text, because a word parses as the product of its letters and `on` would be `no`."""

from __future__ import annotations

import re

from counterpoise.lazy import compiled
from counterpoise.verifiers.text.normalise import unwrap_text

__all__ = ["same_date", "same_words"]

_WRAPPED = compiled(r"[A-Za-z]{2}[A-Za-z' -]*")
_PLAIN = compiled(r"[A-Za-z]{5,}|[A-Za-z']{2,}(?: [A-Za-z']{2,})+")
_LETTER = compiled(r"\(?([A-Z])\)?\.?")
_MONTH_NAMES = "january february march april may june july august september october november december"
_MONTHS = _MONTH_NAMES.split()
_SPELLINGS = "|".join([*(rf"{month[:3]}(?:{month[3:]}|\.)?" for month in _MONTHS), "sept"])
_MONTH = compiled(rf"(?<![A-Za-z])(?P<month>{_SPELLINGS})(?![A-Za-z])", re.IGNORECASE)
_ORDINAL = compiled(r"(?<=\d)(?:st|nd|rd|th)(?![A-Za-z])|\bof\b|\bthe\b|[,.]|\\text|[{}~]", re.IGNORECASE)
_ISO = compiled(r"(\d{4})[-/.](0?[1-9]|1[0-2])[-/.](0?[1-9]|[12]\d|3[01])")
_FIGURES = compiled(r"(0?[1-9]|[12]\d|3[01])[-/.](0?[1-9]|[12]\d|3[01])[-/.](\d{4})")
_WEEKDAY = compiled(r"\b(?:mon|tues|wednes|thurs|fri|satur|sun)day\b", re.IGNORECASE)


def same_words(gold: str, answer: str) -> bool | None:
    """Whether two normalised texts are the same words; None when the gold is not words."""
    (left, left_wrapped), (right, right_wrapped) = unwrap_text(gold), unwrap_text(answer)
    if (letter := _LETTER.fullmatch(left)) and (other := _LETTER.fullmatch(right)):
        return letter[1] == other[1]
    same = _fold(left) == _fold(right)
    if (left_wrapped or right_wrapped) and same and _WRAPPED.fullmatch(left):
        return True
    wrapped = left_wrapped or (right_wrapped and _WRAPPED.fullmatch(right) is not None)
    return same if (_WRAPPED if wrapped else _PLAIN).fullmatch(left) else None


def same_date(gold: str, answer: str) -> bool | None:
    """Whether two texts name one date, `March 5, 2020`, `5th of March 2020` and `2020-03-05`; None when the gold is not a date.

    A date names a month beside a number, or is figures with a year of four. `3/5/2020` equals `3-5-2020` alone: who wrote it is not known.
    """
    figures = _FIGURES.fullmatch(gold), _FIGURES.fullmatch(answer)
    if figures[0] and figures[1]:
        return [int(number) for number in figures[0].groups()] == [int(number) for number in figures[1].groups()]
    left, right = _date(gold), _date(answer)
    if left is None:
        return None
    if right is None:
        return False
    # A year or a weekday that only one side has is passed over.
    return left[0] == right[0] and (left[1] <= right[1] or right[1] <= left[1])


def _date(text: str) -> tuple[int, frozenset[int]] | None:
    if len(text) > 64:
        return None
    if iso := _ISO.fullmatch(text):
        return int(iso[2]), frozenset((int(iso[1]), int(iso[3])))
    plain = _WEEKDAY.sub(" ", _ORDINAL.sub(" ", text))
    months = list(_MONTH.finditer(plain))
    rest = _MONTH.sub(" ", plain).split()
    if len(months) != 1 or not rest or not all(word.isdigit() and len(word) <= 4 for word in rest):
        return None
    number = next(i for i, month in enumerate(_MONTHS, 1) if month.startswith(months[0]["month"].lower()[:3]))
    return number, frozenset(map(int, rest))


def _fold(text: str) -> str:
    return " ".join(text.casefold().split())
