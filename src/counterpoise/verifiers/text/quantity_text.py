r"""From the text of an answer to numbers with the text of their units; no unit is looked up here."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction

from counterpoise.lazy import compiled
from counterpoise.verifiers.text.golds import unboxed
from counterpoise.verifiers.text.normalise import normalise
from counterpoise.verifiers.text.repeating import as_fractions
from counterpoise.verifiers.text.unit_text import MAX_TEXT, factors, tidy

__all__ = ["EXACT", "Written", "parse_written", "parse_written_gold", "sides", "unit_behind_box"]

EXACT = (1, MAX_TEXT)
"""Significant figures of a number that is not a decimal: any."""

_MAX_EXPONENT = 400
_PLAIN = r"(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d*)?|\.\d+"
_TEN = r"10\s*\^\s*\(?\s*"
_NUMBER = compiled(
    rf"(?P<sign>[-+]?)\s*(?:"
    rf"{_TEN}(?P<only>[-+]?\s*\d{{1,4}})\s*\)?"
    r"|(?:(?P<whole>\d+)\s+)?\(?\s*(?P<top>\d+)\s*\)?\s*/\s*\(?\s*(?P<bottom>\d+)(?![\d.])\s*\)?"
    rf"|(?P<digits>{_PLAIN})(?:[eE](?P<e>[-+]?\d{{1,4}})(?![\dA-Za-z]))?"
    rf"(?:(?:\s*[*x]\s*|\s+){_TEN}(?P<power>[-+]?\s*\d{{1,4}})\s*\)?)?"
    r")(?![\d^]|\.\d)"
)
_BRACKETED = compiled(r"(?P<number>[^\[\]]*?)\s*(?<!\\)\[(?P<unit>[^\[\]]+)\]")
_EQUALS = compiled(r"=|\\(?:approx|simeq|cong|equiv)(?![A-Za-z])|≈|≃")
_NAME = compiled(r"(?!\d)[^\d=]{0,3}[A-Za-zΑ-ω\\][^=]{0,60}")
_SYMBOL = r"[kMGmcdnpuμµ]?(?:mol|Pa|Hz|eV|cal|bar|atm|ohm|Ω|[mgsJNWVAKCFTLh])"
_PLAIN_UNIT = rf"(?:{_SYMBOL}(?:\s?\^?\{{?-?\d\}}?)?(?![A-Za-z])\s?[/·*]?\s?)+|°\s?[CF]?|\\?%"
_LATEX_UNIT = r"(?:\\(?:text|mathrm|Omega|mu|circ|cdot|%|,|;| )|\{[^{}\n]{0,24}\}|\^|[/\s~-]|\d)+"
_BEHIND = compiled(rf"[\s$]*(?:\\[)\],;: ]\s*)*(?P<unit>{_LATEX_UNIT}|{_PLAIN_UNIT})(?=[\s$.,;)]|\\[)\]]|$)")
_ABOUT = compiled(r"(?:approximately|approx\.?|about|roughly|around|nearly|\\sim(?![A-Za-z]))\s*", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """One quantity as it was written."""

    value: Fraction
    """The number, powers of ten included wherever they stood."""
    unit: str
    """Its unit, tidied; empty when there is none."""
    figures: tuple[int, int]
    """Fewest and most significant figures it may have: the zeros at the end of `2600` may count or not."""
    optional: bool = False
    """Of a gold: the unit may be left out."""


def parse_written_gold(gold: str) -> Written | None:
    """A gold, whose unit may stand in square brackets; None when it is not a quantity."""
    gold = unboxed(gold)
    if match := _BRACKETED.fullmatch(gold.strip()):
        written = parse_written(f"{match['number']} {match['unit']}")
        return written and Written(value=written.value, unit=written.unit, figures=written.figures, optional=True)
    return parse_written(gold)


def parse_written(text: str) -> Written | None:
    """A number, perhaps with a unit, and nothing else; None for all other text, and beyond 256 characters."""
    if len(text) > MAX_TEXT:
        return None
    text = tidy(as_fractions(normalise(text, dollars=True)))
    match = _NUMBER.match(text)
    if match is None or "**" in text:
        return None
    value = _value(match)
    if value is None:
        return None
    unit = text[match.end() :].strip(" *")
    return None if factors(unit) is None else Written(value=value, unit=unit, figures=_figures(match))


def sides(answer: str) -> tuple[Written, ...] | None:
    r"""The quantities of `E_k = 2600\,J = 2.6\,kJ`, a name in front of the first left out; None when one of them is none."""
    if len(answer) > MAX_TEXT:
        return None
    parts = [part.strip() for part in _EQUALS.split(normalise(answer, dollars=True))]
    parts = [_ABOUT.sub("", part, count=1) if _ABOUT.match(part) else part for part in parts]
    if len(parts) > 1 and (not parts[0].strip(" $") or (parse_written(parts[0]) is None and _NAME.fullmatch(parts[0]))):
        parts = parts[1:]
    written = tuple(parse_written(part) for part in parts)
    return None if None in written else tuple(one for one in written if one is not None)


def unit_behind_box(response: str, number: str) -> str:
    r"""The unit in `\boxed{2600}\text{ J}` or `$\boxed{2600}$ J`; empty when the last box does not hold this number or no unit follows."""
    _, found, behind = response.rpartition(f"{number}}}")
    match = _BEHIND.match(behind[:120].split("\n", 1)[0]) if found else None
    if match is None or not re.search(r"[A-Za-zΩ°%]", match["unit"].replace(r"\,", "")):
        return ""
    return match["unit"].strip(" ~")


def _value(match: re.Match[str]) -> Fraction | None:
    if match["top"]:
        bottom = int(match["bottom"])
        value = int(match["whole"] or 0) + Fraction(int(match["top"]), bottom) if bottom else None
    else:
        exponents = [int(text.replace(" ", "")) for text in (match["only"], match["e"], match["power"]) if text]
        if sum(map(abs, exponents)) > _MAX_EXPONENT:
            return None
        digits = (match["digits"] or "1").replace(",", "").rstrip(".")
        value = Fraction(digits) * Fraction(10) ** sum(exponents)
    return -value if value is not None and match["sign"] == "-" else value


def _figures(match: re.Match[str]) -> tuple[int, int]:
    digits = match["digits"]
    if not digits:
        return EXACT
    plain = digits.replace(",", "").replace(".", "").lstrip("0")
    most = max(1, len(plain))
    return (most, most) if "." in digits else (max(1, len(plain.rstrip("0"))), most)
