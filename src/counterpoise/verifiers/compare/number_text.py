"""Arithmetic on texts: exact where they are numbers, else written for computer algebra to do."""

from __future__ import annotations

from fractions import Fraction

from counterpoise.verifiers.compare.numeric import parse_number
from counterpoise.verifiers.text.measures import Measure

__all__ = ["product_text", "radians_text", "rounding", "times_text"]


def product_text(one: str, other: str) -> str:
    """Their product: a number where both are, else a product that algebra can read."""
    numbers = parse_number(one), parse_number(other)
    if numbers[0] is None or numbers[1] is None:
        return rf"({one})\cdot ({other})"
    value = numbers[0].value * numbers[1].value
    return f"{value.numerator}/{value.denominator}"


def times_text(head: str, factor: int) -> str:
    """So many times a text."""
    if factor == 1:
        return head
    number = parse_number(head)
    if number is None:
        return rf"({head})\cdot {factor}"
    return str(number.value * factor)


def rounding(text: str) -> Fraction:
    """How far a number may be from what it was rounded from: one unit of its last decimal, half a unit of its last figure else."""
    _, point, decimals = text.partition(".")
    if point and decimals.isdigit():
        return Fraction(1, 10 ** len(decimals))
    digits = text.strip("+- ")
    zeros = len(digits) - len(digits.rstrip("0"))
    return Fraction(10 ** min(zeros, max(len(digits) - 2, 0)), 2)


def radians_text(measure: Measure) -> str:
    """An angle in degrees as a bare number, which is in radians."""
    return rf"({measure.head})\cdot\frac{{\pi}}{{180}}" if measure.unit == "degree" else measure.head
