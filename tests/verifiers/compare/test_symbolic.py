import signal
from fractions import Fraction

import pytest
import sympy

from counterpoise.verifiers.compare import symbolic


def test_what_is_not_read_wholly_is_not_read():
    assert symbolic.parse_formula(r"\frac{1}{2}\foo") is None
    assert symbolic.parse_formula("{1") is None
    assert symbolic.parse_formula(r"\frac{1}{2}") == sympy.Rational(1, 2)


def test_the_alarm_of_the_process_is_left_alone():
    before = signal.getsignal(signal.SIGALRM)
    signal.setitimer(signal.ITIMER_REAL, 1000)
    try:
        symbolic.judge_formulas("x", "x+0", literal=False)
        assert signal.getitimer(signal.ITIMER_REAL)[0] > 900
        assert signal.getsignal(signal.SIGALRM) is before
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


@pytest.mark.parametrize("error", [MemoryError, RecursionError])
@pytest.mark.parametrize("name", ["verify", "parse_latex_cached"])
def test_exhaustion_is_not_taken_for_a_wrong_answer(monkeypatch, error, name):
    def exhausted(*args, **kwargs):
        raise error

    monkeypatch.setattr(symbolic, name, exhausted)
    with pytest.raises(error):
        symbolic.judge_formulas("1,2", "2,3", literal=False)


def test_the_probe_knows_what_it_does_not_know():
    x, y = sympy.symbols("x y")
    f = sympy.Function("f")
    assert symbolic.probe(x * y, y * x) is True
    assert symbolic.probe(x + 1, x + 2) is False
    assert symbolic.probe(sympy.sqrt(x**2), x) is None
    assert symbolic.probe(f(x), f(x) + 1) is None
    assert symbolic.probe(sympy.sqrt(1 / x), 1 / sympy.sqrt(x)) is True
    assert symbolic.probe(sympy.Tuple(x, 1), sympy.Tuple(x, 2)) is False
    assert symbolic.probe(sympy.Integer(0), sympy.sin(1) ** 2 + sympy.cos(1) ** 2 - 1) is True


@pytest.mark.parametrize(
    ("gold", "answer", "right", "rule"),
    [
        # they differ where x is positive and both are real: no simplification is tried
        (r"\sin x", r"\cos x", False, "numeric"),
        ("72", "x^{x^{x^x}}", False, "numeric"),
        (r"\frac{1}{2}\sin 2x", r"\sin x\cos x", True, "numeric"),
        # letters that are integers, and bounds of sums: 1..6
        ("2^n", "2^{n+1}", False, "integers"),
        ("(-1)^n", r"\cos(n\pi)", True, "integers"),
        (r"\sum_{k=1}^{n}k^k", r"\sum_{j=1}^{n}j^j", True, "integers"),
        ("72", r"\sum_{k=1}^{n}k^k", False, "integers"),
        ("2x", r"\prod_{k=1}^{n}k^k", False, "integers"),
        ("2^n", r"\sum_{k=0}^n \binom{n}{k}", True, None),
        ("n!", r"\prod_{k=1}^{n} k", True, None),
        # what binds a variable is worked out first
        ("72", r"\int x\,dx", False, "numeric"),
        ("72", r"\frac{d}{dx}x^2", False, "numeric"),
        (r"\frac{1}{2}", r"\int_0^1 x\,dx", True, "numeric"),
        ("15", r"\sum_{m=1}^{5} m", True, "numeric"),
        (r"\frac{dy}{dx}=2x", r"\frac{dy}{dx}=2x+1", False, "numeric"),
        (r"\frac{dy}{dx}=2x", "2x", True, "numeric"),
        # the two readings of a row of marks: 3*1, (3!)!, 7*5*3*1
        ("3", "3!!", True, None),
        ("720", "3!!", True, None),
        ("105", "7!!", True, None),
        ("5040", "7!!", False, None),
        (r"\{1,2,3\}", r"\{3,1,2\}", True, "set"),
        (r"\{1,\frac{1}{2}\}", r"\{0.5,1,2\}", False, "set"),
    ],
)
def test_what_decides(gold, answer, right, rule):
    judged = symbolic.judge_formulas(gold, answer, literal=False)
    assert (judged.value == "correct") is right
    assert judged.value != "unscored"
    assert rule in (None, judged.basis)


@pytest.mark.parametrize("text", ["9^{9^9}", "(9^9)!", r"\Gamma(10^9)"])
def test_a_constant_beyond_the_caps_has_no_value(text):
    assert symbolic.constant(text) is None
    assert symbolic.constant(r"\frac{1}{2}") == Fraction(1, 2)
