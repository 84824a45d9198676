r"""Sums and integrals that computer algebra takes minutes for are decided at once, right ones and wrong ones."""

import pytest

from counterpoise.verifiers.compare.math import MathVerifier


@pytest.mark.parametrize(
    ("gold", "answer", "expected"),
    [
        ("2^{1000}", r"\sum_{k=0}^{1000}\binom{1000}{k}", "correct"),
        ("2^{999}", r"\sum_{k=0}^{1000}\binom{1000}{k}", "wrong"),
        ("1001", r"\prod_{k=1}^{1000}(1+\frac1k)", "correct"),
        (r"\frac{\pi\ln 2}{8}", r"\int_0^1 \frac{\ln(1+x)}{1+x^2}dx", "correct"),
        (r"\frac{\pi\ln 2}{9}", r"\int_0^1 \frac{\ln(1+x)}{1+x^2}dx", "wrong"),
        ("72", r"\int e^{x^2}\sin(x^3)dx", "wrong"),
        ("72", r"\int \frac{1}{x^{50}+x^{25}+1}dx", "wrong"),
        ("72", r"\int_0^1 \sin(x^{100})\cos(x^{99})dx", "wrong"),
        ("2x", r"\int_0^1\sin(x^x)dx", "wrong"),
        ("72", r"\sqrt{10^{99999}+1}", "wrong"),
        (r"\frac{x^2}{2}", r"\int x\,dx", "correct"),
        ("0", r"\int_{-1}^{1} x^3dx", "correct"),
        ("1", r"\int_{-1}^1 |x|dx", "correct"),
        ("10^{50}", r"\sqrt{10^{100}}", "correct"),
        ("10^{30}", "1e30", "correct"),
        ("10^{30}", "1e29", "wrong"),
    ],
)
def test_what_has_no_closed_form_is_decided_by_value(gold: str, answer: str, expected: str) -> None:
    assert MathVerifier().judge(gold, answer).value.value == expected
