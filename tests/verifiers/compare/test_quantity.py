import random
import sys
import time
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from counterpoise.errors import ConfigError, UnknownNameError
from counterpoise.types import Problem
from counterpoise.verifiers.compare.quantity import QuantityVerifier
from counterpoise.verifiers.judge import Judge
from counterpoise.verifiers.text.quantity_text import parse_written, parse_written_gold, sides


def judge(gold, answer, **given_settings):
    return QuantityVerifier(**given_settings).judge(gold, answer)


def outcome(gold, answer, **given_settings):
    judgement = judge(gold, answer, **given_settings)
    return judgement.value.value, judgement.basis


@pytest.mark.parametrize(
    ("gold", "answer"),
    [
        ("2600 J", r"2.6 \times 10^3 \text{ J}"),
        ("2600 J", "2.6 kJ"),
        ("2600 J", "2.6 KJ"),
        ("2600 J", "2.6e3 joules"),
        ("2600 J", "2.6E3 J."),
        ("2600 J", "2,600 N m"),
        ("2600 J", r"$2.6\times10^{3}\,\mathrm{J}$"),
        ("2600 J", "2.6 x 10^3 J"),
        ("2600 J", "2.6·10³ J"),
        ("2600 J", "approximately 2600 J"),
        ("2600 J", r"E_k = 2600\,J = 2.6\,kJ"),
        ("2600 J", r"\Delta E \approx 2600 \text{ J}"),
        ("2600 J", "2600 J of heat"),
        (r"1.91 \times 10^{-47} [\mathrm{~kg} \mathrm{~m}^2]", r"1.91 \times 10^{-47}"),
        (r"6.1 10^{-12} \mathrm{~m}", "6.1 pm"),
        (r"8.314 \mathrm{JK}^{-1} \mathrm{~mol}^{-1}", "8.314 J/(mol K)"),
        (r"8.314 \mathrm{JK}^{-1} \mathrm{~mol}^{-1}", "8.314 J/mol K"),
        (r"8.314 \mathrm{JK}^{-1} \mathrm{~mol}^{-1}", "8.314 J/mol/K"),
        (r"8.314 \mathrm{JK}^{-1} \mathrm{~mol}^{-1}", "8.314 J mol-1 K-1"),
        (r"8.314 \mathrm{JK}^{-1} \mathrm{~mol}^{-1}", r"8.314\ \frac{\text{J}}{\text{mol}\cdot\text{K}}"),
        (r"8.314 \mathrm{JK}^{-1} \mathrm{~mol}^{-1}", "8.314 joules per mole per kelvin"),
        ("10 m/s", "10 ms^{-1}"),
        ("10 m/s", "36 km/h"),
        ("9.81 m/s^2", "9.81 m/s2"),
        ("25 °C", "25°C"),
        ("25 °C", r"25^{\circ}\mathrm{C}"),
        ("25 °C", "25 degrees Celsius"),
        ("25 °C", "298.15 K"),
        ("25 °C", "77 °F"),
        ("298.15 K", "25 °C"),
        ("20 °C", "20 C"),
        ("0 °C", "273.15 K"),
        ("4.18 J/(g °C)", "4.18 J/(g K)"),
        ("90°", r"90^\circ"),
        ("90°", r"\frac{\pi}{2}"),
        ("90°", r"\frac{\pi}{2} \text{ rad}"),
        (r"5 \%", r"5\%"),
        (r"5 \%", "5 percent"),
        (r"5 \%", "0.05"),
        ("2.0 \\mu C", "2.0 μC"),
        ("2.0 \\mu C", "2.0e-6 coulomb"),
        ("1.2 Å", r"1.2 \AA"),
        ("1.2 Å", "0.12 nm"),
        ("47 ohm", r"47\,\Omega"),
        ("47 kohm", r"47\,\mathrm{k}\Omega"),
        ("32 ft-lb", r"32\,\mathrm{ft}\cdot\mathrm{lb}"),
        ("14.7 lb in^{-2}", "14.7 psi"),
        (r"1.07 \times 10^{16} [photons]", r"1.07\times10^{16}"),
        (r"1.602 \times 10^{-17} \mathrm{~J} \cdot electron ^{-1}", "1.602e-17 J"),
        ("89,034.79", "$89,034.79"),
        ("-273 °C", "−273°C"),
        ("0.5 m", "1/2 m"),
        ("3.5 m", "3 1/2 m"),
        ("0.70710678", r"\frac{1}{\sqrt{2}}"),
        ("6.2832 cm", r"2\pi \text{ cm}"),
        ("0 J", "0 kJ"),
        ("5 apples", "5 apples"),
        ("5 dollars", "500 cents"),
        ("5 dollars", "5"),
        ("$5", "5 dollars"),
        ("£5", "5 pounds"),
        (r"\boxed{2600 J}", "2600 J"),
        (r"\[2600 J\]", "2600 J"),
        ("2600 J", r"\mathbf{2.6\text{ kJ}}"),
        ("200 min", "3 h 20 min"),
        ("3 h 20 min", "200 min"),
        ("5 ft 3 in", "63 inches"),
    ],
)
def test_right(gold, answer):
    assert outcome(gold, answer)[0] == "correct"


