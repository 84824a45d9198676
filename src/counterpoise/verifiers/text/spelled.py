r"""Numbers in English words, `thirty-six`, `\text{one hundred and five}`, `minus two`, `three quarters`, as figures."""

from __future__ import annotations

from counterpoise.lazy import compiled
from counterpoise.verifiers.text.normalise import unwrap_text

__all__ = ["figures"]

_ONES = "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen"
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety"
_SMALL = {word: value for value, word in enumerate(_ONES.split())} | {
    word: 10 * value for value, word in enumerate(_TENS.split(), start=2)
}
_LARGE = {"thousand": 10**3, "million": 10**6, "billion": 10**9}
_PARTS = {
    "half": 2, "halves": 2, "third": 3, "thirds": 3, "quarter": 4, "quarters": 4, "fourth": 4, "fourths": 4, "fifth": 5, "fifths": 5,
    "sixth": 6, "sixths": 6, "seventh": 7, "sevenths": 7, "eighth": 8, "eighths": 8, "ninth": 9, "ninths": 9, "tenth": 10, "tenths": 10,
}  # fmt: skip
_SPELLED = compiled(r"[A-Za-z]+(?:[ -][A-Za-z]+){0,15}")


def figures(text: str) -> str:
    r"""The figures of a normalised text that is one spelled number below a trillion, or a simple fraction; any other text as it is."""
    plain = unwrap_text(text)[0]
    if len(plain) > 200 or _SPELLED.fullmatch(plain) is None:
        return text
    words = plain.lower().replace("-", " ").split()
    sign = "-" if words[0] in ("minus", "negative") else ""
    words = words[1:] if sign else words
    if len(words) > 1 and words[-1] in _PARTS:
        top = 1 if words[:-1] in (["a"], ["an"]) else _whole(words[:-1])
        return text if top is None else rf"{sign}\frac{{{top}}}{{{_PARTS[words[-1]]}}}"
    value = _whole(words)
    return text if value is None else f"{sign}{value}"


def _whole(words: list[str]) -> int | None:
    """The number that words are; None where they are none, or two in a row: `two five`."""
    total, group, last = 0, 0, 10**12
    room = 10**3  # what the next word must be below
    for position, word in enumerate(words):
        if word == "and" and 0 < position < len(words) - 1 and (words[position - 1] == "hundred" or group == 0):
            continue
        if word in _SMALL:
            value = _SMALL[word]
            if value >= room or (value == 0 and len(words) > 1):
                return None
            group += value
            room = 10 if value >= 20 else 0
        elif word == "hundred":
            if not 0 < group < 100:
                return None
            group *= 100
            room = 100
        elif word in _LARGE and group > 0 and _LARGE[word] < last:
            last = _LARGE[word]
            total, group, room = total + group * last, 0, 10**3
        else:
            return None
    return total + group if words else None
