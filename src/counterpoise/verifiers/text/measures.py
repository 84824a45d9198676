r"""A number and what stands behind it: words, units, money, per cent and degrees.

Splitting is done on text; pint is asked only where two units differ.

`5\text{ hours}` is not `5\text{ minutes}`, and `100\text{ mm}` is `10\text{ cm}`. A unit that only one side has is passed over, because
golds leave units out and models name them; so is a word that is not a unit (`27 apples`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction

from counterpoise.lazy import compiled
from counterpoise.verifiers.text.unit_text import MAX_TEXT, factors, tidy

__all__ = [
    "BINDS",
    "DEGREES",
    "NUMBER_WORDS",
    "Measure",
    "alike",
    "looks_compound",
    "relate",
    "same_unit",
    "split_measure",
]

_MULTIPLES = {
    "dozen": 12, "hundred": 100, "thousand": 10**3, "million": 10**6, "billion": 10**9, "bn": 10**9, "trillion": 10**12, "k": 10**3,
    "dozens": 12, "hundreds": 100, "thousands": 10**3, "millions": 10**6, "billions": 10**9, "lakh": 10**5, "crore": 10**7,
}  # fmt: skip
_LETTERS = {"k": 10**3, "K": 10**3, "M": 10**6, "B": 10**9}
_WORDS = """
    and or dozen hundred thousand million billion trillion percent times over plus minus squared cubed factorial half quarter third
    halves thirds fourths fifths sixths sevenths eighths ninths tenths hundredths thousandths millionths
    pi sqrt ln log exp sin cos tan cot csc mod choose base to by of
"""
NUMBER_WORDS = frozenset(_WORDS.split())
"""Words behind a number that belong to it: what they mean is not known, so the text cannot be read.

