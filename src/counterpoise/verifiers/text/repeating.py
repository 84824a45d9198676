r"""Repeating decimals in the notations of the world, exactly: `0.\overline{45}`, `0.\dot{4}\dot{5}`, `0.(45)`, `0.4545...`.

Dots stand over the first and the last digit of the period, `0.\dot{4}5\dot{6}`, or over each; a bar stands over all of it.
"""

from __future__ import annotations

import re
from fractions import Fraction

from counterpoise.lazy import compiled

__all__ = ["as_fractions", "repeating"]

_MARK = (
    r"\\(?:overline|bar|overbar|widebar|dot|hat|widehat|mathring|underline|underbar"
    r"|(?:overset|stackrel)\s*\{\s*\\?[.\-_a-z•˙]{0,12}\s*\})\s*"
)
_MARKED = rf"{_MARK}(?:\{{\s*(?:\d\s*){{1,40}}\}}|\d)"
_DOTS = r"(?:\.\.\.|\\[lc]?dots(?![A-Za-z]))"
_WHOLE = r"(?:\d{1,3}(?:,\d{3})+|\d+)?"
_MARKED_DECIMAL = (
    rf"(?P<whole>{_WHOLE})\s?\.\s?(?:(?P<first>\d{{0,60}})\(\s*(?P<round>\d{{1,40}})\s*\)"
    rf"|\{{?(?P<digits>\d{{0,60}}(?:{_MARKED}\s*\d{{0,40}}\s*){{1,40}})\}}?){_DOTS}?"
)
_REPEATING = compiled(rf"(?P<sign>[-+]?)\s*{_MARKED_DECIMAL}")
_INSIDE = compiled(rf"(?<![\d.,]){_MARKED_DECIMAL}(?!\d)")
_DOTTED = compiled(rf"(?P<sign>[-+]?)\s*(?P<whole>{_WHOLE})\.(?P<digits>\d{{2,60}})\s*{_DOTS}")
_PERIOD = compiled(r"(?P<first>\d*?)(?P<repeated>\d{1,12}?)(?P=repeated)+(?P<cut>\d{0,11})")
_PIECE = compiled(rf"(?P<mark>{_MARK})(?:\{{(?P<group>[\d\s]+)\}}|(?P<one>\d))|(?P<plain>\d)")


def repeating(text: str) -> Fraction | None:
    """The value of a normalised text that is one repeating decimal, None for any other; without a mark two periods must be written out."""
    if match := _REPEATING.fullmatch(text):
        return _signed(match, _value(match))
    match = _DOTTED.fullmatch(text)
    period = _PERIOD.fullmatch(match["digits"]) if match else None
    if match is None or period is None or not period["repeated"].startswith(period["cut"]):
        return None
    return _signed(match, _sum(match["whole"], period["first"], period["repeated"]))


def as_fractions(text: str) -> str:
    r"""A formula with its marked decimals as fractions: `2\cdot 0.\overline{3}` as `2\cdot \frac{1}{3}`."""
    return _INSIDE.sub(_fraction, text) if "." in text and ("\\" in text or "(" in text) else text


def _fraction(match: re.Match[str]) -> str:
    value = _value(match)
    if value is None:
        return match[0]
    fraction = rf"\frac{{{value.numerator}}}{{{value.denominator}}}"
    return f"({fraction})" if match.string[match.end() : match.end() + 1] in ("^", "!") else fraction


def _signed(match: re.Match[str], value: Fraction | None) -> Fraction | None:
    return -value if value is not None and match["sign"] == "-" else value


def _value(match: re.Match[str]) -> Fraction | None:
    if match["round"]:
        return _sum(match["whole"], match["first"], match["round"])
    digits = ""
    marked: list[int] = []
    for piece in _PIECE.finditer(match["digits"]):
        group = "".join((piece["group"] or piece["one"] or piece["plain"]).split())
        if piece["mark"]:
            marked += range(len(digits), len(digits) + len(group))
        digits += group
    whole_run = marked == list(range(marked[0], len(digits)))
    ends = len(marked) == 2 and marked[1] == len(digits) - 1 and match["digits"].count(r"\overline") == 0
    return _sum(match["whole"], digits[: marked[0]], digits[marked[0] :]) if whole_run or ends else None


def _sum(whole: str, first: str, period: str) -> Fraction:
    tail = Fraction(int(period), int("9" * len(period))) / Fraction(f"1{'0' * len(first)}")
    return Fraction(f"{whole.replace(',', '') or 0}.{first or 0}") + tail
