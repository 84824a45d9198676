"""Exercises of mechanics, circuits and optics."""

from __future__ import annotations

from fractions import Fraction as F
from typing import Final

from counterpoise.tasks.generators.exercises import PI, Datum, Exercise, square_root

__all__ = ["CIRCUITS", "MECHANICS", "OPTICS"]

_G: Final = F("9.81")
_H: Final = F("6.626e-34")
_C: Final = F("2.998e8")

MECHANICS: Final = (
    Exercise(
        name="kinetic_energy",
        family="mechanics",
        text="A cart of mass {m} rolls at {v}. What is its kinetic energy in joules?",
        working="E = (1/2) m v^2 = 0.5 * {m} * {v}^2",
        draws={"m": Datum(exponent=-2, unit="kg"), "v": Datum(exponent=-2, unit="m/s")},
        unit="J",
        formula=lambda x: x["m"] * x["v"] ** 2 / 2,
        mistakes=(lambda x: x["m"] * x["v"] ** 2, lambda x: x["m"] * x["v"] / 2, lambda x: x["m"] * x["v"]),
    ),
    Exercise(
        name="stopping_distance",
        family="mechanics",
        text="A car at {v} brakes with a constant deceleration of {a}. How far does it go before it stands?",
        working="s = v^2 / (2 a) = {v}^2 / (2 * {a})",
        draws={"v": Datum(high=400, exponent=-1, unit="m/s"), "a": Datum(low=200, high=900, exponent=-2, unit="m/s^2")},
        unit="m",
        formula=lambda x: x["v"] ** 2 / (2 * x["a"]),
        mistakes=(lambda x: x["v"] ** 2 / x["a"], lambda x: x["v"] / x["a"], lambda x: x["v"] ** 2 * x["a"] / 2),
    ),
    Exercise(
        name="pendulum",
        family="mechanics",
        text="A pendulum is {l} long. What is the period of its small oscillations, with g = 9.81 m/s^2?",
        working="T = 2 pi sqrt(l / g) = 2 pi sqrt({l} / 9.81)",
        draws={"l": Datum(exponent=-2, unit="m")},
        unit="s",
        formula=lambda x: 2 * PI * square_root(x["l"] / _G),
        mistakes=(
            lambda x: square_root(x["l"] / _G),
            lambda x: 2 * PI * square_root(_G / x["l"]),
            lambda x: PI * square_root(x["l"] / _G),
        ),
    ),
    Exercise(
        name="spring_energy",
        family="mechanics",
        text="A spring of stiffness {k} is compressed by {x}. How much energy does it store?",
        working="E = (1/2) k x^2 = 0.5 * {k} * ({x} / 100)^2",
        draws={"k": Datum(unit="N/m"), "x": Datum(exponent=-1, unit="cm")},
        unit="J",
        formula=lambda x: x["k"] * (x["x"] / 100) ** 2 / 2,
        mistakes=(
            lambda x: x["k"] * (x["x"] / 100) ** 2,
            lambda x: x["k"] * x["x"] ** 2 / 2,
            lambda x: x["k"] * x["x"] / 200,
        ),
    ),
    Exercise(
        name="lifting_power",
        family="mechanics",
        text="A motor lifts {m} by {h} in {t}. What power does it deliver, with g = 9.81 m/s^2?",
        working="P = m g h / t = {m} * 9.81 * {h} / {t}",
        draws={"m": Datum(unit="kg"), "h": Datum(exponent=-1, unit="m"), "t": Datum(exponent=-1, unit="s")},
        unit="W",
        formula=lambda x: x["m"] * _G * x["h"] / x["t"],
        mistakes=(
            lambda x: x["m"] * x["h"] / x["t"],
            lambda x: x["m"] * _G * x["h"],
            lambda x: x["m"] * _G * x["h"] * x["t"],
        ),
    ),
)

