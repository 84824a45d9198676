from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from counterpoise.errors import UsageError
from counterpoise.verifiers.compare.numeric import NumericVerifier, parse_number


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("-7", -7),
        ("+7", 7),
        ("1,234.50", Fraction("1234.5")),
        (".5", Fraction(1, 2)),
        ("2.", 2),
        ("1.6e-19", Fraction("1.6e-19")),
        (r"1.6\times 10^{-19}", Fraction("1.6e-19")),
        ("3/4", Fraction(3, 4)),
        (r"-\frac{3}{4}", Fraction(-3, 4)),
        (r"\frac34", Fraction(3, 4)),
        ("3 1/2", Fraction(7, 2)),
        (r"-3\frac{1}{2}", Fraction(-7, 2)),
    ],
)
def test_numbers(text, value):
    assert parse_number(text).value == value


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        "1/0",
        "1e401",
        "1e99999",
        "12,34",
        "1,2345",
        "--1",
        "1.2.3",
        "5%",
        "1" * 1001,
        "٣",
        "0x10",
        "1_000",
        "nan",
    ],
)
def test_what_is_no_number(text):
    assert parse_number(text) is None


@given(st.fractions())
def test_every_fraction_is_read_back(value):
    assert parse_number(f"{value.numerator}/{value.denominator}").value == value


@given(st.integers(-(10**30), 10**30))
def test_thousands_separators_change_nothing(value):
    assert parse_number(f"{value:,}").value == value


@given(st.text(max_size=60))
def test_judging_is_total(text):
    assert NumericVerifier().judge("7", text).value in ("correct", "wrong")


@pytest.mark.parametrize(
    ("gold", "answer", "value", "rule"),
    [
        ("1000", "1,000", "correct", "number"),
        ("0.5", "1/2", "correct", "number"),
        ("18", r"\$18", "correct", "number"),
        ("18", "$18.00", "correct", "number"),
        ("50%", r"50\%", "correct", "number"),
        ("50%", "0.5", "wrong", "unit"),
        ("50", "50%", "wrong", "unit"),
        ("18", "18 cm", "wrong", "unit"),
        ("18 cm", r"18\text{ cm}", "correct", "number"),
        ("18 cm", "18 m", "wrong", "unit"),
        ("18", "eighteen", "correct", "number"),
        ("0.333", "1/3", "wrong", "number"),
        ("many", "18", "unscored", "gold"),
        ("18", r"\text{18}", "correct", "number"),
        ("18", r"\text{18 cm}", "wrong", "unit"),
        ("5 hours", "5 hrs", "correct", "number"),
        ("5 hours", "5 minutes", "wrong", "unit"),
        ("18 dollars", "18", "correct", "number"),
        ("18", "18 dollars", "correct", "number"),
        ("18 dollars", "18 cents", "wrong", "unit"),
        ("$18", "€18", "wrong", "unit"),
        ("5000000", "5 million", "correct", "number"),
        ("25", "25k", "wrong", "number"),
        ("5", "x = 5", "correct", "number"),
        ("5", "4+1=5", "wrong", "not_a_number"),
        ("5", "6=5", "wrong", "not_a_number"),
        ("1/3", r"0.\overline{3}", "correct", "number"),
        (r"\boxed{3}", "3", "correct", "number"),
        ("3 apples are left over", "3", "unscored", "gold"),
        ("None", "3", "unscored", "gold"),
        ("nan", "3", "unscored", "gold"),
        ("5 of the seven people who came", "5", "unscored", "gold"),
    ],
)
def test_equality(gold, answer, value, rule):
    judgement = NumericVerifier().judge(gold, answer)
    assert (judgement.value, judgement.basis) == (value, rule)


def test_relative_tolerance_is_of_the_gold():
    verifier = NumericVerifier(relative_tolerance=0.05)
    # 5% of 2.0e-10 is 1e-11.
    assert verifier.judge("2.0e-10", "2.1e-10").value == "correct"
    assert verifier.judge("2.0e-10", "2.2e-10").value == "wrong"
    assert verifier.judge("0", "1e-300").value == "wrong"
    with pytest.raises(
        UsageError, match=r"verifier numeric: relative_tolerance = 5; expected a number in \[0, 1\), e.g. 0.01 for 1%"
    ):
        NumericVerifier(relative_tolerance=5)


def test_an_unreadable_gold_is_our_fault():
    assert NumericVerifier().judge("many", "18").reason == "unparsable gold: it is not a number"
