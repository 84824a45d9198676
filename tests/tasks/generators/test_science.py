"""Golds are checked by formulas of their own in pint, with units: what comes out must have the gold's dimension and its value."""

import math
from collections import Counter
from fractions import Fraction

import pint
import pytest

from counterpoise.errors import ConfigError, DataError
from counterpoise.tasks.generators.exercises import rounded, square_root
from counterpoise.tasks.generators.science import EXERCISES, FAMILIES, Science
from counterpoise.tasks.shared.identity import split_of
from counterpoise.verifiers.compare.quantity import QuantityVerifier
from counterpoise.verifiers.text.quantity_text import parse_written

ureg = pint.UnitRegistry()
Q = ureg.Quantity
g = Q(9.81, "m/s^2")
R = Q(8.314, "J/mol/K")

FORMULAS = {
    "kinetic_energy": lambda m, v: m * v * v / 2,
    "stopping_distance": lambda v, a: v / a * v / 2,
    "pendulum": lambda l: 2 * math.pi * (l / g) ** 0.5,  # noqa: E741
    "spring_energy": lambda k, x: k * x * x / 2,
    "lifting_power": lambda m, h, t: m * g * (h / t),
    "series_current": lambda r1, r2, u: u / (r1 + r2),
    "parallel_resistance": lambda r1, r2: 1 / (1 / r1 + 1 / r2),
    "dissipated_power": lambda r, u: u * (u / r),
    "capacitor_energy": lambda c, u: c * u**2 / 2,
    "ideal_gas_pressure": lambda v, n, t: n * R * t / v,
    "charles_law": lambda v, t1, t2: v * (t2 / t1),
    "boyles_law": lambda v1, v2, p1: p1 * v1 / v2,
    "amount_of_water": lambda m: m / Q(18.02, "g/mol"),
    "combustion_of_hydrogen": lambda m: m / Q(2.016, "g/mol") * Q(18.02, "g/mol"),
    "combustion_of_methane": lambda m: m / Q(16.04, "g/mol") * 2 * Q(32.00, "g/mol"),
    "concentration": lambda m, v: m / Q(58.44, "g/mol") / v,
    "thin_lens": lambda f, d: f * d / (d - f),
    "photon_energy": lambda w: Q(6.626e-34, "J s") * Q(2.998e8, "m/s") / w,
    "wavelength_in_glass": lambda w, n: w / n,
    "heating_water": lambda m, t1, t2: m * Q(4.184, "J/g/K") * (t2 - t1),
    "mixing": lambda m1, t1, m2, t2: (m1 * t1 + m2 * t2) / (m1 + m2),
    "carnot_efficiency": lambda t1, t2: (t2 - t1) / t2,
    "melting_ice": lambda m: m * Q(334, "J/g"),
}


def everything(**settings):
    task = Science(**settings)
    return [*task.problems("train"), *task.problems("test")]


def quantity(text):
    number, _, unit = text.partition(" ")
    given = Q(float(number), unit)
    return given.to("kelvin") if unit == "degC" else given


def test_every_exercise_has_a_formula_here():
    names = [exercise.name for exercise in EXERCISES]
    assert sorted(names) == sorted(FORMULAS)
    assert len(set(names)) == len(names) == 23
    assert set(FAMILIES) == {"mechanics", "circuits", "gases", "stoichiometry", "optics", "thermodynamics"}


def test_golds_have_the_value_and_the_unit_of_an_independent_formula():
    for problem in everything(size=1500):
        given = {symbol: quantity(text) for symbol, text in problem.meta["given"].items()}
        result = FORMULAS[problem.meta["exercise"]](**given)
        gold = parse_written(problem.gold)
        unit = {"%": "percent"}.get(gold.unit, gold.unit)
        # pint refuses another dimension; three figures are good to 5 in 1000.
        assert result.to(unit).magnitude == pytest.approx(float(gold.value), rel=5.1e-3), problem.question
        assert gold.figures == (3, 3) or "." not in problem.gold


