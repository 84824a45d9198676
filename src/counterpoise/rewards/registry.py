"""Rewards by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from counterpoise.plugins import Parts
from counterpoise.rewards.abstention import Abstention
from counterpoise.rewards.binary import Binary
from counterpoise.rewards.graded import Graded
from counterpoise.rewards.own import own_reward
from counterpoise.rewards.random import Random
from counterpoise.rewards.vector import Vector
from counterpoise.settings import construct
from counterpoise.types import Reward, Verdict

__all__ = ["REWARDS", "RewardFunction", "make_reward"]


class RewardFunction(Protocol):
    """What a verdict is worth."""

    @property
    def range(self) -> tuple[float, float]:
        """Smallest and largest reward it can give."""
        ...

    def __call__(self, verdict: Verdict) -> Reward:
        """Reward of one verdict; NaN when it is unscored."""
        ...


_OWN: Mapping[str, Callable[..., RewardFunction]] = {
    "abstention": Abstention,
    "binary": Binary,
    "graded": Graded,
    "random": Random,
    "vector": Vector,
}

REWARDS: Parts[Callable[..., RewardFunction]] = Parts("reward", _OWN, own_reward)
"""Rewards by name; any other name is one of a package or an import path (`counterpoise.plugins`)."""


def make_reward(name: str, **settings: Any) -> RewardFunction:
    """The reward called `name`.

    Raises:
        UnknownNameError: no reward has that name.
        ConfigError: a setting is unknown, missing or malformed.
    """
    return construct("reward", REWARDS, name, settings)
