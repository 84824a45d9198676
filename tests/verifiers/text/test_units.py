from fractions import Fraction

import pytest

from counterpoise.verifiers.text.normalise import normalise
from counterpoise.verifiers.text.unit_text import factors, tidy
from counterpoise.verifiers.text.units import convert, units


@pytest.mark.parametrize(
    ("text", "reading"),
    [
        ("", ()),
        ("J K^-1", (("J", 1), ("K", -1))),
        ("J/K", (("J", 1), ("K", -1))),
        ("(J)/(K * mol)", (("J", 1), ("K", -1), ("mol", -1))),
        ("m m", (("m", 2),)),
        ("m/m", ()),
        ("1/s", (("s", -1),)),
        ("(m/s)^2", (("m", 2), ("s", -2))),
        ("m2", (("m", 2),)),
        ("s-1", (("s", -1),)),
    ],
)
def test_one_reading(text, reading):
    assert factors(text) == (reading,)


def test_a_slash_has_two_readings():
    strict, loose = factors("J/mol K")
    assert (dict(strict), dict(loose)) == ({"J": 1, "mol": -1, "K": 1}, {"J": 1, "mol": -1, "K": -1})


@pytest.mark.parametrize(
    "text", ["m**2", "/", "m/", "*m", "(m", "m)", "^2", "m^", "m^2^2", "m+s", "5", "m^13", "m 3.5", "x" * 257]
)
def test_no_unit(text):
    assert factors(text) is None


@pytest.mark.parametrize(
    ("text", "tidied"),
    [
        (r"$\mathrm{~kJ} \mathrm{~mol}^{-1}$", "kJ mol ^-1"),
        (r"$^{\circ} \mathrm{C}$ ", "degC"),
        (r"${ }^{\circ} \mathrm{C}$", "degC"),
        (r"$\mu \mathrm{C} / \mathrm{m}$", "uC / m"),
        (r"$\mathrm{k}\Omega$", "kohm"),
        (r"$\mathrm{10^{-4}} \mathrm{~cm}^3/\mathrm{s}$", "10^-4 cm ^3/s"),
        (r"$Å$", "angstrom"),
        (r"$10^{-5}~\mathrm{m^2~s^{-1}}$", "10^-5 m^2 s^-1"),
        (r"$ 10^{15} \text { photon } \cdot \mathrm{s}^{-1} $", "10^15 photon * s^-1"),
        (r"$\mathrm{~N} \hat{\mathrm{i}}$", "N"),
        ("square meters", "meters^2"),
        ("meters per second squared", "meters / second^2"),
        ("m/s to the east", "m/s"),
        (r"\%", "%"),
    ],
)
def test_latex_is_taken_away(text, tidied):
    assert tidy(normalise(text)) == tidied


def one(text):
    return units(text)[0]


def test_factors_and_dimensions():
    # 1 kJ/mol = 1000 kg m^2 s^-2 mol^-1
    unit = one("kJ/mol")
    assert unit.factor == 1000
    assert dict(unit.dimensions) == {"[mass]": 1, "[length]": 2, "[time]": -2, "[substance]": -1}
    assert one("Torr") == one("torr")
    assert one("AU").factor == 149597870700
    assert one("photon s^-1") == one("s^-1")
    assert one("dB").dimensions == (("decibel", 1),)


def test_names_nobody_knows_have_no_reading():
    assert units("blorp") == units("kg blorp") == units("m**2") == ()


def test_a_gold_is_read_to_the_letter():
    assert len(units("C")) == 2  # coulomb, or a degree whose sign was lost
    assert len(units("C", strict=True)) == 1
    assert len(units("J/mol K", strict=True)) == 1
    assert len(units("lb", strict=True)) == 2  # a mass or a force; no textbook says which


def test_temperatures_have_a_zero_of_their_own():
    celsius, kelvin, fahrenheit = one("degC"), one("K"), one("degF")
    value, error = convert(Fraction(25), celsius, kelvin)
    assert abs(value - Fraction("298.15")) <= error < Fraction(1, 10**8)
    value, error = convert(Fraction(25), celsius, fahrenheit)
    assert abs(value - 77) <= error
    value, error = convert(Fraction(25000), one("mK"), celsius)
    assert abs(value - Fraction("-248.15")) <= error
    assert convert(Fraction(3), celsius, celsius) == (3, 0)
    # In a compound it is a difference: J/degC is J/K.
    assert one("J/degC") == one("J/K")


def test_what_measures_other_things_is_not_converted():
    assert convert(Fraction(1), one("m"), one("s")) is None
    assert convert(Fraction(1), one("Hz"), one("rad/s")) is None
    assert convert(Fraction(1), one("Hz"), one("s^-1")) == (1, 0)
    assert convert(Fraction(10**300), one("K"), one("degC")) is None
