import math

import pytest

from counterpoise.credit import StepStatistics, make_controller
from counterpoise.types import Sum


def seen(entropy: float, tokens: float = 100.0) -> dict[str, StepStatistics]:
    return {
        "math": StepStatistics(
            scored=8,
            correct=4,
            groups=1,
            solved_groups=1,
            plus_mass=1,
            minus_mass=1,
            entropy=Sum(total=entropy * tokens, count=tokens),
        )
    }


def weights(entropies: list[float], **settings: object) -> list[float]:
    controller = make_controller("entropy_step", **settings)
    return [controller.update(seen(entropy))["math"].plus for entropy in entropies]


def test_five_steps_are_the_reference_and_nothing_moves_until_then() -> None:
    # H_0 = mean(1, 2, 3, 2, 2) = 2; 1.7 is 15% below it, 2.1 inside the dead band, 2.6 is 30% above
    assert weights([1, 2, 3, 2, 2, 1.7, 2.1, 2.6, 2.6]) == pytest.approx([1.0] * 5 + [0.95, 0.95, 1.0, 1.05])


def test_the_weight_stays_in_its_range() -> None:
    assert weights([1.0] * 5 + [0.1] * 4, start=0.1, low=0.0)[-1] == 0.0
    assert weights([1.0] * 5 + [9.0] * 4, start=0.9, high=1.0)[-1] == 1.0


def test_a_step_without_a_measurement_is_passed_over() -> None:
    controller = make_controller("entropy_step")
    for entropy in [1.0] * 5:
        controller.update(seen(entropy))
    assert controller.update(seen(0.0, tokens=0.0))["math"].plus == 1.0
    assert math.isnan(controller.report()["entropy_ratio"])
    assert controller.report()["entropy_base"] == 1.0


def test_it_brings_a_plant_that_answers_to_the_weight_back_to_its_entropy() -> None:
    # the equilibrium entropy is 2 - plus, approached by a fifth of the way each step: with target 1 of H_0 = 0.5 plus must reach 1.5
    controller = make_controller("entropy_step", start=1.5, dead_band=0.02, step=0.02)
    entropy, found = 0.5, []
    for step in range(400):
        plus = controller.update(seen(entropy))["math"].plus
        shift = 0.3 if step > 100 else 0.0  # a step change of the plant: harder problems, say
        entropy += 0.2 * (2.0 + shift - plus - entropy)
        found.append(entropy)
    assert found[-1] == pytest.approx(0.5, abs=0.06)


def test_the_state_survives_in_the_middle_of_the_reference() -> None:
    controller = make_controller("entropy_step")
    for entropy in (1.0, 2.0, 3.0):
        controller.update(seen(entropy))
    other = make_controller("entropy_step")
    other.load_state_dict(controller.state_dict())
    for entropy in (2.0, 2.0, 9.0, 9.0):
        assert other.update(seen(entropy)) == controller.update(seen(entropy))
