import pytest

from counterpoise.credit import Controller, Lambdas, StepStatistics, make_controller
from counterpoise.errors import CheckpointError, ConfigError, UnknownNameError
from counterpoise.types import Sum

NOTHING = StepStatistics(
    scored=0, correct=0, groups=0, solved_groups=0, plus_mass=0, minus_mass=0, entropy=Sum(total=0, count=0)
)


def test_every_task_type_gets_the_same_two_weights() -> None:
    controller: Controller = make_controller("constant", lambda_plus=0.1)
    assert controller.update({"math": NOTHING, "code": NOTHING}) == {
        "math": Lambdas(plus=0.1, minus=1.0),
        "code": Lambdas(plus=0.1, minus=1.0),
    }


def test_its_state_is_empty_and_another_controller_s_state_is_refused() -> None:
    controller = make_controller("constant")
    controller.load_state_dict(controller.state_dict())
    with pytest.raises(CheckpointError, match=r"the state of another controller \(keys: ema\), not of 'constant'"):
        controller.load_state_dict({"ema": 0.5})


def test_bad_names_and_settings_are_refused() -> None:
    with pytest.raises(UnknownNameError, match=r"unknown credit.controller 'const'; did you mean 'constant'"):
        make_controller("const")
    with pytest.raises(
        ConfigError, match=r"credit.controller constant: lambda_plus = -1; expected a number in \[0, inf\)"
    ):
        make_controller("constant", lambda_plus=-1)
