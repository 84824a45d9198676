import pytest

from counterpoise.credit.controllers.base import StepStatistics
from counterpoise.credit.controllers.registry import CONTROLLERS, make_controller
from counterpoise.types import Sum

SETTINGS = {"linear": {"steps": 4}, "cosine": {"steps": 4}, "exponential": {"steps": 4}, "warmup_psr": {"steps": 4}}


def decisions(name, entropies):
    """The lambdas after each of some steps that differ in their entropy alone."""
    controller = make_controller(name, **SETTINGS.get(name, {}))
    return [
        controller.update(
            {
                "all": StepStatistics(
                    scored=64, correct=32, groups=8, solved_groups=8, plus_mass=32, minus_mass=32,
                    entropy=Sum(total=100 * entropy, count=100),
                )
            }
        )
        for entropy in entropies
    ]  # fmt: skip


@pytest.mark.parametrize("name", CONTROLLERS)
def test_a_controller_says_whether_it_reads_the_entropy(name):
    steady, falling = decisions(name, [1.0] * 24), decisions(name, [1.0] * 8 + [0.1] * 16)
    assert (steady != falling) is CONTROLLERS[name].reads_entropy
