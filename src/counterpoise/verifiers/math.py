r"""Mathematical equality: what is certain without computer algebra is decided here, the rest by `symbolic` in a killable worker.

Most answers of a group are plain numbers or repeat the gold's text, and importing a computer algebra system costs the trainer's process
0.8 s and 100 MB; so this module does not import it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cache
from importlib.metadata import version

from counterpoise.types import Extraction, Judgement, VerdictValue
from counterpoise.verifiers.extraction import DEFAULT_RULES, check_rules, extract
from counterpoise.verifiers.normalise import normalise, over_cap, unwrap_text
from counterpoise.verifiers.numeric import Number, parse_number

__all__ = ["MathVerifier", "numbers_agree"]

_VERSION = "1"
_ASSIGNMENT = re.compile(r"\\?[A-Za-z]+\s*(?:_\{?\w\}?)?\s*=\s*(.+)", re.DOTALL)
_WORDED = re.compile(r"(.*[\d}])\s+([A-Za-z]{2,}(?:\.? [A-Za-z]{2,})*\.?)(?: ?\^ ?\{?\d\}?)?")
_MAX_WORDED = 200
_UNIT_TEXT = re.compile(r"(.*[\d}])\s*\\(?:text|textrm|mathrm|mbox)\s*\{([A-Za-z .,]*)\}(?:\s*\^\s*\{?\d\}?)?")
_MULTIPLES = {"dozen": 12, "hundred": 100, "thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12}
_NUMBER_WORDS = """
    and or dozen hundred thousand million billion trillion percent times over plus minus squared cubed factorial half quarter third
    pi sqrt ln log exp sin cos tan cot sec csc mod choose base to by of
"""
_NOT_UNITS = frozenset(_NUMBER_WORDS.split())
_WRAPPED_WORDS = re.compile(r"[A-Za-z]{2}[A-Za-z' -]*")
_PLAIN_WORDS = re.compile(r"[A-Za-z]{5,}|[A-Za-z']{2,}(?: [A-Za-z']{2,})+")
_LETTER = re.compile(r"\(?([A-Z])\)?\.?")


@dataclass(frozen=True, slots=True, kw_only=True)
class MathVerifier:
    r"""CORRECT when the answer equals the gold as mathematics.

    With `literal`, the answer must also be written in the gold's form: a numeral in lowest terms for a numeral, otherwise the same
    expression up to the order of terms and factors. Tasks that ask to compute or to simplify need it, because `12345\cdot 678` equals its
    value.
    """

    literal: bool = False
    """Require the gold's form."""
    rules: Sequence[str] = DEFAULT_RULES
    """Extraction rules that may find the answer."""

    def __post_init__(self) -> None:
        check_rules(self.rules)

    @property
    def name(self) -> str:
        """`math`."""
        return "math"

    @property
    def version(self) -> str:
        """This module's version and math-verify's."""
        return f"{_VERSION}+math-verify-{_library_version()}" + ("+literal" if self.literal else "")

    @property
    def isolated(self) -> bool:
        """True: computer algebra can hang, crash and fill the memory."""
        return True

    def extract(self, response: str) -> Extraction:
        """The answer inside a response; see `counterpoise.verifiers.extraction`."""
        return extract(response, rules=self.rules)

    def shortcut(self, gold: str, answer: str) -> Judgement | None:
        """The judgement when it is certain without computer algebra, else None; quick and total."""
        left, right = normalise(gold), normalise(answer)
        if not left:
            return _unscored("it is empty")
        if left == right:
            return _judgement(True, "identical")
        left_number, right_number = parse_number(left), _read_number(right, words=not self.literal)
        if left_number is not None and right_number is not None:
            return self._compare_numbers(left_number, right_number)
        if (cap := over_cap(left)) is not None:
            return _unscored(f"its {cap} is beyond what is verified symbolically")
        text = self._compare_words(left, right)
        if text is not None:
            return text
        if self.literal and left_number is not None:
            return _judgement(False, "not_literal")
        if (cap := over_cap(right)) is not None:
            return _judgement(False, f"over_cap_{cap}")
        return None

    def judge(self, gold: str, answer: str) -> Judgement:
        """Decide; may take unbounded time and memory, so run it in the pool. A gold that cannot be read is UNSCORED."""
        quick = self.shortcut(gold, answer)
        if quick is not None:
            return quick
        from counterpoise.verifiers import symbolic

        return symbolic.compare(normalise(gold), _wrap_words(normalise(answer)), literal=self.literal)

    @staticmethod
    def _compare_words(gold: str, answer: str) -> Judgement | None:
        (left, left_wrapped), (right, right_wrapped) = unwrap_text(gold), unwrap_text(answer)
        if left_wrapped and (letter := _LETTER.fullmatch(left)):
            other = _LETTER.fullmatch(right)
            return _judgement(other is not None and other[1] == letter[1], "text")
        same = _fold(left) == _fold(right)
        if (left_wrapped or right_wrapped) and same and _WRAPPED_WORDS.fullmatch(left):
            return _judgement(True, "text")
        # A word parses as the product of its letters, so that `on` and `no` would be equal.
        is_words = (_WRAPPED_WORDS if left_wrapped else _PLAIN_WORDS).fullmatch(left)
        return _judgement(same, "text") if is_words else None

    def _compare_numbers(self, gold: Number, answer: Number) -> Judgement:
        if self.literal and not answer.reduced:
            return _judgement(False, "not_literal")
        if gold.form == answer.form == "integer":
            return _judgement(gold.value == answer.value, "integer")
        exact = gold.value.denominator == 1 or "decimal" not in (gold.form, answer.form)
        return _judgement(gold.value == answer.value if exact else numbers_agree(gold.value, answer.value), "number")