Not `sec`: behind a number it is seconds.
"""

BINDS = compiled(
    r"\\(?:sum|prod|lim|i{0,3}nt|oint|(?:sup|inf|max|min)(?=\s*_))(?![A-Za-z])|\\frac\s*\{\s*(?:d|\\partial)(?![A-Za-z])"
)
"""What binds a variable: letters that stand behind it are not units."""

_TEXT = r"\\text\s*\{[^{}]*\}"
_POWER = r"\^\s*(?:\{\s*-?\d{1,2}\s*\}|-?\d)"
_FRACTION = rf"\\frac\s*\{{\s*(?:{_TEXT}|[\s\d])+\s*\}}\s*\{{\s*(?:{_TEXT}|{_POWER}|\\cdot|[\s*])+\s*\}}"
_TAIL = compiled(
    rf"(?P<unit>(?:{_TEXT}|{_FRACTION})(?:{_TEXT}|{_FRACTION}|{_POWER}|\\cdot(?![A-Za-z])|[/()*\s]|(?<=[/\s*(])[A-Za-z]+)*)\Z"
)
_START = compiled(r"\\text\s*\{|\\frac\s*\{\s*\\text")
_ENDS_AS_VALUE = compiled(r"(?:[\d})\]A-Za-z.]|\\!)\s*\Z")
_NAME = r"[A-Za-z]+(?:'s)?\.?"
_PLAIN = compiled(
    rf"(?P<head>.*[\d}})])(?P<space>\s*)(?P<unit>{_NAME}(?:\s*{_POWER}\)?|[23](?![\d.])|\s*(?:[/*-]|\\cdot(?![A-Za-z]))\s*\(?\s*{_NAME}|\s+\(?{_NAME}\)?)*\)?)",
    re.DOTALL,
)
_GLUED = compiled(
    r"(?:mm|cm|dm|km|kg|mg|ml|mL|cl|dl|hr|hrs|min|mins|sec|secs|ft|yd|yds|mi|lb|lbs|oz|kph|mph|kmh|kJ|kW|kWh|kPa|kHz|MHz|Hz|mol"
    r"|hours?|minutes?|seconds?|days?|weeks?|months?|years?|meters?|metres?|miles?|feet|inch(?:es)?|dollars?|cents?|euros?|degrees?|m/s|km/h)"
    rf"(?:\s*{_POWER}|[23])?(?:/(?:s|h|hr|min|m|L)(?:\s*{_POWER}|[23])?)?"
)
_UNIT_LETTERS = compiled(r"(?:[mgshlLJNWVACKFT](?![A-Za-z])[\s/^*\d{}()-]*)+")
_DEGREE = compiled(
    r"(?P<head>.*[\d)}A-Za-z])\s*\^\s*\{?\s*\\circ\s*\}?\s*(?:\\text\s*\{\s*)?(?P<scale>[CF]?)\s*\}?", re.DOTALL
)
_PERCENT = compiled(r"(?P<head>.*[\d)}])\s*%", re.DOTALL)
_MAX_PLAIN = 200
DEGREES = compiled(r"\s*\^\s*\{?\s*\\circ(?![A-Za-z])\s*\}?")
_MARKED = compiled(r"(?P<head>[-+]?\d[\d.,]*)\s*(?P<mark>''|'|\")")
MARKS = ("minute_mark", "second_mark")
"""`45'` and `45''`: minutes and seconds of arc, or feet and inches."""
_AS_MARKS = {"ft": "minute_mark", "in": "second_mark"}
_NEUTRAL_NAMES = "unit units unitless time times count counts way ways order orders piece pieces"
_NEUTRAL = frozenset(_NEUTRAL_NAMES.split())
_ALIASES = {
    alias: name
    for name, aliases in {
        "h": "hr hrs hour hours", "min": "mins minute minutes", "s": "sec secs second seconds", "day": "days", "week": "weeks wk wks",
        "year": "years yr yrs", "month": "months", "mm": "millimeter millimeters millimetre millimetres", "m": "meter meters metre metres",
        "cm": "centimeter centimeters centimetre centimetres", "km": "kilometer kilometers kilometre kilometres", "in": "inch inches",
        "ft": "foot feet", "yd": "yard yards", "mi": "mile miles", "mg": "milligram milligrams", "g": "gram grams", 
        "L": "liter liters litre litres l",
        "kg": "kilogram kilograms", "mL": "ml milliliter milliliters millilitre millilitres", "lb": "lbs", "oz": "ounce ounces",
        "dollar": "dollars USD usd bucks", "cent": "cents", "euro": "euros EUR", "yen": "JPY", "yuan": "CNY RMB", "rupee": "rupees INR",
        "sterling": "pounds_sterling pound_sterling GBP", "degree": "degrees deg", "mph": "miles_per_hour",
    }.items()
    for alias in aliases.split()
}  # fmt: skip
_MONEY = frozenset(["dollar", "euro", "sterling", "yen", "yuan", "rupee"])
_COMPOUND = compiled(
    r"(?:\\text\s*\{|[^\\{}])*\d\s*(?:\\text\s*\{)?\s*[A-Za-z'\"′″][^=]*\d\s*(?:\\text\s*\{)?\s*[A-Za-z'\"′″][^=]*"
)
_NUMERALS = compiled(r"\d")


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """A text taken apart."""

    head: str
    """What is left of the unit, still to be read as mathematics."""
    unit: str = ""
    """The unit, tidied; empty where there is none."""
    factor: int = 1
    """1000 for `5 thousand`."""


def split_measure(text: str) -> Measure:
    """A normalised text in two; all of it is the head where its end is not a unit, or a word that belongs to the number."""
    if text[-1:] == "%" and (match := _PERCENT.fullmatch(text)):
        return Measure(head=match["head"].rstrip(), unit="%")
    if r"\circ" in text and (match := _DEGREE.fullmatch(text)):
        return Measure(head=match["head"].rstrip(), unit=f"deg{match['scale']}" if match["scale"] else "degree")
    if match := _MARKED.fullmatch(text):
        return Measure(head=match["head"], unit=MARKS[match["mark"] in ('"', "''")])
    head, unit, space = _cut(text)
    if not unit or len(unit) > MAX_TEXT:
        return Measure(head=text)
    if unit.strip() in _LETTERS and not space and _NUMERALS.search(head[-1:]):
        return Measure(head=head, factor=_LETTERS[unit.strip()])
    words = re.sub(r"[^A-Za-z ]", " ", unit).lower().split()
    factor = 1
    for multiple in [word for word in words if word in _MULTIPLES][:2]:
        factor *= _MULTIPLES[multiple]
        unit = re.sub(rf"\b{multiple}\b", " ", unit, count=1, flags=re.IGNORECASE).replace(" of ", " ")
        words.remove(multiple)
    if NUMBER_WORDS & {word for word in words[:1] if word != "of"} or {"plus", "minus", "times", "squared", "or"} & set(
        words
    ):
        return Measure(head=text)
    return Measure(head=head, unit=tidy(unit), factor=factor)


def _cut(text: str) -> tuple[str, str, bool]:
    """Head, unit with its commands taken off, and whether there was space between."""
    start = _START.search(text)
    if start is not None:
        match = _TAIL.match(text, start.start())
        head = text[: start.start()]
        if match is None or not _ENDS_AS_VALUE.search(head):
            return text, "", False
        unit = match["unit"]
        inside = re.sub(r"\\text\s*\{([^{}]*)\}", r"\1", unit, count=1)
        spaced = head != head.rstrip() or inside[:1].isspace()
        tail = re.sub(r"\\text\s*\{([^{}]*)\}", r" \1 ", unit)
        # Words that stood before the command: `5 square \text{ feet}`.
        before = (
            _PLAIN.fullmatch(head.rstrip()) if len(head) <= _MAX_PLAIN and re.search(r"[A-Za-z]\s*\Z", head) else None
        )
        if before is not None and before["space"]:
            return before["head"], f"{before['unit']} {tail}", True
        return head.rstrip(), tail, spaced
    if len(text) > _MAX_PLAIN or BINDS.search(text):  # the letters behind a sum or an integral are its own
        return text, "", False
    match = _PLAIN.fullmatch(text)
    if match is None:
        return text, "", False
    unit = match["unit"]
    wordy = re.search(r"[A-Za-z]{2}", unit) is not None
    if match["space"] and (wordy or _UNIT_LETTERS.fullmatch(unit)):
        return match["head"], unit, True
    if _GLUED.fullmatch(unit) or (unit in _LETTERS and not match["space"]):
        return match["head"], unit, False
    return text, "", False


def looks_compound(text: str) -> bool:
    """Whether a text may be a sum of units such as `3 hours 20 minutes`: two numbers, words behind each."""
    return len(text) <= MAX_TEXT and _COMPOUND.fullmatch(DEGREES.sub(" degrees ", text)) is not None


def alike(gold: str, answer: str) -> bool | None:
    """True where two tidied units need no conversion or one is missing, False never, None where pint must be asked."""
    left, right = _plain(gold), _plain(answer)
    return True if not left or not right or left == right else None


def same_unit(gold: str, answer: str) -> bool:
    """Whether two tidied units are one, spelled in full, in the plural or short. Money is also the same as no unit."""
    left, right = (_names(unit) if factors(unit) is not None else ((unit.lower(), 1),) for unit in (gold, answer))
    if left == right:
        return True
    if len(left) == len(right) == 1 and {left[0][0], right[0][0]} & set(MARKS):
        return _AS_MARKS.get(left[0][0], left[0][0]) == _AS_MARKS.get(right[0][0], right[0][0])
    money = all(name in _MONEY and power == 1 for name, power in left + right)
    return money and len(left + right) == 1


def relate(gold: str, answer: str, value: Fraction | None) -> tuple[str, Fraction]:
    """How two tidied units compare: `known`, `differ` or `unknown`, and for `known` the answer's value in the gold's unit.

    Without a value the factor between the units is returned. Loads pint.
    """
    from counterpoise.verifiers.text.units import convert, units

    left, right = units(gold), units(answer)
    if not left or not right:
        return "unknown", Fraction(1)
    if {gold, answer} & {"degree", "degrees"} and {gold, answer} & {"degC", "degF", "C", "F"}:
        return "known", Fraction(1) if value is None else value
    angles = [{unit.turns == "angle" for unit in readings} for readings in (left, right)]
    if angles[0].isdisjoint(angles[1]):
        return "differ", Fraction(1)
    for target in left:
        for unit in right:
            converted = convert(Fraction(1) if value is None else value, unit, target)
            if converted is not None:
                return "known", converted[0]
    return "differ", Fraction(1)


def _plain(unit: str) -> tuple[tuple[str, int], ...] | str:
    """A unit's names with singular and plural made one; empty for what is merely counted."""
    readings = factors(unit)
    if readings is None:
        return unit.lower()
    return tuple((name, power) for name, power in _names(unit) if name.lower() not in _NEUTRAL) or ""


def _names(unit: str) -> tuple[tuple[str, int], ...]:
    names = [
        (_ALIASES.get(name) or _ALIASES.get(name.lower()), name, power) for name, power in (factors(unit) or ((),))[0]
    ]
    return tuple(
        sorted(
            (alias or (name if len(name) < 4 else name.lower().removesuffix("s")), power)
            for alias, name, power in names
        )
    )
