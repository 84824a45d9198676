import math

import pytest

from counterpoise.credit import Lambdas, StepStatistics, make_controller
from counterpoise.errors import CheckpointError, ConfigError
from counterpoise.types import Sum

NOTHING = StepStatistics(
    scored=0, correct=0, groups=0, solved_groups=0, plus_mass=0, minus_mass=0, entropy=Sum(total=0, count=0)
)


def path(name: str, taken: int, **settings: object) -> list[Lambdas]:
    controller = make_controller(name, **settings)
    return [controller.update({"math": NOTHING})["math"] for _ in range(taken)]


def test_linear_goes_from_the_first_value_to_the_last_and_stays() -> None:
    plus = [weights.plus for weights in path("linear", 7, steps=5, plus_start=1.0, plus_end=0.2)]
    assert plus == pytest.approx([1.0, 0.8, 0.6, 0.4, 0.2, 0.2, 0.2])


def test_both_weights_can_move() -> None:
    last = path("linear", 3, steps=3, plus_start=0.0, plus_end=1.0, minus_start=1.0, minus_end=0.5)[-1]
    assert last == Lambdas(plus=1.0, minus=0.5)


def test_cosine_is_half_way_in_the_middle_and_flat_at_the_ends() -> None:
    plus = [weights.plus for weights in path("cosine", 5, steps=5, plus_start=1.0, plus_end=0.0)]
    # (1 + cos(pi s)) / 2 at s = 0, 1/4, 1/2, 3/4, 1
    assert plus == pytest.approx([1.0, (1 + math.sqrt(0.5)) / 2, 0.5, (1 - math.sqrt(0.5)) / 2, 0.0])


def test_exponential_takes_the_same_factor_every_step() -> None:
    plus = [weights.plus for weights in path("exponential", 5, steps=5, plus_start=1.6, plus_end=0.1)]
    assert plus == pytest.approx([1.6, 0.8, 0.4, 0.2, 0.1])


@pytest.mark.parametrize(
    ("steps", "share", "first"), [(8, 0.25, 2), (10, 0.2, 2), (100, 0.3, 30), (4, 0.0, 0), (3, 1.0, 3)]
)
def test_warmup_is_positive_only_for_its_share_of_the_steps(steps: int, share: float, first: int) -> None:
    minus = [weights.minus for weights in path("warmup_psr", steps, steps=steps, share=share)]
    assert minus == [0.0] * first + [1.0] * (steps - first)


@pytest.mark.parametrize("name", ["linear", "cosine", "exponential", "warmup_psr"])
def test_a_resumed_schedule_goes_on_where_it_stopped(name: str) -> None:
    unbroken = path(name, 9, steps=9)
    before = make_controller(name, steps=9)
    for _ in range(4):
        before.update({"math": NOTHING})
    after = make_controller(name, steps=9)
    after.load_state_dict(before.state_dict())
    assert [after.update({"math": NOTHING})["math"] for _ in range(5)] == unbroken[4:]
    assert after.report() == {"progress": 1.0}


def test_a_single_step_has_the_first_value() -> None:
    assert path("linear", 1, steps=1)[0].plus == 1.0


def test_impossible_settings_and_states_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"exponential: plus_end = 0.0; expected a number in \(0, inf\)"):
        make_controller("exponential", steps=3, plus_end=0.0)
    with pytest.raises(ConfigError, match=r"linear: minus_end = -1.0"):
        make_controller("linear", steps=3, minus_end=-1.0)
    with pytest.raises(ConfigError, match="the setting 'steps' is missing"):
        make_controller("cosine")
    with pytest.raises(CheckpointError, match=r"another controller \(keys: rates\), not of 'linear'"):
        make_controller("linear", steps=3).load_state_dict({"rates": {}})
