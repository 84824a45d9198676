import signal

import pytest
import sympy

from counterpoise.verifiers import symbolic


def test_what_is_not_read_wholly_is_not_read():
    assert symbolic.parse(r"\frac{1}{2}\foo") is None
    assert symbolic.parse("{1") is None
    assert symbolic.parse(r"\frac{1}{2}") == sympy.Rational(1, 2)


def test_the_alarm_of_the_process_is_left_alone():
    before = signal.getsignal(signal.SIGALRM)
    signal.setitimer(signal.ITIMER_REAL, 1000)
    try:
        symbolic.compare("x", "x+0", literal=False)
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
        symbolic.compare("1,2", "2,3", literal=False)


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