CIRCUITS: Final = (
    Exercise(
        name="series_current",
        family="circuits",
        text="Resistors of {r1} and {r2} are connected in series to a battery of {u}. What current flows?",
        working="I = U / (R1 + R2) = {u} / ({r1} + {r2})",
        draws={"r1": Datum(unit="ohm"), "r2": Datum(unit="ohm"), "u": Datum(exponent=-1, unit="V")},
        unit="A",
        formula=lambda x: x["u"] / (x["r1"] + x["r2"]),
        mistakes=(
            lambda x: x["u"] * (x["r1"] + x["r2"]) / (x["r1"] * x["r2"]),
            lambda x: x["u"] / x["r1"],
            lambda x: x["u"] / x["r2"],
        ),
    ),
    Exercise(
        name="parallel_resistance",
        family="circuits",
        text="Resistors of {r1} and {r2} are connected in parallel. What single resistor could replace them?",
        working="R = R1 R2 / (R1 + R2) = {r1} * {r2} / ({r1} + {r2})",
        draws={"r1": Datum(unit="ohm"), "r2": Datum(unit="ohm")},
        unit="ohm",
        formula=lambda x: x["r1"] * x["r2"] / (x["r1"] + x["r2"]),
        mistakes=(
            lambda x: x["r1"] + x["r2"],
            lambda x: (x["r1"] + x["r2"]) / 2,
            lambda x: 1 / (1 / x["r1"] + 1 / x["r2"]) * 2,
        ),
    ),
    Exercise(
        name="dissipated_power",
        family="circuits",
        text="A heater with a resistance of {r} is connected to {u}. What power does it take?",
        working="P = U^2 / R = {u}^2 / {r}",
        draws={"r": Datum(exponent=-1, unit="ohm"), "u": Datum(high=400, unit="V")},
        unit="W",
        formula=lambda x: x["u"] ** 2 / x["r"],
        mistakes=(lambda x: x["u"] / x["r"], lambda x: x["u"] * x["r"], lambda x: x["u"] ** 2 * x["r"]),
    ),
    Exercise(
        name="capacitor_energy",
        family="circuits",
        text="A capacitor of {c} is charged to {u}. How much energy does it hold?",
        working="E = (1/2) C U^2 = 0.5 * {c} * 10^-6 * {u}^2",
        draws={"c": Datum(unit="uF"), "u": Datum(unit="V")},
        unit="J",
        formula=lambda x: x["c"] / 10**6 * x["u"] ** 2 / 2,
        mistakes=(
            lambda x: x["c"] / 10**6 * x["u"] ** 2,
            lambda x: x["c"] / 10**3 * x["u"] ** 2 / 2,
            lambda x: x["c"] / 10**6 * x["u"] / 2,
        ),
    ),
)

OPTICS: Final = (
    Exercise(
        name="thin_lens",
        family="optics",
        text="An object stands {d} in front of a thin converging lens with a focal length of {f}. How far behind the lens is its image?",
        working="b = 1 / (1/f - 1/d) = 1 / (1/{f} - 1/{d})",
        draws={"f": Datum(high=300, exponent=-1, unit="cm"), "d": Datum(low=400, exponent=-1, unit="cm")},
        unit="cm",
        formula=lambda x: 1 / (1 / x["f"] - 1 / x["d"]),
        mistakes=(
            lambda x: 1 / (1 / x["f"] + 1 / x["d"]),
            lambda x: x["d"] - x["f"],
            lambda x: 1 / x["f"] - 1 / x["d"],
        ),
    ),
    Exercise(
        name="photon_energy",
        family="optics",
        text="What is the energy of one photon of light with a wavelength of {w}? Use h = 6.626e-34 J s and c = 2.998e8 m/s.",
        working="E = h c / lambda = 6.626e-34 * 2.998e8 / ({w} * 10^-9)",
        draws={"w": Datum(low=200, unit="nm")},
        unit="J",
        formula=lambda x: _H * _C / (x["w"] / 10**9),
        mistakes=(lambda x: _H * _C / x["w"], lambda x: _H / (x["w"] / 10**9), lambda x: _H * _C * x["w"] / 10**9),
    ),
    Exercise(
        name="wavelength_in_glass",
        family="optics",
        text="Light with a wavelength of {w} in vacuum enters glass with a refractive index of {n}. What is its wavelength there?",
        working="lambda' = lambda / n = {w} / {n}",
        draws={"w": Datum(low=380, high=780, unit="nm"), "n": Datum(low=140, high=195, exponent=-2, unit="")},
        unit="nm",
        formula=lambda x: x["w"] / x["n"],
        mistakes=(lambda x: x["w"] * x["n"], lambda x: x["w"] * (x["n"] - 1), lambda x: x["w"] / x["n"] ** 2),
    ),
)
