"""What a procedural exercise is: a text with drawn data, a formula, the working, and the results of typical mistakes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal, localcontext
from fractions import Fraction
from typing import Final

__all__ = ["PI", "Data", "Datum", "Exercise", "rounded", "square_root"]

Data = Mapping[str, Fraction]
"""Drawn data by symbol, in the units that the text gives them in."""

_DIGITS: Final = 40
PI: Final = Fraction("3.14159265358979323846264338327950288419717")


@dataclass(frozen=True, slots=True, kw_only=True)
class Datum:
    """A datum with three significant figures: a whole number from `low` to `high`, times a power of ten."""

    low: int = 100
    """Smallest, at least 100."""
    high: int = 999
    """Largest, at most 999."""
    exponent: int = 0
    """Power of ten."""
    unit: str
    """Unit in the text, as pint reads it."""

    def text(self, number: int) -> str:
        """`125` with exponent -2 is `1.25`."""
        return f"{Decimal(number).scaleb(self.exponent):f}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Exercise:
    """A template; its formula takes the drawn numbers and is right for the units named here."""

    name: str
    """Its name, unique."""
    family: str
    """Kind of task of its problems."""
    text: str
    """Question with `{symbol}` where a datum with its unit stands."""
    working: str
    """Worked formula with `{symbol}` where a number stands; what follows it is ` = result`."""
    draws: Mapping[str, Datum]
    """Data by symbol."""
    unit: str
    """Unit of the result."""
    formula: Callable[[Data], Fraction]
    """The result in `unit`."""
    mistakes: tuple[Callable[[Data], Fraction], ...]
    """What typical mistakes lead to, in the same unit."""


def rounded(value: Fraction, figures: int = 3) -> str:
    r"""`value` with so many significant figures, halves to even: `20.0`, `0.0456`, `1.23 \times 10^{4}`."""
    with localcontext() as context:
        context.prec = _DIGITS
        exact = Decimal(value.numerator) / Decimal(value.denominator)
        context.prec = figures
        short = +exact
    if not short:
        return "0"
    size = short.adjusted()
    if -3 < size < figures:
        return f"{short.quantize(Decimal(1).scaleb(size - figures + 1)):f}"
    return rf"{short.scaleb(-size).quantize(Decimal(1).scaleb(1 - figures)):f} \times 10^{{{size}}}"


def square_root(value: Fraction) -> Fraction:
    """To 40 digits."""
    with localcontext() as context:
        context.prec = _DIGITS
        return Fraction((Decimal(value.numerator) / Decimal(value.denominator)).sqrt())