def numbers_agree(gold: Fraction, answer: Fraction) -> bool:
    """Equality of a gold with a rounded decimal: `|gold - answer| <= min(1e-6, 1e-4 |gold|)`.

    The first bound is math-verify's six decimals; alone it makes 1.6e-19 equal 9.9e-19, hence the second.
    """
    return abs(gold - answer) <= min(Fraction(1, 10**6), abs(gold) / 10**4)


def _read_number(text: str, *, words: bool) -> Number | None:
    """The number of a normalised answer; `x = 5` is 5 and, with `words`, `18 dollars` is 18 and `5 million` is 5000000."""
    if match := _ASSIGNMENT.fullmatch(text):
        text = match[1]
    factor = 1
    if words and len(text) <= _MAX_WORDED and (match := _WORDED.fullmatch(text) or _UNIT_TEXT.fullmatch(text)):
        first, *rest = match[2].lower().replace(".", "").replace(",", "").split() or [""]
        factor = _MULTIPLES.get(first, 1)
        text = match[1] if not _NOT_UNITS & {*rest, first if factor == 1 else ""} else text
    number = parse_number(text)
    if number is None or factor == 1:
        return number
    value = number.value * factor
    return replace(number, value=value, form="integer" if value.denominator == 1 else number.form)


def _wrap_words(text: str) -> str:
    r"""`18 dollars` as `18\text{ dollars}`, which math-verify reads as 18; number words stay, and then nothing can read it."""
    match = _WORDED.fullmatch(text) if len(text) <= _MAX_WORDED else None
    if match is None or _NOT_UNITS & set(match[2].lower().replace(".", "").split()):
        return text
    return rf"{match[1]}\text{{ {match[2].strip()}}}"


def _fold(text: str) -> str:
    return " ".join(text.casefold().split())


def _judgement(correct: bool, rule: str) -> Judgement:
    return Judgement(value=VerdictValue.CORRECT if correct else VerdictValue.WRONG, rule=rule)


def _unscored(why: str) -> Judgement:
    return Judgement(value=VerdictValue.UNSCORED, rule="gold", reason=f"unparsable gold: {why}")


@cache
def _library_version() -> str:
    return version("math-verify")
