"""Controllers by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from counterpoise.credit.controllers.accuracy import Accuracy
from counterpoise.credit.controllers.base import Controller
from counterpoise.credit.controllers.constant import Constant
from counterpoise.credit.controllers.entropy_step import EntropyStep
from counterpoise.credit.controllers.schedules import Cosine, Exponential, Linear, WarmupPsr
from counterpoise.credit.controllers.share import PolarityShare
from counterpoise.plugins import Parts, Shape
from counterpoise.settings import construct

__all__ = ["CONTROLLERS", "make_controller"]

_OWN: Mapping[str, Callable[..., Controller]] = {
    "constant": Constant,
    "linear": Linear,
    "cosine": Cosine,
    "exponential": Exponential,
    "warmup_psr": WarmupPsr,
    "accuracy": Accuracy,
    "entropy_step": EntropyStep,
    "share": PolarityShare,
}

CONTROLLERS: Parts[Callable[..., Controller]] = Parts(
    "controller",
    _OWN,
    Shape(methods={"update": ("statistics",), "report": (), "state_dict": (), "load_state_dict": ("state",)}),
    message="credit.controller",
)
"""Controllers by name, as `credit.registry.RULES`."""


def make_controller(name: str, **settings: Any) -> Controller:
    """The controller called `name`.

    Raises:
        UnknownNameError: no controller has that name.
        ConfigError: a setting is unknown or out of range.
    """
    return construct("credit.controller", CONTROLLERS, name, settings)