@pytest.mark.parametrize(
    ("gold", "answer", "rule"),
    [
        ("10 cm", "10 km", "unit"),
        ("5 dollars", "5 cents", "unit"),
        ("$5", "€5", "unit"),
        ("200 min", "3 h 50 min", "value"),
        ("200 min", "3 h 20 h", "not_a_quantity"),
        ("10 cm", "10 s", "unit"),
        ("10 cm", "11 cm", "value"),
        ("10 cm", "1.1 dm", "value"),
        ("10 cm", "11 s", "value_and_unit"),
        ("10 cm", "10", "unit_missing"),
        ("10 cm", "11", "value_and_unit"),
        ("10 cm", "10 blorps", "unit"),
        ("10 cm", "ten centimetres", "not_a_quantity"),
        ("10 cm", "10 cm, 12 cm", "not_a_quantity"),
        ("10 cm", "10 cm or 12 cm", "not_a_quantity"),
        ("10 cm", "10 or 12 cm", "not_a_quantity"),
        ("10 cm", "10 cm = 12 cm", "value"),
        ("10 cm", "12 cm = 10 cm", "value"),
        ("10 cm", "10 ± 5 cm", "not_a_quantity"),
        ("1.6e-19 C", "9.9e-19 C", "value"),
        ("1.6e-19 C", "1.6e-19 °C", "unit"),
        ("1.6e-19 C", "-1.6e-19 C", "value"),
        ("5 J", "-5 J", "value"),
        ("0 J", "1e-300 J", "value"),
        ("5 Hz", "5 rad/s", "unit"),
        ("90°", "90", "unit_missing"),
        (r"5 \%", "5", "unit_missing"),
        ("0.05", r"5.5 \%", "value"),
        ("5", r"5 \%", "unit"),
        ("20 °C", "20 K", "unit"),
        ("2600 J", r"65\cdot 9.81\cdot 4.0 \text{ J}", "not_a_quantity"),
        ("7 m", "9**9**9**9 m", "not_a_quantity"),
        ("7 m", "7 m**1", "not_a_quantity"),
        ("7 m", r"\sqrt{9^{9^{9}}} \text{ m}", "not_a_quantity"),
        ("7 m", "5 10^9999 m", "not_a_quantity"),
        ("510", "51 0", "not_a_quantity"),
    ],
)
def test_wrong(gold, answer, rule):
    assert outcome(gold, answer) == ("wrong", rule)


@pytest.mark.parametrize("gold", ["many", "", "5 blorps", "7 m**2", "10 cm, 12 cm", "[J]"])
def test_a_gold_that_cannot_be_read_is_our_fault(gold):
    judgement = judge(gold, "7 m")
    assert (judgement.value, judgement.basis) == ("unscored", "gold")
    assert judgement.reason.startswith("unparsable gold: ")


@pytest.mark.parametrize(
    ("response", "answer"),
    [
        (r"$\boxed{2600}\text{ J}$", r"2600 \text{ J}"),
        (r"$\boxed{2600}$ J.", "2600 J"),
        (r"so $\boxed{2600}\ \mathrm{J}$, which is much.", r"2600 \mathrm{J}"),
        (r"\(\boxed{2.6}\) kJ", "2.6 kJ"),
        (r"\boxed{10} m/s", "10 m/s"),
        (r"\boxed{9.81}\,\mathrm{m/s^2}", r"9.81 \mathrm{m/s^2}"),
        (r"\boxed{25}^\circ\text{C}", r"25 ^\circ\text{C}"),
        (r"\boxed{25} °C", "25 °C"),
        (r"\boxed{5}\%", r"5 \%"),
        (r"\boxed{47}\,\Omega", r"47 \Omega"),
        (r"\boxed{2600} is the energy.", "2600"),
        (r"\boxed{2600} mark the end", "2600"),
        (r"\boxed{2600}.", "2600"),
        (r"\boxed{2600 J} s", "2600 J"),
        ("\\boxed{2600}\nJ", "2600"),
        (r"\boxed{x} J", "x"),
    ],
)
def test_a_unit_behind_the_box_belongs_to_it(response, answer):
    assert QuantityVerifier().extract(response).answer == answer


