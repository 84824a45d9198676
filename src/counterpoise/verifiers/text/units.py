"""Units by name, through pint. Imported only in workers: pint and its table of units take a second to load."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cache, lru_cache
from itertools import islice, product
from typing import Any

import pint

from counterpoise.verifiers.text.unit_text import factors

__all__ = ["Unit", "convert", "prepare", "units"]

_SPELLINGS: Mapping[str, str] = {
    "KJ": "kJ", "Kj": "kJ", "kj": "kJ", "kPA": "kPa", "KPa": "kPa", "Kpa": "kPa", "kpa": "kPa", "Torr": "torr", "Atm": "atm", "ATM": "atm",
    "AU": "astronomical_unit", "ev": "eV", "EV": "eV", "Kev": "keV", "Mev": "MeV", "hz": "Hz", "HZ": "Hz", "KHz": "kHz", "khz": "kHz",
    "Mhz": "MHz", "Ghz": "GHz", "Kg": "kg", "KG": "kg", "kgs": "kg", "Km": "km", "KM": "km", "Kcal": "kcal", "KV": "kV", "KW": "kW",
    "KN": "kN", "Kohm": "kohm", "secs": "second", "hrs": "hour", "yrs": "year", "mins": "minute", "lbs": "lb", "gm": "gram",
    "gms": "gram", "amps": "ampere", "mols": "mole", "rev": "turn", "revs": "turn", "revolution": "turn", "revolutions": "turn",
    "usd": "dollar", "USD": "dollar", "dollars": "dollar", "bucks": "dollar", "cents": "cent", "penny": "cent", "pennies": "cent",
    "EUR": "euro", "euros": "euro", "GBP": "sterling", "pounds_sterling": "sterling", "pence": "penny_sterling", "JPY": "yen",
    "CNY": "yuan", "RMB": "yuan", "INR": "rupee", "rupees": "rupee", "%": "percent", "‰": "permille",
    "minute_mark": "arcminute", "second_mark": "arcsecond", "deg": "degree", "degs": "degree", "nt": "newton",
}  # fmt: skip
_ALTERNATIVES: Mapping[str, tuple[str, ...]] = {
    "lb": ("lbf",), "pound": ("lbf", "sterling"), "pounds": ("lbf", "sterling"), "C": ("degC",), "F": ("degF",),
    "minute_mark": ("foot",), "second_mark": ("inch",),
}  # fmt: skip
"""A pound may be a mass, a force or money; a degree sign is often lost."""
_MONEY: Mapping[str, tuple[str, Fraction]] = {
    "dollar": ("[dollar]", Fraction(1)), "cent": ("[dollar]", Fraction(1, 100)), "euro": ("[euro]", Fraction(1)),
    "sterling": ("[sterling]", Fraction(1)), "penny_sterling": ("[sterling]", Fraction(1, 100)), "yen": ("[yen]", Fraction(1)),
    "yuan": ("[yuan]", Fraction(1)), "rupee": ("[rupee]", Fraction(1)),
}  # fmt: skip
"""Each currency is a dimension of its own; nothing converts one into another."""
_GLUED_SYMBOLS = "mol kg Pa Hz eV kJ cm dm mm km J K N m s W V A C T g L"
_SYMBOLS = tuple(_GLUED_SYMBOLS.split())
_COUNTED_NOUNS = """
    photon electron proton neutron atom ion molecule particle nucleus nuclei event decay person people time unit unitless
    cycle count wave fringe piece coin way order
"""
_COUNTED = frozenset(_COUNTED_NOUNS.split())
_OFFSETS = ("degree_Celsius", "degree_Fahrenheit")
_MAX_NAME = 32
_MAX_READINGS = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """A unit in the base units of its dimensions."""

    factor: Fraction
    """How many base units it is."""
    dimensions: tuple[tuple[str, Fraction], ...]
    """Dimensions with their exponents, sorted; a unit that has no conversion, such as dB, is its own dimension."""
    offset: str | None = None
    """Name of a temperature scale with a zero of its own, when the unit is nothing else."""
    turns: str | None = None
    """`cycles` for hertz and `angle` for radians and degrees, which have the same dimensions and are not to be mixed."""


def prepare() -> None:
    """Load pint's table, so that no deadline runs meanwhile."""
    units("kJ mol^-1")


def units(text: str, *, strict: bool = False) -> tuple[Unit, ...]:
    """The readings of a tidied unit, the likeliest first; empty when it holds a name nobody knows.

    `strict`, for golds, reads `C` as coulomb and never as a degree, and `J/mol K` to the letter.
    """
    found: dict[Unit, None] = {}
    for reading in (factors(text) or ())[: 1 if strict else None]:
        spellings = product(*(_spelled(name, power, strict) for name, power in reading))
        for names in islice(spellings, _MAX_READINGS):
            unit = _combined([factor for group in names for factor in group])
            if unit is not None:
                found[unit] = None
    return tuple(found)


