r"""Times of day: `8:15`, `8:15 PM`, `20:15`, `5 p.m.`, `noon`.

Two digits behind a colon make a time, and no ratio, where both sides have them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from counterpoise.lazy import compiled

__all__ = ["Clock", "read_clock", "same_time"]

_CLOCK = compiled(
    r"(?P<hour>\d{1,2})(?:\s*\{?:\}?\s*(?P<minute>\d\d)(?:\s*:\s*(?P<second>\d\d))?)?"
    r"\s*(?P<half>[ap]\.?\s?m\b\.{0,2}|noon|midnight|in the (?:morning|afternoon|evening)|at night)?\s*(?:o'?clock)?",
    re.IGNORECASE,
)
_TEXT = compiled(r"\\text\s*\{([^{}]*)\}")
_WORDS = {"noon": (12, "p"), "midnight": (12, "a")}
_HALVES = {
    "noon": "p",
    "midnight": "a",
    "in the morning": "a",
    "in the afternoon": "p",
    "in the evening": "p",
    "at night": "p",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Clock:
    """A time of day as it was written."""

    hour: int
    """0 to 24."""
    rest: tuple[int, int]
    """Minutes and seconds."""
    half: str
    """`a` before noon, `p` after it, empty where it was not said."""


def read_clock(text: str) -> Clock | None:
    """The time that a normalised text is, wholly; None for anything else, and for a number with neither a colon nor a half of the day."""
    if len(text) > 64:
        return None
    text = " ".join(_TEXT.sub(r" \1 ", text).replace("~", " ").split()).removeprefix("at ")
    if word := _WORDS.get(text.lower()):
        return Clock(hour=word[0], rest=(0, 0), half=word[1])
    match = _CLOCK.fullmatch(text)
    if match is None or not (match["minute"] or match["half"]):
        return None
    hour, minute, second = int(match["hour"]), int(match["minute"] or 0), int(match["second"] or 0)
    name = " ".join((match["half"] or "").lower().split())
    half = _HALVES.get(name, name[:1])
    if hour > 24 or minute > 59 or second > 59 or (half and not 1 <= hour <= 12 and not match["minute"]):
        return None
    return Clock(hour=hour, rest=(minute, second), half=half)


def same_time(gold: Clock, answer: Clock) -> bool:
    """Whether both are one time. A half of the day that only one side names is passed over, unless the other's hour is beyond 12."""
    if gold.rest != answer.rest:
        return False
    told = gold.half != answer.half and (max(gold.hour, answer.hour) > 12 or min(gold.hour, answer.hour) == 0)
    if (gold.half and answer.half) or told:
        return _hour(gold) == _hour(answer)
    return gold.hour % 24 == answer.hour % 24


def _hour(clock: Clock) -> int:
    if clock.half == "a" and clock.hour > 12:
        return -clock.hour  # 15:30 AM is not a time
    if not clock.half or clock.hour > 12:
        return clock.hour % 24
    return clock.hour % 12 + (12 if clock.half == "p" else 0)