def test_three_dimensions():
    def parts(answer):
        return tuple(judge("12.0 cm", answer).parts.values())

    assert list(judge("12.0 cm", "12.0 cm").parts) == ["value", "unit", "significant_figures"]
    assert parts("12.0 cm") == (1, 1, 1)
    assert parts("12 cm") == (1, 1, 0)
    assert parts("120. mm") == parts("120 mm") == (1, 1, 1)  # the zero of 120 may count
    assert parts("0.120 m") == (1, 1, 1)
    assert parts("12.0 s") == (1, 0, 1)
    assert parts("15.0 cm") == (0, 1, 0)
    assert parts("15.0 s") == parts("nothing") == (0, 0, 0)


@pytest.mark.parametrize(
    ("number", "figures"),
    [
        ("2600", (2, 4)),
        ("2600. J", (4, 4)),
        ("2.600e3", (4, 4)),
        ("0.0450", (3, 3)),
        ("1,200", (2, 4)),
        ("7", (1, 1)),
        ("0", (1, 1)),
        (r"4.5 \times 10^{3}", (2, 2)),
    ],
)
def test_significant_figures(number, figures):
    assert parse_written(number).figures == figures


def test_tolerance_is_a_share_of_the_gold():
    # 5% of 200 is 10: 210 is just in, 211 is out.
    assert outcome("200 J", "210 J")[0] == "correct"
    assert outcome("200 J", "211 J") == ("wrong", "value")
    assert outcome("200 J", "201 J", relative_tolerance=0.0)[0] == "wrong"
    assert outcome("1 km", "1000 m", relative_tolerance=0.0)[0] == "correct"
    assert outcome("1 L", "1000 cm^3", relative_tolerance=0.0)[0] == "correct"
    assert outcome("1.6e-19 C", "1.6000001e-19 C", relative_tolerance=0.0)[0] == "wrong"
    # 5% of 25 °C is 1.25 °C, not 15 K.
    assert outcome("25 °C", "299.3 K")[0] == "correct"
    assert outcome("25 °C", "299.5 K")[0] == "wrong"
    assert outcome("200 J", "202 J", relative_tolerance=0.01)[0] == "correct"


def test_a_unit_may_be_left_out_where_the_gold_or_the_setting_says_so():
    for judgement in (judge("2.6 [kJ]", "2.6"), judge("2.6 kJ", "2.6", unit="optional")):
        assert (judgement.value, judgement.basis, judgement.parts["unit"]) == ("correct", "unit_missing", 0.0)
    assert outcome("2.6 [kJ]", "2600 J")[0] == "correct"
    assert outcome("2.6 [kJ]", "2.6 kW") == ("wrong", "unit")
    assert outcome("2.6 [kJ]", "2600") == ("wrong", "value_and_unit")


@pytest.mark.parametrize(
    ("given_settings", "error", "message"),
    [
        ({"relative_tolerance": 1.0}, ConfigError, r"relative_tolerance = 1\.0; expected a number in \[0, 1\)"),
        ({"relative_tolerance": -0.1}, ConfigError, r"relative_tolerance = -0\.1"),
        ({"unit": "maybe"}, ConfigError, "unit = 'maybe'; expected one of: required, optional"),
        ({"rules": ("box",)}, UnknownNameError, "unknown extraction rule 'box'; did you mean 'boxed'"),
    ],
)
def test_settings(given_settings, error, message):
    with pytest.raises(error, match=message):
        QuantityVerifier(**given_settings)


def test_the_version_tells_the_settings():
    versions = [QuantityVerifier(**s).version for s in ({}, {"relative_tolerance": 0.01}, {"unit": "optional"})]
    assert versions == ["3+rtol0.05", "3+rtol0.01", "3+rtol0.05+unit-optional"]


def test_the_shortcut_loads_neither_pint_nor_sympy():
    import subprocess

    code = (
        "import sys; from counterpoise.verifiers.compare.quantity import QuantityVerifier;"
        "print(QuantityVerifier().shortcut('7 m/s', '7.0 m s^{-1}').value, [m for m in ('pint', 'sympy') if m in sys.modules])"
    )
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert output == "correct []\n"


@given(
    st.decimals(min_value=-(10**9), max_value=10**9, allow_nan=False, places=3), st.sampled_from(["m", "kJ/mol", ""])
)
def test_a_quantity_is_read_back(value, unit):
    written = parse_written(f"{value} {unit}")
    assert written.value == Fraction(str(value))
    assert outcome(f"{value} {unit}", f"{value} {unit}", relative_tolerance=0.0)[0] == "correct"