def convert(value: Fraction, unit: Unit, target: Unit) -> tuple[Fraction, Fraction] | None:
    """`value` of `unit` in `target`, and the rounding error the conversion may have; None when they measure different things.

    Factors are floats, so that a conversion is good to 12 digits; without one the value is exact.
    """
    if (
        is_money(unit) != is_money(target)
        and not (unit.dimensions and target.dimensions)
        and not unit.turns
        and not target.turns
    ):
        # Like what is counted: `5` for `5 dollars`, and `5 cents` where a question asked for cents.
        return (value, Fraction(0)) if unit.factor == 1 or target.factor == 1 else None
    if unit.dimensions != target.dimensions or {unit.turns, target.turns} == {"cycles", "angle"}:
        return None
    if unit.offset != target.offset and (unit.offset or target.offset):
        if abs(value) > 10**15:
            return None
        start = float(value if unit.offset else value * unit.factor)
        moved = float(_registry().Quantity(start, unit.offset or "kelvin").to(target.offset or "kelvin").magnitude)
        result = Fraction(moved) / (1 if target.offset else target.factor)
        return result, Fraction(max(abs(start), abs(moved), 1000.0)) / 10**12
    if unit.factor == target.factor:
        return value, Fraction(0)
    result = value * unit.factor / target.factor
    return result, abs(result) / 10**12


def is_money(unit: Unit) -> bool:
    """Whether it is a currency and nothing else."""
    return (
        len(unit.dimensions) == 1
        and unit.dimensions[0][0] in {name for name, _ in _MONEY.values()}
        and unit.dimensions[0][1] == 1
    )


@cache
def _registry() -> Any:
    return pint.UnitRegistry(cache_folder=None)


def _spelled(name: str, power: int, strict: bool) -> Iterator[list[tuple[str, int]]]:
    """The ways to read one name with its exponent, each as names that pint knows (`""` for what is counted)."""
    known = _known(name)
    if known is not None:
        yield [(known, power)]
    if name in _ALTERNATIVES and not (strict and len(name) == 1):
        yield from ([(other, power)] for other in _ALTERNATIVES[name])
    if known is None or (name == "ms" and not strict):
        for *first, last in _glued(name):
            # In `JK^{-1}` and `ms^{-1}` the exponent is the last symbol's, in `J/molK` it is everybody's.
            yield [*((symbol, 1) for symbol in first), (last, power)]
            if power == -1 and not strict:
                yield [(symbol, power) for symbol in (*first, last)]


def _glued(name: str) -> Iterator[tuple[str, ...]]:
    """The ways to cut a name into two or three common symbols."""
    for first in _SYMBOLS:
        rest = name.removeprefix(first)
        if rest == name:
            continue
        if rest in _SYMBOLS:
            yield first, rest
        for second in _SYMBOLS:
            last = rest.removeprefix(second)
            if last != rest and last in _SYMBOLS:
                yield first, second, last


@lru_cache(maxsize=4096)
def _known(name: str) -> str | None:
    """The name that pint knows for a name in its usual or an unusual spelling, `""` for what is merely counted, None when there is none."""
    if len(name) > _MAX_NAME:
        return None
    if _SPELLINGS.get(name, _SPELLINGS.get(name.lower(), name.lower())) in _MONEY:
        return _SPELLINGS.get(name, _SPELLINGS.get(name.lower(), name.lower()))
    singular = name.lower().removesuffix("s")
    if singular in _COUNTED or name.lower() in _COUNTED:
        return ""
    for spelling in (
        _SPELLINGS.get(name, name),
        name.lower() if len(name) > 3 else None,
        singular if len(name) > 3 else None,
    ):
        # Not `spelling in registry`, which evaluates: `nan` would be a number.
        if spelling and _registry().parse_unit_name(spelling):
            return spelling
    return None


def _combined(names: list[tuple[str, int]]) -> Unit | None:
    if len(names) == 1 and names[0][1] == 1 and _resolved(names[0][0]).offset:
        return _resolved(names[0][0])
    factor, dimensions, turns = Fraction(1), dict[str, Fraction](), None
    for name, power in names:
        unit = _resolved(name)
        if not unit.factor:
            return None
        factor *= unit.factor**power
        turns = unit.turns or turns
        for dimension, exponent in unit.dimensions:
            dimensions[dimension] = dimensions.get(dimension, Fraction(0)) + exponent * power
    return Unit(factor=factor, dimensions=tuple(sorted((d, e) for d, e in dimensions.items() if e)), turns=turns)


@lru_cache(maxsize=4096)
def _resolved(name: str) -> Unit:
    if not name:
        return Unit(factor=Fraction(1), dimensions=())
    if name in _MONEY:
        currency, factor = _MONEY[name]
        return Unit(factor=factor, dimensions=((currency, Fraction(1)),))
    registry = _registry()
    unit = registry.Unit(name)
    full = str(unit)
    if full in _OFFSETS:
        scale = Fraction(1) if full == "degree_Celsius" else Fraction(5, 9)
        return Unit(factor=scale, dimensions=(("[temperature]", Fraction(1)),), offset=full)
    if not registry.Quantity(1, unit)._is_multiplicative:
        return Unit(factor=Fraction(1), dimensions=((full, Fraction(1)),))
    scale_float, base = registry.get_base_units(unit)
    if not math.isfinite(scale_float):
        return Unit(factor=Fraction(0), dimensions=())
    dimensions = {
        dimension: Fraction(exponent).limit_denominator(6) for dimension, exponent in unit.dimensionality.items()
    }
    turns = "cycles" if full.endswith("hertz") else "angle" if "radian" in str(base) else None
    return Unit(factor=Fraction(scale_float), dimensions=tuple(sorted(dimensions.items())), turns=turns)
