import math

import pytest

from counterpoise.rewards import binary, make_reward
from counterpoise.types import Verdict, VerdictValue


def verdict(value: VerdictValue, **parts: float) -> Verdict:
    return Verdict(
        value=value, answer="1", basis="boxed/exact", seconds=0.0, verifier="exact", version="1", parts=parts
    )


@pytest.mark.parametrize(
    ("value", "reward"),
    [(VerdictValue.CORRECT, 1.0), (VerdictValue.WRONG, -1.0), (VerdictValue.NO_ANSWER, -1.0)],
)
def test_a_verdict_is_worth_plus_or_minus_one(value: VerdictValue, reward: float) -> None:
    assert binary(verdict(value)).value == reward
    assert make_reward("binary")(verdict(value)).value == reward


def test_unscored_is_not_a_number() -> None:
    assert math.isnan(binary(verdict(VerdictValue.UNSCORED)).value)


def test_the_range_and_the_parts_travel_along() -> None:
    reward = binary(verdict(VerdictValue.WRONG, tests_passed=0.4))
    assert (reward.low, reward.high, dict(reward.parts)) == (-1.0, 1.0, {"tests_passed": 0.4})
