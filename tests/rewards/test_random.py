import math
from types import SimpleNamespace

import pytest

from counterpoise.errors import ConfigError, UsageError
from counterpoise.rewards import make_reward
from counterpoise.rewards.random import Random
from counterpoise.types import Verdict, VerdictValue


def verdicts(*values: VerdictValue) -> list[Verdict]:
    return [
        Verdict(value=value, answer="x", basis="boxed/x", seconds=0.0, verifier="qa", version="1", parts={})
        for value in values
    ]


def coin(probability: float | None = None) -> Random:
    made = make_reward("random", probability=probability)
    assert isinstance(made, Random)
    return made


RIGHT, WRONG, UNSCORED = VerdictValue.CORRECT, VerdictValue.WRONG, VerdictValue.UNSCORED


@pytest.mark.parametrize("seed", range(3))
def test_the_coin_does_not_know_the_response(seed: int) -> None:
    half = [RIGHT, WRONG] * 200
    one = [reward.value for reward in coin(0.25).draw(verdicts(*half), seed=seed)]
    other = [reward.value for reward in coin(0.25).draw(verdicts(*half[::-1]), seed=seed)]
    assert one == other and set(one) == {-1.0, 1.0}
    # 400 draws: 0.25 and a standard error of 0.022
    assert sum(value > 0 for value in one) / 400 == pytest.approx(0.25, abs=0.08)
    assert one != [reward.value for reward in coin(0.25).draw(verdicts(*half), seed=seed + 10)]


def test_unset_it_falls_right_as_often_as_the_step_was_right_over_all_processes() -> None:
    world = SimpleNamespace(rank=0, size=2, gather=lambda own: [*own, *own, *own, [0.0, 3.0]])
    found: list[float] = []
    for seed in range(300):
        found += [r.value for r in coin().draw(verdicts(RIGHT, WRONG), seed=seed, world=world)]
    # three processes of one right in two, and one of none in three: 3 / 9
    assert sum(value > 0 for value in found) / 600 == pytest.approx(1 / 3, abs=0.08)
    assert [r.value for r in coin().draw(verdicts(WRONG, WRONG), seed=1)] == [-1.0, -1.0]
    assert [r.value for r in coin().draw(verdicts(RIGHT, RIGHT), seed=1)] == [1.0, 1.0]


def test_what_is_unscored_stays_so() -> None:
    found = [reward.value for reward in coin(1.0).draw(verdicts(UNSCORED, WRONG), seed=0)]
    assert math.isnan(found[0]) and found[1] == 1.0
    assert all(math.isnan(reward.value) for reward in coin().draw(verdicts(UNSCORED), seed=0))
    assert coin().draw([], seed=0) == [] and coin().range == (-1.0, 1.0)


def test_mistakes_are_refused() -> None:
    with pytest.raises(UsageError, match=r"credit.reward=random is drawn for the responses of a training step"):
        coin()(verdicts(RIGHT)[0])
    with pytest.raises(ConfigError, match=r"random: probability = 1.5"):
        coin(1.5)
