r"""Numbers, exactly: integers, decimals, scientific notation, fractions and mixed numbers as `Fraction`.

A percent is not its fraction (`50%` is neither `50` nor `0.5`) and a unit is part of the answer (`18 cm` is not `18`). A dollar sign is
dropped, because in a response it cannot be told from the delimiter of mathematics.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from counterpoise.errors import UsageError
from counterpoise.types import Extraction, Judgement, VerdictValue
from counterpoise.verifiers.extraction import DEFAULT_RULES, check_rules, extract
from counterpoise.verifiers.normalise import normalise

__all__ = ["Number", "NumericVerifier", "parse_number", "parse_quantity"]

_MAX_DIGITS = 1000
_MAX_EXPONENT = 400
_PLAIN = r"(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d*)?|\.\d+"
_DECIMAL = re.compile(
    rf"(?P<sign>[-+]?)\s*(?P<digits>{_PLAIN})"
    r"(?:[eE](?P<e>[-+]?\d{1,4})|\s*(?:\\times|\\cdot|\*|x)\s*10\s*\^\s*\{?\s*(?P<power>[-+]?\d{1,4})\s*\}?)?"
)
_FRACTION = re.compile(
    r"(?P<sign>[-+]?)\s*(?:(?P<whole>\d+)(?:\s+|(?=\\)))?"
    r"(?:(?P<n1>-?\d+)\s*/\s*(?P<d1>-?\d+)|\\frac\s*\{\s*(?P<n2>-?\d+)\s*\}\s*\{\s*(?P<d2>-?\d+)\s*\}|\\frac\s*(?P<n3>\d)\s*(?P<d3>\d))"
)
_QUANTITY = re.compile(
    rf"(?P<number>[-+]?\s*(?:{_PLAIN})(?:[eE][-+]?\d{{1,4}}(?![A-Za-z]))?)\s*(?P<unit>[^\d\s.,/^*+(-].*)", re.DOTALL
)
_UNIT_WRAPPER = re.compile(r"\\(?:text|mathrm|textrm|mbox|rm)\s*\{([^{}]*)\}")


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
    More than 1,000 characters, an exponent beyond 400 in size and a zero denominator are no numbers.
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
    return None


def parse_quantity(text: str) -> tuple[Number, str] | None:
    """A number and its unit (empty when there is none, `%` for a percentage), or None."""
    number = parse_number(text)
    if number is not None:
        return number, ""
    match = _QUANTITY.fullmatch(text.strip())
    number = parse_number(match["number"]) if match else None
    if match is None or number is None:
        return None
    unit = "".join(_UNIT_WRAPPER.sub(r"\1", match["unit"]).split())
    return number, "%" if unit.lower() in ("%", "percent") else unit


@dataclass(frozen=True, slots=True, kw_only=True)
class NumericVerifier:
    """CORRECT when both sides are the same number with the same unit."""

    relative_tolerance: float = 0.0
    """`|answer - gold| <= relative_tolerance * |gold|` counts as equal; 0 compares exactly."""
    rules: Sequence[str] = DEFAULT_RULES
    """Extraction rules that may find the answer."""

    def __post_init__(self) -> None:
        check_rules(self.rules)
        if not 0 <= self.relative_tolerance < 1:
            raise UsageError(
                f"relative_tolerance is {self.relative_tolerance}; it must be in [0, 1), e.g. 0.01 for one per cent"
            )

    @property
    def name(self) -> str:
        """`numeric`."""
        return "numeric"

    @property
    def version(self) -> str:
        """Changes whenever a verdict could change."""
        return "1" + (f"+rtol{self.relative_tolerance:g}" if self.relative_tolerance else "")

    @property
    def isolated(self) -> bool:
        """False: digits and exponents are capped, so the arithmetic is."""
        return False

    def extract(self, response: str) -> Extraction:
        """The answer inside a response; see `counterpoise.verifiers.extraction`."""
        return extract(response, rules=self.rules)

    def judge(self, gold: str, answer: str) -> Judgement:
        """Compare exactly, or within the relative tolerance; a gold that is no number is UNSCORED."""
        left = parse_quantity(normalise(gold))
        if left is None:
            return Judgement(value=VerdictValue.UNSCORED, rule="gold", reason="unparsable gold: it is not a number")
        right = parse_quantity(normalise(answer))
        if right is None:
            return Judgement(value=VerdictValue.WRONG, rule="not_a_number")
        if left[1] != right[1]:
            return Judgement(value=VerdictValue.WRONG, rule="unit")
        difference = abs(left[0].value - right[0].value)
        close = difference <= Fraction(self.relative_tolerance) * abs(left[0].value)
        return Judgement(value=VerdictValue.CORRECT if close else VerdictValue.WRONG, rule="number")
