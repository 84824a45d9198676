r"""Golds that are not an answer in mathematics: missing values, prose, records.

A verifier must refuse them, for it would judge them as products of letters.
"""

from __future__ import annotations

import json
import re

from counterpoise.lazy import compiled
from counterpoise.verifiers.text.extraction import extract
from counterpoise.verifiers.text.normalise import normalise

__all__ = ["no_mathematics", "unboxed"]

_MISSING = frozenset(["none", "nan", "null", "nil", "inf", "-inf", "+inf", "n/a", "<na>", "nat"])
_STATED = compiled(r"\banswers?\b.{0,40}?(?:\bis\b|\bare\b|:)|####|答案", re.IGNORECASE | re.DOTALL)
_TEXT = compiled(r"\\(?:text|operatorname)\s*\{([^{}]*)\}")
_COMMAND = compiled(r"\\[A-Za-z]+")
_WORD = compiled(r"(?<![A-Za-z0-9_^{])[A-Za-z][A-Za-z']+(?![A-Za-z(])")
_VERB_NAMES = """
    is are be was were has have had will can could should equals gives gave get gets got makes made sold bought left
"""
_VERBS = frozenset(_VERB_NAMES.split())
_OTHER_NAMES = """
    sin cos tan cot sec csc arcsin arccos arctan sinh cosh tanh log ln exp sqrt pi mod max min gcd lcm and or to infinity infty not in
    january february march april may june july august september october november december
    jan feb mar apr jun jul aug sep sept oct nov dec monday tuesday wednesday thursday friday saturday sunday about approximately
    usd eur gbp rs approx no
"""
_NAMES = frozenset(_OTHER_NAMES.split())
_NUMBER_BEHIND_WORDS = compiled(r"(?:[A-Z]?[a-z]{3,}|[A-Z][a-z]+) [-+$]?\d")
_CLOSED = compiled(r"[A-Z][a-z']*(?:,? [A-Za-z'-]+){2,}[.!?]")
_PRINTED = compiled(
    r"(?:[A-Za-z_]\w*\.)*[A-Za-z_]\w{2,}\(\s*[\['\"{].*|\[object [A-Za-z]+\]|<[A-Za-z_][\w.]* [^<>]*>"
    r"|(?:[A-Za-z_]\w*\.)*(?:tensor|array|Fraction|Decimal|[u]?int\d{0,3}|float\d{0,3}|frozenset|set|tuple|list|dict|bytes)\(.*\)",
    re.DOTALL,
)
_HEADED = compiled(r"(?:solution|proof|explanation|hint|note|step \d{1,2})\s*[:.].*", re.IGNORECASE | re.DOTALL)
_MAX_WORDS = 16


def no_mathematics(gold: str) -> str | None:
    r"""Why a gold cannot be judged as mathematics, in words that follow "it is"; None when nothing speaks against it.

    Refused: nothing, `None`, `nan`, `null`, `inf`, JSON objects, what a program prints of its own (`tensor(3)`), and sentences.
    A sentence says
    "the answer is", or has words before its first number, or a verb beside a number, or is longer than 16 words.
    `no solution`, `even`, `18 dollars` and `5 ft 3 in` are none.
    """
    text = gold.strip()
    if text.startswith("{") and text.endswith("}") and _is_object(text):
        return "a JSON object"
    if _PRINTED.fullmatch(text):
        return "an object of a program"
    if _HEADED.fullmatch(text):
        return "a sentence"
    text = normalise(text)
    words = _TEXT.sub(r" \1 ", text).strip()
    if not words:
        return "empty"
    if "".join(words.lower().split()).strip("[]()") in _MISSING:
        return "a missing value"
    return "a sentence" if _sentence(words) or _CLOSED.fullmatch(gold.strip()) else None


def unboxed(gold: str) -> str:
    r"""The content of a gold's last `\boxed{…}`, or the gold where it has none."""
    if "box" not in gold:
        return gold
    found = extract(gold, rules=("boxed",))
    return found.answer if found.answer is not None else gold


def _is_object(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except (ValueError, RecursionError):
        # Python's own spelling, `{'target': ['3']}`, is none the less a record; a set `{1, 2}` has no quoted key.
        return re.match(r"\{\s*['\"][^'\"]*['\"]\s*:", text) is not None


def _sentence(text: str) -> bool:
    if _STATED.search(text):
        return True
    plain = _COMMAND.sub(" ", text)
    words = [word for word in _WORD.findall(plain) if word.lower() not in _NAMES]
    if len(words) > _MAX_WORDS:
        return True
    number = re.search(r"\d", plain)
    if number is None or not words:
        return False
    if _VERBS & {word.lower() for word in words}:
        return True
    before = [word for word in _WORD.findall(plain[: number.start()]) if word.lower() not in _NAMES and len(word) > 2]
    named = "=" in plain[: number.start()] or ":" in plain[: number.start()]
    return not named and (len(before) > 1 or (len(before) == 1 and _NUMBER_BEHIND_WORDS.match(plain) is not None))
