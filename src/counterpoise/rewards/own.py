"""A plain function of a verdict as a reward."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from counterpoise.errors import ConfigError, DataError
from counterpoise.plugins.adopt import Shape, what_is
from counterpoise.plugins.source import ForeignPart
from counterpoise.settings import adopted
from counterpoise.types import Reward, Verdict

__all__ = ["own_reward"]

_OF_RESPONSES = {"response", "completions", "solution_str"}


@dataclass(frozen=True, slots=True, kw_only=True)
class _FunctionReward:
    """`r = function(verdict)`, a number in [low, high] or a `Reward`; NaN if unscored, which the function is not asked about."""

    low: float = -1.0
    """Smallest reward it gives."""
    high: float = 1.0
    """Largest reward it gives."""

    where: ClassVar[str]
    function: ClassVar[Callable[[Verdict], Any]]

    def __post_init__(self) -> None:
        if not self.low < self.high:
            raise ConfigError(f"{self.where}: low = {self.low:g} and high = {self.high:g}; expected low below high")

    @property
    def range(self) -> tuple[float, float]:
        """As the settings say."""
        return self.low, self.high

    def __call__(self, verdict: Verdict) -> Reward:
        """Reward of one verdict.

        Raises:
            DataError: the function raised, or returned something else.
        """
        if not verdict.scored:
            return Reward(value=math.nan, low=self.low, high=self.high, parts=verdict.parts)
        try:
            value = type(self).function(verdict)
        except Exception as error:
            raise DataError(f"{self.where} raised {type(error).__name__}: {error}") from error
        if isinstance(value, Reward):
            return value
        if not (isinstance(value, (int, float)) and self.low <= value <= self.high):  # as for NaN
            raise DataError(
                f"{self.where} returned {what_is(value)} for a verdict that is {verdict.value}; expected a number in "
                f"[{self.low:g}, {self.high:g}] (credit.reward_settings has low and high)"
            )
        return Reward(value=float(value), low=self.low, high=self.high, parts=verdict.parts)


def own_reward(loaded: ForeignPart) -> Callable[..., Any]:
    """What makes a reward of settings; those of a function of a verdict are the bounds of what it returns.

    Raises:
        ConfigError: it is neither a class nor such a function; one of a response is a verifier.
    """
    if inspect.isroutine(loaded.found) and _OF_RESPONSES & set(inspect.signature(loaded.found).parameters):
        raise ConfigError(
            f"credit.reward {loaded.name} is a function of a response, which is a verifier here: set tasks.settings.verifier to it; "
            "credit.reward is what its verdict is worth"
        )
    return _SHAPE.adopt("credit.reward", loaded)


def _of_function(where: str, loaded: ForeignPart) -> Callable[..., Any]:
    return adopted(where, _FunctionReward, {"where": where, "function": staticmethod(loaded.found)})


_SHAPE: Final = Shape(methods={"__call__": ("verdict",)}, attributes=("range",), wrap=_of_function)
