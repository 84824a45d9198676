import json
import math

import numpy as np
import pytest

from counterpoise.credit import StepStatistics, make_controller
from counterpoise.credit.controllers.plant import PlantSign
from counterpoise.errors import CheckpointError, ConfigError
from counterpoise.types import Sum


def seen(p: float, *, entropy: float = 1.0, coverage: float = 1.0, groups: float = 64.0) -> StepStatistics:
    """One step with success rate p: ten tokens a rollout, eight rollouts a group, masses of the rule `reinforce`."""
    rollouts = 8 * groups
    return StepStatistics(
        scored=rollouts,
        correct=p * rollouts,
        groups=groups,
        solved_groups=coverage * groups,
        plus_mass=10 * p * rollouts,
        minus_mass=10 * (1 - p) * rollouts,
        entropy=Sum(total=entropy * 10 * rollouts, count=10 * rollouts),
    )


def measured(weights: object, p: float) -> float:
    up, down = weights.plus * p, weights.minus * (1 - p)  # type: ignore[attr-defined]
    return up / (up + down)


@pytest.mark.parametrize("p", [0.02, 0.08, 0.5, 0.9, 0.99])
def test_the_measured_share_is_the_set_point_whatever_the_success_rate(p: float) -> None:
    controller = make_controller("share", rho_min=0.05, rho=0.2)
    weights = controller.update({"math": seen(p)})["math"]
    assert measured(weights, p) == pytest.approx(0.2)


def test_the_formula_by_hand() -> None:
    # lambda+ = 0.2 / 0.8 * 0.92 / 0.08 = 2.875
    weights = make_controller("share", rho_min=0.05, rho=0.2).update({"math": seen(0.08)})["math"]
    assert (weights.plus, weights.minus) == (pytest.approx(2.875), 1.0)


def test_where_the_positive_weight_is_at_its_largest_the_negative_one_falls_and_the_share_holds() -> None:
    weights = make_controller("share", rho=0.5, lambda_max=4.0).update({"math": seen(0.1)})["math"]
    # 1 * 0.9 / 0.1 = 9 > 4: lambda+ = 4, lambda- = 4 / 9
    assert (weights.plus, weights.minus) == (4.0, pytest.approx(4 / 9))
    assert measured(weights, 0.1) == pytest.approx(0.5)


def test_without_any_success_nothing_is_pushed_down() -> None:
    assert make_controller("share").update({"math": seen(0.0, coverage=0.0)})["math"].minus == 0.0


def test_without_any_failure_the_weights_are_one() -> None:
    weights = make_controller("share").update({"math": seen(1.0)})["math"]
    assert (weights.plus, weights.minus) == (1.0, 1.0)


def test_one_step_without_successes_is_smoothed_over() -> None:
    controller = make_controller("share", rho_min=0.05, rho=0.2, smoothing=0.9)
    controller.update({"math": seen(0.5)})
    weights = controller.update({"math": seen(0.0, coverage=0.0)})["math"]
    # W+ = 0.9 * 0.5 = 0.45, W- = 0.9 * 0.5 + 0.1 = 0.55; coverage 0.9 is above the floor
    assert weights.plus == pytest.approx(0.25 * 0.55 / 0.45)


def test_low_coverage_raises_the_share() -> None:
    controller = make_controller("share", rho_min=0.05, rho=0.2)
    weights = controller.update({"math": seen(0.02, coverage=0.06)})["math"]
    # 0.5 (1 - 0.06 / 0.3) = 0.4
    assert measured(weights, 0.02) == pytest.approx(0.4)
    assert controller.report()["rho/math"] == pytest.approx(0.4)
    assert controller.report()["rho"] == pytest.approx(0.2)


def test_entropy_above_its_target_raises_the_set_point_and_below_lowers_it() -> None:
    controller = make_controller("share", rho=0.3, rho_min=0.05, rho_max=0.6, gain=0.5)
    for _ in range(5):
        controller.update({"math": seen(0.5, entropy=2.0)})
    controller.update({"math": seen(0.5, entropy=2.1)})
    assert controller.report()["rho"] == pytest.approx(0.3)  # 5% is inside the dead band
    controller.update({"math": seen(0.5, entropy=3.0)})
    inside = (0.3 - 0.05) / 0.55
    raised = math.log(inside / (1 - inside)) + 0.5 * 0.5  # u + gain * (3/2 - 1)
    assert controller.report()["rho"] == pytest.approx(0.05 + 0.55 / (1 + math.exp(-raised)))
    controller.update({"math": seen(0.5, entropy=1.0)})
    assert controller.report()["rho"] == pytest.approx(0.3)  # u - 0.5 * 0.5 takes it back


