r"""Numbers, exactly: integers, decimals, scientific notation, fractions and mixed numbers as `Fraction`.

A percent is not its fraction (`50%` is neither `50` nor `0.5`) and a unit is part of the answer (`18 cm` is not `18`). What was counted is
not (`12 apples` is `12` and `12 pears`, see `count_nouns`). Money may be left out (`$18`, `18 dollars`, `18`), because a dollar sign cannot
be distinguished from the delimiter of mathematics; `18 euros` are not `18 dollars`.

Brackets around a number change nothing, `(-1,250)` is -1250. Around money they may be an accountant's minus: a negative gold takes
`($1,250)` for -1250, a positive one for 1250; as a gold it is negative.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import lru_cache
from typing import ClassVar

from counterpoise.lazy import compiled
from counterpoise.ranges import Tolerance
from counterpoise.settings import settings
from counterpoise.types import Extraction, Judgement, VerdictValue
from counterpoise.verifiers.text.answers import bare, is_name, links, without_about
from counterpoise.verifiers.text.count_nouns import only_counts
from counterpoise.verifiers.text.extraction import DEFAULT_RULES, Rules, extract
from counterpoise.verifiers.text.golds import no_mathematics, unboxed
from counterpoise.verifiers.text.measures import same_unit, split_measure
from counterpoise.verifiers.text.normalise import normalise
from counterpoise.verifiers.text.repeating import repeating
from counterpoise.verifiers.text.spelled import figures

__all__ = ["Number", "NumericVerifier", "numbers_agree", "parse_number", "parse_quantity"]

_MAX_DIGITS = 1000
_MAX_EXPONENT = 400
_PLAIN = r"(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d*)?|\.\d+"
_DECIMAL = compiled(
    rf"(?P<sign>[-+]?)\s*(?P<digits>{_PLAIN})"
    r"(?:[eE](?P<e>[-+]?\d{1,4})|\s*(?:\\times|\\cdot|\*|x)\s*10\s*\^\s*\{?\s*(?P<power>[-+]?\d{1,4})\s*\}?)?"
)
_FRACTION = compiled(
    r"(?P<sign>[-+]?)\s*(?:(?P<whole>\d+)(?:\s+|(?=\\)))?"
    r"(?:(?P<n1>-?\d+)\s*/\s*(?P<d1>-?\d+)|\\frac\s*\{\s*(?P<n2>-?\d+)\s*\}\s*\{\s*(?P<d2>-?\d+)\s*\}|\\frac\s*(?P<n3>\d)\s*(?P<d3>\d))"
)
_MAX_UNIT = 40
_MAX_UNIT_WORDS = 4
_MAX_BRACKETS = 6
_MAX_KEPT = 200
"""Characters of a text whose quantity is kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Number:
    """A number and how it was written."""

    value: Fraction
    """Its exact value."""
    form: str
    """`integer`, `decimal` or `fraction`."""
    reduced: bool = True
    """False for a fraction that is not in lowest terms."""


def parse_number(text: str) -> Number | None:
    r"""The number that a normalised text is, wholly; None for anything else.

    Accepts `-7`, `1,234.50`, `.5`, `1.6e-19`, `1.6\times 10^{-19}`, `3/4`, `\frac{3}{4}`, `3 1/2`, `3\frac{1}{2}`.
    Repeating decimals are fractions: `0.\overline{3}`, `0.1(6)`, and `0.333...` where at least two periods are written out.
    More than 1,000 characters, an exponent beyond 400 in size and a zero denominator are not numbers.
    """
    text = text.strip()
    if not text or len(text) > _MAX_DIGITS or not text.isascii():
        return None
    if match := _DECIMAL.fullmatch(text):
        digits = match["digits"].replace(",", "")
        exponent = int(match["e"] or match["power"] or 0)
        if abs(exponent) > _MAX_EXPONENT:
            return None
        value = Fraction(digits.rstrip(".") if digits.endswith(".") else digits) * Fraction(10) ** exponent
        whole = "." not in digits.rstrip(".") and exponent == 0
        return Number(value=-value if match["sign"] == "-" else value, form="integer" if whole else "decimal")
    if match := _FRACTION.fullmatch(text):
        numerator = int(match["n1"] or match["n2"] or match["n3"])
        denominator = int(match["d1"] or match["d2"] or match["d3"])
        if denominator == 0 or (match["whole"] and (numerator < 0 or denominator < 0)):
            return None
        value = Fraction(numerator, denominator) + int(match["whole"] or 0)
        return Number(
            value=-value if match["sign"] == "-" else value,
            form="fraction",
            reduced=math.gcd(numerator, denominator) == 1 and denominator > 1,
        )
    periodic = repeating(text)
    return None if periodic is None else Number(value=periodic, form="fraction")


