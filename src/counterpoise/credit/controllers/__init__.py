"""What sets the two lambdas each step."""

from counterpoise.credit.controllers.base import Controller, Lambdas, StepStatistics, lambdas_for_rows
from counterpoise.credit.controllers.constant import Constant
from counterpoise.credit.controllers.measure import step_statistics
from counterpoise.credit.controllers.registry import CONTROLLERS, make_controller

__all__ = [
    "CONTROLLERS",
    "Constant",
    "Controller",
    "Lambdas",
    "StepStatistics",
    "lambdas_for_rows",
    "make_controller",
    "step_statistics",
]