def test_it_holds_a_plant_s_entropy_through_a_step_change() -> None:
    controller = make_controller("share", rho=0.3, rho_min=0.05, rho_max=0.6, gain=0.2, dead_band=0.02)
    entropy, trace = 1.0, []
    for step in range(600):
        controller.update({"math": seen(0.4, entropy=entropy)})
        drift = 0.6 if step < 300 else 0.9  # equilibrium 1 at rho = 0.3 first; at 0.6 later
        entropy += 0.1 * (drift + 0.4 - (controller.report()["rho"] - 0.3) / 0.3 - entropy)
        trace.append(entropy)
    assert trace[290] == pytest.approx(1.0, abs=0.03)
    assert max(trace[300:]) < 1.4
    assert trace[-1] == pytest.approx(1.0, abs=0.05)


def test_it_does_not_run_away_on_a_plant_of_the_wrong_sign() -> None:
    def end(response: float) -> tuple[float, float]:
        controller = make_controller("share", rho=0.3, rho_min=0.05, rho_max=0.6, gain=0.3, dead_band=0.01)
        entropy = 1.0
        for step in range(300):
            controller.update({"math": seen(0.4, entropy=entropy)})
            wobble = 0.2 if step > 5 else 0.0
            entropy += 0.1 * (1.0 + wobble + response * (controller.report()["rho"] - 0.3) - entropy)
        return controller.report()["rho"], controller.report()["feedback_frozen"]

    rho, frozen = end(+3.0)
    assert frozen == 1.0
    assert rho < 0.58  # unfrozen it ends at its largest, 0.6 less a hair
    assert end(-3.0)[1] == 0.0


def test_task_types_have_their_own_weights_and_small_ones_borrow() -> None:
    controller = make_controller("share", rho_min=0.05, rho=0.2, shrinkage=0.0)
    own = controller.update({"easy": seen(0.9), "hard": seen(0.1)})
    assert measured(own["easy"], 0.9) == pytest.approx(0.2)
    assert measured(own["hard"], 0.1) == pytest.approx(0.2)
    borrowing = make_controller("share", rho_min=0.05, rho=0.2, shrinkage=64.0, lambda_max=1e6)
    mixed = borrowing.update({"easy": seen(0.9), "hard": seen(0.1, groups=1.0)})
    # hard: 1 group of its own and 64 of the mixture of 65 groups, in which p = (64 * 0.9 + 0.1) / 65
    mixture = (64 * 0.9 + 0.1) / 65
    p = (0.1 + 64 * mixture) / 65
    assert mixed["hard"].plus == pytest.approx(0.25 * (1 - p) / p)


def test_a_resumed_controller_decides_as_an_unbroken_one() -> None:
    def steps(first: int, last: int) -> list[dict[str, StepStatistics]]:
        return [{"a": seen(0.3, entropy=1 + 0.1 * math.sin(i)), "b": seen(0.6, groups=5.0)} for i in range(first, last)]

    unbroken = make_controller("share", dead_band=0.0)
    expected = [unbroken.update(step) for step in steps(0, 30)]
    before, after = make_controller("share", dead_band=0.0), make_controller("share", dead_band=0.0)
    for step in steps(0, 13):
        before.update(step)
    after.load_state_dict(json.loads(json.dumps(before.state_dict())))
    assert [after.update(step) for step in steps(13, 30)] == expected[13:]
    assert after.report() == unbroken.report()


def test_impossible_settings_and_states_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"rho = 0.9; expected a number in \(0.2, 0.8\)"):
        make_controller("share", rho=0.9)
    with pytest.raises(CheckpointError, match="not of 'share'"):
        make_controller("share").load_state_dict({})


def test_the_plant_s_response_is_found_at_equal_entropy() -> None:
    # the change follows rho and falls back with the level: only the partial correlation is exactly one
    draws = np.random.default_rng(0).uniform(0.2, 0.4, size=40)
    plant, entropy = PlantSign(), 1.0
    plant.observe(rho=0.3, entropy_ratio=entropy)
    for count, rho in enumerate(draws):
        assert plant.reversed == (count >= 10)
        entropy += 2.0 * (rho - 0.3) - 0.5 * (entropy - 1.0)
        plant.observe(rho=rho, entropy_ratio=entropy)
    assert plant.correlation == pytest.approx(1.0)
    plant.observe(rho=0.4, entropy_ratio=math.nan)
    assert plant.correlation == pytest.approx(1.0)


def test_a_set_point_that_stands_still_tells_nothing() -> None:
    plant = PlantSign()
    for i in range(40):
        plant.observe(rho=0.3, entropy_ratio=1 + 0.1 * math.sin(i))
    assert math.isnan(plant.correlation)
    assert not plant.reversed
