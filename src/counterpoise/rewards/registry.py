"""Rewards by name."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from counterpoise.errors import ConfigError, UnknownNameError, nearest
from counterpoise.rewards.binary import Binary
from counterpoise.rewards.graded import Graded
from counterpoise.types import Reward, Verdict

__all__ = ["REWARDS", "RewardFunction", "make_reward"]


class RewardFunction(Protocol):
    """What a verdict is worth."""

    def __call__(self, verdict: Verdict) -> Reward:
        """Reward of one verdict; NaN when it is unscored."""
        ...


REWARDS: Mapping[str, Callable[..., RewardFunction]] = {
    "binary": Binary,
    "graded": Graded,
}


def make_reward(name: str, **settings: Any) -> RewardFunction:
    """The reward called `name`.

    Raises:
        UnknownNameError: no reward has that name.
        ConfigError: a setting is unknown, missing or malformed.
    """
    if name not in REWARDS:
        raise UnknownNameError("reward", name, REWARDS)
    parameters = inspect.signature(REWARDS[name]).parameters
    for setting in settings:
        if setting not in parameters:
            takes = ", ".join(parameters) or "no settings"
            raise ConfigError(
                f"reward {name}: unknown setting '{setting}'{nearest(setting, parameters)}; it takes: {takes}"
            )
    for setting in parameters:
        if setting not in settings:
            raise ConfigError(f"reward {name}: the setting '{setting}' is missing")
    return REWARDS[name](**settings)
