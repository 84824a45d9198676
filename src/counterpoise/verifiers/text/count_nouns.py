"""Words behind a number that only say what was counted: `12 apples` is 12, and what is not a known unit is not compared.

So `12 apples` equals `12 pears`: names of one thing differ (kids, children), and the number is what was asked for. `5 hours` never
equals `5 minutes`: known units are compared. Words that change a number (`12 thirds`, `12 not`) are not nouns.
"""

from __future__ import annotations

import re

from counterpoise.lazy import compiled
from counterpoise.verifiers.text.unit_text import factors

__all__ = ["only_counts"]

_PREFIXES = "kilo milli centi deci micro nano pico mega giga tera hecto deca"
_PREFIXED = "meter metre gram gramme liter litre second watt joule newton pascal volt amp ampere ohm hertz byte bit mole calorie bar"
_UNIT_WORDS = """
    inch inche foot feet yard mile furlong fathom league nautical light acre hectare are ounce pound stone ton tonne pint quart gallon cup
    tablespoon teaspoon tbsp tsp fluid barrel bushel minute min hour day week fortnight month year decade century centurie millennium
    millennia knot mph kph rpm bpm fps dollar cent euro penny pennie pence dime nickel yen yuan rupee peso franc won ruble pound sterling
    buck bitcoin usd eur gbp percent percentage pct atm atmosphere torr psi parsec angstrom micron micrometer horsepower btu therm
    electronvolt dozen gross pair couple score kelvin candela lumen lux tesla farad henry coulomb weber becquerel sievert radian steradian
    degree celsius fahrenheit centigrade arcminute arcsecond square cubic cube sq cu squared cubed revolution turn rad deg lbs kgs mol mols
    oz gal gals secs mins hrs yrs hr yr wk am pm noon midnight per base binary octal hexadecimal decimal
    half halve third thirds fourth fifth sixth seventh eighth ninth tenth hundredth thousandth millionth billionth factorial modulo mod root
    hundred thousand million billion trillion lakh crore ten twenty thirty one two three four five six seven eight nine
    plus minus times over divided multiplied is are was were be isn't not no never none nor or and but than wrong incorrect false except
    cycle dyne erg gray siemens siemen lightyear rod quarter time
    choose sqrt log sin cos tan sec exp pi infinity degrees mil mils kilos kilo
"""
_KNOWN = frozenset(_UNIT_WORDS.split()) | {
    prefix + unit for prefix in ("", *_PREFIXES.split()) for unit in _PREFIXED.split()
}
_SHORT_NAMES = "men man box egg car cat dog pen way boy bag toy hat key set red big new old all the for top"
_SHORT = frozenset(_SHORT_NAMES.split())
_SMALL = frozenset(("in", "of", "to", "at", "on", "a"))
_WORD = compiled(r"[a-z]+|[A-Z][a-z]+")
_EASTERN = compiled(r"[\u3040-\u30ff\u4e00-\u9fff\uac00-\ud7af]+")
_EASTERN_UNITS = compiled(
    r"[米克斤吨升秒分时時天日周週月年元角里亩尺寸丈顷瓦焦伏安欧赫帕度卡円圓元十百千万萬亿億半成倍双対对]|시간|분|초|원|년|월|일|미터|그램|리터|만|억|천|백"
)
_MAX_WORDS = 4


def only_counts(unit: str) -> bool:
    """Whether a tidied unit is words that name no unit and change no number."""
    if _EASTERN.fullmatch(unit.strip()):
        return _EASTERN_UNITS.search(unit) is None
    readings = factors(unit)
    if not readings or not readings[0] or len(readings[0]) > _MAX_WORDS:
        return False
    names = [name for name, _ in readings[0]]
    return all(map(_harmless, names)) and any(name not in _SMALL for name in names)


def _harmless(name: str) -> bool:
    if name in _SMALL:
        return True
    lower = name.lower()
    if _WORD.fullmatch(name) is None or {lower, lower.removesuffix("s"), lower.removesuffix("es")} & _KNOWN:
        return False
    # `12 xy` and `12 abc` are products of letters.
    if len(name) > 3:
        return re.search("[aeiouy]", lower) is not None
    return len(name) == 3 and (lower in _SHORT or lower[-1] == "s")
