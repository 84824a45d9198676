"""Token weights by name: a new variant is one file here, one line below and one test."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from counterpoise.credit.token_weights.advantage_reweighting import AdvantageReweighting
from counterpoise.credit.token_weights.base import TokenWeight
from counterpoise.credit.token_weights.conflict_mask import ConflictMask
from counterpoise.credit.token_weights.entropy_safe import EntropySafe
from counterpoise.credit.token_weights.entropy_top import EntropyTop
from counterpoise.credit.token_weights.none import Unweighted
from counterpoise.credit.token_weights.probability import ProbabilityPower
from counterpoise.credit.token_weights.probability_floor import ProbabilityFloor
from counterpoise.credit.token_weights.unlikelihood import Unlikelihood
from counterpoise.plugins import Parts, Shape
from counterpoise.settings import construct

__all__ = ["TOKEN_WEIGHTS", "make_token_weights"]

_OWN: Mapping[str, Callable[..., TokenWeight]] = {
    "none": Unweighted,
    "probability": ProbabilityPower,
    "advantage_reweighting": AdvantageReweighting,
    "unlikelihood": Unlikelihood,
    "entropy_top": EntropyTop,
    "entropy_safe": EntropySafe,
    "conflict_mask": ConflictMask,
    "probability_floor": ProbabilityFloor,
}

TOKEN_WEIGHTS: Parts[Callable[..., TokenWeight]] = Parts(
    "token_weights",
    _OWN,
    Shape(methods={"__call__": ("context",)}, defaults={"needs_entropy": False}),
    message="credit.token_weights",
)
"""Token weights by name, as `credit.registry.RULES`."""


def make_token_weights(name: str, **settings: Any) -> TokenWeight:
    """The token weights called `name`, e.g. `make_token_weights("probability", a=0.5)`.

    Raises:
        UnknownNameError: no token weights have that name.
        ConfigError: a setting is unknown or out of range.
    """
    return construct("credit.token_weights", TOKEN_WEIGHTS, name, settings)