def test_problems_are_whole():
    problems = everything()
    assert len({p.problem_id for p in problems}) == len(problems) == 4000
    assert all("{" not in p.question and "  " not in p.question for p in problems)
    assert all(p.demonstration.endswith(f"= {p.gold}\n\\boxed{{{p.gold}}}") for p in problems)
    assert set(Counter(p.task_type for p in problems)) == set(FAMILIES)
    unused = sum(p.question.startswith(("The air", "The meas", "The app", "The bench", "The room")) for p in problems)
    assert 1850 < unused < 2150  # 2000 expected, standard deviation 32


@pytest.mark.parametrize("form", ["quantity", "choice"])
def test_selfcheck_passes(form, self_check):
    problems = everything(size=600, form=form)
    report = self_check(problems, task="science", sample=200)
    assert report.ok, [offence for probe in report.probes for offence in probe.offences]
    assert all(probe.count for probe in report.probes)


def test_both_forms_are_the_same_problems_on_the_same_side():
    quantities, choices = (Science(size=500, form=form).problems("test") for form in ("quantity", "choice"))
    assert [p.problem_id for p in quantities] == [p.problem_id for p in choices]
    for asked, offered in zip(quantities, choices, strict=True):
        options = dict(line.split(". ", 1) for line in offered.question.splitlines()[1:-1])
        assert options[offered.gold[0]] == asked.gold
        assert (offered.meta["guess_rate"], offered.gold[1:]) == (0.25, " of 4")
        wrong = [text for letter, text in options.items() if letter != offered.gold[0]]
        assert len(wrong) == 3
        # No wrong option is right within the verifier's tolerance.
        assert all(QuantityVerifier().shortcut(asked.gold, text).value == "wrong" for text in wrong)


def test_the_right_option_stands_anywhere():
    letters = Counter(p.gold[0] for p in everything(form="choice"))
    assert set(letters) == set("ABCD")
    assert all(900 < count < 1100 for count in letters.values())  # 1000 expected, standard deviation 27


def test_the_side_is_the_contents():
    first, second = Science(size=500), Science(size=500, seed=1)
    assert first.problems("test") == Science(size=500).problems("test")
    train = {p.problem_id for p in first.problems("train")}
    test = {p.problem_id for p in second.problems("test")}
    assert not train & test
    assert all(split_of(identity) == "test" for identity in test)
    with_noise, without = (Science(size=500, unused_data=share).problems("test") for share in (1, 0))
    assert [p.problem_id for p in with_noise] == [p.problem_id for p in without]
    for noisy, plain in zip(with_noise, without, strict=True):
        assert noisy.question.removesuffix(plain.question).endswith(". ")
        assert noisy.gold == plain.gold


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("12.345", "12.3"),
        ("0.0123456", "0.0123"),
        ("0.000123456", r"1.23 \times 10^{-4}"),
        ("999.5", r"1.00 \times 10^{3}"),
        ("999.4", "999"),
        ("9.995", "10.0"),
        ("-45.67", "-45.7"),
        ("3.0683e-19", r"3.07 \times 10^{-19}"),
        ("1/3", "0.333"),
        ("0", "0"),
    ],
)
def test_rounding(value, text):
    assert rounded(Fraction(value)) == text


def test_square_root():
    assert abs(square_root(Fraction(2)) ** 2 - 2) < Fraction(1, 10**38)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"families": ["magic"]}, r"families = \['magic'\]; expected a list out of: mechanics, circuits"),
        ({"families": ()}, r"families = \(\); expected a list"),
        ({"form": "essay"}, "form = 'essay'; expected one of: quantity, choice"),
        ({"unused_data": 2}, r"unused_data = 2; expected a number in \[0, 1\]"),
        ({"size": 0}, "size = 0; expected an integer in"),
    ],
)
def test_settings_out_of_range(settings, message):
    with pytest.raises(ConfigError, match=message):
        Science(**settings)


def test_sides_and_sizes_that_cannot_be():
    with pytest.raises(DataError, match="task 'science' has no test problems with size=4000 and test_fraction=0"):
        Science(test_fraction=0).problems("test")
