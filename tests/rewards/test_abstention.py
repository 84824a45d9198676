import math

import pytest

from counterpoise.errors import ConfigError
from counterpoise.rewards import make_reward
from counterpoise.types import Verdict, VerdictValue


def verdict(value: VerdictValue, **parts: float) -> Verdict:
    return Verdict(value=value, answer="x", basis="boxed/x", seconds=0.0, verifier="qa", version="1", parts=parts)


@pytest.mark.parametrize(
    ("value", "parts", "reward"),
    [
        (VerdictValue.CORRECT, {}, 1.0),
        (VerdictValue.WRONG, {}, -1.0),
        (VerdictValue.ABSTAINED, {}, 0.0),
        (VerdictValue.NO_ANSWER, {"abstained": 1.0}, -1.0),
        (VerdictValue.NO_ANSWER, {}, -1.0),
    ],
)
def test_declining_is_neutral_and_a_missing_answer_is_not(
    value: VerdictValue, parts: dict[str, float], reward: float
) -> None:
    assert make_reward("abstention")(verdict(value, **parts)).value == reward


def test_what_declining_is_worth_is_a_setting() -> None:
    declined = make_reward("abstention", abstained=-0.5)(verdict(VerdictValue.ABSTAINED))
    assert (declined.value, declined.low, declined.high) == (-0.5, -1.0, 1.0)
    assert math.isnan(make_reward("abstention")(verdict(VerdictValue.UNSCORED)).value)
    with pytest.raises(ConfigError, match=r"reward abstention: abstained = 1; expected a number in \[-1, 0.999\]"):
        make_reward("abstention", abstained=1)
