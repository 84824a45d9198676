"""What trainers of other engines are given by hand beside the credit, held to the same bounds everywhere."""

from __future__ import annotations

import math
from typing import Any, Final, TypeGuard

from counterpoise.errors import ConfigError

__all__ = ["check_reward_range", "check_timeout", "is_number"]

_LONGEST: Final = 86_400.0


def check_reward_range(ends: Any, *, name: str = "reward_range", example: str = "(0, 1)") -> None:
    """Refuse what is not the reward of a wrong response and the larger one of a right one, both finite.

    Args:
        ends: what was given.
        name: what it is called there.
        example: how it is written there.

    Raises:
        ConfigError: it is none.
    """
    pair = isinstance(ends, (list, tuple)) and len(ends) == 2
    if not pair or not all(is_number(end) and math.isfinite(end) for end in ends) or not ends[0] < ends[1]:
        raise ConfigError(
            f"{name}={ends!r}: give the reward of a wrong response and the larger one of a right one, as {example}"
        )


def check_timeout(seconds: Any, *, name: str = "reward_timeout", none: str = "None") -> None:
    """Refuse a limit of a reward function that cannot be.

    Args:
        seconds: what was given; None is no limit.
        name: what it is called there.
        none: how None is written there.

    Raises:
        ConfigError: it is none in [0.1, 86400] seconds.
    """
    if seconds is not None and not (is_number(seconds) and 0.1 <= seconds <= _LONGEST):
        raise ConfigError(f"{name}={seconds!r}: give seconds in [0.1, {_LONGEST:g}], or {none} for no limit")


def is_number(value: Any) -> TypeGuard[float]:
    """Whether it is an int or a float; True and False are words here."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)
