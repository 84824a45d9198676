"""What is too large to be worked out is seen in the text, and nothing that answers a problem is."""

import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from counterpoise.verifiers.compare.math import MathVerifier
from counterpoise.verifiers.text.caps import explosive, plain_set


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("(9^9)!!", "factorial"),
        ("9999!!!", "factorial"),
        ("((4!)!)!", "factorial"),
        ("(9^9)!", "factorial"),
        (r"\left(9^9\right)!", "factorial"),
        ("99999999!", "factorial"),
        ("(1000!)!", "factorial"),
        (r"\Gamma(10^9)", "factorial"),
        (r"\Gamma\left(10^9\right)", "factorial"),
        (r"\frac{1}{(9^9)!}", "factorial"),
        ("9^{9^{9}}", "exponent"),
        ("9^{9^{9^{9}}}", "exponent"),
        ("2^{99999999}", "exponent"),
        ("2^{-99999999}", "exponent"),
        ("x^{9^9}", "exponent"),
        (r"\ln(9^{9^9})", "exponent"),
        (r"\sqrt[3]{9^{9^9}}", "exponent"),
        (r"\sin(2^{9^{9}})", "exponent"),
        (r"\{1, 9^{9^9}\}", "exponent"),
        ("(10^{99999})^{99}", "power"),
        ("((9^9)^{9999})^{9999}", "power"),
        (r"\binom{10^9}{10^6}", "binomial"),
        (r"\begin{vmatrix}" + r"\\".join(" & ".join("abcdefgh") for _ in range(8)) + r"\end{vmatrix}", "matrix"),
        (r"\begin{pmatrix}a&b\\c&d\end{pmatrix}^{20}", "matrix"),
        (r"\begin{pmatrix}1&2\\3&4\end{pmatrix}^{9999}", "matrix"),
        (r"\prod_{k=1}^{9999} k!", "range"),
        (r"\prod_{k=1}^{100000}(1+\frac{1}{k})", "range"),
        (r"\sum_{k=1}^{99999} k!", "range"),
        (r"\sum_{k=1}^{100000}\frac{1}{k}", "range"),
        (r"\sum_{k=1}^{5000}\sqrt{k}", "range"),
        (r"\frac{d^{50}}{dx^{50}} \frac{1}{1+x^2}", "order"),
        (r"\frac{\partial^{40}}{\partial x^{40}}e^{x^2}", "order"),
        (r"\gcd(2^{99999}-1,2^{9999}-1)", "exponent"),
        (r"\begin{pmatrix}" + "&".join(["1"] * 500) + r"\end{pmatrix}", "matrix"),
    ],
)
def test_what_grows_without_bound_is_named(text: str, kind: str) -> None:
    assert explosive(text) == kind
    judged = MathVerifier().shortcut("72", text)
    assert judged is not None and (judged.value.value, judged.basis) == ("wrong", f"over_cap_{kind}")


@pytest.mark.parametrize(
    "text",
    ["100!", r"\frac{100!}{98!}", "2^{2^{3}}", "10!", "3!!", "2^{100000}", r"\binom{52}{5}", "x^{100}", "10^{-30}", "e^{-x^2}",
     "(2^{10})^{10}", "1000^{1000}", r"5^\circ", "f^{(n)}(x)", "n!", "2^{n+1}", r"\begin{vmatrix}a & b\\c & d\end{vmatrix}", "x!y!",
     "x^{x^{x}}", "e^{x^{10}}", r"2^{n^{6}}", "(n!)!", r"\Gamma(n)", r"\Gamma(100)", r"\Gamma=9^9",
     "99!!", "9!!!!", "1^{99999999}", "(-1)^{1000000}", "2^{1/1000000}", "2^10",
     r"2^{1+2+3+4+5+6+7+8+9+10+11+12}", r"\binom{10^9}{5}", r"\binom{10^9}{10^9-2}", r"\sum_{k=0}^{2024}\binom{2024}{k}", r"\frac12^{3}",
     r"\begin{pmatrix}1&1\\1&0\end{pmatrix}^{2024}", r"\begin{pmatrix}a&b\\c&d\end{pmatrix}^{-1}", r"\sum_{k=1}^{1000000} k^2",
     r"\prod_{k=1}^{2019}\left(1+\frac{1}{k}\right)", r"\sum_{k=1}^{2024}\frac{1}{k(k+1)}", r"\sum_{k=1}^{100} k!",
     r"\frac{d^{3}}{dx^{3}}x^5",
     r"\gcd(2^{100}-1,2^{20}-1)", "1.5^{10}", "(-1)^{n}", "7^{7^{2}}", r"10^{100}", "5!+4!", r"\frac{n!}{k!(n-k)!}", "", "^", "!", "{",
     r"\frac", r"\binom"],
)  # fmt: skip
def test_what_answers_a_problem_is_not(text: str) -> None:
    assert explosive(text) is None


@pytest.mark.parametrize(
    ("gold", "answer"),
    [("9900", r"\frac{100!}{98!}"), ("256", "2^{2^{3}}"), ("3628800", "10!"), ("2598960", r"\binom{52}{5}"), ("2^{100000}", "2^{100000}"),
     ("9^{9^{9}}", "9^{9^{9}}"), (str(math.factorial(20)), "20!"), ("4^{50000}", "2^{100000}"), ("499999999500000000", r"\binom{10^9}{2}"),
     (r"\frac{1}{2}e^{x^{10}}", r"\frac{e^{x^{10}}}{2}"), ("x^{x^x+1}", "x x^{x^{x}}"), ("1", "(-1)^{1000000}"),
     # 7*5*3*1, 9*6*3, and the two readings of 3!!: 3*1 and (3!)! = 6!
     ("105", "7!!"), ("162", "9!!!"), ("3", "3!!"), ("720", "3!!"), ("3!!", "720"), (str(math.prod(range(99, 0, -2))), "99!!"),
     (r"\frac{105}{2}", r"\frac{7!!}{2}")],
)  # fmt: skip
def test_no_right_answer_is_lost_to_a_cap(gold: str, answer: str) -> None:
    assert MathVerifier().judge(gold, answer).value.value == "correct"


@given(st.text("0123456789^!{}()x+-*/\\, .") | st.text(max_size=40))
def test_any_text_is_sized(text: str) -> None:
    assert explosive(text) in (
        None,
        "exponent",
        "power",
        "factorial",
        "binomial",
        "matrix",
        "nesting",
        "range",
        "order",
    )


def test_sets_of_plain_numbers_are_compared_as_they_stand() -> None:
    one, other = (r"\{" + ", ".join(str(n) for n in range(a, a + 200)) + r"\}" for a in (2, 3))
    assert MathVerifier().judge(one, other).basis == "set"
    assert MathVerifier().judge(one, other).value.value == "wrong"
    backwards = r"\{" + ",".join(str(n) for n in reversed(range(2, 202))) + r"\}"
    assert MathVerifier().judge(one, backwards).value.value == "correct"
    assert plain_set(r"\{1, \frac{1}{2}, 0.5\}") == frozenset({Fraction(1), Fraction(1, 2)})
    assert plain_set(r"\{1, x\}") is plain_set("(1, 2)") is plain_set(r"\{\}") is None


@pytest.mark.parametrize("answer", ["99!!", "3!!", "9!!!!", "7!!"])
def test_no_reading_of_a_row_of_factorials_is_seventy_two(answer: str) -> None:
    assert MathVerifier().judge("72", answer).value.value == "wrong"
