"""Repeating decimals in every notation are the fractions they are, alone and in formulas."""

from fractions import Fraction

import pytest

from counterpoise.verifiers.compare.math import MathVerifier
from counterpoise.verifiers.compare.numeric import NumericVerifier
from counterpoise.verifiers.compare.quantity import QuantityVerifier
from counterpoise.verifiers.text.normalise import normalise
from counterpoise.verifiers.text.repeating import as_fractions, repeating


# 45/99 = 5/11
@pytest.mark.parametrize(
    "text",
    [r"0.\dot4\dot5", r"0.\dot{4}\dot{5}", r"0.\overline{45}", "0.(45)", "0.4545...", r"0.\bar{45}", r"0.4545\ldots", r"0.45\overline{45}",
     r"0.4\overline{54}", r"0.\overline{4}\overline{5}", r".\overline{45}", r"0.{\overline{45}}", r"0.\overline{\text{45}}", "0.4545…",
     "0.4\u03075\u0307", "0.4\u03055\u0305", r"0.\overline{4 5}", r"0.4\dot{5}\dot{4}", r"0.\bar4\bar5", r"0.\dot 4\dot 5",
     r"0.\overset{.}{4}\overset{\bullet}{5}", r"0.\overline{45}\ldots", r"\mathbf{0.\overline{45}}"],
)  # fmt: skip
def test_every_notation_is_read_on_both_sides(text: str) -> None:
    assert repeating(normalise(text)) == Fraction(5, 11)
    for verifier in (NumericVerifier(), MathVerifier()):
        assert verifier.judge(text, "5/11").value.value == verifier.judge("5/11", text).value.value == "correct"
        assert (
            verifier.judge(text, "0.45").value.value == verifier.judge(text, r"0.4\overline{5}").value.value == "wrong"
        )


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (r"0.\dot{4}5\dot{6}", Fraction(456, 999)),
        (r"-0.\overline{3}", Fraction(-1, 3)),
        (r"0.1\dot6", Fraction(1, 6)),
        (r"0.\dot{1}4285\dot{7}", Fraction(1, 7)),
        (r"3.1\dot2\dot3", Fraction(3092, 990)),
        (r"1,234.\overline{5}", Fraction(11111, 9)),
        ("0.1666...", Fraction(1, 6)),
        # One digit is not a period, and no dot stands in the middle of one.
        ("0.3...", None),
        (r"0.\dot{4}5", None),
        (r"0.\dot{4}\dot{5}6", None),
        ("0.(x)", None),
    ],
)
def test_the_period_is_what_the_marks_say(text: str, value: Fraction | None) -> None:
    assert repeating(text) == value


def test_they_are_read_inside_formulas_and_with_units() -> None:
    assert as_fractions(r"2\cdot 0.\overline{3}") == r"2\cdot \frac{1}{3}"
    assert as_fractions(r"0.\overline{3}^2") == r"(\frac{1}{3})^2"
    assert as_fractions("f(0.5)") == "f(0.5)"
    assert MathVerifier().judge(r"\frac{\pi}{3}", r"0.\overline{3}\pi").value.value == "correct"
    assert MathVerifier().judge(r"\frac{\pi}{3}", r"0.\overline{4}\pi").value.value == "wrong"
    assert MathVerifier().judge(r"33.\overline{3}\%", "1/3").value.value == "correct"
    assert MathVerifier().judge(r"33.\overline{3}\%", "1/4").value.value == "wrong"
    assert MathVerifier().judge("1/3", r"\frac{100}{3}\%").value.value == "correct"
    assert QuantityVerifier(relative_tolerance=0.0).judge(r"0.\overline{3} m", "1/3 m").value.value == "correct"
