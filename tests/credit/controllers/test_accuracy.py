import pytest

from counterpoise.credit import Lambdas, StepStatistics, make_controller
from counterpoise.errors import ConfigError
from counterpoise.types import Sum


def seen(correct: float, scored: float) -> StepStatistics:
    return StepStatistics(
        scored=scored,
        correct=correct,
        groups=1,
        solved_groups=1,
        plus_mass=1,
        minus_mass=1,
        entropy=Sum(total=0, count=0),
    )


def test_the_negative_weight_falls_with_the_success_rate_of_its_own_task_type() -> None:
    controller = make_controller("accuracy", minus_low=0.2, minus_high=1.0, lambda_plus=0.1, smoothing=0.0)
    weights = controller.update({"math": seen(3, 4), "code": seen(0, 4)})
    # 0.2 + 0.8 (1 - 3/4) and 0.2 + 0.8 (1 - 0)
    assert weights == {"math": Lambdas(plus=0.1, minus=pytest.approx(0.4)), "code": Lambdas(plus=0.1, minus=1.0)}
    assert controller.report() == {"success_rate/math": 0.75, "success_rate/code": 0.0}


def test_steps_are_averaged_and_a_step_without_scores_changes_nothing() -> None:
    controller = make_controller("accuracy", minus_low=0.0, smoothing=0.5)
    controller.update({"math": seen(0, 4)})
    controller.update({"math": seen(4, 4)})
    # (0 + 1) / 2
    assert controller.update({"math": seen(0, 0)})["math"].minus == 0.5


def test_the_state_survives() -> None:
    controller = make_controller("accuracy")
    controller.update({"math": seen(1, 4)})
    other = make_controller("accuracy")
    other.load_state_dict(controller.state_dict())
    assert other.update({"math": seen(4, 4)}) == controller.update({"math": seen(4, 4)})


def test_low_above_high_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"minus_high = 0.1; expected a number in \[0.5, inf\)"):
        make_controller("accuracy", minus_low=0.5, minus_high=0.1)
