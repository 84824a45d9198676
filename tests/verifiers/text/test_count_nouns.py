"""What was counted changes no number, known units and words that do are compared, and brackets are read."""

import pytest

from counterpoise.verifiers.compare.numeric import NumericVerifier
from counterpoise.verifiers.text.count_nouns import only_counts


def judged(gold: str, answer: str) -> str:
    return NumericVerifier().judge(gold, answer).value.value


@pytest.mark.parametrize(
    "answer",
    ["12 apples", r"12\text{ apples}", "12 red apples", "12 points", "12 men", "12 boxes", "12 people", "12 apples in total", "12个",
     r"12\text{个苹果}", "12人", "12명"],
)  # fmt: skip
def test_a_count_noun_is_harmless(answer: str) -> None:
    assert judged("12", answer) == judged(answer, "12") == judged("12 pears", answer) == "correct"
    assert judged("13", answer) == judged("12 hours", answer) == judged(answer, "12 hours") == "wrong"


@pytest.mark.parametrize(
    "answer",
    ["12 thousand", "12 dozen", "12 dozens", "12 hours", "12 cm", "12 percent", "12 x", "12 xy", "12 abc", "12 thirds", "12 hundredths",
     "12 squared", "12 is wrong", "12 not", "12万", "12 apples and 3 pears", "12 kg",
     "12 miles", "12 years", "12 cups", "12 mph", "12个月"],
)  # fmt: skip
def test_a_unit_or_a_word_that_changes_the_number_is_not(answer: str) -> None:
    assert judged("12", answer) == "wrong"


def test_units_multiples_and_names() -> None:
    assert judged("5 hours", "5 minutes") == judged("5 gallons", "5 liters") == judged("5 hours", "5") == "wrong"
    assert (
        judged("144", "12 dozen eggs")
        == judged("120000", "12万")
        == judged("12000000", "12 million people")
        == "correct"
    )
    assert (
        only_counts("apples")
        and only_counts("small red apples")
        and not only_counts("")
        and not only_counts("apples/hour")
    )


@pytest.mark.parametrize(
    "answer",
    [r"\left(-1,250\right)", "(-1,250)", "(-1250)", r"\left[-1,250\right]", r"\left\{-1,250\right\}", "-(1,250)", "((-1,250))",
     r"(-1\,250)", r"(\$1,250)"],
)  # fmt: skip
def test_brackets_around_a_number_change_nothing(answer: str) -> None:
    assert judged("-1250", answer) == "correct"
    assert judged("-1251", answer) == "wrong"
    assert judged("1250", answer) == ("correct" if "$" in answer else "wrong")


def test_brackets_of_golds_and_of_other_things() -> None:
    assert judged("(1,250)", "1250") == judged(r"(\$1,250)", "-1250") == judged("1250", "(1,250)") == "correct"
    assert judged("-1250", "(1,250)") == judged("1250", "(1, 250)") == judged("3", "(1,2)") == "wrong"
