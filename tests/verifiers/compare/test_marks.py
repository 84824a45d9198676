"""Minutes and seconds of arc, feet and inches, and primes: `45'` is not 45 degrees, and f' is not f."""

import pytest

from counterpoise.verifiers.compare.math import MathVerifier
from counterpoise.verifiers.compare.numeric import NumericVerifier


@pytest.mark.parametrize(
    ("gold", "answer", "value"),
    [
        (r"45^\circ", "45'", "wrong"),
        (r"45^\circ", "45''", "wrong"),
        (r"45^\circ", r"45^{\prime}", "wrong"),
        ("45°", "45′", "wrong"),
        (r"45^\circ", '45"', "wrong"),
        ("45'", r"45^\circ", "wrong"),
        ("45'", "45''", "wrong"),
        ("45'", "45′", "correct"),
        # 45/60 = 0.75, 30/60 = 0.5, 30/60 + 36/3600 = 0.51
        (r"0.75^\circ", "45'", "correct"),
        (r"45.5^\circ", r"45^\circ 30'", "correct"),
        (r"45^\circ 30' 36''", r"45.51^\circ", "correct"),
        (r"45^\circ 30'", r"45^\circ", "wrong"),
        (r"45^\circ", r"45^\circ30^\prime", "wrong"),
        ("5 feet", "5'", "correct"),
        ("5 inches", '5"', "correct"),
        ("5 inches", "5'", "wrong"),
        ("63 inches", "5'3\"", "correct"),
        ("f'(x)", r"f^{\prime}(x)", "correct"),
        ("f'(x)", "f(x)", "wrong"),
        ("y''", "y'", "wrong"),
        ("2x", "f'(x)=2x", "correct"),
        ("6", "f''(3)=6", "correct"),
        ("(1,2)", "A'=(1,2)", "correct"),
    ],
)
def test_marks_behind_numbers_and_letters(gold: str, answer: str, value: str) -> None:
    assert MathVerifier().judge(gold, answer).value.value == value


@pytest.mark.parametrize(
    ("gold", "answer", "value"),
    [
        (r"45^\circ", "45'", "wrong"),
        ("45'", "45'", "correct"),
        ("45'", r"45^\circ", "wrong"),
        ("5 ft", "5'", "correct"),
    ],
)
def test_numeric_compares_them_as_units(gold: str, answer: str, value: str) -> None:
    assert NumericVerifier().judge(gold, answer).value.value == value
