r"""Each trap of math-verify is a test, first on the side where it says equal too easily, then where it says different too easily."""

import sys
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from counterpoise.verifiers.compare.math import MathVerifier, numbers_agree


def judge(gold, answer, **settings):
    return MathVerifier(**settings).judge(gold, answer).value.value


@pytest.mark.parametrize(
    ("gold", "answer"),
    [
        (r"1-1/\mathrm{e}", r"1+1/\mathrm{e}"),
        (r"1-\frac{1}{2}\foo", r"\frac{1}{2}"),
        (r"\frac{1}{2}", r"1-\frac{1}{2}\foo"),
        (r"2\sqrt{3}", "2"),
        ("1.6e-19", "9.9e-19"),
        (r"1.6\times 10^{-19}", r"9.9\times 10^{-19}"),
        ("1/2^{99}", "1/2^{98}"),
        ("1/2^{200}", "1/2^{201}"),
        ("x/2^{200}", "x/2^{201}"),
        ("10^{30}", "10^{30}+1"),
        ("0.0000001", "0.0000002"),
        ("5", "5.0000001"),
        ("5", r"\boxed{6=5}"),
        ("5", "6=5"),
        ("(1,2)", r"\{1,2\}"),
        ("[1,2)", "[1,2]"),
        ("(1,2)", "(2,1)"),
        (r"1001_2", "1001_3"),
        (r"10\text{ cm}", r"10\text{ km}"),
        (r"10\text{ cm}", "10 km"),
        (r"\text{on}", "no"),
        ("seven", "evens"),
        (r"\sqrt{x^2}", "x"),
        ("|x|", "x"),
        ("x+1", "y+1"),
        ("5", "5 million"),
        ("7", "8"),
        ("7", "the answer"),
    ],
)
def test_false_equalities_are_refused(gold, answer):
    assert judge(gold, answer) in ("wrong", "unscored")


@pytest.mark.parametrize(
    ("gold", "answer"),
    [
        (r"\sqrt{1/n}", r"1/\sqrt n"),
        (r"\sqrt{\frac{1}{n}}", r"\frac{1}{\sqrt{n}}"),
        ("1000", "1{,}000"),
        ("1{,}000", "1000"),
        ("1000", r"1\,000"),
        ("-5", "−5"),
        ("3 1/2", "7/2"),
        ("7/2", r"3\frac{1}{2}"),
        ("x+3 1/2", r"x+\frac{7}{2}"),
        (r"\begin{pmatrix}1\\2\end{pmatrix}", "(1,2)"),
        ("(1,2)", r"\begin{pmatrix} 1 \\ 2 \end{pmatrix}"),
        ("(1,2)", r"\langle 1, 2\rangle"),
        (r"\frac12", "0.5"),
        ("0.333333", "1/3"),
        (r"\pi", "3.14159265358979"),
        (r"\frac{\sqrt 2}{2}", r"\frac{1}{\sqrt 2}"),
        ("x^2+2x+1", "(x+1)^2"),
        (r"\sin^2 x+\cos^2 x", "1"),
        ("(-1)^{2n}", "1"),
        ("3+4i", "4i+3"),
        (r"\frac{1}{i}", "-i"),
        ("5", "x=5"),
        ("x=5", "5"),
        ("y=2x+1", "2x+1"),
        ("11,-2", "-2,11"),
        ("2,-2", r"2 \text{ or } -2"),
        ("2,-2", r"\pm 2"),
        ("(3,\\infty)", "x>3"),
        ("x>3", "3<x"),
        (r"\text{Evelyn}", "Evelyn"),
        ("even", r"\text{even}"),
        (r"\text{(B)}", "B"),
        ("p - q", "p-q"),
        ("18", r"\$18.00"),
        ("18", "18 dollars"),
        ("18", r"18\text{ cm}^2"),
        ("18", "18 cm^2"),
        ("18", "18."),
        ("5000000", "5 million"),
        ("24", "2 dozen"),
        (r"50\%", "50 percent"),
        (r"90^\circ", "90°"),
        (r"\emptyset", r"\varnothing"),
        (r"\foo\bar", r"\foo\bar"),
    ],
)
def test_true_equalities_are_accepted(gold, answer):
    assert judge(gold, answer) == "correct"