@given(
    st.floats(1e-30, 1e30),
    st.sampled_from(
        [("km", "m", 1000), ("kJ", "J", 1000), ("h", "s", 3600), ("L", "cm^3", 1000), ("eV", "J", 1.602176634e-19)]
    ),
)
@settings(max_examples=60)
def test_conversion_there_and_back(value, conversion):
    large, small, factor = conversion
    assert outcome(f"{value:.9e} {large}", f"{value * factor:.9e} {small}", relative_tolerance=1e-6)[0] == "correct"
    assert outcome(f"{value * factor:.9e} {small}", f"{value:.9e} {large}", relative_tolerance=1e-6)[0] == "correct"
    assert (
        outcome(f"{value:.9e} {large}", f"{value * factor * 1.01:.9e} {small}", relative_tolerance=1e-6)[0] == "wrong"
    )


HOSTILE = [
    "9" * 100_000,
    "9" * 250,
    "5 " + "m" * 200,
    "5 " + "(" * 120 + "m" + ")" * 120,
    "5 " + r"\mathrm{" * 30 + "m" + "}" * 30,
    r"\frac{" * 40,
    "5 " + "m/" * 100,
    "5 " + "m*" * 63 + "m",
    "5 m^99",
    "5 /"
    + "/".join(
        [
            "JK",
            "Km",
            "Js",
            "Nm",
            "Vs",
            "As",
            "Ws",
            "Tm",
            "gm",
            "Lm",
            "NK",
            "JL",
            "JT",
            "VK",
            "WK",
            "mK",
            "sK",
            "gK",
            "AK",
        ]
    ),
    "5 C F lb pound ms JKs NmK VAs WsK",
    "5 m^-12 s^12 kg^12 A^12 mol^12 K^12 cd^12",
    "5 Ym^12 Ym^12",
    "1e400 m",
    "1e-400 m",
    "10^9999 m",
    "1e400 °C",
    "5 \x00m",
    "5 \u202em\u202c",
    "٥ m",
    "5 __import__('os')",
    "5 __class__",
    "5 m.__class__",
    "5 lambda",
    "5 nan",
    "5 NaN",
    "5 inf",
    "nan m",
    "inf m",
    "-" * 200 + "5 m",
    "=" * 200,
    "5 m = " * 40 + "5 m",
    r"\sqrt{" * 20 + "2" + "}" * 20,
    r"e^{e^{e^{e^{e}}}}",
    r"\exp(10^{99})",
    r"\pi^{99999}",
    r"\ln 0",
    r"\sqrt{-1}",
    "\ud800",
]


@pytest.mark.parametrize("answer", HOSTILE)
def test_hostile_answers_are_wrong_at_once(answer):
    verifier = QuantityVerifier()
    verifier.judge("7 m", r"\sqrt{2} \text{ ft}")  # loads pint and sympy
    start = time.process_time()  # not the best of several: units are remembered
    assert verifier.judge("7.5 m", answer).value == "wrong"
    assert verifier.judge("25 °C", answer).value == "wrong"
    assert time.process_time() - start < 2.0


ALPHABET = [
    *"0123456789.,eE+-*/^(){}[]\\ =%°μΩÅ~$mskgJKNC×·−⁻²\x00\u202e٣",
    r"\mathrm{", r"\text{", r"\frac{", r"\times", r"\cdot", "10^{", "**", r"^{\circ}", r"\mu ", "per ", "J/", r"\pi",
]  # fmt: skip


@given(st.lists(st.sampled_from(ALPHABET), max_size=60).map("".join))
@settings(max_examples=400, deadline=5000)
def test_any_text_is_judged(text):
    judgement = QuantityVerifier().judge("7.5 m", text)
    assert judgement.value in ("correct", "wrong")
    assert all(0 <= part <= 1 for part in judgement.parts.values())
    QuantityVerifier().judge(text, "7.5 m")
    parse_written_gold(text)


@given(st.text(max_size=300))
@settings(max_examples=200, deadline=5000)
def test_any_unicode_is_judged(text):
    assert QuantityVerifier().judge("7.5 m", text).value in ("correct", "wrong")


def test_long_answers_cost_nothing():
    noise = random.Random(0)
    start = time.process_time()
    for _ in range(20):
        text = "".join(noise.choices(ALPHABET, k=100_000))
        assert QuantityVerifier().judge("7 m", text).basis == "not_a_quantity"
        assert sides(text) is None
        QuantityVerifier().extract(text)
    assert time.process_time() - start < 10.0


def test_in_the_pool():
    problem = Problem(problem_id="1", task_type="t", question="?", gold="2600 J", verifier="quantity")
    responses = [
        r"\boxed{2.6 \text{ kJ}}",
        r"\boxed{2.6 \text{ kW}}",
        "I do not know.",
        r"\boxed{9^{9^{9}} \sqrt{2} m}",
    ]
    with Judge(timeout=20.0) as judge_:
        verdicts = judge_.verify([problem] * 4, responses)
    assert [v.value.value for v in verdicts] == ["correct", "wrong", "no_answer", "wrong"]
    assert verdicts[1].parts["value"] == 0.0
