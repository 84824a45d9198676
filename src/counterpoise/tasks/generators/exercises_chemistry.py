"""Exercises of gas laws, stoichiometry and thermodynamics."""

from __future__ import annotations

from fractions import Fraction as F
from typing import Final

from counterpoise.tasks.generators.exercises import Datum, Exercise

__all__ = ["GASES", "STOICHIOMETRY", "THERMODYNAMICS"]

_R: Final = F("8.314")
_ZERO: Final = F("273.15")

GASES: Final = (
    Exercise(
        name="ideal_gas_pressure",
        family="gases",
        text="A vessel of {v} holds {n} of an ideal gas at {t}. What is its pressure? Use R = 8.314 J/(mol K).",
        working="p = n R T / V = {n} * 8.314 * ({t} + 273.15) / {v} kPa",
        draws={
            "v": Datum(exponent=-1, unit="L"),
            "n": Datum(exponent=-2, unit="mol"),
            "t": Datum(exponent=-1, unit="degC"),
        },
        unit="kPa",
        formula=lambda x: x["n"] * _R * (x["t"] + _ZERO) / x["v"],
        mistakes=(
            lambda x: x["n"] * _R * x["t"] / x["v"],
            lambda x: x["n"] * (x["t"] + _ZERO) / x["v"],
            lambda x: x["n"] * _R * (x["t"] + _ZERO) / x["v"] / 1000,
        ),
    ),
    Exercise(
        name="charles_law",
        family="gases",
        text="A balloon has a volume of {v} at {t1}. What is its volume at {t2} and the same pressure?",
        working="V2 = V1 T2 / T1 = {v} * ({t2} + 273.15) / ({t1} + 273.15)",
        draws={
            "v": Datum(exponent=-2, unit="L"),
            "t1": Datum(high=300, exponent=-1, unit="degC"),
            "t2": Datum(low=700, exponent=-1, unit="degC"),
        },
        unit="L",
        formula=lambda x: x["v"] * (x["t2"] + _ZERO) / (x["t1"] + _ZERO),
        mistakes=(
            lambda x: x["v"] * x["t2"] / x["t1"],
            lambda x: x["v"] * (x["t1"] + _ZERO) / (x["t2"] + _ZERO),
            lambda x: x["v"] * x["t1"] / x["t2"],
        ),
    ),
    Exercise(
        name="boyles_law",
        family="gases",
        text="A gas of {v1} at {p1} is compressed to {v2} at constant temperature. What is its pressure then?",
        working="p2 = p1 V1 / V2 = {p1} * {v1} / {v2}",
        draws={
            "v1": Datum(low=500, exponent=-2, unit="L"),
            "v2": Datum(high=450, exponent=-2, unit="L"),
            "p1": Datum(unit="kPa"),
        },
        unit="kPa",
        formula=lambda x: x["p1"] * x["v1"] / x["v2"],
        mistakes=(
            lambda x: x["p1"] * x["v2"] / x["v1"],
            lambda x: x["p1"] * (x["v1"] - x["v2"]),
            lambda x: x["p1"] * x["v1"],
        ),
    ),
)

STOICHIOMETRY: Final = (
    Exercise(
        name="amount_of_water",
        family="stoichiometry",
        text="How many moles of water are {m}? The molar mass of water is 18.02 g/mol.",
        working="n = m / M = {m} / 18.02",
        draws={"m": Datum(exponent=-1, unit="g")},
        unit="mol",
        formula=lambda x: x["m"] / F("18.02"),
        mistakes=(lambda x: x["m"] * F("18.02"), lambda x: F("18.02") / x["m"], lambda x: x["m"] / F("17.01")),
    ),
    Exercise(
        name="combustion_of_hydrogen",
        family="stoichiometry",
        text=(
            "What mass of water forms when {m} of hydrogen burns completely, 2 H2 + O2 -> 2 H2O? "
            "The molar masses are 2.016 g/mol for H2 and 18.02 g/mol for H2O."
        ),
        working="m(H2O) = {m} / 2.016 * 18.02",
        draws={"m": Datum(exponent=-2, unit="g")},
        unit="g",
        formula=lambda x: x["m"] / F("2.016") * F("18.02"),
        mistakes=(
            lambda x: x["m"] / F("2.016") * F("18.02") * 2,
            lambda x: x["m"] / F("2.016") * F("18.02") / 2,
            lambda x: x["m"] * F("2.016") / F("18.02"),
        ),
    ),
    Exercise(
        name="combustion_of_methane",
        family="stoichiometry",
        text=(
            "What mass of oxygen is used up when {m} of methane burns completely, CH4 + 2 O2 -> CO2 + 2 H2O? "
            "The molar masses are 16.04 g/mol for CH4 and 32.00 g/mol for O2."
        ),
        working="m(O2) = 2 * {m} / 16.04 * 32.00",
        draws={"m": Datum(exponent=-1, unit="g")},
        unit="g",
        formula=lambda x: 2 * x["m"] / F("16.04") * 32,
        mistakes=(
            lambda x: x["m"] / F("16.04") * 32,
            lambda x: x["m"] / F("16.04") * 16,
            lambda x: 2 * x["m"] * F("16.04") / 32,
        ),
    ),
    Exercise(
        name="concentration",
        family="stoichiometry",
        text="{m} of sodium chloride (58.44 g/mol) is dissolved in water to {v} of solution. What is its concentration?",
        working="c = m / (M V) = {m} / (58.44 * {v} / 1000)",
        draws={"m": Datum(exponent=-1, unit="g"), "v": Datum(unit="mL")},
        unit="mol/L",
        formula=lambda x: x["m"] / F("58.44") / (x["v"] / 1000),
        mistakes=(
            lambda x: x["m"] / F("58.44") / x["v"],
            lambda x: x["m"] / (x["v"] / 1000),
            lambda x: x["m"] / F("58.44") * (x["v"] / 1000),
        ),
    ),
)