def parse_quantity(text: str) -> tuple[Number, str] | None:
    """A number and its unit (empty when there is none, `%` for a percentage), or None; a unit is at most 40 characters and four words."""
    number = parse_number(text)
    if number is not None:
        return number, ""
    measure = split_measure(text)
    number = parse_number(measure.head)
    if number is None or len(measure.unit) > _MAX_UNIT or len(measure.unit.split()) > _MAX_UNIT_WORDS:
        return None
    return replace(number, value=number.value * measure.factor), measure.unit


_Quantity = tuple[Number, str, bool]
"""A number, its unit, and whether it is money in brackets."""


def numbers_agree(gold: Fraction, answer: Fraction) -> bool:
    """Equality of a gold with a rounded decimal: `|gold - answer| <= min(1e-6, 1e-4 |gold|)`.

    The first bound is math-verify's six decimals; alone it makes 1.6e-19 equal 9.9e-19, hence the second.
    """
    return abs(gold - answer) <= min(Fraction(1, 10**6), abs(gold) / 10**4)


@settings("verifier numeric")
class NumericVerifier:
    """CORRECT when both sides are the same number with the same unit."""

    name: ClassVar[str] = "numeric"
    isolated: ClassVar[bool] = False
    """Digits and exponents are capped, so the arithmetic is."""

    version_of_rules: ClassVar[str] = ""
    """Behind the version, where what finds the answer has one of its own."""

    relative_tolerance: Tolerance = 0.0
    """`|answer - gold| <= relative_tolerance * |gold|` counts as equal; 0 compares exactly."""
    rules: Rules = DEFAULT_RULES
    """Extraction rules that may find the answer."""

    @property
    def version(self) -> str:
        """Changes whenever a verdict could change."""
        return "4" + (f"+rtol{self.relative_tolerance:g}" if self.relative_tolerance else "") + self.version_of_rules

    def extract(self, response: str) -> Extraction:
        """The answer inside a response; see `counterpoise.verifiers.text.extraction`."""
        return extract(response, rules=self.rules)

    def judge(self, gold: str, answer: str) -> Judgement:
        """Compare exactly, or within the relative tolerance; a gold that is not a number is UNSCORED."""
        why, left = (_kept_gold if len(gold) <= _MAX_KEPT else _gold)(gold)
        if left is None:
            reason = f"unparsable gold: it is {why or 'not a number'}"
            return Judgement(value=VerdictValue.UNSCORED, basis="gold", reason=reason)
        right = (_kept_quantity if len(answer) <= _MAX_KEPT else _quantity)(answer)
        if right is None:
            return Judgement(value=VerdictValue.WRONG, basis="not_a_number")
        units = ["" if only_counts(unit) else unit for unit in (left[1], right[1])]
        if not same_unit(*units):
            return Judgement(value=VerdictValue.WRONG, basis="unit")
        wanted, given = -left[0].value if left[2] else left[0].value, right[0].value
        if right[2] and wanted < 0:
            given = -given
        difference = abs(wanted - given)
        close = difference <= Fraction(self.relative_tolerance) * abs(wanted)
        return Judgement(value=VerdictValue.CORRECT if close else VerdictValue.WRONG, basis="number")


def _quantity(text: str) -> _Quantity | None:
    return _read(figures(normalise(text, dollars=True)))


def _gold(text: str) -> tuple[str | None, _Quantity | None]:
    """Why a gold is none, and its quantity."""
    gold = unboxed(text)
    why = no_mathematics(gold)
    return why, None if why else _quantity(gold)


_kept_quantity = lru_cache(maxsize=4096)(_quantity)
"""A problem's answers repeat, and reading one takes longer than comparing it; long ones are read and not kept."""
_kept_gold = lru_cache(maxsize=4096)(_gold)


def _read(text: str) -> _Quantity | None:
    r"""The number of `x = 4 = \frac{8}{2}`, a name in front left out, its unit and whether it is money in brackets.

    None where two sides differ.
    """
    sides = [link.text for link in links(without_about(text))] if len(text) <= _MAX_DIGITS else [text]
    if len(sides) > 1 and is_name(sides[0]):
        sides = sides[1:]
    found = [_side(side) for side in sides]
    first = found[0]
    for one in found[1:]:
        if first is None or one is None or one[0].value != first[0].value:
            return None
    return found[-1]


def _side(text: str) -> _Quantity | None:
    if found := parse_quantity(text):
        return (*found, False)
    inside, sign = text.strip(), 1
    for _ in range(_MAX_BRACKETS):
        if inside[:1] == "-" and inside[1:2] and inside[1:].lstrip()[:1] in ("(", "[", "\\"):
            inside, sign = inside[1:].strip(), -sign
        without = inside[1:-1].strip() if inside[:1] == "[" and inside[-1:] == "]" else bare(inside)[0]
        if without == inside:
            break
        inside = without
    found = parse_quantity(inside) if inside != text.strip() else None
    if found is None:
        return None
    number, unit = found
    money = unit in ("dollars", "euros", "pounds_sterling", "yen", "yuan", "rupees")
    return replace(number, value=sign * number.value), unit, money and sign == 1 and number.value > 0
