"""Emphasis d(p): how much a group counts, the same for both signs, so that the polarity share does not move."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Protocol

from counterpoise.credit.groups import GroupStatistics
from counterpoise.lazy import torch
from counterpoise.plugins import Parts, Shape
from counterpoise.ranges import NonNegative
from counterpoise.settings import construct, settings

__all__ = ["EMPHASES", "Emphasis", "Focal", "Inverse", "InverseSqrt", "Mad", "NoEmphasis", "make_emphasis"]


class Emphasis(Protocol):
    """A weight per group from its success rate."""

    divides: ClassVar[bool]
    """Whether it divides by something that is small for hard groups: refused with a rule that has divided already."""

    def __call__(self, statistics: GroupStatistics) -> torch.Tensor:
        """(N,) float64 `d(p) >= 0`, finite for every p in [0, 1]."""
        ...


@settings("credit.emphasis none")
class NoEmphasis:
    """`d = 1`."""

    divides: ClassVar[bool] = False

    def __call__(self, statistics: GroupStatistics) -> torch.Tensor:
        """(N,) ones."""
        return torch.ones_like(statistics.p)


@settings("credit.emphasis focal")
class Focal:
    """`d = (1 - p)^gamma`: easy groups count less. Source: F-GRPO, arXiv 2602.06717. At p = 1 it is 0 (1 when gamma = 0)."""

    gamma: NonNegative = 1.0
    """Exponent, >= 0; 0 is `none`."""

    divides: ClassVar[bool] = False

    def __call__(self, statistics: GroupStatistics) -> torch.Tensor:
        """(N,) float64 weights."""
        return (1.0 - statistics.p) ** self.gamma


@settings("credit.emphasis inverse")
class Inverse:
    """`d = 1 / p`: hard groups count more, as the gradient of `log p` weighs them (arXiv 2602.02710). At p = 0: `at_pole`."""

    at_pole: NonNegative = 1.0
    """Value at p = 0, >= 0; the default leaves an all-wrong group's own credit as the rule gave it."""

    divides: ClassVar[bool] = True

    def __call__(self, statistics: GroupStatistics) -> torch.Tensor:
        """(N,) float64 weights."""
        return _reciprocal(statistics.p, self.at_pole)


@settings("credit.emphasis inverse_sqrt")
class InverseSqrt:
    """`d = 1 / sqrt(p (1 - p))`: division by the population std, as GRPO does (arXiv 2402.03300). At p in {0, 1}: `at_pole`."""

    at_pole: NonNegative = 1.0
    """Value at p in {0, 1}, >= 0; the default leaves such a group's own credit as the rule gave it."""

    divides: ClassVar[bool] = True

    def __call__(self, statistics: GroupStatistics) -> torch.Tensor:
        """(N,) float64 weights."""
        return _reciprocal(torch.sqrt(statistics.p * (1.0 - statistics.p)), self.at_pole)


@settings("credit.emphasis mad")
class Mad:
    """`d = 1 / (2 p (1 - p))`: division by the mean absolute deviation of r in {0, 1} from its mean. At p in {0, 1}: `at_pole`."""

    at_pole: NonNegative = 1.0
    """Value at p in {0, 1}, >= 0; the default leaves such a group's own credit as the rule gave it."""

    divides: ClassVar[bool] = True

    def __call__(self, statistics: GroupStatistics) -> torch.Tensor:
        """(N,) float64 weights."""
        return _reciprocal(2.0 * statistics.p * (1.0 - statistics.p), self.at_pole)


_OWN: Mapping[str, type[Emphasis]] = {
    "none": NoEmphasis,
    "focal": Focal,
    "inverse": Inverse,
    "inverse_sqrt": InverseSqrt,
    "mad": Mad,
}

EMPHASES: Parts[type[Emphasis]] = Parts(
    "emphasis",
    _OWN,
    Shape(methods={"__call__": ("statistics",)}, defaults={"divides": False}),
    message="credit.emphasis",
)
"""Emphases by name, as `credit.registry.RULES`."""


def make_emphasis(name: str, **settings: Any) -> Emphasis:
    """The emphasis called `name`, e.g. `make_emphasis("focal", gamma=2.0)`.

    Raises:
        UnknownNameError: no emphasis has that name.
        ConfigError: a setting is unknown or out of range.
    """
    return construct("credit.emphasis", EMPHASES, name, settings)


def _reciprocal(value: torch.Tensor, at_pole: float) -> torch.Tensor:
    return torch.where(value == 0, at_pole, 1.0 / value)