THERMODYNAMICS: Final = (
    Exercise(
        name="heating_water",
        family="thermodynamics",
        text="How much heat warms {m} of water from {t1} to {t2}? Its specific heat is 4.184 J/(g K).",
        working="Q = m c (T2 - T1) = {m} * 4.184 * ({t2} - {t1})",
        draws={
            "m": Datum(unit="g"),
            "t1": Datum(high=300, exponent=-1, unit="degC"),
            "t2": Datum(low=500, exponent=-1, unit="degC"),
        },
        unit="J",
        formula=lambda x: x["m"] * F("4.184") * (x["t2"] - x["t1"]),
        mistakes=(
            lambda x: x["m"] * (x["t2"] - x["t1"]),
            lambda x: x["m"] * F("4.184") * x["t2"],
            lambda x: x["m"] * F("4.184") * (x["t2"] - x["t1"] + _ZERO),
        ),
    ),
    Exercise(
        name="mixing",
        family="thermodynamics",
        text="{m1} of water at {t1} is mixed with {m2} of water at {t2}. What temperature do they reach, without losses?",
        working="T = (m1 T1 + m2 T2) / (m1 + m2) = ({m1} * {t1} + {m2} * {t2}) / ({m1} + {m2})",
        draws={
            "m1": Datum(high=300, unit="g"),
            "t1": Datum(high=300, exponent=-1, unit="degC"),
            "m2": Datum(low=500, unit="g"),
            "t2": Datum(low=600, exponent=-1, unit="degC"),
        },
        unit="degC",
        formula=lambda x: (x["m1"] * x["t1"] + x["m2"] * x["t2"]) / (x["m1"] + x["m2"]),
        mistakes=(
            lambda x: (x["t1"] + x["t2"]) / 2,
            lambda x: (x["m2"] * x["t1"] + x["m1"] * x["t2"]) / (x["m1"] + x["m2"]),
            lambda x: x["t2"] - x["t1"],
        ),
    ),
    Exercise(
        name="carnot_efficiency",
        family="thermodynamics",
        text="What is the largest possible efficiency, in per cent, of a heat engine between {t1} and {t2}?",
        working="eta = 1 - T1 / T2 = (1 - ({t1} + 273.15) / ({t2} + 273.15)) * 100%",
        draws={"t1": Datum(high=400, exponent=-1, unit="degC"), "t2": Datum(low=150, high=600, unit="degC")},
        unit="%",
        formula=lambda x: (1 - (x["t1"] + _ZERO) / (x["t2"] + _ZERO)) * 100,
        mistakes=(
            lambda x: (1 - x["t1"] / x["t2"]) * 100,
            lambda x: (x["t1"] + _ZERO) / (x["t2"] + _ZERO) * 100,
            lambda x: x["t1"] / x["t2"] * 100,
        ),
    ),
    Exercise(
        name="melting_ice",
        family="thermodynamics",
        text="How much heat melts {m} of ice at 0 degC? Its heat of fusion is 334 J/g.",
        working="Q = m L = {m} * 334 / 1000 kJ",
        draws={"m": Datum(unit="g")},
        unit="kJ",
        formula=lambda x: x["m"] * 334 / 1000,
        mistakes=(lambda x: x["m"] * 334, lambda x: F(334) / x["m"], lambda x: x["m"] * F("4.184") / 10),
    ),
)
