"""Surrogates by name: a new loss is one file, one line here and one test."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from counterpoise.losses.cispo import Cispo
from counterpoise.losses.gspo import Gspo
from counterpoise.losses.ppo_clip import PpoClip
from counterpoise.losses.reinforce import ReinforceLoss
from counterpoise.losses.tokens import Surrogate, SurrogateLoss
from counterpoise.losses.topr import Topr
from counterpoise.plugins import Parts, Shape
from counterpoise.settings import construct
from counterpoise.types import Loss

__all__ = ["LOSSES", "make_loss"]

_OWN: Mapping[str, Callable[..., Surrogate]] = {
    "reinforce": ReinforceLoss,
    "ppo_clip": PpoClip,
    "cispo": Cispo,
    "gspo": Gspo,
    "topr": Topr,
}

LOSSES: Parts[Callable[..., Surrogate]] = Parts("loss", _OWN, Shape(methods={"__call__": ("tokens",)}))
"""Surrogates by name; any other name is one of a package or an import path (`counterpoise.plugins`)."""


def make_loss(name: str, **settings: Any) -> Loss:
    """The surrogate called `name`, e.g. `make_loss("ppo_clip", clip_low=0.2, clip_high=0.28)`; terms come from `with_terms`.

    Raises:
        UnknownNameError: no loss has that name.
        ConfigError: a setting is unknown or out of range.
    """
    return SurrogateLoss(surrogate=construct("loss", LOSSES, name, settings))
