import math

import pytest

from counterpoise.errors import ConfigError, DataError
from counterpoise.rewards import Graded
from counterpoise.types import Verdict, VerdictValue


def verdict(value: VerdictValue, **parts: float) -> Verdict:
    return Verdict(value=value, answer="1", basis="run/all", seconds=0.0, verifier="code", version="1", parts=parts)


def test_the_part_is_the_reward() -> None:
    reward = Graded(part="tests_passed")(verdict(VerdictValue.WRONG, tests_passed=0.4))
    assert (reward.value, reward.low, reward.high) == (0.4, 0.0, 1.0)


def test_no_answer_is_zero_and_unscored_is_not_a_number() -> None:
    graded = Graded(part="tests_passed")
    assert graded(verdict(VerdictValue.NO_ANSWER)).value == 0.0
    assert math.isnan(graded(verdict(VerdictValue.UNSCORED)).value)


def test_a_missing_part_names_what_there_is() -> None:
    with pytest.raises(DataError, match=r"'code' gave no part 'f1' \(it gave: tests_passed\); name one of its parts"):
        Graded(part="f1")(verdict(VerdictValue.WRONG, tests_passed=0.4))


@pytest.mark.parametrize("value", [1.5, -0.1, math.nan])
def test_a_part_outside_the_unit_interval_is_refused(value: float) -> None:
    with pytest.raises(DataError, match=r"expected a number in \[0, 1\]"):
        Graded(part="f1")(verdict(VerdictValue.WRONG, f1=value))


def test_an_empty_name_is_refused() -> None:
    with pytest.raises(ConfigError, match="part is empty"):
        Graded(part="")
