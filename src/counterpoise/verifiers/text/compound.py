r"""Sums of units that are written as one quantity: `3 hours 20 minutes`, `5 ft 3 in`, `5'3"`. Imported only in workers: it loads pint."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from counterpoise.lazy import compiled
from counterpoise.verifiers.compare.numeric import parse_number
from counterpoise.verifiers.text.measures import DEGREES, looks_compound
from counterpoise.verifiers.text.normalise import normalise
from counterpoise.verifiers.text.quantity_text import EXACT, Written
from counterpoise.verifiers.text.unit_text import MAX_TEXT, tidy
from counterpoise.verifiers.text.units import Unit, units

__all__ = ["Total", "compound", "total"]

_PIECE = compiled(
    r"(?P<number>\d+(?:\.\d+)?(?:/\d+)?|\d+ \d+/\d+)\s*(?P<unit>[A-Za-z'\"′″][A-Za-z.'\"′″]*(?:\^\d)?(?: ?/ ?[A-Za-z]+)?)"
)
_JOINT = compiled(r"\s*(?:,|and\b|\+)?\s*(?:and\b)?\s*")
_TEXT = compiled(r"\\text\s*\{([^{}]*)\}")
_MARKS = {"'": "feet", "′": "feet", '"': "inches", "″": "inches", "''": "inches"}
_MARKS_OF_ARC = {"'": "arcminutes", "′": "arcminutes", '"': "arcseconds", "″": "arcseconds", "''": "arcseconds"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Total:
    """A sum in base units."""

    value: Fraction
    """How many base units."""
    dimensions: tuple[tuple[str, Fraction], ...]
    """Of what."""


def total(text: str) -> Total | None:
    """The sum of a text that is numbers with units of one kind, each smaller than the one before, or one such; None for other texts.

    A comma joins hours and minutes, or feet and inches; between metric units (`122 kJ, 156 J`) it makes a list.
    """
    if len(text) > MAX_TEXT:
        return None
    text = _plain(text)
    position, sum_, last, joined = 0, Fraction(0), None, ""
    while position < len(text):
        match = _PIECE.match(text, position)
        number = parse_number(match["number"]) if match else None
        unit = _unit(match["unit"], of_arc=last is not None and last.turns == "angle") if match else None
        if match is None or number is None or unit is None or unit.offset:
            return None
        if last is not None and (_of(unit) != _of(last) or unit.factor >= last.factor):
            return None
        if last is not None and "," in joined and _is_decimal(last.factor / unit.factor):
            return None
        sum_ += number.value * unit.factor
        last, position = unit, match.end()
        joint = _JOINT.match(text, position)
        joined, position = (joint[0], joint.end()) if joint else ("", position)
    return None if last is None or not _of(last) else Total(value=sum_, dimensions=_of(last))


def compound(text: str) -> Written | None:
    """Such a sum as a quantity in its first unit; None for a text that is none."""
    text = normalise(text) if len(text) <= MAX_TEXT else ""
    sum_ = total(text) if looks_compound(text) else None
    match = _PIECE.match(_plain(text))
    unit = _unit(match["unit"]) if match else None
    if sum_ is None or match is None or unit is None:
        return None
    return Written(value=sum_.value / unit.factor, unit=tidy(_MARKS.get(match["unit"], match["unit"])), figures=EXACT)


def _is_decimal(ratio: Fraction) -> bool:
    """Whether it is a power of ten, as between prefixes of one unit."""
    digits = str(ratio)
    return digits[0] == "1" and not digits[1:].strip("0")


def _plain(text: str) -> str:
    return " ".join(_TEXT.sub(r" \1 ", DEGREES.sub(" degrees ", text)).split())


def _unit(text: str, *, of_arc: bool = False) -> Unit | None:
    marks = _MARKS_OF_ARC if of_arc else _MARKS
    readings = units(tidy(marks.get(text, text.rstrip("."))))
    return readings[0] if readings else None


def _of(unit: Unit) -> tuple[tuple[str, Fraction], ...]:
    """What it measures; an angle has no dimensions of its own."""
    return (("[angle]", Fraction(1)),) if unit.turns == "angle" else unit.dimensions