@pytest.mark.parametrize(
    ("gold", "answer"),
    [("50", r"50\%"), ("0.5", r"50\%"), ("1001", "1001_2"), (r"\{1,2\}", "(1,2)"), ("8369910", r"12345\cdot 678")],
)
def test_what_is_left_lenient_because_a_wrong_wrong_costs_more(gold, answer):
    assert judge(gold, answer) == "correct"


@pytest.mark.parametrize(
    ("gold", "answer", "value"),
    [
        ("8369910", r"12345\cdot 678", "wrong"),
        ("8369910", "8,369,910", "correct"),
        ("5", "6=5", "wrong"),
        ("5", "x=5", "correct"),
        ("1001", "1001_2", "wrong"),
        ("0.5", r"50\%", "wrong"),
        (r"\frac12", r"\frac24", "wrong"),
        (r"\frac12", "0.5", "correct"),
        (r"2\sqrt3", r"\sqrt{12}", "wrong"),
        (r"2\sqrt3", r"\sqrt3\cdot 2", "correct"),
        ("(x-1)(x+1)", "(1+x)(x-1)", "correct"),
        ("(x-1)(x+1)", "x^2-1", "wrong"),
        ("x^2+2x+1", "1+2x+x^2", "correct"),
        ("18", "18 dollars", "wrong"),
    ],
)
def test_literal_requires_the_form_of_the_gold(gold, answer, value):
    assert judge(gold, answer, literal=True) == value


def test_a_gold_that_cannot_be_read_is_our_fault():
    judgement = MathVerifier().judge(r"\foo{\bar", "7")
    assert (judgement.value, judgement.reason) == ("unscored", "unparsable gold: math-verify cannot read it")
    assert MathVerifier().judge("", "7").reason == "unparsable gold: it is empty"
    assert (
        MathVerifier().judge("(" * 60 + "x" + ")" * 60, "7").reason
        == "unparsable gold: its nesting is beyond what is verified symbolically"
    )


@pytest.mark.parametrize(
    ("answer", "rule"),
    [("(" * 60 + "x" + ")" * 60, "over_cap_nesting"), ("9" * 2000, "over_cap_digits"), ("x" * 5000, "over_cap_length")],
)
def test_bombs_are_refused_before_algebra(answer, rule):
    judgement = MathVerifier().shortcut("7", answer)
    assert (judgement.value, judgement.basis) == ("wrong", rule)


def test_two_huge_equal_integers_need_no_algebra():
    assert MathVerifier().shortcut("9" * 2000, "9" * 2000).value == "correct"


@given(st.integers(-(10**12), 10**12))
def test_an_integer_accepts_itself_and_not_its_neighbours(value):
    values = [
        MathVerifier().shortcut(str(value), text).value for text in (f"{value:,}", str(value + 1), str(value - 1))
    ]
    assert values == ["correct", "wrong", "wrong"]


@given(st.fractions(max_denominator=10**6), st.fractions(max_denominator=10**6))
def test_fractions_are_compared_exactly(a, b):
    spelled = [rf"\frac{{{x.numerator}}}{{{x.denominator}}}" for x in (a, b)]
    assert (MathVerifier().shortcut(*spelled).value == "correct") == (a == b)


@given(st.text(st.sampled_from(list("0123456789.,/ \\{}frac-%$xyz=abdollrs\x00١−√")), max_size=120))
@settings(max_examples=300)
def test_shortcuts_are_total(text):
    MathVerifier().shortcut("7", text)
    MathVerifier().shortcut(text, "7")


def test_rounding_is_absolute_and_relative():
    # 1/3 - 0.333333 = 3.3e-7 <= min(1e-6, 3.3e-5); 1.2e-6 - 1e-6 = 2e-7 > 1e-10.
    assert numbers_agree(Fraction(1, 3), Fraction("0.333333"))
    assert not numbers_agree(Fraction("1e-6"), Fraction("1.2e-6"))
    assert not numbers_agree(Fraction(0), Fraction("1e-300"))


def test_the_shortcut_does_not_load_algebra():
    import subprocess

    code = (
        "import sys; from counterpoise.verifiers.judge import Judge; from counterpoise.verifiers.compare.math import MathVerifier;"
        "MathVerifier().shortcut('7', '7.0'); print([m for m in ('sympy', 'math_verify', 'torch') if m in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_the_version_tells_settings_and_library():
    assert MathVerifier().version.startswith("5+math-verify-0.")
    assert MathVerifier(literal=True).version == MathVerifier().version + "+literal"
